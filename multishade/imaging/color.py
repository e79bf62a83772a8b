# SPDX-License-Identifier: Apache-2.0
"""Scene-linear light <-> sRGB display values (IEC 61966-2-1), as floats and as the integers of a PNG; luminance."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.threads import one_blas_thread

# Weights of linear red, green and blue in relative luminance (ITU-R BT.709-6, item 3.2).
REC709_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
REC709_LUMINANCE.setflags(write=False)


def luminance(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the relative luminance of linear Rec.709 colours.

    The bits of the result do not depend on the number of BLAS threads. A threaded matrix-vector product splits
    the rows, and OpenBLAS rounds the first and the last rows of each part differently; exposures, which are
    written into every sample, would then depend on OMP_NUM_THREADS.

    Args:
        linear: (..., 3) linear light, any floating type.

    Returns:
        (...) luminance, float32 for float32 input.
    """
    with one_blas_thread():
        return linear @ REC709_LUMINANCE


def linear_to_srgb(linear: NDArray[np.floating]) -> NDArray[np.float32]:
    """Encode linear light for display.

    Args:
        linear: Linear light of any shape; values outside [0, 1] are clipped.

    Returns:
        Display values in [0, 1], float32, of the same shape (IEC 61966-2-1).
    """
    clipped = np.clip(linear, 0, 1, dtype=np.float32)
    return np.where(clipped <= 0.0031308, clipped * np.float32(12.92), _upper_branch(clipped))


def srgb_to_linear(display: NDArray[np.floating]) -> NDArray[np.float32]:
    """Decode display values: the inverse of `linear_to_srgb`.

    Args:
        display: Display values in [0, 1], any shape.

    Returns:
        Linear light in [0, 1], float32, of the same shape.
    """
    display = np.asarray(display, np.float32)
    return np.where(display <= 0.04045, display / np.float32(12.92), ((display + 0.055) / 1.055) ** 2.4)


def linear_to_png(linear: NDArray[np.floating], bits: int) -> NDArray[Any]:
    """Encode linear light as the sRGB integers of a PNG, rounded to the nearest.

    Args:
        linear: Linear light of any shape; values outside [0, 1] are clipped.
        bits: 8 or 16.

    Returns:
        uint8 or uint16 of the same shape.
    """
    display = linear_to_srgb(linear)
    display *= 2**bits - 1
    return np.rint(display, out=display).astype(np.uint8 if bits == 8 else np.uint16)


def png_to_linear(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Decode the sRGB integers of a PNG: the inverse of `linear_to_png`.

    Args:
        pixels: uint8 or uint16, any shape.

    Returns:
        Linear light in [0, 1], float32, of the same shape.
    """
    return _decoding_table(np.iinfo(pixels.dtype).max)[pixels]


def _upper_branch(clipped: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(1.055) * clipped ** np.float32(1 / 2.4) - np.float32(0.055)


@functools.cache
def _decoding_table(top: int) -> NDArray[np.float32]:
    return srgb_to_linear(np.arange(top + 1, dtype=np.float32) / np.float32(top))
