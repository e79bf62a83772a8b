# SPDX-License-Identifier: Apache-2.0
"""One array of a sample <-> the bytes of its file in a shard, in any of the formats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ShardError
from multishade.imaging.codecs import (
    EXR_COMPRESSIONS,
    HALF_MAX,
    decode_exr,
    decode_png,
    encode_exr,
    encode_png,
    split_channels,
    stack_channels,
)
from multishade.imaging.color import linear_to_png, png_to_linear

_LIGHT_FILE = re.compile(r"light_\d+\.png")
# Lengths tried when a normal is rounded to half floats; the step of a half in [0.5, 1) is 2**-11.
_TRIED_LENGTHS = (1 - 2.0**-12, 1 + 2.0**-12)


@dataclass(frozen=True)
class FieldFormat:
    """The formats of a sample's files. The defaults: half-float EXR, images DWAB, ground truth lossless.

    Attributes:
        image: Format of images, and of the frames of mode photometric.
        image_compression: Of EXR images.
        dwa_level: Quality of DWAA and DWAB; larger is smaller and worse.
        normal: Type of the normals.
        data_compression: Of normal, depth and shading; lossless.
        shading_stored: Whether the shading sequence is stored; False: it is derived from the normal (mode lambert).
        basis_compression: Of a light basis.
        hashes: Whether meta.json holds the sha256 of each file.
    """

    image: Literal["exr", "png16", "png8"] = "exr"
    image_compression: str = "dwab"
    dwa_level: float = 45.0
    normal: Literal["half", "float"] = "half"
    data_compression: str = "zip"
    shading_stored: bool = True
    basis_compression: str = "zip"
    hashes: bool = False

    def __post_init__(self) -> None:
        require_one_of("image", self.image, ("exr", "png16", "png8"))
        require_one_of("image_compression", self.image_compression, EXR_COMPRESSIONS)
        require_one_of("basis_compression", self.basis_compression, EXR_COMPRESSIONS)
        require_one_of("normal", self.normal, ("half", "float"))
        lossless = [name for name in EXR_COMPRESSIONS if name not in ("pxr24", "dwaa", "dwab")]
        require_one_of("data_compression", self.data_compression, lossless)


def light_names(count: int, prefix: str = "L") -> list[str]:
    """Name lights so that the names sort in their order: L00, L01, ... (L000, ... for more than a hundred)."""
    width = max(2, len(str(count - 1)))
    return [f"{prefix}{number:0{width}d}" for number in range(count)]


def round_normals_to_half(normal: NDArray[np.float32]) -> NDArray[np.float16]:
    """Round normals to half floats: of three roundings the nearest in direction.

    A normal is a direction: a deviation of its length of less than 0.07 % reduces the largest angular error of half
    floats from 0.023 to 0.014 degrees, without additional storage.

    Args:
        normal: (N, 3) unit vectors.

    Returns:
        (N, 3) float16.
    """
    nearest = normal.astype(np.float16)
    error = _squared_sine(nearest, normal)
    for length in _TRIED_LENGTHS:
        rounded = (normal * np.float32(length)).astype(np.float16)
        rounded_error = _squared_sine(rounded, normal)
        better = rounded_error < error
        nearest[better] = rounded[better]
        error[better] = rounded_error[better]
    return nearest


def _squared_sine(rounded: NDArray[np.float16], normal: NDArray[np.float32]) -> NDArray[np.float32]:
    # From the difference, not the product: float32 would lose angles this small in 1 - cos.
    difference = rounded.astype(np.float32) - normal
    along = np.einsum("ij,ij->i", difference, normal)
    return np.einsum("ij,ij->i", difference, difference) - along * along


def encode_image(name: str, image: NDArray[np.float32], format: FieldFormat) -> tuple[str, bytes]:
    """Encode linear light (H, W, 3) in the format of images; returns the file's name and its bytes."""
    if format.image == "exr":
        planes = split_channels(_half(image), "RGB")
        return f"{name}.exr", encode_exr(planes, format.image_compression, format.dwa_level, colour=True)
    return f"{name}.png", encode_png(linear_to_png(image, 16 if format.image == "png16" else 8))


