# SPDX-License-Identifier: Apache-2.0
"""DiLiGenT10^2 (Ren et al., CVPR 2022), DiLiGenT-Pi (Wang et al., ICCV 2023) -> objects, tagged by material.

Both keep DiLiGenT's file names. 10^2: `<SHAPE>_<MATERIAL>/`, ten of each. Pi: `<Object>/` under
`DiLiGenT-Pi_release_png/`. Their true normals are published apart from the images, or only through an
evaluation server: name their folder with `truth` (`<object>/Normal_gt.mat` in it).
"""

from collections.abc import Iterator
from pathlib import Path

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import diligent

# The classes of the Pi paper's result table. Objects made twice carry the class as a suffix: -T translucent,
# -R rough.
PI_MATERIALS = {
    "metallic": ("flower", "bird", "rhino", "lions", "queen", "crab", "ship", "para", "sail", "fish"),
    "specular": ("tree", "ocean", "lung", "bear", "tv", "sun", "taichi", "wave", "astro", "whale"),
}
PI_SUFFIXES = {"-t": "translucent", "-r": "rough"}


def read_102(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """The objects of DiLiGenT10^2; tags `family` (the shape) and `material`, lower case."""
    for folder in diligent.object_folders(root, ("pmsData",)):
        shape, divider, material = folder.name.partition("_")
        if not divider:
            raise EvaluationError(
                f"{folder}: DiLiGenT10^2 folders are named SHAPE_MATERIAL, such as BALL_POM"
            )
        tags = {"family": shape.lower(), "material": material.lower()}
        yield diligent.read_object(folder, "diligent102", folder.name, truth, tags=tags)


def read_pi(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """The objects of DiLiGenT-Pi; tags `family` (the relief, shared by -T and -R) and `material`."""
    for folder in diligent.object_folders(root, ("DiLiGenT-Pi_release_png",)):
        name = folder.name.lower()
        material = PI_SUFFIXES.get(name[-2:])
        family = name[:-2] if material else name
        if material is None:
            material = next((label for label, names in PI_MATERIALS.items() if name in names), "unknown")
        yield diligent.read_object(
            folder, "diligentpi", folder.name, truth, tags={"family": family, "material": material}
        )
