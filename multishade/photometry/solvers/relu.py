# SPDX-License-Identifier: Apache-2.0
"""Fit of the rectified shading model: observations -> Solution that minimises sum_k (I_k - max(0, l_k . b))^2.

A dark pixel is information, too: its light is behind the surface. Least squares over the lit lights ignores that, and
over all lights it uses it as the equation l . b = 0; the rectified model uses it as the inequality l . b <= 0.
"""

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.photometry.solvers.closed_form import masked_kernel
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

# Values in a block, about 1 MB: the iterations stay in the second-level cache.
_BLOCK_VALUES = 1 << 18
# Damping of a Gauss-Newton step, relative to trace(A) / 3: enough for float32, too little to slow convergence.
_DAMPING = np.float32(1e-5)
# A step shorter than this fraction of b (0.0006 degrees) ends a pixel's iterations, as does one cut to this fraction.
_SMALL_STEP = np.float32(1e-5)
_SHORTEST_CUT = np.float32(1 / 64)


def relu(
    observations: Observations, start_tau: float = 0.05, max_iterations: int = 30, workers: int | None = None
) -> Solution:
    """Solve by Gauss-Newton on sum_k (I_k - max(0, l_k . b))^2, starting from the thresholded solution.

    A step that does not reduce the misfit is cut to a quarter. The most accurate of the five methods for shading with
    noise. Like every least-squares fit it is not meant for highlights and cast shadows; `robust` is.

    Args:
        observations: Images and lights.
        start_tau: Threshold of the starting point, a fraction of the pixel's largest value.
        max_iterations: The largest number of steps.
        workers: Threads; None: one for each core.

    Returns:
        The solution.

    Raises:
        SolveError: If `max_iterations` is below 1.
    """
    if max_iterations < 1:
        raise SolveError(f"max_iterations: {max_iterations}; at least 1 is needed")
    directions = observations.directions
    lights = directions.astype(np.float32)
    products = outer_products(directions).astype(np.float32)
    first_guess = masked_kernel(observations, 1e-6, tau=start_tau)

    def kernel(grey: Float32, measured: Bool | None, want_weights: bool) -> Fit:
        counted = None if measured is None else measured.astype(np.float32)
        guess = first_guess(grey, None, False)
        scaled = np.where(guess.determined, guess.scaled_normal, 0).astype(np.float32)
        # If the threshold leaves too few lights, start from the mean of the lights weighted by the images.
        unsolved = ~guess.determined
        scaled[:, unsolved] = lights.T @ np.maximum(grey[:, unsolved], 0) / len(lights)
        scaled = gauss_newton(grey, lights, products, scaled, max_iterations, counted)

        shading = lights @ scaled
        active = _active(shading, counted)
        misfit = _cost(grey, shading, counted)
        lit = ((grey > 0) & (shading > 0)).sum(axis=0)
        total = active.sum(axis=0)
        _, determinant, inverse_trace = solve_symmetric(products @ active, scaled)
        spreads = spread(determinant, total)
        doubtful = np.flatnonzero((spreads < SAFE_SPREAD) & (lit >= 3))
        if len(doubtful):
            scaled[:, doubtful], spreads[doubtful], inverse_trace[doubtful] = fit_weighted(
                grey[:, doubtful], active[:, doubtful], directions
            )
        squared = np.einsum("ib,ib->b", scaled, scaled)
        return Fit(
            scaled,
            np.sqrt(misfit / len(lights)),
            confidence(misfit, total, squared, inverse_trace),
            usable(scaled, spreads, lit),
            active if want_weights else None,
            finite=bool(np.isfinite(grey.sum())),
        )

    block = max(1024, _BLOCK_VALUES // len(lights))
    return fit_blocks(observations, kernel, block, gather=True, workers=workers)


def gauss_newton(
    grey: Float32,
    lights: Float32,
    products: NDArray[np.float32],
    start: Float32,
    max_iterations: int,
    counted: Float32 | None = None,
) -> Float32:
    """Minimise the rectified misfit. Converged pixels leave the working set, so only few take many steps.

    Args:
        grey: (K, B) values.
        lights: (K, 3) unit vectors toward the lights.
        products: (6, K) their outer products (`outer_products`).
        start: (3, B) albedo times normal to start from.
        max_iterations: The largest number of steps.
        counted: (K, B) 0 where a value is no measurement, else 1; None: all are.

    Returns:
        (3, B) albedo times normal.
    """
    result = start.copy()
    open_pixels = np.arange(grey.shape[1])
    scaled = start.copy()
    cut = np.ones(grey.shape[1], np.float32)
    shading = lights @ scaled
    cost = _cost(grey, shading, counted)
    for _ in range(max_iterations):
        active = _active(shading, counted)
        matrix = products @ active
        matrix[:3] += _DAMPING * matrix[:3].sum(axis=0) / 3 + np.finfo(np.float32).tiny
        gradient = lights.T @ (active * (grey - shading))
        step = solve_symmetric(matrix, gradient)[0]
        step *= cut
        step[:, ~np.isfinite(step).all(axis=0)] = 0
        trial = scaled + step
        trial_shading = lights @ trial
        trial_cost = _cost(grey, trial_shading, counted)
        better = trial_cost < cost
        small = _squared_length(step) < _SMALL_STEP**2 * _squared_length(trial)
        scaled = np.where(better, trial, scaled)
        shading = np.where(better, trial_shading, shading)
        cost = np.where(better, trial_cost, cost)
        cut = np.where(better, np.minimum(cut * 2, 1), cut / 4)
        done: Bool = small | (cut < _SHORTEST_CUT)
        if done.any():
            result[:, open_pixels] = scaled
            keep = ~done
            if not keep.any():
                return result
            open_pixels, cut, cost = open_pixels[keep], cut[keep], cost[keep]
            scaled, shading, grey = scaled[:, keep], shading[:, keep], grey[:, keep]
            counted = None if counted is None else counted[:, keep]
    result[:, open_pixels] = scaled
    return result


def _active(shading: Float32, counted: Float32 | None) -> Float32:
    """(K, B) 1 for lights in front of the surface that are counted, else 0."""
    active = (shading > 0).astype(np.float32)
    return active if counted is None else active * counted


def _cost(grey: Float32, shading: Float32, counted: Float32 | None) -> Float32:
    missing = grey - np.maximum(shading, 0)
    if counted is not None:
        missing *= counted
    return np.einsum("kb,kb->b", missing, missing)


def _squared_length(vectors: Float32) -> Float32:
    return np.einsum("ib,ib->b", vectors, vectors)
