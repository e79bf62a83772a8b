# SPDX-License-Identifier: Apache-2.0
"""Normals and lights -> shading images; images of single lights and weights -> an image under all of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multishade.errors import SolveError


def lambert(normal: ArrayLike, directions: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float32]:
    """Lambertian shading with attached shadow and nothing else: shading[k] = max(0, normal . directions[k]).

    normal: (H, W, 3) unit vectors, camera frame. directions: (K, 3) unit vectors toward the light, same
    frame. mask: (H, W), zero where there is no object; shading is 0 there. Returns (K, H, W) float32.
    """
    field = np.asarray(normal, dtype=np.float32)
    lights = np.asarray(directions, dtype=np.float32)
    if field.ndim != 3 or field.shape[2] != 3:
        raise SolveError(f"normal: expected (H, W, 3), got {field.shape}")
    if lights.ndim != 2 or lights.shape[1] != 3:
        raise SolveError(f"directions: expected (K, 3), got {lights.shape}")
    height, width = field.shape[:2]
    shading = lights @ field.reshape(-1, 3).T
    np.maximum(shading, np.float32(0), out=shading)
    if mask is not None:
        inside = np.asarray(mask)
        if inside.shape != (height, width):
            raise SolveError(f"mask: expected {(height, width)} like the normals, got {inside.shape}")
        shading[:, inside.reshape(-1) == 0] = 0
    return shading.reshape(len(lights), height, width)


def compose(basis_images: ArrayLike, weights: ArrayLike) -> NDArray[np.float32]:
    """The image under several lights at once: light adds up, so it is the weighted sum of the images under
    each.

    basis_images: (M, H, W, C) scene-linear, one light each. weights: (M,) strengths, or (M, C) colours of the
    lights. Returns (H, W, C) float32.
    """
    images = np.asarray(basis_images, dtype=np.float32)
    strengths = np.asarray(weights, dtype=np.float32)
    if images.ndim != 4:
        raise SolveError(f"basis_images: expected (M, H, W, C), got {images.shape}")
    if strengths.shape == (len(images),):
        return np.tensordot(strengths, images, axes=1)
    if strengths.shape == (len(images), images.shape[3]):
        return np.einsum("mhwc,mc->hwc", images, strengths)
    raise SolveError(
        f"weights: {strengths.shape} for {len(images)} images of {images.shape[3]} channels; "
        f"expected {(len(images),)} or {(len(images), images.shape[3])}"
    )
