# SPDX-License-Identifier: Apache-2.0
"""A mask -> the box of pixels around it, as edges for a renderer and as slices for arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Rows and columns, as an index for arrays (H, W, ...).
Window = tuple[slice, slice]


class Box(NamedTuple):
    """Edges of a rectangle in pixels: columns left to right - 1, rows top to bottom - 1; row 0 is the image's top."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def window(self) -> Window:
        """Rows and columns of the box: `image[box.window]`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def bounding_box(mask: NDArray[np.bool_], margin: int = 0) -> Box | None:
    """Find the smallest box around the true pixels of a mask.

    Args:
        mask: (H, W).
        margin: Pixels by which the box is widened on each side, as far as the image reaches.

    Returns:
        The box, inside the image; None if no pixel is true.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    height, width = mask.shape
    return Box(
        left=max(int(columns[0]) - margin, 0),
        top=max(int(rows[0]) - margin, 0),
        right=min(int(columns[-1]) + 1 + margin, width),
        bottom=min(int(rows[-1]) + 1 + margin, height),
    )


def bounding_window(mask: NDArray[np.bool_], margin: int = 0) -> Window:
    """Find the rows and columns of `bounding_box`; those of the whole image if no pixel is true.

    Args:
        mask: (H, W).
        margin: As in `bounding_box`.

    Returns:
        Slices of rows and columns.
    """
    height, width = mask.shape
    return (bounding_box(mask, margin) or Box(0, 0, width, height)).window


def bounding_square(mask: NDArray[np.bool_], scale: float = 1.0, padding: int = 0) -> Box | None:
    """Find a square around the true pixels of a mask, centred on their bounding box.

    Args:
        mask: (H, W).
        scale: Factor on the distance between the outermost pixels along the longer side.
        padding: Pixels added to the side after scaling.

    Returns:
        The square, which may reach beyond the image (negative edges included); None if no pixel is true.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    side = int(np.ceil((max(box.width, box.height) - 1) * scale)) + padding
    left, top = (box.left + box.right - side) // 2, (box.top + box.bottom - side) // 2
    return Box(left, top, left + side, top + side)
