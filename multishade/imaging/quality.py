# SPDX-License-Identifier: Apache-2.0
"""An image and its reference -> mean squared error of display values, and PSNR in dB."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.color import linear_to_srgb

MAX_PSNR = 99.0  # dB, of equal images, so that means exist


@dataclass(frozen=True)
class ImageQuality:
    """The quality of one stored image.

    Attributes:
        key: The sample's key.
        field: The image's field, such as image_point.
        kind: The kind of its light.
        psnr: dB against a reference, of display values inside the mask, over the three channels.
    """

    key: str
    field: str
    kind: str
    psnr: float


def psnr(image: NDArray[np.floating], reference: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Compute the PSNR of an image as it is displayed, inside a mask.

    Args:
        image: (H, W, 3) linear light at its exposure; display values are clipped to [0, 1].
        reference: (H, W, 3) the same at the same exposure, without noise.
        mask: (H, W) the pixels that count.

    Returns:
        dB (peak 1), at most MAX_PSNR.
    """
    error = display_error(image[mask], reference[mask])
    return min(MAX_PSNR, error_to_psnr(error)) if error > 0 else MAX_PSNR


def display_error(image: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Compute the mean squared difference of two arrays of linear light after sRGB encoding.

    Args:
        image: Linear light of any shape.
        reference: The same shape.

    Returns:
        The error, 0 to 1, summed in float64.
    """
    return mean_squared(linear_to_srgb(image) - linear_to_srgb(reference))


def mean_squared(difference: NDArray[np.floating]) -> float:
    """Compute the mean of the squares of an array, summed in float64."""
    return float(np.mean(np.square(difference), dtype=np.float64))


def error_to_psnr(error: float, smallest_error: float = 0.0) -> float:
    """Convert a mean squared error (peak 1) to dB, taking errors below `smallest_error` (above 0) for that."""
    return float(-10 * np.log10(max(error, smallest_error)))


def psnr_to_error(psnr: float) -> float:
    """Convert dB to the mean squared error (peak 1): the inverse of `error_to_psnr`."""
    return 10 ** (-psnr / 10)
