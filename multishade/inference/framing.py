# SPDX-License-Identifier: Apache-2.0
"""A photo of any size <-> the square that a network sees: a window round the object, resized; and results put back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.inference.photo import Bool, Float32, Photo

MARGIN = 1.15  # side of the window over the object's longer side; what training with frame: object uses


@dataclass(frozen=True)
class Window:
    """A square of `side` pixels of the photo, its top left corner at (top, left); it may reach beyond the photo."""

    top: int
    left: int
    side: int
    height: int  # of the photo
    width: int


@dataclass(frozen=True)
class Framed:
    """What the network gets: pixels (S, S, 3) float32, mask (S, S) or None, inside (S, S), false on padding."""

    pixels: Float32
    mask: Bool | None
    inside: Bool
    window: Window


def frame(photo: Photo, size: int, crop: bool = True) -> Framed:
    """The square that the network sees, `size` pixels a side.

    With a mask, the background is made black, and the window goes round the object (unless `crop` is False). Without
    one it holds the whole photo, in the middle, its border repeated outwards. Resized by area if that shrinks, by
    cubic interpolation if it enlarges.
    """
    height, width = photo.pixels.shape[:2]
    pixels = photo.pixels if photo.mask is None else np.where(photo.mask[..., None], photo.pixels, 0)
    if photo.mask is not None and crop:
        rows, columns = (np.flatnonzero(photo.mask.any(axis=axis)) for axis in (1, 0))
        centre = ((rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2)
        longer = max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])
        side = max(4, round(longer * MARGIN))
    else:
        centre, side = (height / 2, width / 2), max(height, width)
    window = Window(round(centre[0] - side / 2), round(centre[1] - side / 2), side, height, width)
    border = "edge" if photo.mask is None else "constant"
    seen = resize(_cut(pixels, window, border), size)
    covered = resize(_cut(np.ones((height, width), np.float32), window, "constant"), size)
    mask = None
    if photo.mask is not None:
        mask = resize(_cut(photo.mask.astype(np.float32), window, "constant"), size) > 0.5
    return Framed(np.clip(seen, 0, 1), mask, covered > 0.5, window)


def unframe(values: Float32, window: Window, outside: float = 0.0) -> Float32:
    """(S, S) or (S, S, C) of the network's square -> (H, W) or (H, W, C) of the photo."""
    back = resize(values, window.side)
    photo = np.full((window.height, window.width, *values.shape[2:]), outside, np.float32)
    top, left = max(window.top, 0), max(window.left, 0)
    bottom = min(window.top + window.side, window.height)
    right = min(window.left + window.side, window.width)
    photo[top:bottom, left:right] = back[
        top - window.top : bottom - window.top, left - window.left : right - window.left
    ]
    return photo


def resize(values: NDArray[Any], size: int) -> Float32:
    """A square (S, S) or (S, S, C) at another size: area to shrink, cubic to enlarge."""
    import cv2

    if values.shape[0] == size:
        return values.astype(np.float32)
    how = cv2.INTER_AREA if size < values.shape[0] else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(values, np.float32), (size, size), interpolation=how)
    return resized.astype(np.float32, copy=False)


def _cut(values: NDArray[Any], window: Window, border: Any) -> NDArray[Any]:
    """The window's pixels, (side, side, ...); beyond the photo its border again ("edge"), or 0 ("constant")."""
    before = (max(-window.top, 0), max(-window.left, 0))
    after = (
        max(window.top + window.side - window.height, 0),
        max(window.left + window.side - window.width, 0),
    )
    rows = slice(max(window.top, 0), min(window.top + window.side, window.height))
    columns = slice(max(window.left, 0), min(window.left + window.side, window.width))
    padding = [(before[0], after[0]), (before[1], after[1])] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values[rows, columns], padding, mode=border)
