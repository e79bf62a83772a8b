# SPDX-License-Identifier: Apache-2.0
"""Numbers of seeds in, manifest rows of the built-in objects, materials and environments out: they need no
file."""

from typing import Literal

from multishade.assets.schema import EnvironmentRow, MaterialRow, ObjectRow
from multishade.errors import ManifestError

LICENCE = (
    "CC0-1.0"  # what a family and a seed give is nobody's; the studio lights are CC0 by their own licence.txt
)

# Split by content, as far apart as eight allow: each split has one by day and one by artificial or low light.
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
    """Seeds 0 .. per_family - 1 of every family, and Blender's monkey. Of eight seeds six are for training,
    one for validation, one for testing. Raises ManifestError for a number below 1."""
    from multishade.procedural.objects import FAMILIES

    rows = [
        ObjectRow(
            id=f"{family.replace('_', '-')}-{seed:05d}",
            source="builtin",
            location=f"{family}/{seed}",
            licence=LICENCE,
            split=split_of_seed(seed, 8),
            tags=("builtin",),
            family=family,
        )
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
    """Seeds 0 .. per_family - 1 of every family. Of six seeds four are for training, one for validation,
    one for testing. Raises ManifestError for a number below 1."""
    from multishade.procedural.materials import FAMILIES

    return [
        MaterialRow(
            id=f"{family.replace('_', '-')}-{seed:05d}",
            source="builtin",
            location=f"{family}/{seed}",
            licence=LICENCE,
            split=split_of_seed(seed, 6),
            tags=("builtin",),
            kind=kind,
        )
        for family, kind in FAMILIES.items()
        for seed in _seeds(per_family, "--materials-per-family")
    ]


def builtin_environments() -> list[EnvironmentRow]:
    """The eight environment maps that Blender carries, 1,024 x 512."""
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
    """The last of `every` seeds is for testing, the one before it for validation.

    A seed's split depends on the seed alone, so a larger manifest never moves a tested object into training.
    """
    if seed % every == every - 1:
        return "test"
    return "val" if seed % every == every - 2 else "train"


def _seeds(count: int, option: str) -> range:
    if count < 1:
        raise ManifestError(f"{option} {count}: give a number of 1 or more")
    return range(count)
