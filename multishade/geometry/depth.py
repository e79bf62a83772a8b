# SPDX-License-Identifier: Apache-2.0
"""A depth map and its camera -> points, and the normals that the depth alone gives."""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
# Largest turn of the surface's slope between neighbouring pixels at which a difference still measures a
# slope.
_SMOOTH_TURN = 0.1


def points_of(depth: NDArray[np.floating], matrix: Sequence[Sequence[float]], kind: str) -> Float64:
    """(H, W) depth along the camera's z axis -> (H, W, 3) points in the camera's frame, float64.

    matrix: K in pixels, origin at the outer corner of the top-left pixel. kind: "perspective" (u = cx + fx
    x / depth) or "orthographic" (u = cx + fx x). Where the depth is infinite, so is the point.
    """
    k = np.asarray(matrix, np.float64)
    v, u = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]] + 0.5
    x, y = (u - k[0, 2]) / k[0, 0], (k[1, 2] - v) / k[1, 1]
    z = depth.astype(np.float64)
    if kind == "perspective":
        x, y = x * z, y * z
    return np.stack([x, y, -z], axis=-1)


def normals_from_points(points: Float64, mask: NDArray[np.bool_]) -> tuple[Float64, NDArray[np.bool_]]:
    """(H, W, 3) points of a surface -> unit normals (H, W, 3) by central differences, and where they are to
    be trusted.

    Trusted: all four neighbours on the mask, no jump and no strong curvature between them.
    """
    normal = np.zeros_like(points)
    trusted = np.zeros(mask.shape, bool)
    safe = np.where(mask[..., None], points, 0.0)
    right, left = safe[1:-1, 2:], safe[1:-1, :-2]
    above, below, centre = safe[:-2, 1:-1], safe[2:, 1:-1], safe[1:-1, 1:-1]
    cross = np.cross(right - left, above - below)
    length = np.linalg.norm(cross, axis=-1, keepdims=True)
    normal[1:-1, 1:-1] = cross / np.maximum(length, 1e-30)
    pitch = np.maximum(np.abs(right - left)[..., 0], 1e-30) / 2
    turn = (
        np.maximum(np.abs(right + left - 2 * centre)[..., 2], np.abs(above + below - 2 * centre)[..., 2])
        / pitch
    )
    inside = mask[1:-1, 2:] & mask[1:-1, :-2] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, 1:-1]
    trusted[1:-1, 1:-1] = inside & (turn < _SMOOTH_TURN) & (length[..., 0] > 0)
    return normal, trusted


def patch_means(normal: NDArray[np.floating], where: NDArray[np.bool_]) -> Float64:
    """(H, W, 3) normals -> unit means over square patches (a twelfth of the image wide) of the pixels in `where`."""
    side = max(3, min(where.shape) // 12)
    masked = np.where(where[..., None], normal, 0).astype(np.float64)
    mean = scipy.ndimage.uniform_filter(masked, size=(side, side, 1), mode="constant")
    return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-30)


def view_directions(shape: tuple[int, ...], matrix: Sequence[Sequence[float]], kind: str) -> Float64:
    """(H, W, 3) unit vectors from each pixel's point toward the camera, in the camera's frame."""
    if kind == "orthographic":
        return np.broadcast_to(np.array([0.0, 0.0, 1.0]), (*shape, 3))
    rays = -points_of(np.ones(shape), matrix, kind)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)
