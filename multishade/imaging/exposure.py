# SPDX-License-Identifier: Apache-2.0
"""Luminance of an object's pixels -> the exposure that brings its median to a target without clipping highlights."""

import math

import numpy as np
from numpy.typing import NDArray

from multishade.config.models import Exposure

_DEFAULT = Exposure()
VISIBLE_LUMINANCE = 0.005  # of an exposed image; displayed it is 16 of 255


def visible_share(luminance: NDArray[np.floating]) -> float:
    """Measure how much of an object can be seen.

    Args:
        luminance: (N,) exposed luminance of the object's pixels.

    Returns:
        The share of pixels from VISIBLE_LUMINANCE on; 0 for no pixels.
    """
    return float(np.mean(luminance >= VISIBLE_LUMINANCE)) if luminance.size else 0.0


def is_nearly_black(median: float) -> bool:
    """Tell whether less than half of an object can be seen.

    Args:
        median: Median of the exposed luminance of its pixels.

    Returns:
        Whether it is below VISIBLE_LUMINANCE.
    """
    return median < VISIBLE_LUMINANCE


def exposure_to_median(
    luminance: NDArray[np.floating],
    median: float,
    highlight: float = _DEFAULT.highlight,
    highlight_percentile: float = _DEFAULT.highlight_percentile,
    limit: float = math.inf,
) -> float:
    """Compute the factor that brings an object's median luminance to `median`.

    If the highlights would exceed their bound first (a dark metal with bright reflections), the bound decides. If
    hardly any light reaches the object, `limit` decides, and the image stays dark.

    Args:
        luminance: (N,) luminance of the object's pixels, linear.
        median: The median luminance wanted, above 0.
        highlight: The largest luminance that the `highlight_percentile` of the pixels may reach.
        highlight_percentile: In percent, 0 to 100.
        limit: The largest factor allowed.

    Returns:
        The factor, above 0; 1 for an object that is completely black, and for no pixels.
    """
    if not luminance.size:
        return 1.0
    middle, bright = np.percentile(luminance, [50, highlight_percentile])
    if bright <= 0:
        return 1.0
    by_highlight = min(highlight / bright, limit)
    return float(min(median / middle, by_highlight) if middle > 0 else by_highlight)
