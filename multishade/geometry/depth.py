# SPDX-License-Identifier: Apache-2.0
"""A depth map and its camera -> points in the camera frame, and the normals that the depth alone determines."""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from multishade.geometry.camera import Intrinsics, Projection, pixel_grid

Float64 = NDArray[np.float64]
# Largest change of the surface's slope between neighbouring pixels at which a difference still measures a slope.
_MAX_SLOPE_CHANGE = 0.1
_PATCHES_PER_SIDE = 12


def depth_to_points(depth: NDArray[np.floating], matrix: Intrinsics, projection: Projection) -> Float64:
    """Back-project a depth map.

    Args:
        depth: (H, W) distance along the camera's z axis; infinite or NaN where there is no surface.
        matrix: (3, 3) K in pixels, origin at the outer corner of the top-left pixel.
        projection: "perspective" (u = cx + fx x / depth) or "orthographic" (u = cx + fx x).

    Returns:
        (H, W, 3) points in the camera frame, float64; not finite where the depth is not.
    """
    x, y = pixel_grid(depth.shape, matrix)
    z = depth.astype(np.float64)
    if projection == "perspective":
        x, y = x * z, y * z
    return np.stack([x, y, -z], axis=-1)


def points_to_normals(points: Float64, mask: NDArray[np.bool_]) -> tuple[Float64, NDArray[np.bool_]]:
    """Compute the normals of a surface by central differences.

    Args:
        points: (H, W, 3) points in the camera frame.
        mask: (H, W) where there is a surface.

    Returns:
        (H, W, 3) unit normals, and (H, W) where they are reliable: all four neighbours are on the mask, with no jump
        and no strong curvature between them.
    """
    normal = np.zeros_like(points)
    reliable = np.zeros(mask.shape, bool)
    finite = np.where(mask[..., None], points, 0.0)
    right, left = finite[1:-1, 2:], finite[1:-1, :-2]
    above, below, centre = finite[:-2, 1:-1], finite[2:, 1:-1], finite[1:-1, 1:-1]
    cross = np.cross(right - left, above - below)
    length = np.linalg.norm(cross, axis=-1, keepdims=True)
    normal[1:-1, 1:-1] = cross / np.maximum(length, 1e-30)
    pitch = np.maximum(np.abs(right - left)[..., 0], 1e-30) / 2
    change = (
        np.maximum(np.abs(right + left - 2 * centre)[..., 2], np.abs(above + below - 2 * centre)[..., 2])
        / pitch
    )
    inside = mask[1:-1, 2:] & mask[1:-1, :-2] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, 1:-1]
    reliable[1:-1, 1:-1] = inside & (change < _MAX_SLOPE_CHANGE) & (length[..., 0] > 0)
    return normal, reliable


def pca_normals(points: Float64, mask: NDArray[np.bool_], projection: Projection, side: int = 7) -> Float64:
    """Compute the normals of a surface as those of the planes that fit best to the points around each pixel.

    Args:
        points: (H, W, 3) points in the camera frame.
        mask: (H, W) where there is a surface.
        projection: The kind of camera, towards which normals point.
        side: Pixels a side of the square of points, of which those on the mask count.

    Returns:
        (H, W, 3) unit normals towards the camera; NaN off the mask and where fewer than three points count.
    """
    inside = mask & np.isfinite(points).all(axis=-1)
    # About their mean: squares of small distances from a far origin lose their digits.
    origin = points[inside].mean(axis=0) if inside.any() else np.zeros(3)
    centred = np.where(inside[..., None], points - origin, 0.0)
    products = centred[..., :, None] * centred[..., None, :]
    moments = np.concatenate([inside[..., None], centred, products.reshape(*mask.shape, 9)], axis=-1)
    sums = scipy.ndimage.uniform_filter(moments.astype(np.float64), size=(side, side, 1), mode="constant")
    count = np.rint(sums[..., 0] * side * side)
    given = inside & (count >= 3)
    share = sums[..., :1][given]
    mean = sums[..., 1:4][given] / share
    covariance = sums[..., 4:][given].reshape(-1, 3, 3) / share[..., None] - mean[:, :, None] * mean[:, None]
    normal = np.linalg.eigh(covariance)[1][..., 0] if given.any() else np.zeros((0, 3))
    if projection == "perspective":
        away = np.einsum("nc,nc->n", normal, points[given]) > 0
    else:
        away = normal[:, 2] < 0
    found = np.full_like(points, np.nan)
    found[given] = np.where(away[:, None], -normal, normal)
    return found


def patch_means(normal: NDArray[np.floating], where: NDArray[np.bool_]) -> Float64:
    """Average normals over square patches whose side is a twelfth of the image's shorter side.

    Args:
        normal: (H, W, 3).
        where: (H, W) the pixels that count.

    Returns:
        (H, W, 3) unit means, centred on each pixel.
    """
    side = max(3, min(where.shape) // _PATCHES_PER_SIDE)
    masked = np.where(where[..., None], normal, 0).astype(np.float64)
    mean = scipy.ndimage.uniform_filter(masked, size=(side, side, 1), mode="constant")
    return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-30)
