# SPDX-License-Identifier: Apache-2.0
"""An angle of view, EXIF or an intrinsic matrix -> `View`: the camera of a photo and where the knowledge comes from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.geometry.camera import angle_of_view, central_intrinsics, focal_of_view
from multishade.imaging.exif import Exif

Float64 = NDArray[np.float64]

NARROWEST, WIDEST = 0.5, 170.0  # degrees; beyond them an angle of view is a mistake


@dataclass(frozen=True)
class View:
    """A camera.

    Attributes:
        camera: (3, 3) intrinsics of the whole photo in pixels, origin at the outer corner of the top-left pixel; None
            if it is unknown: then the photo counts as orthographic.
        source: Where that comes from, or why it is unknown; for sidecars and people.
    """

    camera: Float64 | None
    source: str

    def fov_x(self, width: int) -> float | None:
        """The angle of view in degrees across `width` pixels; None for an orthographic view."""
        return None if self.camera is None else angle_of_view(float(self.camera[0, 0]), width)


UNKNOWN_VIEW = View(None, "orthographic: neither --fov-x nor a focal length in EXIF is given")


def view_of_photo(width: int, height: int, exif: Exif, fov_x: float | None = None) -> View:
    """Find the camera of a photo.

    Args:
        width: Of the upright photo, pixels.
        height: The same.
        exif: What its file states.
        fov_x: The angle of view across the width in degrees, which counts more than EXIF; None if it is not given.

    Returns:
        The view.

    Raises:
        ImageFileError: `fov_x` is no angle of view.
    """
    if fov_x is not None:
        return _view_of_angle(width, height, fov_x)
    found = exif.focal_pixels(width, height)
    if found is None:
        if exif.focal_35mm is not None or exif.focal_mm is not None:
            return View(
                None,
                "orthographic: EXIF has a focal length, but the photo was cropped, or the sensor's size is unknown; "
                "give --fov-x",
            )
        return UNKNOWN_VIEW
    focal, source = found
    if not NARROWEST <= angle_of_view(focal, width) <= WIDEST:
        return View(None, f"orthographic: {source} gives no possible angle of view")
    return View(central_intrinsics(width, height, focal), source)


def view_of_object(width: int, height: int, camera: Float64 | None, fov_x: float | None = None) -> View:
    """Find the camera of an object under known lights: the angle of view if it is given, else its intrinsics.

    Args:
        width: Of the photographs, pixels.
        height: The same.
        camera: (3, 3) intrinsics that come with the photographs, or None.
        fov_x: The angle of view across the width in degrees, or None.

    Returns:
        The view.

    Raises:
        ImageFileError: `fov_x` is no angle of view.
    """
    if fov_x is not None:
        return _view_of_angle(width, height, fov_x)
    if camera is not None:
        return View(camera, "intrinsics that come with the photographs")
    return View(None, "orthographic: neither --fov-x, K.txt nor a focal length in EXIF is given")


def _view_of_angle(width: int, height: int, fov_x: float) -> View:
    if not NARROWEST <= fov_x <= WIDEST:
        raise ImageFileError(
            f"--fov-x {fov_x:g}: expected {NARROWEST:g} to {WIDEST:g} degrees across the photo's width"
        )
    return View(central_intrinsics(width, height, focal_of_view(fov_x, width)), f"--fov-x {fov_x:g}")
