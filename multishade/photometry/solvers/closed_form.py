# SPDX-License-Identifier: Apache-2.0
"""The solvers with a closed form (ols, ols_masked, thresholded): observations -> Solution, one fit a pixel."""

import importlib.util

import numpy as np
from numpy.typing import NDArray

from multishade import threads
from multishade.errors import SolveError
from multishade.photometry.solvers.normal_equations import (
    LEAST_SPREAD,
    SAFE_SPREAD,
    confidence,
    fit_weighted,
    outer_products,
    solve_symmetric,
    spread,
    usable,
)
from multishade.photometry.solvers.observations import Bool, Float32, Observations
from multishade.photometry.solvers.solution import (
    Fit,
    Kernel,
    Solution,
    blank_fields,
    fit_blocks,
    over_threads,
    to_images,
)

# Pixels in a block: planes of 64 KB, so that some thirty of them fit into the second-level cache.
BLOCK = 16384
# OpenBLAS multiplies thin matrices fastest (no packing) while M * N * K stays below a million.
_SMALL_PRODUCT = 1_000_000
# Pixels from which the compiled solver is the default: for fewer, loading it costs more than it saves.
WORTH_COMPILING = 1 << 16


def ols(observations: Observations, workers: int | None = None) -> Solution:
    """Solve by ordinary least squares over all K lights: b = (L^T L)^-1 L^T I (Woodham 1980), RoSE's formula verbatim.

    A light in attached shadow measures 0 where the model predicts a negative value, so normals of partly shadowed
    pixels are biased toward the lights: prefer the other methods unless exactly this formula is needed. Pixels are not
    determined if the lights lie in one plane or fewer than three are lit.

    Args:
        observations: Images and lights.
        workers: Threads; None: one for each core.

    Returns:
        The solution.
    """
    directions = observations.directions
    count = len(directions)
    normal_matrix = directions.T @ directions
    flat = 27 * np.linalg.det(normal_matrix / count) <= LEAST_SPREAD
    inverse = np.zeros((3, 3)) if flat else np.linalg.inv(normal_matrix)
    pseudo_inverse = (inverse @ directions.T).astype(np.float32)
    lights = directions.astype(np.float32)
    inverse_trace = np.float32(np.trace(inverse))

    weighted = masked_kernel(observations, 0.0, every_measured=True)

    def kernel(grey: Float32, measured: Bool | None, want_weights: bool) -> Fit:
        if measured is not None:
            return weighted(grey, measured, want_weights)
        solution = pseudo_inverse @ grey
        misfit = np.empty(grey.shape[1], np.float32)
        lit = np.empty(grey.shape[1], np.int32)
        for part in _parts(count, grey.shape[1]):
            missing = lights @ solution[:, part]
            missing -= grey[:, part]
            np.einsum("kb,kb->b", missing, missing, out=misfit[part])
            np.add.reduce(grey[:, part] > 0, axis=0, out=lit[part])
        squared = np.einsum("ib,ib->b", solution, solution)
        total = np.full_like(misfit, count)
        return Fit(
            solution,
            np.sqrt(misfit / count),
            confidence(misfit, total, squared, np.full_like(misfit, inverse_trace)),
            usable(solution, np.full_like(misfit, 0 if flat else 1), lit),
            np.ones_like(grey) if want_weights else None,
            finite=bool(np.isfinite(solution.sum())),
        )

    return fit_blocks(observations, kernel, BLOCK, gather=False, workers=workers)


def ols_masked(
    observations: Observations, ridge: float = 1e-6, workers: int | None = None, compiled: bool | None = None
) -> Solution:
    """Solve by least squares over the lights whose image is above 0, with a small ridge, as RoSE's published code.

    Exact for attached shadow without noise. With noise, shadowed lights whose noise is positive are used, too; `relu`
    avoids that.

    Args:
        observations: Images and lights.
        ridge: Added to the diagonal of the normal equations.
        workers: Threads; None: one for each core.
        compiled: As for `thresholded`.

    Returns:
        The solution.
    """
    return _solve_lit(observations, ridge, 0.0, 0.0, workers, compiled)


def thresholded(
    observations: Observations,
    tau: float = 0.05,
    relative_to: str = "pixel",
    ridge: float = 1e-6,
    workers: int | None = None,
    compiled: bool | None = None,
) -> Solution:
    """Solve by least squares over the lights above a threshold.

    Args:
        observations: Images and lights.
        tau: The threshold.
        relative_to: The unit of `tau`. "pixel": the pixel's largest value, for photographs (albedo varies). "image"
            (the largest value inside the mask) and "absolute" (the unit of the images): for shading, whose noise is the
            same everywhere.
        ridge: Added to the diagonal of the normal equations.
        workers: Threads; None: one for each core.
        compiled: Whether grey images are solved by `numba_kernels`, whose results agree up to rounding and which are
            several times as fast. None: if numba is installed and the images are large enough.

    Returns:
        The solution.

    Raises:
        SolveError: If `tau` or `relative_to` is invalid, or `compiled` is set without numba.
    """
    if not (0 <= tau < 1 or (relative_to == "absolute" and tau >= 0)):
        raise SolveError(f"tau: {tau:g}; expected a fraction from 0 to below 1 of the largest value")
    if relative_to == "pixel":
        return _solve_lit(observations, ridge, tau, 0.0, workers, compiled)
    if relative_to == "image":
        return _solve_lit(observations, ridge, 0.0, tau * peak(observations), workers, compiled)
    if relative_to == "absolute":
        return _solve_lit(observations, ridge, 0.0, tau, workers, compiled)
    raise SolveError(f"relative_to: {relative_to!r}; expected 'pixel', 'image' or 'absolute'")


