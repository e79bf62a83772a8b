# SPDX-License-Identifier: Apache-2.0
"""Normals and lights -> shading images; images of single lights and weights -> an image under all of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multishade.errors import SolveError


def lambert(normal: ArrayLike, directions: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float32]:
    """Compute Lambertian shading with attached shadow: shading[k] = max(0, normal . directions[k]).

    Args:
        normal: (H, W, 3) unit vectors in the camera frame.
        directions: (K, 3) unit vectors toward the lights in the same frame.
        mask: (H, W), zero where there is no object; shading is 0 there.

    Returns:
        (K, H, W) float32, without albedo, cast shadow or interreflection.

    Raises:
        SolveError: If the shapes do not fit.
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


def relight(basis_images: ArrayLike, weights: ArrayLike, exposure: float = 1.0) -> NDArray[np.float32]:
    """Compose the image under several lights at once from images under one light each.

    Light transport is linear: the image is the weighted sum.

    Args:
        basis_images: (M, H, W, C) scene-linear, one light each, at one exposure.
        weights: (M,) strengths or (M, C) colours of the lights relative to those rendered, none negative.
        exposure: Factor on the result, above 0.

    Returns:
        (H, W, C) float32, scene-linear.

    Raises:
        SolveError: If shapes do not fit, a weight is negative or not finite, or the exposure is not above 0.
    """
    images = np.asarray(basis_images, dtype=np.float32)
    strengths = np.asarray(weights, dtype=np.float32)
    if images.ndim != 4:
        raise SolveError(f"basis_images: expected (M, H, W, C), got {images.shape}")
    if strengths.shape not in ((len(images),), (len(images), images.shape[3])):
        raise SolveError(
            f"weights: {strengths.shape} for {len(images)} images of {images.shape[3]} channels; "
            f"expected {(len(images),)} or {(len(images), images.shape[3])}"
        )
    if not (np.isfinite(strengths).all() and (strengths >= 0).all()):
        raise SolveError(f"weights: light cannot be taken away; the least of them is {strengths.min():g}")
    if not (np.isfinite(exposure) and exposure > 0):
        raise SolveError(f"exposure: {exposure:g}; expected a factor above 0")
    strengths = strengths * np.float32(exposure)
    if strengths.ndim == 1:
        return np.tensordot(strengths, images, axes=1)
    return np.einsum("mhwc,mc->hwc", images, strengths)
