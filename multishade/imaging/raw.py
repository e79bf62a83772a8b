# SPDX-License-Identifier: Apache-2.0
"""Bytes of a camera's raw file -> upright linear Rec.709 pixels of 16 bits, if rawpy (LibRaw) is installed."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.extras import require
from multishade.imaging.exif import Exif, parse_exif

PACKAGE = "rawpy"
SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")


def decode_raw(data: bytes, source: str) -> tuple[NDArray[Any], Exif, None]:
    """Develop a raw file: the camera's white balance, no brightening, no curve, clipped at the sensor's limit.

    Args:
        data: The whole file.
        source: How messages name it.

    Returns:
        (H, W, 3) uint16, linear, Rec.709 primaries, turned upright; EXIF of files that are TIFF inside (most);
        no profile.

    Raises:
        ImageFileError: The file cannot be decoded.
        MissingPackageError: rawpy is not installed.
    """
    require("rawpy", extra="photos")
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            pixels = raw.postprocess(
                use_camera_wb=True,
                no_auto_bright=True,
                gamma=(1, 1),
                output_bps=16,
                output_color=rawpy.ColorSpace.sRGB,
            )
    except (rawpy.LibRawError, ValueError, OSError, RuntimeError) as error:
        reason = error.args[0].decode("ascii", "replace") if isinstance(error.args[0], bytes) else error
        raise ImageFileError(
            f"{source}: cannot be read as a raw file ({reason}); convert it to TIFF"
        ) from error
    return np.ascontiguousarray(pixels), parse_exif(data), None
