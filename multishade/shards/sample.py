# SPDX-License-Identifier: Apache-2.0
"""One view's arrays (`Sample`) <-> the files of one key in a shard (`image_parallel.exr` ... `meta.json`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, ShardError
from multishade.photometry.shading import lambert
from multishade.protocol.scene import PASSES
from multishade.shards.bounds import require_bounded
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
from multishade.shards.hashes import check_hashes, with_hashes
from multishade.shards.keys import require_valid_key
from multishade.shards.material_passes import decode_passes, describe_passes, encode_passes, pass_shape
from multishade.shards.meta import SampleMeta, decode_meta, encode_meta

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REQUIRED = ("alpha.png", "mask.png", "normal.exr", "depth.exr", "meta.json")


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """One view of one object in one material, in the conventions of `geometry.conventions.CONVENTIONS`.

    Attributes:
        key: The sample's name in its shard, such as s000000-g0001-v0.
        images: For each field ("image_parallel", ...) its image, (H, W, 3) float32, scene-linear, exposed. Their order
            is the order of the files.
        alpha: (H, W) float32 coverage, 0 to 1.
        mask: (H, W) bool, where the pixel's centre hits the object.
        normal: (H, W, 3) float32 unit vectors in the camera frame; 0 off the mask.
        depth: (H, W) float32 along the camera's z axis, scene units; +inf off the mask.
        shading: (K, H, W) float32 for the modes lambert and cast, (K, H, W, 3) for photometric; None if it is not
            stored (`shading_of` derives it).
        meta: The content of meta.json as plain data; `info` is its typed form.
        normal_geometry: (H, W, 3) float32, the normal without bump.
        light_basis: (M, H, W, 3) float32, images under one light each.
        passes: Material passes that are stored, 0 off the mask: "albedo" (H, W, 3) float32 linear base colour,
            "roughness" and "metallic" (H, W) float32, "position" (H, W, 3) float32 in the camera frame, scene units,
            "object_index" (H, W) uint16, the mesh object from 1.
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
    passes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def info(self) -> SampleMeta:
        """The meta with types, validated at each call.

        Raises:
            ShardError: If a name of meta.json is missing or holds another kind of value.
        """
        return SampleMeta.parse(self.key, self.meta)

    def __repr__(self) -> str:
        height, width = self.mask.shape
        fields = [*self.images, "normal", "depth"]
        fields += [] if self.normal_geometry is None else ["normal_geometry"]
        fields += [] if self.light_basis is None else [f"light_basis of {len(self.light_basis)}"]
        fields += self.passes
        shading = self.meta.get("shading", {})
        fields.append(f"{len(shading.get('directions', ()))} x shading {shading.get('mode', '?')}")
        return f"Sample({self.key}: {width} x {height}, {', '.join(fields)})"

    def plot(self) -> "Figure":
        """Draw the fields side by side.

        Returns:
            A figure of matplotlib, which a notebook shows; `figure.savefig(path)` writes it.
        """
        from multishade.shards.pictures import figure_of

        return figure_of(self._pictures(), self.key)

    def _repr_png_(self) -> bytes:
        """The picture of a sample in a notebook."""
        from multishade.shards.pictures import png_of

        return png_of(self._pictures())

    def _pictures(self) -> list[tuple[str, NDArray[np.uint8]]]:
        from multishade.shards.pictures import named_pictures

        return named_pictures(self.images, self.normal, self.depth, self.mask, shading_of(self))


def encode_sample(sample: Sample, format: FieldFormat) -> list[tuple[str, bytes]]:
    """Encode a sample as the files of one key.

    Equal samples give equal bytes. Radiance above the largest half float (65504) is stored as that value. The written
    meta states the formats under `encoding`.

    Args:
        sample: The sample; its `meta` needs no `encoding`.
        format: How arrays become files.

    Returns:
        Name and bytes of each file, always in the same order: ("image_parallel.exr", ...), ..., ("meta.json", ...).

    Raises:
        ShardError: If a shape is wrong, a value is not finite, or the meta is not valid.
    """
    _require_sound(sample, format)
    mode = sample.info.shading.mode
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
    files += encode_passes(sample.passes, format.data_compression)
    encoding |= describe_passes(sample.passes, format.data_compression)
    meta = {**{name: value for name, value in sample.meta.items() if name != "hashes"}, "encoding": encoding}
    if format.hashes:
        meta = with_hashes(sample.key, files, meta)
    files.append(("meta.json", encode_meta(sample.key, meta)))
    return files


def decode_sample(key: str, fields: Mapping[str, bytes]) -> Sample:
    """Decode the files of one key.

    Files are compared with their hashes if meta.json holds hashes. Sizes are compared with the camera's before pixels
    are decoded, so that memory is bounded whatever a header states. PNG images come back as linear light. Lossy images
    may ring below zero in dark places; negative values come back as 0. Shading that is not stored is None: `shading_of`
    derives it.

    Args:
        key: The sample's key.
        fields: Bytes by file name.

    Returns:
        The sample. Its meta is read as JSON, but not validated before `info` is asked for.

    Raises:
        ShardError: If a file is missing, damaged, not the one that its hash is of, or far larger than the camera; the
            message names key and file.
    """
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise ShardError(f"{key}: lacks {', '.join(missing)}; it has {', '.join(fields)}")
    meta = decode_meta(key, fields["meta.json"])
    if "hashes" in meta:
        check_hashes(key, fields, meta)
    try:
        require_bounded(key, fields, meta)
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
            passes=decode_passes(key, fields),
        )
    except ImageFileError as error:
        raise ShardError(str(error)) from error


def shading_of(sample: Sample) -> NDArray[np.float32]:
    """Return the shading sequence, stored or derived from the normal.

    Args:
        sample: A sample whose sequence is stored or of mode lambert.

    Returns:
        (K, H, W) float32 for the modes lambert and cast, (K, H, W, 3) for photometric.

    Raises:
        ShardError: If the sequence is not stored and cannot be derived.
    """
    if sample.shading is not None:
        return sample.shading
    shading = sample.info.shading
    require_one_of(f"{sample.key}: mode of a sequence that is not stored", shading.mode, ("lambert",))
    return lambert(sample.normal, shading.directions, sample.mask)


def _require_sound(sample: Sample, format: FieldFormat) -> None:
    """Refuse what could not be read back as it was meant: a bad key, meta, shape or value."""
    require_valid_key(sample.key)
    size = sample.mask.shape
    mode = sample.meta.get("shading", {}).get("mode")
    require_one_of(f"{sample.key}: meta['shading']['mode']", mode, ("lambert", "cast", "photometric"))
    info = sample.info
    arrays: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        name: (image, (*size, 3)) for name, image in sample.images.items()
    }
    arrays["alpha"] = (sample.alpha, size)
    arrays["normal"] = (sample.normal, (*size, 3))
    arrays["depth"] = (sample.depth, size)
    if sample.normal_geometry is not None:
        arrays["normal_geometry"] = (sample.normal_geometry, (*size, 3))
    if sample.light_basis is not None:
        count = len(info.light_basis.directions) if info.light_basis else 0
        arrays["light_basis"] = (sample.light_basis, (count, *size, 3))
    for name, values in sample.passes.items():
        require_one_of(f"{sample.key}: a material pass", name, PASSES)
        arrays[name] = (values, pass_shape(name, size))
    if sample.shading is not None:
        count = len(info.shading.directions)
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
