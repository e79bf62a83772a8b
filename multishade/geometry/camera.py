# SPDX-License-Identifier: Apache-2.0
"""A camera's settings -> its intrinsic matrix; an intrinsic matrix -> rays and view directions of all pixels.

Conventions (`conventions.CONVENTIONS`): camera frame +x right, +y up, +z from the scene toward the camera; K in pixels,
origin at the outer corner of the top-left pixel.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import Window
from multishade.protocol import scene

Float64 = NDArray[np.float64]
Intrinsics = Sequence[Sequence[float]] | NDArray[np.floating]
Projection = Literal["perspective", "orthographic"]


def intrinsics(camera: scene.Camera) -> list[list[float]]:
    """Compute the intrinsic matrix K of a camera.

    Args:
        camera: A perspective or an orthographic camera.

    Returns:
        3 x 3 as nested lists. Focal lengths are in pixels for a perspective camera, and in pixels per scene unit for an
        orthographic one.
    """
    longer = max(camera.width, camera.height)
    if camera.type == "perspective":
        scale = camera.focal_mm / camera.sensor_mm * longer
    else:
        scale = longer / camera.orthographic_scale
    right, up = camera.shift[0] * longer, camera.shift[1] * longer
    return [[scale, 0.0, camera.width / 2 - right], [0.0, scale, camera.height / 2 + up], [0.0, 0.0, 1.0]]


def central_intrinsics(width: int, height: int, focal: float) -> Float64:
    """Compute the intrinsic matrix of a photo that is known by its focal length alone.

    Args:
        width: Pixels.
        height: Pixels.
        focal: Focal length in pixels; pixels are square, and the principal point is the image's centre.

    Returns:
        (3, 3) K.
    """
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def focal_of_view(degrees: float, side: float) -> float:
    """Convert an angle of view to a focal length in pixels.

    Args:
        degrees: The angle between the outer edges of the image, 0 to 180 exclusive.
        side: Pixels between them.

    Returns:
        The focal length in pixels.
    """
    return side / (2 * np.tan(np.radians(degrees) / 2))


def angle_of_view(focal: float, side: float) -> float:
    """Convert a focal length in pixels to an angle of view.

    Args:
        focal: Pixels.
        side: Pixels between the outer edges of the image.

    Returns:
        The angle between these edges, degrees.
    """
    return float(np.degrees(2 * np.arctan(side / (2 * focal))))


def crop_intrinsics(matrix: Intrinsics, window: Window) -> Float64:
    """Compute the intrinsic matrix of an image that is cropped: the principal point moves.

    Args:
        matrix: (3, 3) K of the whole image.
        window: Rows and columns that are kept.

    Returns:
        (3, 3) K of the crop.
    """
    rows, columns = window
    cropped = np.array(matrix, np.float64)
    cropped[:2, 2] -= (columns.start or 0, rows.start or 0)
    return cropped


def pixel_grid(shape: tuple[int, ...], matrix: Intrinsics) -> tuple[Float64, Float64]:
    """Compute the normalised coordinates of all pixel centres.

    Args:
        shape: Height and width of the image.
        matrix: (3, 3) K without skew.

    Returns:
        x and y, (H, W) each: x = (u - cx) / fx to the right, y = (cy - v) / fy upward. For a perspective camera the
        coordinates at depth 1, for an orthographic one those in scene units.
    """
    k = np.asarray(matrix, np.float64)
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    return (u - k[0, 2]) / k[0, 0], (k[1, 2] - v) / k[1, 1]


def view_directions(shape: tuple[int, ...], matrix: Intrinsics, projection: Projection) -> Float64:
    """Compute the direction from each pixel's surface point toward the camera.

    Args:
        shape: Height and width of the image.
        matrix: (3, 3) K without skew.
        projection: The kind of camera.

    Returns:
        (H, W, 3) unit vectors in the camera frame.
    """
    if projection == "orthographic":
        return np.broadcast_to(np.array([0.0, 0.0, 1.0]), (*shape, 3))
    x, y = pixel_grid(shape, matrix)
    toward = np.stack([-x, -y, np.ones(shape)], axis=-1)
    return toward / np.linalg.norm(toward, axis=-1, keepdims=True)
