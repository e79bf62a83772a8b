# SPDX-License-Identifier: Apache-2.0
"""Material passes of a sample <-> albedo.exr, roughness.exr, metallic.exr, position.exr, object_index.png."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ShardError
from multishade.imaging.codecs import (
    decode_exr,
    decode_png,
    encode_exr,
    encode_png,
    split_channels,
    stack_channels,
)
from multishade.protocol.scene import PASSES

# Pass -> channels of its EXR file; None: a 16-bit PNG.
CHANNELS: dict[str, str | None] = {
    "albedo": "RGB",
    "roughness": "Y",
    "metallic": "Y",
    "position": "RGB",
    "object_index": None,
}
# Added to `conventions` of meta.json for the passes that are stored.
CONVENTIONS = {
    "albedo": "base colour of the Principled shader, linear, Rec.709 primaries, at the pixel's centre; 0 off the mask",
    "roughness": "roughness of the Principled shader (its square is GGX's alpha), 0 to 1; 0 off the mask",
    "metallic": "metallic of the Principled shader, 0 to 1; 0 off the mask",
    "position": "x, y, z of the surface at the pixel's centre, camera frame, scene units; 0 off the mask",
    "object_index": "number of the mesh object in the file, from 1; 0 off the mask",
}


def pass_file(name: str) -> str:
    """The file of a pass, without the key."""
    return f"{name}.{'png' if CHANNELS[name] is None else 'exr'}"


PASS_FILES = {pass_file(name): name for name in PASSES}


def encode_passes(passes: Mapping[str, NDArray[Any]], compression: str) -> list[tuple[str, bytes]]:
    """Encode passes in the order of `PASSES`.

    Args:
        passes: Name -> array as in `Sample.passes`.
        compression: Of the EXR files, lossless.

    Returns:
        Name and bytes of each file. Albedo, roughness and metallic are rounded to half floats; positions stay float32.
    """
    return [(pass_file(name), _encode(name, passes[name], compression)) for name in PASSES if name in passes]


def _encode(name: str, values: NDArray[Any], compression: str) -> bytes:
    channels = CHANNELS[name]
    if channels is None:
        return encode_png(values.astype(np.uint16))
    floats: NDArray[np.floating] = values.astype(np.float32)
    stored: NDArray[np.floating] = floats if name == "position" else floats.astype(np.float16)
    planes: dict[str, NDArray[np.floating]] = (
        {"Y": stored} if channels == "Y" else split_channels(stored, channels)
    )
    return encode_exr(planes, compression, colour=name == "albedo")


def describe_passes(passes: Mapping[str, Any], compression: str) -> dict[str, Any]:
    """Content of `meta["encoding"]` for these passes."""
    described: dict[str, Any] = {}
    for name in PASSES:
        if name in passes and CHANNELS[name] is None:
            described[name] = {"file": "png", "bits": 16}
        elif name in passes:
            kind = "float" if name == "position" else "half"
            described[name] = {"file": "exr", "compression": compression, "type": kind}
    return described


def decode_passes(key: str, files: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """Decode the passes among the files of a sample, as in `Sample.passes`; empty if there are none.

    Raises:
        ShardError: If a file holds something else.
        ImageFileError: If a file is damaged.
    """
    return {name: decode_pass(key, name, files[file]) for file, name in PASS_FILES.items() if file in files}


def decode_pass(key: str, name: str, data: bytes) -> NDArray[Any]:
    """Decode one pass: (H, W, 3) or (H, W) float32, object_index (H, W) uint16. Raises as `decode_passes`."""
    where = f"{key}.{pass_file(name)}"
    channels = CHANNELS[name]
    if channels is None:
        pixels = decode_png(data, where)
        if pixels.ndim != 2 or pixels.dtype != np.uint16:
            raise ShardError(f"{where}: is {pixels.shape} {pixels.dtype}, not 16-bit grey")
        return pixels
    values = stack_channels(decode_exr(data, where), channels, where)
    return values[..., 0] if channels == "Y" else values


def pass_shape(name: str, size: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a pass of a frame of size (H, W)."""
    return (*size, 3) if CHANNELS[name] == "RGB" else size
