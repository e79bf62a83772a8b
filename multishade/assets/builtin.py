# SPDX-License-Identifier: Apache-2.0
"""Numbers of seeds in, manifest rows of the built-in objects, materials and environments out."""

from typing import Any, Literal

from multishade.assets.schema import EnvironmentRow, MaterialRow, ObjectRow
from multishade.errors import ManifestError

LICENCE = "CC0-1.0"  # of generated assets; Blender's studio lights are CC0 by their own licence.txt

# Split by content: each split has one map by day and one by artificial or low light.
STUDIO_LIGHTS: dict[str, Literal["train", "val", "test"]] = {
    "city": "train",
    "courtyard": "val",
    "forest": "train",
    "interior": "test",
    "night": "val",
    "studio": "train",
    "sunrise": "train",
    "sunset": "test",
}


def builtin_objects(per_family: int = 32) -> list[ObjectRow]:
    """List seeds 0 .. per_family - 1 of every object family, and Blender's monkey.

    Of eight seeds six are for training, one is for validation and one for testing.

    Raises:
        ManifestError: If the number is below 1.
    """
    from multishade.procedural.objects import FAMILIES

    rows = [
        ObjectRow(**_common(family, seed, 8), family=family)
        for family in FAMILIES
        for seed in _seeds(per_family, "--objects-per-family")
    ]
    monkey = ObjectRow(
        id="monkey",
        source="blender",
        location="monkey",
        licence=LICENCE,
        split="train",
        tags=("builtin",),
        family="monkey",
    )
    return [*rows, monkey]


def builtin_materials(per_family: int = 18) -> list[MaterialRow]:
    """List seeds 0 .. per_family - 1 of every material family.

    Of six seeds four are for training, one is for validation and one for testing.

    Raises:
        ManifestError: If the number is below 1.
    """
    from multishade.procedural.materials import FAMILIES

    return [
        MaterialRow(**_common(family, seed, 6), kind=kind)
        for family, kind in FAMILIES.items()
        for seed in _seeds(per_family, "--materials-per-family")
    ]


def builtin_environments() -> list[EnvironmentRow]:
    """List the eight environment maps that Blender contains, 1,024 x 512 pixels."""
    return [
        EnvironmentRow(
            id=name,
            source="builtin",
            location=f"{name}.exr",
            licence=LICENCE,
            split=split,
            tags=("builtin",),
            width=1024,
            height=512,
        )
        for name, split in STUDIO_LIGHTS.items()
    ]


def split_of_seed(seed: int, every: int) -> Literal["train", "val", "test"]:
    """Return the split of a seed: of `every` consecutive seeds, the last is for testing, the one before for validation.

    It depends on the seed alone, so that a larger manifest never moves an object from testing into training.
    """
    if seed % every == every - 1:
        return "test"
    return "val" if seed % every == every - 2 else "train"


def _common(family: str, seed: int, every: int) -> dict[str, Any]:
    """The fields of a row of a family and a seed; `every` as for `split_of_seed`."""
    return {
        "id": f"{family.replace('_', '-')}-{seed:05d}",
        "source": "builtin",
        "location": f"{family}/{seed}",
        "licence": LICENCE,
        "split": split_of_seed(seed, every),
        "tags": ("builtin",),
    }


def _seeds(count: int, option: str) -> range:
    if count < 1:
        raise ManifestError(f"{option} {count}: give a number of 1 or more")
    return range(count)
