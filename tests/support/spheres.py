# SPDX-License-Identifier: Apache-2.0
"""A sphere whose normals are known, as the prediction of a model without a model."""

import numpy as np
from numpy.typing import NDArray

from multishade.inference.framing import window_of
from multishade.inference.photo import Photo
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.view import View

Normals = NDArray[np.float32]


def sphere_normals(
    height: int, width: int, radius: float, reach: float = 0.95
) -> tuple[Normals, NDArray[np.bool_]]:
    """Normals (H, W, 3) and mask (H, W) of a sphere in the middle, seen orthographically to `reach` of its radius."""
    row, column = np.mgrid[:height, :width] + 0.5
    x, y = (column - width / 2) / radius, (height / 2 - row) / radius
    mask = x**2 + y**2 < reach**2
    normal = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], axis=2)
    return np.where(mask[..., None], normal, 0).astype(np.float32), mask


def seen_sphere(
    shape: tuple[int, int], fov_x: float, radius: float = 1.0, distance: float = 4.0
) -> PhotoPrediction:
    """A sphere in front of a perspective camera, whose angle of view across the width is `fov_x` degrees."""
    from multishade.geometry.camera import central_intrinsics, focal_of_view, pixel_grid

    height, width = shape
    camera = central_intrinsics(width, height, focal_of_view(fov_x, width))
    x, y = pixel_grid(shape, camera)
    ray = np.stack([x, y, -np.ones(shape)], axis=2)
    ray /= np.linalg.norm(ray, axis=2, keepdims=True)
    middle = np.array([0, 0, -distance])
    along = ray @ middle
    root = along**2 - (distance**2 - radius**2)
    mask = root > 0.02 * radius**2
    point = ray * (along - np.sqrt(np.maximum(root, 0)))[..., None]
    normal = np.where(mask[..., None], (point - middle) / radius, 0).astype(np.float32)
    photo = Photo(coloured(shape), mask, "seen", view=View(camera, "known"))
    return PhotoPrediction(photo, normal, mask.astype(np.float32), mask, None, window_of(photo))


def coloured(shape: tuple[int, int]) -> Normals:
    """A photo (H, W, 3) that is red toward the right and green toward the bottom."""
    row, column = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.stack([column / shape[1], row / shape[0], np.full(shape, 0.4)], axis=2).astype(np.float32)


def sphere_prediction(height: int = 90, width: int = 120, radius: float = 40.0) -> PhotoPrediction:
    """A sphere in an orthographic photo, with a confidence that falls toward its rim."""
    normal, mask = sphere_normals(height, width, radius)
    photo = Photo(coloured((height, width)), mask, "ball")
    return PhotoPrediction(photo, normal, normal[..., 2].copy(), mask, None, window_of(photo))
