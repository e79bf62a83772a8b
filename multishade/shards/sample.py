# SPDX-License-Identifier: Apache-2.0
"""One view's arrays (`Sample`) <-> the files of one key in a shard (`image_parallel.exr` ... `meta.json`)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, ShardError
from multishade.photometry.shading import lambert
from multishade.shards.fields import (
    FieldFormat,
    decode_basis,
    decode_depth,
    decode_grey,
    decode_image,
    decode_rgb,
    decode_shading,
    describe,
    describe_basis,
    encode_alpha,
    encode_basis,
    encode_depth,
    encode_image,
    encode_mask,
    encode_normal,
    encode_shading,
    require_one_of,
)

SCHEMA = 1
_REQUIRED = ("alpha.png", "mask.png", "normal.exr", "depth.exr", "meta.json")


@dataclass(frozen=True, eq=False)
class Sample:
    """One view of one object in one material, as CONVENTIONS has it. H, W: the size in `meta["camera"]`.

    images: "image_parallel" ... -> (H, W, 3) float32, linear; their order is the order of the files.
    alpha: (H, W) float32, 0 to 1. mask: (H, W) bool. normal: (H, W, 3) float32.
    depth: (H, W) float32, +inf off the mask.
    shading: (K, H, W) float32 for the modes lambert and cast, (K, H, W, 3) for photometric, or None.
    normal_geometry: (H, W, 3) float32, without bump. light_basis: (M, H, W, 3) float32, images under one light each.
    """

    key: str
    images: dict[str, NDArray[np.float32]]
    alpha: NDArray[np.float32]
    mask: NDArray[np.bool_]
    normal: NDArray[np.float32]
    depth: NDArray[np.float32]
    shading: NDArray[np.float32] | None
    meta: dict[str, Any] = field(repr=False)
    normal_geometry: NDArray[np.float32] | None = None
    light_basis: NDArray[np.float32] | None = None


def encode_sample(sample: Sample, format: FieldFormat) -> list[tuple[str, bytes]]:
    """Sample -> [("image_parallel.exr", bytes), ..., ("meta.json", bytes)], always in the same order.

    Equal samples give equal bytes. Radiance above the largest half float (65504) is stored as that.
    The written meta's "encoding" states the formats. Raises ShardError for wrong shapes or values not finite.
    """
    _require_sound(sample, format)
    mode = sample.meta["shading"]["mode"]
    files = [encode_image(name, image, format) for name, image in sample.images.items()]
    files.append(("alpha.png", encode_alpha(sample.alpha)))
    files.append(("mask.png", encode_mask(sample.mask)))
    files.append(("normal.exr", encode_normal(sample.normal, sample.mask, format)))
    if sample.normal_geometry is not None:
        files.append(("normal_geometry.exr", encode_normal(sample.normal_geometry, sample.mask, format)))
    files.append(("depth.exr", encode_depth(sample.depth, format)))
    if sample.shading is not None and format.shading_stored:
        files += encode_shading(sample.shading, format)
    encoding = describe(format, mode)
    if sample.light_basis is not None:
        files.append(("light_basis.exr", encode_basis(sample.light_basis, format)))
        encoding["light_basis"] = describe_basis(format)
    meta = {**sample.meta, "encoding": encoding}
    files.append(("meta.json", _encode_meta(sample.key, meta)))
    return files


def decode_sample(key: str, fields: Mapping[str, bytes]) -> Sample:
    """The files of one key -> Sample; PNG images come back as linear light.

    Lossy images may ring below zero in dark places; what is negative comes back as 0.
    Shading that is not stored is None: `shading_of` derives it. Raises ShardError, naming key and file.
    """
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise ShardError(f"{key}: lacks {', '.join(missing)}; it has {', '.join(fields)}")
    meta = _decode_meta(key, fields["meta.json"])
    try:
        normal_geometry = None
        if "normal_geometry.exr" in fields:
            normal_geometry = decode_rgb(key, "normal_geometry.exr", fields["normal_geometry.exr"])
        basis = decode_basis(key, fields["light_basis.exr"]) if "light_basis.exr" in fields else None
        return Sample(
            key=key,
            images={
                name.rsplit(".", 1)[0]: decode_image(key, name, data)
                for name, data in fields.items()
                if name.startswith("image_")
            },
            alpha=decode_grey(key, "alpha.png", fields["alpha.png"]).astype(np.float32) / np.float32(255),
            mask=decode_grey(key, "mask.png", fields["mask.png"]) > 127,
            normal=decode_rgb(key, "normal.exr", fields["normal.exr"]),
            depth=decode_depth(key, fields["depth.exr"]),
            shading=decode_shading(key, fields),
            meta=meta,
            normal_geometry=normal_geometry,
            light_basis=basis,
        )
    except ImageFileError as error:
        raise ShardError(str(error)) from error


def shading_of(sample: Sample) -> NDArray[np.float32]:
    """The sequence, stored or derived: (K, H, W) for lambert and cast, (K, H, W, 3) for photometric."""
    if sample.shading is not None:
        return sample.shading
    mode = sample.meta["shading"]["mode"]
    require_one_of(f"{sample.key}: mode of a sequence that is not stored", mode, ("lambert",))
    return lambert(sample.normal, sample.meta["shading"]["directions"], sample.mask)


def _encode_meta(key: str, meta: dict[str, Any]) -> bytes:
    try:
        return json.dumps(meta, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise ShardError(f"{key}: meta cannot be written as JSON: {error}") from error


def _decode_meta(key: str, data: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(data)
    except ValueError as error:
        raise ShardError(f"{key}.meta.json: is not JSON ({error})") from error
    if not isinstance(meta, dict):
        raise ShardError(f"{key}.meta.json: holds {type(meta).__name__}, not an object with names")
    return meta


def _require_sound(sample: Sample, format: FieldFormat) -> None:
    """Shapes, types and finite values: what would make a file that cannot be read back as it was meant."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", sample.key):
        raise ShardError(
            f"key '{sample.key}': only letters, digits, '-' and '_' (readers split at the first dot)"
        )
    size = sample.mask.shape
    mode = sample.meta.get("shading", {}).get("mode")
    require_one_of(f"{sample.key}: meta['shading']['mode']", mode, ("lambert", "cast", "photometric"))
    arrays: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        name: (image, (*size, 3)) for name, image in sample.images.items()
    }
    arrays["alpha"] = (sample.alpha, size)
    arrays["normal"] = (sample.normal, (*size, 3))
    arrays["depth"] = (sample.depth, size)
    if sample.normal_geometry is not None:
        arrays["normal_geometry"] = (sample.normal_geometry, (*size, 3))
    if sample.light_basis is not None:
        count = len(sample.meta.get("light_basis", {}).get("directions", ()))
        arrays["light_basis"] = (sample.light_basis, (count, *size, 3))
    if sample.shading is not None:
        count = len(sample.meta["shading"].get("directions", ()))
        arrays["shading"] = (sample.shading, (count, *size, 3) if mode == "photometric" else (count, *size))
    elif format.shading_stored or mode != "lambert":
        raise ShardError(f"{sample.key}: has no shading, but the format stores it or mode '{mode}' needs it")
    if mode != "lambert" and not format.shading_stored:
        raise ShardError(
            f"{sample.key}: shading of mode '{mode}' cannot be derived from the normal: store it"
        )
    for name in sample.images:
        if not re.fullmatch(r"image_[a-z0-9_]+", name):
            raise ShardError(
                f"{sample.key}: image field '{name}' is not image_ and lower-case letters or digits"
            )
    for name, (array, shape) in arrays.items():
        if array.shape != shape:
            raise ShardError(f"{sample.key}: {name} has shape {array.shape}, expected {shape}")
        finite = np.isfinite(array) if name != "depth" else ~np.isnan(array)
        if not finite.all():
            raise ShardError(
                f"{sample.key}: {name} has {np.count_nonzero(~finite)} values that are not finite"
            )
