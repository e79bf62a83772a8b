# SPDX-License-Identifier: Apache-2.0
"""Radiance with negative, NaN or infinite pixels in, radiance that can light a scene out, and how much was changed.

Sharpening and resampling leave negative rings about a sun; half floats overflow in it; stitching leaves single NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BROKEN = 0.001  # of the pixels; with more of them nothing is filled
NEGATIVE = 0.01  # of the brightest pixel: lossy EXR compression leaves negative values smaller than this


@dataclass(frozen=True)
class Repair:
    """What was changed.

    Attributes:
        negative_share: Energy of the negative values that were set to 0, as a share of that of the positive ones, by
            solid angle, over all channels; 0 if none was changed.
        broken: Pixels that were not finite; filled from their neighbours if they are at most MOST_BROKEN.
    """

    negative_share: float = 0.0
    broken: int = 0


def repair_radiance(image: NDArray[Any]) -> tuple[NDArray[Any], Repair]:
    """Fill pixels that are not finite, and set negative values to 0 if they are more than lossy compression leaves.

    A NaN or negatively infinite pixel becomes the mean of its finite neighbours, an infinitely bright one the brightest
    of them in each channel.

    Args:
        image: (H, W, 3) equirectangular, floating point; left and right edge are neighbours.

    Returns:
        The image itself if nothing was changed or too much is broken, else a copy of its type; and what was changed.
    """
    broken = ~np.isfinite(image).all(axis=2)
    count = int(broken.sum())
    if count > MOST_BROKEN * broken.size:
        return image, Repair(broken=count)
    if count:
        image = _filled(image, broken)
    if not float(image.min()) < -NEGATIVE * float(image.max()):
        return image, Repair(broken=count)
    weights = np.sin((np.arange(image.shape[0]) + 0.5) / image.shape[0] * np.pi)
    rows = image.astype(np.float64)
    negative = -float((np.minimum(rows, 0).sum(axis=(1, 2)) * weights).sum())
    positive = float((np.maximum(rows, 0).sum(axis=(1, 2)) * weights).sum())
    share = negative / positive if positive > 0 else np.inf
    return np.maximum(image, image.dtype.type(0)), Repair(share, count)


def _filled(image: NDArray[Any], broken: NDArray[np.bool_]) -> NDArray[Any]:
    """Fill from the rim of each hole inwards."""
    image, broken = image.copy(), broken.copy()
    height, width = broken.shape
    steps = np.array([(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)])
    while broken.any():
        rows, columns = np.nonzero(broken)
        near = np.clip(rows[:, None] + steps[:, 0], 0, height - 1), (columns[:, None] + steps[:, 1]) % width
        finite = ~broken[near]
        rim = finite.any(axis=1)
        rows, columns, finite = rows[rim], columns[rim], finite[rim][..., None]
        values = image[near[0][rim], near[1][rim]].astype(np.float64)
        mean = np.where(finite, values, 0).sum(axis=1) / finite.sum(axis=1)
        brightest = np.where(finite, values, -np.inf).max(axis=1)
        bright = np.isposinf(image[rows, columns]).any(axis=1, keepdims=True)
        image[rows, columns] = np.where(bright, brightest, mean)
        broken[rows, columns] = False
    return image
