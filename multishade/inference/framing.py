# SPDX-License-Identifier: Apache-2.0
"""A photo of any size <-> the square that a network sees: a window round the object, resized; and results put back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.inference.photo import Bool, Float32, Photo

FEWEST_PIXELS = 4  # of the photo's shorter side in the network's square
LARGEST_SQUARE = 8192  # pixels a side that are filled in memory; beyond, the photo alone is resized
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


def frame(photo: Photo, size: int, crop: bool = True, window: Window | None = None) -> Framed:
    """The square that the network sees, `size` pixels a side.

    With a mask, the background is made black, and the window goes round the object (unless `crop` is False). Without
    one it is `window`, or holds the whole photo, in the middle, its border repeated outwards. Resized by area if that
    shrinks, by cubic interpolation if it enlarges.
    """
    refuse_thin(photo, size, crop)
    window = window or window_of(photo, crop)
    height, width, side = window.height, window.width, window.side
    pixels = photo.pixels if photo.mask is None else np.where(photo.mask[..., None], photo.pixels, 0)
    border = "edge" if photo.mask is None else "constant"
    if side > LARGEST_SQUARE:
        return _frame_thin(photo, pixels, window, size)
    seen = resize(_cut(pixels, window, border), size)
    covered = resize(_cut(np.ones((height, width), np.float32), window, "constant"), size)
    mask = None
    if photo.mask is not None:
        mask = resize(_cut(photo.mask.astype(np.float32), window, "constant"), size) > 0.5
    return Framed(np.clip(seen, 0, 1), mask, covered > 0.5, window)


def unframe(values: Float32, window: Window, outside: float = 0.0) -> Float32:
    """(S, S) or (S, S, C) of the network's square -> (H, W) or (H, W, C) of the photo."""
    if window.side > LARGEST_SQUARE:
        return _unframe_thin(values, window, outside)
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


def window_of(photo: Photo, crop: bool = True) -> Window:
    """The part of the photo that the network sees: round the object, or the whole photo."""
    height, width = photo.pixels.shape[:2]
    if photo.mask is not None and crop:
        rows, columns = (np.flatnonzero(photo.mask.any(axis=axis)) for axis in (1, 0))
        centre = ((rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2)
        longer = max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])
        side = max(4, round(longer * MARGIN))
    else:
        centre, side = (height / 2, width / 2), max(height, width)
    return Window(round(centre[0] - side / 2), round(centre[1] - side / 2), side, height, width)


def refuse_thin(photo: Photo, size: int, crop: bool = True) -> None:
    """Raise ImageFileError if a network of `size` pixels a side would see hardly a line of the photo."""
    window = window_of(photo, crop)
    rows, columns = _inside(window)
    seen = size * min(rows.stop - rows.start, columns.stop - columns.start) / window.side
    if seen < FEWEST_PIXELS:
        raise ImageFileError(
            f"{photo.name}: {window.width} x {window.height} pixels: of the {size} x {size} that the network sees, the "
            f"photo would fill {max(seen, 0.1):.1f} in its shorter side; cut it to a part that is less long"
        )


def _inside(window: Window) -> tuple[slice, slice]:
    """Rows and columns of the photo that the window covers."""
    return (
        slice(max(window.top, 0), min(window.top + window.side, window.height)),
        slice(max(window.left, 0), min(window.left + window.side, window.width)),
    )


def _frame_thin(photo: Photo, pixels: Float32, window: Window, size: int) -> Framed:
    """`frame` by resizing the photo alone, for a square too large to be filled: `size` a side, padded afterwards."""
    import cv2

    place, (height, width) = _place_in_square(window, size)
    rows, columns = _inside(window)

    def seen(values: NDArray[Any]) -> NDArray[Any]:
        part = np.ascontiguousarray(values[rows, columns], np.float32)
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)

    square = np.zeros((size, size, 3), np.float32)
    square[place] = seen(pixels)
    if photo.mask is None:
        top, left = place[0].start, place[1].start
        around = [(top, size - top - height), (left, size - left - width), (0, 0)]
        square = np.pad(square[place], around, mode="edge")
    inside = np.zeros((size, size), bool)
    inside[place] = True
    mask = None
    if photo.mask is not None:
        mask = np.zeros((size, size), bool)
        mask[place] = seen(photo.mask.astype(np.float32)) > 0.5
    return Framed(np.clip(square, 0, 1), mask, inside, window)


def _unframe_thin(values: Float32, window: Window, outside: float) -> Float32:
    import cv2

    place, _ = _place_in_square(window, len(values))
    rows, columns = _inside(window)
    part = np.ascontiguousarray(values[place], np.float32)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    photo = np.full((window.height, window.width, *values.shape[2:]), outside, np.float32)
    photo[rows, columns] = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    return photo


def _place_in_square(window: Window, size: int) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """Where the part of the photo lies in the network's square, whole pixels, and its (height, width) there."""
    scale = size / window.side
    rows, columns = _inside(window)
    spans = []
    for part, start in ((rows, window.top), (columns, window.left)):
        length = max(1, round((part.stop - part.start) * scale))
        first = min(round((part.start - start) * scale), size - length)
        spans.append(slice(first, first + length))
    return (spans[0], spans[1]), (spans[0].stop - spans[0].start, spans[1].stop - spans[1].start)


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