def encode_alpha(alpha: NDArray[np.float32]) -> bytes:
    """Encode coverage (H, W), clipped to 0..1, as 8-bit PNG."""
    return encode_png(np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8))


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask (H, W) as PNG of 0 and 255."""
    return encode_png(mask.astype(np.uint8) * 255)


def encode_normal(normal: NDArray[np.float32], mask: NDArray[np.bool_], format: FieldFormat) -> bytes:
    """Encode normals (H, W, 3) as EXR with x, y, z in the channels R, G, B."""
    if format.normal == "float":
        return encode_exr(split_channels(normal.astype(np.float32), "RGB"), format.data_compression)
    stored = normal.astype(np.float16)
    stored[mask] = round_normals_to_half(normal[mask].astype(np.float32))
    return encode_exr(split_channels(stored, "RGB"), format.data_compression)


def encode_depth(depth: NDArray[np.float32], format: FieldFormat) -> bytes:
    """Encode depth (H, W) as float32 EXR with channel Z."""
    return encode_exr({"Z": depth.astype(np.float32)}, format.data_compression)


def encode_shading(shading: NDArray[np.float32], format: FieldFormat) -> list[tuple[str, bytes]]:
    """Encode a shading sequence.

    Args:
        shading: (K, H, W): one EXR with channels L00, L01, ... (K, H, W, 3), images of the object: one EXR with the
            channels L00.R, L00.G, ... in the format of images, or with PNG one file per light (light_00.png, ...).
        format: The formats.

    Returns:
        Name and bytes of each file.
    """
    if shading.ndim == 3:
        planes = dict(zip(light_names(len(shading)), _half(shading), strict=True))
        return [("shading.exr", encode_exr(planes, format.data_compression))]
    if format.image != "exr":
        names = light_names(len(shading), "light_")
        return [encode_image(name, frame, format) for name, frame in zip(names, shading, strict=True)]
    return [("shading.exr", _encode_frames(shading, format.image_compression, format.dwa_level))]


def encode_basis(basis: NDArray[np.float32], format: FieldFormat) -> bytes:
    """(M, H, W, 3) images under one light each -> EXR with channels L00.R, L00.G, L00.B, L01.R, ..."""
    return _encode_frames(basis, format.basis_compression, format.dwa_level)


def _encode_frames(frames: NDArray[np.float32], compression: str, dwa_level: float) -> bytes:
    planes = {
        f"{name}.{channel}": plane
        for name, frame in zip(light_names(len(frames)), _half(frames), strict=True)
        for channel, plane in split_channels(frame, "RGB").items()
    }
    return encode_exr(planes, compression, dwa_level, colour=True)


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.clip(values, -HALF_MAX, HALF_MAX).astype(np.float16)


def describe(format: FieldFormat, mode: str) -> dict[str, Any]:
    """Content of `meta["encoding"]` for files in this format; mode is the shading's."""
    image: dict[str, Any]
    if format.image == "exr":
        image = _describe_light(format.image_compression, format)
    else:
        image = {"file": "png", "bits": int(format.image[3:]), "transfer": "srgb", "clip": [0, 1]}
    data = {"file": "exr", "compression": format.data_compression}
    shading: dict[str, Any] = {**data, "type": "half"} if mode != "photometric" else image
    return {
        "image": image,
        "normal": {**data, "type": format.normal},
        "depth": {**data, "type": "float"},
        "shading": {"stored": True, **shading} if format.shading_stored else {"stored": False},
    }


def describe_basis(format: FieldFormat) -> dict[str, Any]:
    """Content of `meta["encoding"]["light_basis"]`: EXR for any format of the images."""
    return _describe_light(format.basis_compression, format)


def _describe_light(compression: str, format: FieldFormat) -> dict[str, Any]:
    described = {"file": "exr", "type": "half", "transfer": "linear", "compression": compression}
    return {**described, "dwa_level": format.dwa_level} if compression in ("dwaa", "dwab") else described


def decode_image(key: str, name: str, data: bytes) -> NDArray[np.float32]:
    """Decode an image (EXR or PNG, by the ending of its name) to linear light (H, W, 3) float32, not negative."""
    if name.endswith(".exr"):
        return np.maximum(decode_rgb(key, name, data), 0)
    pixels = decode_png(data, f"{key}.{name}")
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ShardError(f"{key}.{name}: has shape {pixels.shape}, not (H, W, 3)")
    return png_to_linear(pixels)


def decode_rgb(key: str, name: str, data: bytes) -> NDArray[np.float32]:
    """Decode the channels R, G, B of an EXR to (H, W, 3) float32."""
    return stack_channels(decode_exr(data, f"{key}.{name}"), "RGB", f"{key}.{name}")


def decode_grey(key: str, name: str, data: bytes) -> NDArray[np.uint8]:
    """Decode an 8-bit grey PNG to (H, W) uint8."""
    pixels = decode_png(data, f"{key}.{name}")
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise ShardError(f"{key}.{name}: is {pixels.shape} {pixels.dtype}, not 8-bit grey")
    return pixels


def decode_depth(key: str, data: bytes) -> NDArray[np.float32]:
    """Decode the depth to (H, W) float32."""
    return stack_channels(decode_exr(data, f"{key}.depth.exr"), "Z", f"{key}.depth.exr")[..., 0]


def decode_shading(key: str, fields: Mapping[str, bytes]) -> NDArray[np.float32] | None:
    """A sample's files -> its sequence as in `encode_shading`, or None if it is not stored."""
    lights = [name for name in fields if _LIGHT_FILE.fullmatch(name)]
    if lights:
        return np.stack([decode_image(key, name, fields[name]) for name in sorted(lights)])
    if "shading.exr" not in fields:
        return None
    planes = decode_exr(fields["shading.exr"], f"{key}.shading.exr")
    if all("." not in name for name in planes):
        return np.stack([planes[name].astype(np.float32) for name in sorted(planes)])
    return _frames(planes, f"{key}.shading.exr")


def decode_basis(key: str, data: bytes) -> NDArray[np.float32]:
    """Decode a light basis to (M, H, W, 3) float32, not negative."""
    return _frames(decode_exr(data, f"{key}.light_basis.exr"), f"{key}.light_basis.exr")


def _frames(planes: Mapping[str, NDArray[np.floating]], source: str) -> NDArray[np.float32]:
    names = sorted({name.split(".")[0] for name in planes})
    frames = [stack_channels(planes, [f"{name}.{channel}" for channel in "RGB"], source) for name in names]
    return np.maximum(np.stack(frames), 0)


def require_one_of(name: str, value: Any, allowed: Any) -> None:
    """Raise ShardError, naming the allowed values, if `value` is none of them."""
    if value not in allowed:
        raise ShardError(f"{name} is {value!r}; allowed: {', '.join(allowed)}")