def _solve_lit(
    observations: Observations,
    ridge: float,
    tau: float,
    floor: float,
    workers: int | None,
    compiled: bool | None,
) -> Solution:
    installed = importlib.util.find_spec("numba") is not None
    if compiled and not installed:
        raise SolveError("compiled: numba is not installed; pip install numba, or leave compiled off")
    if compiled is None:
        compiled = installed and len(observations.mask) >= WORTH_COMPILING
    if compiled and not observations.colour and len(observations.mask) >= BLOCK:
        return _solve_compiled(observations, (ridge, tau, floor), workers)
    kernel = masked_kernel(observations, ridge, tau, floor)
    return fit_blocks(observations, kernel, BLOCK, gather=False, workers=workers)


def _solve_compiled(
    observations: Observations, limits: tuple[float, float, float], workers: int | None
) -> Solution:
    from multishade.photometry.solvers.numba_kernels import TILE, solve_lit

    fields = blank_fields(observations)
    pixels = len(observations.mask)
    stack = observations.stack
    in_place = (
        observations.measured is None
        and observations.gain is None
        and stack.dtype == np.float32
        and bool(stack.flags.c_contiguous)
    )
    block = BLOCK
    if in_place:
        block = -(-pixels // (threads.current() if workers is None else workers) // TILE) * TILE

    def run(start: int) -> None:
        # The last block is moved back, so that none is shorter than a tile; the overlap is computed twice, equally.
        start = max(0, min(start, pixels - block))
        stop = min(start + block, pixels)
        if in_place:
            finite = solve_lit(
                stack, observations.directions, observations.mask, limits, fields, range(start, stop)
            )
        else:
            here = slice(start, stop)
            normal, albedo, residual, trust, determined = fields
            part = (normal[here], albedo[here], residual[here], trust[here], determined[here])
            grey = np.ascontiguousarray(observations.grey(start, stop))
            finite = solve_lit(
                grey, observations.directions, observations.mask[here], limits, part, range(stop - start)
            )
        if not finite:
            observations.refuse_non_finite(start, stop)

    over_threads(run, range(0, pixels, block), workers)
    return to_images(observations, fields)


def peak(observations: Observations) -> float:
    """Return the largest grey value inside the mask, 0 for an empty mask."""
    largest = 0.0
    for start in range(0, len(observations.mask), BLOCK):
        stop = start + BLOCK
        inside = observations.mask[start:stop]
        if inside.any():
            largest = max(largest, float(observations.grey(start, stop)[:, inside].max()))
    return largest


def masked_kernel(
    observations: Observations,
    ridge: float,
    tau: float = 0.0,
    floor: float = 0.0,
    every_measured: bool = False,
) -> Kernel:
    """Return a kernel for least squares over the lights above max(0, floor, tau times the pixel's largest value).

    every_measured: over all lights that are measurements instead, whatever their values.
    """
    directions = observations.directions
    count = len(directions)
    lights = directions.astype(np.float32)
    products = outer_products(directions).astype(np.float32)
    transposed = np.ascontiguousarray(lights.T)

    def threshold(grey: Float32) -> NDArray[np.float32] | np.float32:
        if tau == 0:
            return np.float32(floor)
        return np.maximum(np.float32(tau) * grey.max(axis=0), np.float32(0))

    def kernel(grey: Float32, measured: Bool | None, want_weights: bool) -> Fit:
        size = grey.shape[1]
        matrix = np.empty((6, size), np.float32)
        right = np.empty((3, size), np.float32)
        limit = threshold(grey)
        used = measured if every_measured and measured is not None else grey > limit
        parts = _parts(count, size)
        widest = parts[0].stop
        weights = np.empty((count, widest), np.float32)
        values = np.empty((count, widest), np.float32)
        for part in parts:
            width = part.stop - part.start
            w, v = weights[:, :width], values[:, :width]
            np.copyto(w, used[:, part])
            np.multiply(w, grey[:, part], out=v)
            np.matmul(products, w, out=matrix[:, part])
            np.matmul(transposed, v, out=right[:, part])
        # The lights are unit vectors, so the trace counts them.
        total = matrix[0] + matrix[1]
        total += matrix[2]
        matrix[:3] += np.float32(ridge)
        solution, determinant, inverse_trace = solve_symmetric(matrix, right)
        spreads = spread(determinant, total)
        lit = np.rint(total) if not every_measured else np.add.reduce(used & (grey > 0), axis=0)
        doubtful = np.flatnonzero((spreads < SAFE_SPREAD) & (lit >= 3))
        if len(doubtful):
            exact = fit_weighted(grey[:, doubtful], used[:, doubtful], directions, ridge)
            solution[:, doubtful], spreads[doubtful], inverse_trace[doubtful] = exact

        misfit = np.empty(size, np.float32)
        for part in parts:
            width = part.stop - part.start
            w, missing = weights[:, :width], values[:, :width]
            np.matmul(lights, solution[:, part], out=missing)
            missing -= grey[:, part]
            # As float: a product of float and bool goes through a slow conversion.
            np.copyto(w, used[:, part])
            missing *= w
            np.einsum("kb,kb->b", missing, missing, out=misfit[part])
        squared = np.einsum("ib,ib->b", solution, solution)
        return Fit(
            solution,
            np.sqrt(misfit / total),
            confidence(misfit, total, squared, inverse_trace),
            usable(solution, spreads, lit),
            used.astype(np.float32) if want_weights else None,
            finite=bool(np.isfinite(right.sum())),
        )

    return kernel


def _parts(count: int, size: int) -> list[slice]:
    """Slices of a block so narrow that a (6, K) x (K, width) product stays a small one."""
    width = max(256, _SMALL_PRODUCT // (6 * count) // 256 * 256)
    return [slice(start, min(start + width, size)) for start in range(0, size, width)]
