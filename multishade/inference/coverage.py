# SPDX-License-Identifier: Apache-2.0
"""Coverage that a model predicts -> the window round the object, and a clean mask at the photo's size."""

import numpy as np
from numpy.typing import NDArray

from multishade.inference.framing import MARGIN, Window
from multishade.inference.photo import Bool, Float32

COVERED = 0.5
LEAST_PART = 0.25  # of the largest part: smaller ones are dropped
LEAST_HOLE = 0.002  # of the object: smaller holes are filled


def window_of_object(coverage: Float32, window: Window, inside: Bool) -> Window | None:
    """Find the square round the object.

    Args:
        coverage: (S, S) of the square that the network saw, 0 to 1.
        window: That square.
        inside: (S, S), false on padding.

    Returns:
        The square round the parts of the object that `clean_mask` keeps; None if nothing is covered.
    """
    mask = clean_mask((coverage > COVERED) & inside)
    if not mask.any():
        return None
    scale = window.side / len(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = window.top + rows[0] * scale, window.left + columns[0] * scale
    height, width = (rows[-1] + 1 - rows[0]) * scale, (columns[-1] + 1 - columns[0]) * scale
    side = max(4, round(max(height, width) * MARGIN))
    return Window(
        round(top + height / 2 - side / 2),
        round(left + width / 2 - side / 2),
        side,
        window.height,
        window.width,
    )


def clean_mask(mask: NDArray[np.bool_]) -> Bool:
    """Drop parts that are small beside the largest one, and fill small holes.

    Args:
        mask: (H, W).

    Returns:
        (H, W).
    """
    import cv2

    if not mask.any():
        return mask
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    kept = (areas >= LEAST_PART * areas.max())[labels]
    kept &= mask
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < LEAST_HOLE * kept.sum()
    small[0] = False
    filled: Bool = kept | small[labels]
    return filled
