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
LIMIT = 65534  # of 65535: white after LibRaw has rounded it
SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")


def decode_raw(data: bytes, source: str) -> tuple[NDArray[Any], Exif, NDArray[np.bool_]]:
    """Develop a raw file: the camera's white balance, no brightening, no curve, clipped at the sensor's limit.

    White is the limit that the file states, not the brightest value of the photo, so that photographs of one exposure
    keep one scale.

    Args:
        data: The whole file.
        source: How messages name it.

    Returns:
        (H, W, 3) uint16, linear, Rec.709 primaries, turned upright; EXIF of files that are TIFF inside (most);
        (H, W) bool, where any colour of the sensor is at its limit or mixed with one that is.

    Raises:
        ImageFileError: The file cannot be decoded.
        MissingPackageError: rawpy is not installed.
    """
    require("rawpy", extra="photos")
    import rawpy
    from scipy import ndimage

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            common: dict[str, Any] = {
                "use_camera_wb": True,
                "no_auto_bright": True,
                "adjust_maximum_thr": 0.0,
                "gamma": (1, 1),
                "output_bps": 16,
            }
            pixels = raw.postprocess(output_color=rawpy.ColorSpace.sRGB, **common)
            # The camera's own colours: those of sRGB mix them, and no longer tell which was at its limit.
            cheap = rawpy.DemosaicAlgorithm.LINEAR
            sensor = raw.postprocess(output_color=rawpy.ColorSpace.raw, demosaic_algorithm=cheap, **common)
    except (rawpy.LibRawError, ValueError, OSError, RuntimeError) as error:
        reason = error.args[0].decode("ascii", "replace") if isinstance(error.args[0], bytes) else error
        raise ImageFileError(
            f"{source}: cannot be read as a raw file ({reason}); convert it to TIFF"
        ) from error
    clipped = ndimage.binary_dilation((sensor >= LIMIT).any(axis=2), np.ones((3, 3), bool))
    return np.ascontiguousarray(pixels), parse_exif(data), clipped
