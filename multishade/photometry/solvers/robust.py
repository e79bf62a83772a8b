# SPDX-License-Identifier: Apache-2.0
"""Fit that tolerates a few outlying lights: observations -> Solution minimising sum |I_k - l_k . b|^p over lit lights.

Highlights, cast shadows and interreflection cause errors that are large and few (sparse), while least squares assumes
small errors everywhere. p = 1 is the convex relaxation of counting the outliers; smaller p comes closer to counting.
Nothing is sampled at random.
"""

import numpy as np

from multishade.errors import SolveError
from multishade.photometry.solvers.normal_equations import (
    SAFE_SPREAD,
    confidence,
    fit_weighted,
    outer_products,
    solve_symmetric,
    spread,
    usable,
)
from multishade.photometry.solvers.observations import Bool, Float32, Observations
from multishade.photometry.solvers.solution import Fit, Solution, fit_blocks

_BLOCK_VALUES = 1 << 18


def robust(
    observations: Observations,
    exponent: float = 1.0,
    shadow: float = 0.05,
    smoothing: float = 5e-3,
    max_iterations: int = 40,
    workers: int | None = None,
) -> Solution:
    """Solve by iteratively reweighted least squares on sum |I_k - l_k . b|^exponent over the lights not in shadow.

    The residual of the solution is the weighted one, to which outliers hardly contribute.

    Args:
        observations: Images and lights.
        exponent: Above 0 to 1. 1 is L1, whose minimum does not depend on the start; 0.5 rejects outliers harder.
        shadow: Lights darker than this fraction of the pixel's typical brightness (its 90th percentile) count as shadow
            and are left out; 0.05 suits photographs, 0 keeps everything above 0.
        smoothing: Residuals below this fraction of the typical brightness count as small. It is reached by halving a
            larger value, so that early fits do not decide.
        max_iterations: The largest number of fits.
        workers: Threads; None: one for each core.

    Returns:
        The solution.

    Raises:
        SolveError: If an option is out of range.
    """
    if not 0 < exponent <= 1:
        raise SolveError(
            f"exponent: {exponent:g}; expected above 0 to 1 (2 is least squares: use ols_masked)"
        )
    if not 0 <= shadow < 1:
        raise SolveError(
            f"shadow: {shadow:g}; expected a fraction from 0 to below 1 of the pixel's brightness"
        )
    if not smoothing > 0:
        raise SolveError(f"smoothing: {smoothing:g}; expected a positive fraction of the brightness")
    directions = observations.directions
    lights = directions.astype(np.float32)
    products = outer_products(directions).astype(np.float32)
    power = np.float32((exponent - 2) / 2)

    def kernel(grey: Float32, measured: Bool | None, want_weights: bool) -> Fit:
        scale = _typical(grey) if measured is None else _typical_measured(grey, measured)
        used = (grey > np.float32(shadow) * scale).astype(np.float32)
        lit = used.sum(axis=0)
        solvable = lit >= 3
        weights = used
        scaled = _fit(grey, weights, lights, products)
        width = 0.5
        for _ in range(max_iterations):
            width = max(width / 2, smoothing)
            before = scaled
            weights = _weights(grey, lights @ scaled, used, width * scale, power)
            scaled = _fit(grey, weights, lights, products)
            step = scaled - before
            moved = np.einsum("ib,ib->b", step, step) > 1e-9 * np.einsum("ib,ib->b", scaled, scaled)
            if width == smoothing and not (moved & solvable).any():
                break

        total = weights.sum(axis=0)
        _, determinant, inverse_trace = solve_symmetric(products @ weights, scaled)
        spreads = spread(determinant, total)
        doubtful = np.flatnonzero(~(spreads > SAFE_SPREAD) & solvable)
        if len(doubtful):
            scaled[:, doubtful], spreads[doubtful], inverse_trace[doubtful] = fit_weighted(
                grey[:, doubtful], weights[:, doubtful], directions
            )
        misfit = np.einsum("kb,kb->b", weights, np.square(grey - lights @ scaled))
        squared = np.einsum("ib,ib->b", scaled, scaled)
        return Fit(
            scaled,
            np.sqrt(misfit / total),
            confidence(misfit, total, squared, inverse_trace),
            usable(scaled, spreads, lit),
            weights if want_weights else None,
            finite=bool(np.isfinite(grey.sum())),
        )

    block = max(1024, _BLOCK_VALUES // len(lights))
    return fit_blocks(observations, kernel, block, gather=True, workers=workers)


def _typical(grey: Float32) -> Float32:
    """(B,) brightness of each pixel without highlights: the 90th percentile over the lights, at least 0."""
    rank = int(0.9 * (len(grey) - 1))
    return np.maximum(np.partition(grey, rank, axis=0)[rank], np.float32(0))


def _typical_measured(grey: Float32, measured: Bool) -> Float32:
    """`_typical` over the lights that are measurements, which are not the same ones for all pixels."""
    ordered = np.sort(np.where(measured, grey, np.float32(-np.inf)), axis=0)
    count = measured.sum(axis=0)
    rank = len(grey) - count + (0.9 * np.maximum(count - 1, 0)).astype(int)
    values = ordered[np.minimum(rank, len(grey) - 1), np.arange(grey.shape[1])]
    return np.where(count > 0, np.maximum(values, np.float32(0)), np.float32(0))


def _fit(grey: Float32, weights: Float32, lights: Float32, products: Float32) -> Float32:
    """Weighted least squares (3, B); 0 where it is not finite."""
    matrix = products @ weights
    matrix[:3] += np.float32(1e-7) * matrix[:3].sum(axis=0)
    scaled = solve_symmetric(matrix, lights.T @ (weights * grey))[0]
    return np.where(np.isfinite(scaled).all(axis=0), scaled, 0).astype(np.float32)


def _weights(grey: Float32, shading: Float32, used: Float32, width: Float32, power: np.float32) -> Float32:
    """Weights (K, B): 1 for residual 0, decreasing as |residual|^(p - 2) beyond `width` (B,)."""
    relative = (grey - shading) / np.maximum(width, np.finfo(np.float32).tiny)
    relative *= relative
    relative += 1
    return used * relative**power
