# SPDX-License-Identifier: Apache-2.0
"""The fields that a batch can hold, as a task or any other user of the loader asks for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from multishade.errors import DataError

Field = Literal[
    "image", "images", "normal", "mask", "shading", "depth", "intrinsics", "albedo", "roughness", "metallic"
]
MATERIAL_FIELDS = ("albedo", "roughness", "metallic")


@dataclass(frozen=True)
class FieldSpec:
    """One field of a batch, with the files that it costs.

    Attributes:
        name: "image": one input photo (one of `image_*`). "images": several images of a photometric sequence and the
            directions of their lights (`shading.exr` or `light_*.png`). "normal" and "mask" (`normal.exr`, always
            read). "shading": K frames under the lights that the loader is given (none, or `shading.exr` for stored
            shading). "depth" (`depth.exr`). "intrinsics": pinhole matrix and kind of camera (`meta.json`). "albedo",
            "roughness", "metallic": material passes (`albedo.exr`, ...; shards with `formats.passes`).
        count: Of "images": how many lights per sample, sampled anew in each epoch; None is all, in their order.
    """

    name: Field
    count: int | None = None


DEFAULT_FIELDS = (FieldSpec("image"), FieldSpec("normal"), FieldSpec("mask"), FieldSpec("shading"))


def check_fields(fields: Iterable[FieldSpec]) -> dict[str, FieldSpec]:
    """Check that the fields of a batch go together.

    Args:
        fields: What a batch is to hold.

    Returns:
        The fields by name.

    Raises:
        DataError: If a field is unknown or given twice, or both "image" and "images" are.
    """
    found: dict[str, FieldSpec] = {}
    for spec in fields:
        if spec.name not in get_args(Field):
            raise DataError(f"field {spec.name!r} is unknown; there are {', '.join(get_args(Field))}")
        if spec.name in found:
            raise DataError(f"field {spec.name!r} is given twice")
        if spec.count is not None and (spec.name != "images" or spec.count < 1):
            raise DataError(f"field {spec.name!r}: count {spec.count}; only 'images' has one, 1 or more")
        found[spec.name] = spec
    if "image" in found and "images" in found:
        raise DataError("fields 'image' and 'images' exclude each other: a sample has one input")
    return found
