# SPDX-License-Identifier: Apache-2.0
"""Scene-linear light <-> sRGB display values (IEC 61966-2-1), as floats and as the integers of a PNG."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def srgb_from_linear(linear: NDArray[np.floating]) -> NDArray[np.float32]:
    """Linear light, any shape -> display values in [0, 1], float32; what lies outside [0, 1] is clipped."""
    clipped = np.clip(linear, 0, 1, dtype=np.float32)
    return np.where(clipped <= 0.0031308, clipped * np.float32(12.92), _upper_branch(clipped))


def linear_from_srgb(display: NDArray[np.floating]) -> NDArray[np.float32]:
    """Display values in [0, 1], any shape -> linear light, float32: the inverse of `srgb_from_linear`."""
    display = np.asarray(display, np.float32)
    return np.where(display <= 0.04045, display / np.float32(12.92), ((display + 0.055) / 1.055) ** 2.4)


def png_from_linear(linear: NDArray[np.floating], bits: int) -> NDArray[Any]:
    """Linear light -> sRGB integers, uint8 (bits 8) or uint16 (bits 16), rounded to the nearest."""
    display = srgb_from_linear(linear)
    display *= 2**bits - 1
    return np.rint(display, out=display).astype(np.uint8 if bits == 8 else np.uint16)


def linear_from_png(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """uint8 or uint16 sRGB integers -> linear light in [0, 1], float32."""
    return _decoding_table(np.iinfo(pixels.dtype).max)[pixels]


def _upper_branch(clipped: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(1.055) * clipped ** np.float32(1 / 2.4) - np.float32(0.055)


@cache
def _decoding_table(top: int) -> NDArray[np.float32]:
    return linear_from_srgb(np.arange(top + 1, dtype=np.float32) / np.float32(top))
