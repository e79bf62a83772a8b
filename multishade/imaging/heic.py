# SPDX-License-Identifier: Apache-2.0
"""Bytes of a HEIC photograph -> upright pixels, EXIF and colour profile, if pillow-heif is installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.extras import require
from multishade.imaging.exif import NO_EXIF, Exif, parse_exif

PACKAGE = "pillow_heif"
SUFFIXES = (".heic", ".heif", ".hif")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def is_heic(data: bytes) -> bool:
    """Whether the first bytes are those of HEIC; AVIF, the same container, has another brand."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS and b"avif" not in data[:64]


def decode_heic(data: bytes, source: str) -> tuple[NDArray[Any], Exif, bytes | None]:
    """Decode the first image.

    Args:
        data: The whole file.
        source: How messages name it.

    Returns:
        (H, W, 3 or 4), turned upright: uint8, or uint16 for 10 and 12 bits; EXIF; the ICC profile if there is one.

    Raises:
        ImageFileError: The file cannot be decoded.
        MissingPackageError: pillow-heif is not installed.
    """
    require("pillow_heif", extra="photos")
    import pillow_heif

    try:
        image = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
        # libheif turns the pixels, whatever the EXIF beside them says.
        pixels = np.asarray(image)
        exif = parse_exif(image.info["exif"]) if image.info.get("exif") else NO_EXIF
        return pixels, exif, image.info.get("icc_profile")
    except (ValueError, RuntimeError, OSError, SyntaxError, EOFError) as error:
        raise ImageFileError(
            f"{source}: cannot be read as an image ({error}); save it again as PNG or JPEG"
        ) from error
