# SPDX-License-Identifier: Apache-2.0
"""Predicted normals of a photo -> a surface on a grid of bounded size, for a mesh and a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import bounding_window
from multishade.geometry.depth import depth_to_points
from multishade.inference.framing import LARGEST_SQUARE, resize
from multishade.photometry.integration import methods

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LONGEST_SIDE = 384  # of the grid that is integrated; millions of pixels would take minutes
MIN_FACING = 0.1  # cosine to the view axis of normals that are integrated


@dataclass(frozen=True)
class Surface:
    """An integrated surface; the longer side of the object's bounding box is 1.

    Attributes:
        depth: (h, w), NaN off the object.
        normal: (h, w, 3) the normals that were integrated.
        pixel_size: Distance of neighbouring pixels.
    """

    depth: Float64
    normal: Float32
    pixel_size: float

    def points(self) -> Float64:
        """Compute the points, (h, w, 3), camera frame, orthographic; depth 0 off the object."""
        scale = 1 / self.pixel_size
        return depth_to_points(np.nan_to_num(self.depth), np.diag([scale, scale, 1.0]), "orthographic")


def _fitted(normal: Float32, side: int) -> Float32:
    """Normals at LONGEST_SIDE pixels for the longer side."""
    if side > LARGEST_SQUARE:
        import cv2

        scale = LONGEST_SIDE / side
        width, height = (max(2, round(length * scale)) for length in normal.shape[1::-1])
        return cv2.resize(normal, (width, height), interpolation=cv2.INTER_AREA).astype(
            np.float32, copy=False
        )
    # A square, so that both axes keep one scale.
    square = np.zeros((side, side, 3), np.float32)
    square[: normal.shape[0], : normal.shape[1]] = normal
    return resize(square, LONGEST_SIDE)


def integrate_normals(normal: Float32, method: str = "bilateral") -> Surface | None:
    """Integrate normals seen by an orthographic camera (a photo does not tell its own).

    Args:
        normal: (H, W, 3) unit vectors, camera frame; 0 off the object.
        method: Of `multishade.photometry.integration.methods`.

    Returns:
        The surface, on a grid of at most LONGEST_SIDE pixels a side; None if there is no normal.
    """
    given = (normal != 0).any(axis=2)
    if not given.any():
        return None
    cropped = normal[bounding_window(given, margin=1)]
    side = max(cropped.shape[:2])
    if side > LONGEST_SIDE:
        cropped = _fitted(cropped, side)
        side = LONGEST_SIDE
    inside = np.linalg.norm(cropped, axis=2) > 0.5
    if not inside.any():
        return None
    # What is seen cannot face away; a predicted normal that does would put a cliff into the surface.
    facing = np.where(inside[..., None], cropped, 0)
    facing[..., 2] = np.where(inside, np.maximum(facing[..., 2], MIN_FACING), 0)
    facing /= np.maximum(np.linalg.norm(facing, axis=2, keepdims=True), 1e-9)
    depth = methods.integrate(facing, inside, method=method, pixel_size=1 / side).depth
    return Surface(depth, facing, 1 / side)
