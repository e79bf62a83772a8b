# SPDX-License-Identifier: Apache-2.0
"""Baselines that see the mask only: a plane that faces the camera, an ellipsoid in the mask's bounding box."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.evaluation.methods.base import ALL, PredictedNormals
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.geometry.boxes import bounding_window


def constant(target: BenchmarkObject) -> Iterator[PredictedNormals]:
    """Every pixel faces the camera: nothing is used but the camera's side."""
    normal = np.zeros((*target.mask.shape, 3), dtype=np.float32)
    normal[target.mask, 2] = 1
    yield PredictedNormals(ALL, normal)


def sphere(target: BenchmarkObject) -> Iterator[PredictedNormals]:
    """The half of an ellipsoid that fills the mask's bounding box: only the outline's position and size are used."""
    yield PredictedNormals(ALL, ellipsoid_normals(target.mask))


def ellipsoid_normals(mask: NDArray[np.bool_]) -> Float32:
    """Normals (H, W, 3) of an ellipsoid over the bounding box of `mask`, as deep as it is wide and high on average.

    Mask pixels in the box's corners, outside the ellipse, get the normal of the nearest point of the rim.
    """
    rows, columns = bounding_window(mask)
    half = np.array([columns.stop - columns.start, rows.stop - rows.start]) / 2
    row, column = np.nonzero(mask)
    x = (column + 0.5 - (columns.start + columns.stop) / 2) / half[0]
    y = -(row + 0.5 - (rows.start + rows.stop) / 2) / half[1]
    radius = np.hypot(x, y)
    outside = np.maximum(radius, 1)
    x, y = x / outside, y / outside
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    # The normal of an ellipsoid is the gradient of (x/a)^2 + (y/b)^2 + (z/c)^2.
    vectors = np.stack([x / half[0], y / half[1], z / np.sqrt(half[0] * half[1])], axis=1)
    normal = np.zeros((*mask.shape, 3), dtype=np.float32)
    normal[row, column] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normal


BASELINES = {"constant": constant, "sphere": sphere}
