# SPDX-License-Identifier: Apache-2.0
"""Images under known lights -> normals, albedo, residual and confidence: one interface over every method."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from multishade.errors import SolveError
from multishade.photometry.solvers.closed_form import ols, ols_masked, thresholded
from multishade.photometry.solvers.observations import observe
from multishade.photometry.solvers.relu import relu
from multishade.photometry.solvers.robust import robust
from multishade.photometry.solvers.solution import Solution

METHODS: Mapping[str, Callable[..., Solution]] = {
    "ols": ols,
    "ols_masked": ols_masked,
    "thresholded": thresholded,
    "relu": relu,
    "robust": robust,
}


def solve(
    intensities: ArrayLike,
    directions: ArrayLike,
    mask: ArrayLike | None = None,
    method: str = "ols_masked",
    light_intensities: ArrayLike | None = None,
    grey: str = "luminance",
    **options: Any,
) -> Solution:
    """Recover the normal, the albedo and how far to trust them, pixel by pixel, from images under known
    distant lights.

    intensities: (K, H, W) or (K, H, W, 3), scene-linear, K >= 3; float16, float32, float64, or unsigned
    integers, which are read as fractions of full scale. directions: (K, 3) unit vectors toward the lights,
    camera frame (+x right, +y up, +z to the camera). mask: (H, W), zero off the object. method: a key of
    METHODS. light_intensities: (K,) or, for RGB, (K, 3); images are divided by them. grey: "luminance" or
    "mean", how RGB becomes the one number that is fitted (the albedo keeps its colour). options: the method's
    own, see its docstring; `workers` (threads) is everyone's.

    Raises SolveError for an unknown method or option, NaN inside the mask, lights that are not unit vectors,
    and sizes that do not match. Pixels with fewer than three lit lights, or whose lights lie in one plane,
    are not `determined`.
    """
    if method not in METHODS:
        raise SolveError(f"method: {method!r} is not known; choose from {', '.join(METHODS)}")
    known = inspect.signature(METHODS[method]).parameters
    for option in options:
        if option not in known:
            others = ", ".join(name for name in known if name != "observations")
            raise SolveError(f"{option}: {method} has no such option; it has {others}")
    return METHODS[method](observe(intensities, directions, mask, light_intensities, grey), **options)
