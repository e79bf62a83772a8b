# SPDX-License-Identifier: Apache-2.0
"""The same sample of two data sets or runs -> pictures of what differs."""

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display
from multishade.imaging.color import linear_to_srgb
from multishade.report.tiles import GROUND, Tile, cut, object_square
from multishade.shards.sample import Sample

NORMAL_LIMIT, IMAGE_LIMIT = 30.0, 0.25  # the bright end of the scales: degrees, display value


def compare_pictures(first: Sample, second: Sample) -> list[Tile]:
    """Draw the angle between the normals, and the difference of each image that both have.

    Args:
        first: The reference; its mask is the region.
        second: The other. If its size differs there is nothing to compare.

    Returns:
        One tile for each, with the mean in its note.
    """
    if first.mask.shape != second.mask.shape:
        return []
    both = first.mask & second.mask
    box = object_square(first.mask)
    inside = cut(both, box)
    angle = np.where(both, angular_error_degrees(first.normal, second.normal), np.nan)
    tiles = [
        Tile(
            display.error_to_rgb(cut(angle, box), inside, NORMAL_LIMIT, GROUND),
            "normal",
            f"{_mean(angle, both):.3g}° apart on average",
            scale=NORMAL_LIMIT,
        )
    ]
    for name, image in first.images.items():
        other = second.images.get(name)
        if other is None:
            continue
        shown = [linear_to_srgb(np.clip(each, 0, 1)) for each in (image, other)]
        off = np.where(both, np.abs(shown[0] - shown[1]).max(axis=2), np.nan)
        picture = display.error_to_rgb(cut(off, box), inside, IMAGE_LIMIT, GROUND)
        note = f"display values {_mean(off, both):.2g} apart on average"
        tiles.append(Tile(picture, name.removeprefix("image_"), note))
    return tiles


def _mean(values: NDArray[np.floating], where: NDArray[np.bool_]) -> float:
    return float(values[where].mean()) if where.any() else float("nan")
