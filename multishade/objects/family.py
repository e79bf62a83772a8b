# SPDX-License-Identifier: Apache-2.0
"""The names of the families, and `build`: a family and a seed in, the same mesh out on every run."""

from collections.abc import Callable
from importlib import import_module

import numpy as np

from multishade.errors import AssetError
from multishade.objects.mesh import ObjectMesh

# The order is fixed: new families go to the end.
FAMILIES = (
    "superquadric",
    "blob",
    "metaball",
    "lathe",
    "knot",
    "csg",
    "relief",
    "crystal",
    "cloth",
    "spiky",
    "perforated",
)
BLENDER_FAMILIES = ("monkey",)


def build(family: str, seed: int) -> ObjectMesh:
    """The object of a family (one of FAMILIES) that belongs to a seed (a whole number, 0 or more).

    The generator is seeded by both the seed and the family's name, so families never share draws. Raises AssetError
    for another name or seed, and for a mesh that turned out unsound.
    """
    if family in BLENDER_FAMILIES:
        raise AssetError(
            f"object family {family!r} is Blender's own: it is made in the Blender child, not here"
        )
    if family not in FAMILIES:
        raise AssetError(
            f"unknown object family {family!r}; allowed are {', '.join(FAMILIES + BLENDER_FAMILIES)}"
        )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise AssetError(f"seed {seed!r} of object family {family!r} is not a whole number of 0 or more")
    make: Callable[[np.random.Generator], ObjectMesh]
    make = getattr(import_module(f"multishade.objects.{family}"), family)
    rng = np.random.default_rng(np.random.SeedSequence([int(seed), *family.encode()]))
    try:
        return make(rng)
    except AssetError as error:
        raise AssetError(
            f"object {family}/{seed}: {error}; choose another seed and report this one"
        ) from error
