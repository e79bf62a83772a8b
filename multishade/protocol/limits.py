# SPDX-License-Identifier: Apache-2.0
"""What a mesh file may be to be rendered: the same numbers when it is scanned and when Blender has imported it."""

from typing import Any

MOST_OBJECTS = 10_000  # objects and instances: importers and Blender take minutes over a hundred thousand
MOST_FACES = 10_000_000  # of all instances together
SMALLEST, LARGEST = 1e-6, 1e8  # diagonal of the box in the file's units: float32 geometry fails outside
FARTHEST = 1e5  # distance from the origin over the diagonal: beyond, float32 positions are coarser than 0.6 %
GREY = 0.06  # largest difference between the channels of a pixel that is grey, of 1; JPEG makes some
LEAST_COLOURED = 0.01  # share of the pixels of a normal map that have a colour; most of an atlas may be empty


def has_no_colour(pixels: Any) -> bool:
    """Return whether an array of pixels (N, C), 0 to 1, without alpha, is grey: no normal map of a tangent space is."""
    coloured = pixels.max(axis=1) - pixels.min(axis=1) > GREY
    return bool(coloured.mean() < LEAST_COLOURED)


def too_many(objects: int, faces: int) -> str | None:
    """Return why so many objects or faces are refused, None if they are not."""
    if objects > MOST_OBJECTS:
        return f"has {objects:,} objects or instances; up to {MOST_OBJECTS:,} are rendered"
    if faces > MOST_FACES:
        return f"has {faces:,} faces; up to {MOST_FACES:,} are rendered"
    return None


def unusable_box(diagonal: float, distance: float) -> str | None:
    """Return why a box of this diagonal, so far from the origin, cannot be rendered, None if it can."""
    if not SMALLEST <= diagonal <= LARGEST:
        return f"is {diagonal:.3g} units across; from {SMALLEST:g} to {LARGEST:g} can be rendered, scale it"
    if distance > FARTHEST * diagonal:
        return f"lies {distance:.3g} units from its origin but is only {diagonal:.3g} across; centre it"
    return None
