# SPDX-License-Identifier: Apache-2.0
"""The names of the families, and `build`: a family and a seed in, the same mesh out on every run."""

from collections.abc import Callable
from importlib import import_module

import numpy as np

from multishade.errors import AssetError
from multishade.procedural.objects.mesh import ObjectMesh

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
ATTEMPTS = 3


def build(family: str, seed: int) -> ObjectMesh:
    """Build the object of a family and a seed; the same arguments always give the same mesh.

    The generator is seeded by both the seed and the family's name, so families do not share random numbers. The
    object is the first of `ATTEMPTS` samples that is a valid surface: in about one of a thousand a fold or a cut
    leaves a face without area.

    Args:
        family: One of `FAMILIES`.
        seed: A whole number, 0 or more.

    Returns:
        A closed mesh whose bounding box has half diagonal 1 and is centred at the origin.

    Raises:
        AssetError: If the family or the seed is not valid, or if no attempt gives a valid surface.
    """
    if family in BLENDER_FAMILIES:
        raise AssetError(
            f"object family {family!r} is Blender's own: it is made in the Blender process, not here"
        )
    if family not in FAMILIES:
        allowed = ", ".join(FAMILIES + BLENDER_FAMILIES)
        raise AssetError(f"unknown object family {family!r}; allowed are {allowed}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise AssetError(f"seed {seed!r} of object family {family!r} is not a whole number of 0 or more")
    make: Callable[[np.random.Generator], ObjectMesh]
    make = getattr(import_module(f"multishade.procedural.objects.{family}"), family)
    flaws = []
    for attempt in range(ATTEMPTS):
        sequence = np.random.SeedSequence(
            [int(seed), *family.encode()], spawn_key=(attempt,) if attempt else ()
        )
        try:
            return make(np.random.default_rng(sequence))
        except AssetError as error:
            flaws.append(str(error))
    raise AssetError(
        f"object {family}/{seed}: none of {ATTEMPTS} attempts gives a valid surface ({'; '.join(flaws)}); "
        "take the seed out of the manifest and report it"
    )
