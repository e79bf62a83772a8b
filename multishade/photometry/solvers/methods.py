# SPDX-License-Identifier: Apache-2.0
"""Images under known distant lights -> normals, albedo, residual and confidence, by any of the methods."""

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
from multishade.threads import one_blas_thread

METHODS: Mapping[str, Callable[..., Solution]] = {
    "ols": ols,
    "ols_masked": ols_masked,
    "thresholded": thresholded,
    "relu": relu,
    "robust": robust,
}


@one_blas_thread()
def solve(
    intensities: ArrayLike,
    directions: ArrayLike,
    mask: ArrayLike | None = None,
    method: str = "ols_masked",
    light_intensities: ArrayLike | None = None,
    grey: str = "luminance",
    measured: ArrayLike | None = None,
    **options: Any,
) -> Solution:
    """Recover normal and albedo of every pixel from images under known distant lights (Woodham 1980).

    Pixels with fewer than three lit lights, or whose lit lights lie in one plane, are not `determined`.

    Args:
        intensities: (K, H, W) grey or (K, H, W, 3) RGB images, scene-linear, K >= 3; float16, float32, float64, or
            unsigned integers, which are read as fractions of full scale.
        directions: (K, 3) unit vectors toward the lights in the camera frame (+x right, +y up, +z to the camera).
        mask: (H, W), zero off the object.
        method: A key of METHODS: "ols", "ols_masked", "thresholded", "relu" or "robust".
        light_intensities: (K,) or, for RGB, (K, 3); images are divided by them.
        grey: "luminance" or "mean": how RGB becomes the number that is fitted. The albedo keeps its colour.
        measured: (K, H, W) or (K, H, W, 3), False where a value is no measurement (clipped) and is left out; None: all
            are.
        **options: Options of the method, see its docstring. All methods have `workers`, the number of threads.

    Returns:
        The solution, at the size of the images.

    Raises:
        SolveError: If the method or an option is unknown, a value inside the mask is NaN, a light is not a unit vector,
            or sizes do not match.
    """
    if method not in METHODS:
        raise SolveError(f"method: {method!r} is not known; choose from {', '.join(METHODS)}")
    known = inspect.signature(METHODS[method]).parameters
    for option in options:
        if option not in known:
            others = ", ".join(name for name in known if name != "observations")
            raise SolveError(f"{option}: {method} has no such option; it has {others}")
    return METHODS[method](
        observe(intensities, directions, mask, light_intensities, grey, measured), **options
    )
