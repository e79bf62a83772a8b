# SPDX-License-Identifier: Apache-2.0
"""Samples on a grid inside each pixel -> the mean of what belongs to the surface at the pixel's centre.

A material's detail may be finer than a pixel; its normal at the pixel's centre then speckles where the image is smooth.
The mean is that of the detail alone: each sample's normal is rotated with the geometry normal from the sample to the
centre before it counts, so that a smooth surface keeps the normal of the centre exactly, and facets on either side of a
crease are not mixed.
"""

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import Box
from multishade.geometry.camera import Projection, crop_intrinsics
from multishade.geometry.depth import depth_to_points

Array = NDArray[np.floating]
LARGEST_GAP = 0.5  # pixels, of a sample from the plane of the surface at the centre
LEAST_COSINE = 0.5  # of the geometry normals of a sample and the centre
MOST_SAMPLES = 4_000_000  # that are rendered at once


def bands(box: Box, grid: int) -> list[Box]:
    """Divide a box into bands of rows that hold at most `MOST_SAMPLES` samples each, one row at least."""
    rows = max(1, MOST_SAMPLES // (grid * grid * box.width))
    tops = range(box.top, box.bottom, rows)
    return [Box(box.left, top, box.right, min(top + rows, box.bottom)) for top in tops]


def same_surface(
    depth: Array,
    geometry_normal: Array,
    centre_depth: Array,
    centre_geometry_normal: Array,
    matrix: NDArray[np.float64],
    projection: Projection,
) -> NDArray[np.bool_]:
    """Find the samples on the surface that the centre of their pixel shows.

    Args:
        depth: (g H, g W) of the samples, along the camera's z axis; infinite off the object.
        geometry_normal: (g H, g W, 3) without bump, unit, camera frame.
        centre_depth: (H, W) at the centres; infinite off the object.
        centre_geometry_normal: (H, W, 3).
        matrix: (3, 3) K of the pixels.
        projection: Of the camera.

    Returns:
        (H, W, g, g): near the plane through the centre's point, and turned little against it.
    """
    grid = depth.shape[0] // centre_depth.shape[0]
    fine = np.asarray(matrix) * np.array([[grid], [grid], [1.0]])
    points = depth_to_points(depth, fine, projection)
    centres = depth_to_points(centre_depth, matrix, projection)
    reach = centre_depth if projection == "perspective" else np.ones_like(centre_depth)
    pixel = (reach / matrix[0][0])[:, :, None, None]
    with np.errstate(invalid="ignore"):
        away = tiles(points, grid) - centres[:, :, None, None]
        normal = centre_geometry_normal[:, :, None, None]
        gap = np.abs((away * normal).sum(axis=-1))
        cosine = (tiles(geometry_normal, grid) * normal).sum(axis=-1)
        return np.asarray((gap < LARGEST_GAP * pixel) & (cosine > LEAST_COSINE))


def mean_normals(
    normal: Array,
    geometry_normal: Array,
    centre_normal: Array,
    centre_geometry_normal: Array,
    counted: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Average normals over each pixel's footprint.

    Args:
        normal: (g H, g W, 3) of the samples, unit, camera frame.
        geometry_normal: (g H, g W, 3) without bump.
        centre_normal: (H, W, 3) at the centres; kept where no sample counts.
        centre_geometry_normal: (H, W, 3).
        counted: (H, W, g, g) from `same_surface`.

    Returns:
        (H, W, 3) unit normals.
    """
    grid = counted.shape[-1]
    centre = np.broadcast_to(centre_geometry_normal[:, :, None, None], (*counted.shape, 3))
    rotated = _rotated(tiles(normal, grid), tiles(geometry_normal, grid), centre)
    mean = np.where(counted[..., None], rotated, 0.0).sum(axis=(2, 3))
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    usable = length > 1e-3 * np.maximum(counted.sum(axis=(2, 3)), 1)[..., None]
    return np.where(usable, mean / np.maximum(length, 1e-12), centre_normal).astype(np.float32)


def lit_pixels(
    shading: Array, normal: Array, direction: NDArray[np.floating], counted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find the pixels that a light reaches: over those samples that face it, at least half of the cosine is lit.

    Args:
        shading: (g H, g W) visibility * max(0, n . l) of the samples.
        normal: (g H, g W, 3) of the samples.
        direction: (3,) l, toward the light.
        counted: (H, W, g, g) from `same_surface`.
    """
    grid = counted.shape[-1]
    received = np.where(counted, tiles(shading, grid), 0.0).sum(axis=(2, 3))
    facing = np.where(counted, np.maximum(tiles(normal @ direction, grid), 0.0), 0.0).sum(axis=(2, 3))
    return np.asarray((facing > 0) & (received >= 0.5 * facing))


def tiles(values: Array, grid: int) -> Array:
    """Group samples by pixel: (g H, g W, ...) -> (H, W, g, g, ...)."""
    height, width = values.shape[0] // grid, values.shape[1] // grid
    return values.reshape(height, grid, width, grid, *values.shape[2:]).swapaxes(1, 2)


def box_intrinsics(matrix: list[list[float]], box: Box) -> NDArray[np.float64]:
    """Compute K of the pixels of a box."""
    return crop_intrinsics(np.asarray(matrix), box.window)


def _rotated(vectors: Array, start: Array, end: Array) -> Array:
    """Apply to each vector the least rotation that takes `start` to `end` (Rodrigues); all (..., 3), those two unit."""
    axis = np.cross(start, end)
    cosine = (start * end).sum(axis=-1, keepdims=True)
    once = np.cross(axis, vectors)
    return vectors + once + np.cross(axis, once) / np.maximum(1.0 + cosine, 1e-6)
