# SPDX-License-Identifier: Apache-2.0
"""Files of depth to refine and of depth anchors -> arrays at a photo's size."""

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging.read import read_stored
from multishade.text import read_text

Float64 = NDArray[np.float64]


def read_depth(path: str | Path, shape: tuple[int, int]) -> Float64:
    """Read a depth map.

    Args:
        path: EXR, TIFF, PNG, .npy and the like of one channel: distance along the view axis, any unit.
        shape: (H, W) of the photo.

    Returns:
        (H, W); NaN where the file is not finite or not above 0.

    Raises:
        ImageFileError: If the file cannot be read, has several different channels, or is of another size.
    """
    stored = np.asarray(read_stored(Path(path)), np.float64)
    if stored.ndim == 3 and (stored == stored[..., :1]).all():
        stored = stored[..., 0]
    if stored.ndim != 2:
        raise ImageFileError(f"{path}: a depth map has one channel, this has {stored.shape[2]}")
    if stored.shape != shape:
        raise ImageFileError(
            f"{path}: depth of {stored.shape[1]} x {stored.shape[0]} pixels for a photo of {shape[1]} x {shape[0]}"
        )
    return np.where(np.isfinite(stored) & (stored > 0), stored, np.nan)


def read_anchors(path: str | Path, shape: tuple[int, int]) -> Float64:
    """Read measured depth of single pixels.

    Args:
        path: A text file, a line a point: `u,v,depth`; u to the right and v down, pixels, origin at the outer corner of
            the top-left pixel; depth along the view axis, any unit. A first line of names, empty lines and lines that
            begin with # are left out.
        shape: (H, W) of the photo.

    Returns:
        (N, 3).

    Raises:
        ImageFileError: If the file cannot be read, a line is no point, or a point lies beyond the photo; names the
            line.
    """
    rows: list[tuple[float, ...]] = []
    for number, row in enumerate(csv.reader(io.StringIO(read_text(path, ImageFileError))), 1):
        values = [value.strip() for value in row]
        if not any(values) or values[0].startswith("#"):
            continue
        try:
            point = tuple(map(float, values))
        except ValueError as error:
            if not rows and number == 1:
                continue
            raise ImageFileError(f"{path}:{number}: expected u,v,depth, found {','.join(row)}") from error
        if len(point) != 3 or not all(map(np.isfinite, point)) or point[2] <= 0:
            raise ImageFileError(
                f"{path}:{number}: expected u,v,depth with depth above 0, found {','.join(row)}"
            )
        if not (0 <= point[0] < shape[1] and 0 <= point[1] < shape[0]):
            raise ImageFileError(
                f"{path}:{number}: the point lies beyond the photo of {shape[1]} x {shape[0]} pixels"
            )
        rows.append(point)
    if not rows:
        raise ImageFileError(f"{path}: holds no point")
    return np.asarray(rows, np.float64)
