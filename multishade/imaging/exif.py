# SPDX-License-Identifier: Apache-2.0
"""EXIF of a photograph (bytes of JPEG, TIFF, PNG, WebP, HEIC or a TIFF-like raw file) -> focal length and exposure.

Source of the tags: CIPA DC-008-2019 (Exif 2.32), sections 4.6.4 to 4.6.8.
"""

import math
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

ORIENTATION = 0x0112
_PHOTO = 0x8769  # where the block of the photograph's own tags begins
_EXPOSURE_TIME, _F_NUMBER, _ISO = 0x829A, 0x829D, 0x8827
_FOCAL, _FOCAL_35 = 0x920A, 0xA405
_WIDTH, _HEIGHT = 0xA002, 0xA003
_PLANE_X, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_DIAGONAL_35 = math.hypot(36, 24)  # mm
# A photo whose aspect differs by more than this from the one stated in its EXIF was cropped.
_SAME_ASPECT = 0.01


@dataclass(frozen=True)
class Exif:
    """What a camera wrote down; None for what it did not.

    Attributes:
        orientation: 1 to 8; 1 is upright.
        focal_mm: Focal length, mm.
        focal_35mm: Focal length that gives the same diagonal angle of view on a frame of 36 x 24 mm.
        width: Pixels of the photograph as it was taken, along the sensor's longer side as a rule.
        height: The same, the other side.
        pixels_per_mm: Of the sensor, along its width.
        exposure_seconds: Exposure time.
        f_number: Aperture.
        iso: Sensitivity.
    """

    orientation: int = 1
    focal_mm: float | None = None
    focal_35mm: float | None = None
    width: int | None = None
    height: int | None = None
    pixels_per_mm: float | None = None
    exposure_seconds: float | None = None
    f_number: float | None = None
    iso: float | None = None

    @property
    def relative_exposure(self) -> float | None:
        """Light that a code stands for, as time x ISO / 100 / f-number^2; None if one of them is missing."""
        if self.exposure_seconds is None or self.f_number is None or self.iso is None:
            return None
        return self.exposure_seconds * self.iso / 100 / self.f_number**2

    def focal_pixels(self, width: int, height: int) -> tuple[float, str] | None:
        """Compute the focal length in pixels.

        Args:
            width: Of the photo, pixels, upright or not.
            height: The same.

        Returns:
            The focal length and a sentence on where it comes from; None without one, or if the photo was cropped.
        """
        if self._cropped(width, height):
            return None
        if self.focal_35mm is not None:
            pixels = self.focal_35mm / _DIAGONAL_35 * math.hypot(width, height)
            return pixels, f"EXIF: {self.focal_35mm:g} mm at 36 x 24 mm"
        if self.focal_mm is not None and self.pixels_per_mm is not None and self.width:
            scale = max(width, height) / max(self.width, self.height or 0)
            return (
                self.focal_mm * self.pixels_per_mm * scale,
                f"EXIF: {self.focal_mm:g} mm, sensor resolution",
            )
        return None

    def _cropped(self, width: int, height: int) -> bool:
        if not self.width or not self.height:
            return False
        now = max(width, height) / min(width, height)
        taken = max(self.width, self.height) / min(self.width, self.height)
        # Rounding of a resized photo may change its aspect by half a pixel in the shorter side.
        return abs(now / taken - 1) > _SAME_ASPECT + 1 / min(width, height)


NO_EXIF = Exif()


def read_exif(content: Any) -> Exif:
    """Read the EXIF that Pillow found.

    Args:
        content: A `PIL.Image.Exif`.
    """
    # A block may be damaged beside sound pixels.
    damage = (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error)
    orientation, photo = 1, {}
    with suppress(*damage):
        orientation = int(content.get(ORIENTATION) or 1)
    with suppress(*damage):
        photo = dict(content.get_ifd(_PHOTO))
    per_unit, unit = _number(photo.get(_PLANE_X)), photo.get(_PLANE_UNIT, 2)
    per_mm = None if per_unit is None or unit not in _UNIT_MM else per_unit / _UNIT_MM[unit]
    width, height = _number(photo.get(_WIDTH)), _number(photo.get(_HEIGHT))
    return Exif(
        orientation=orientation if 1 <= orientation <= 8 else 1,
        focal_mm=_number(photo.get(_FOCAL)),
        focal_35mm=_number(photo.get(_FOCAL_35)),
        width=None if width is None else int(width),
        height=None if height is None else int(height),
        pixels_per_mm=per_mm,
        exposure_seconds=_number(photo.get(_EXPOSURE_TIME)),
        f_number=_number(photo.get(_F_NUMBER)),
        iso=_number(photo.get(_ISO)),
    )


def parse_exif(data: bytes) -> Exif:
    """Read EXIF from the bytes of a TIFF structure: a PNG's eXIf chunk, or the head of a raw file such as DNG."""
    from PIL import Image

    content = Image.Exif()
    try:
        content.load(data if data.startswith(b"Exif\0\0") else b"Exif\0\0" + data)
    except (SyntaxError, ValueError, TypeError, OSError, struct.error):
        return NO_EXIF
    return read_exif(content)


def _number(value: Any) -> float | None:
    """A finite number above 0; cameras write 0, or 0 / 0, for what they do not know."""
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
