# SPDX-License-Identifier: Apache-2.0
"""Least squares over lit lights in one compiled pass: grey stack -> the fields of a Solution, at the speed of memory.

The same arithmetic as `closed_form.masked_kernel`, fused: NumPy writes every intermediate plane to the cache and
reads it back, which costs five to ten passes; here a tile of pixels stays in the first-level cache from the images to
the result. Needs numba, which compiles on the first call (seconds) and stores the result on disk.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from multishade.photometry.solvers.normal_equations import (
    ASSUMED_MISFIT,
    LEAST_SPREAD,
    PER_SQUARED_RADIAN,
    SAFE_SPREAD,
)
from multishade.photometry.solvers.observations import Bool, Float32, Float64

# Pixels in a tile: eleven planes and four rows of images fill half of a 32 KB first-level cache. A constant, so that
# the compiler can prove that planes do not overlap, which it needs to use vector instructions.
TILE = 512
_f = np.float32
# The kernels have no annotations: numba infers types from the call and ignores annotations.
_SPREAD_SCALE = _f(27)


def _compile(function: Callable[..., Any]) -> Any:
    # Contraction to fused multiply-add only: full fastmath would let the compiler assume that NaN does not occur.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # Neither this folder nor the user's cache can be written to: every process compiles for itself.
        return numba.njit(**options)(function)


@_compile
def _accumulate(stack, pixels, start, lights, tau, floor, tile):  # type: ignore[no-untyped-def]
    """tile[0:6] = sum w l l^T (xx, yy, zz, yz, xz, xy), [6:9] = sum w l I, [9] = the limit above which w is 1."""
    count = lights.shape[0]
    for i in range(9 * TILE):
        tile[i] = _f(0)
    for i in range(TILE):
        tile[9 * TILE + i] = floor
    if tau > _f(0):
        for k in range(count):
            row = stack[k * pixels + start : k * pixels + start + TILE]
            for i in range(TILE):
                tile[9 * TILE + i] = max(tile[9 * TILE + i], tau * row[i])
    # Four lights a sweep, so that the nine sums go through the cache a quarter as often.
    quads = count // 4 * 4
    for k in range(0, quads, 4):
        x0, y0, z0 = lights[k, 0], lights[k, 1], lights[k, 2]
        x1, y1, z1 = lights[k + 1, 0], lights[k + 1, 1], lights[k + 1, 2]
        x2, y2, z2 = lights[k + 2, 0], lights[k + 2, 1], lights[k + 2, 2]
        x3, y3, z3 = lights[k + 3, 0], lights[k + 3, 1], lights[k + 3, 2]
        row0 = stack[k * pixels + start : k * pixels + start + TILE]
        row1 = stack[(k + 1) * pixels + start : (k + 1) * pixels + start + TILE]
        row2 = stack[(k + 2) * pixels + start : (k + 2) * pixels + start + TILE]
        row3 = stack[(k + 3) * pixels + start : (k + 3) * pixels + start + TILE]
        for i in range(TILE):
            limit = tile[9 * TILE + i]
            a = _f(1) if row0[i] > limit else _f(0)
            b = _f(1) if row1[i] > limit else _f(0)
            c = _f(1) if row2[i] > limit else _f(0)
            d = _f(1) if row3[i] > limit else _f(0)
            p, q, r, s = a * row0[i], b * row1[i], c * row2[i], d * row3[i]
            tile[i] += a * (x0 * x0) + b * (x1 * x1) + c * (x2 * x2) + d * (x3 * x3)
            tile[TILE + i] += a * (y0 * y0) + b * (y1 * y1) + c * (y2 * y2) + d * (y3 * y3)
            tile[2 * TILE + i] += a * (z0 * z0) + b * (z1 * z1) + c * (z2 * z2) + d * (z3 * z3)
            tile[3 * TILE + i] += a * (y0 * z0) + b * (y1 * z1) + c * (y2 * z2) + d * (y3 * z3)
            tile[4 * TILE + i] += a * (x0 * z0) + b * (x1 * z1) + c * (x2 * z2) + d * (x3 * z3)
            tile[5 * TILE + i] += a * (x0 * y0) + b * (x1 * y1) + c * (x2 * y2) + d * (x3 * y3)
            tile[6 * TILE + i] += p * x0 + q * x1 + r * x2 + s * x3
            tile[7 * TILE + i] += p * y0 + q * y1 + r * y2 + s * y3
            tile[8 * TILE + i] += p * z0 + q * z1 + r * z2 + s * z3
    for k in range(quads, count):
        x, y, z = lights[k, 0], lights[k, 1], lights[k, 2]
        row = stack[k * pixels + start : k * pixels + start + TILE]
        for i in range(TILE):
            a = _f(1) if row[i] > tile[9 * TILE + i] else _f(0)
            p = a * row[i]
            tile[i] += a * (x * x)
            tile[TILE + i] += a * (y * y)
            tile[2 * TILE + i] += a * (z * z)
            tile[3 * TILE + i] += a * (y * z)
            tile[4 * TILE + i] += a * (x * z)
            tile[5 * TILE + i] += a * (x * y)
            tile[6 * TILE + i] += p * x
            tile[7 * TILE + i] += p * y
            tile[8 * TILE + i] += p * z


@_compile
def _invert(ridge, tile):  # type: ignore[no-untyped-def]
    """tile[0:3] = b, [3] = trace(A^-1), [4] = lights used, [5] = spread, [6] = a sum that is NaN if an input was."""
    for i in range(TILE):
        xx, yy, zz = tile[i], tile[TILE + i], tile[2 * TILE + i]
        yz, xz, xy = tile[3 * TILE + i], tile[4 * TILE + i], tile[5 * TILE + i]
        rx, ry, rz = tile[6 * TILE + i], tile[7 * TILE + i], tile[8 * TILE + i]
        total = xx + yy + zz
        xx += ridge
        yy += ridge
        zz += ridge
        cxx = yy * zz - yz * yz
        cyy = xx * zz - xz * xz
        czz = xx * yy - xy * xy
        cyz = xy * xz - xx * yz
        cxz = xy * yz - yy * xz
        cxy = xz * yz - zz * xy
        determinant = xx * cxx + xy * cxy + xz * cxz
        inverse = _f(1) / determinant
        tile[i] = (cxx * rx + cxy * ry + cxz * rz) * inverse
        tile[TILE + i] = (cxy * rx + cyy * ry + cyz * rz) * inverse
        tile[2 * TILE + i] = (cxz * rx + cyz * ry + czz * rz) * inverse
        tile[3 * TILE + i] = (cxx + cyy + czz) * inverse
        tile[4 * TILE + i] = total
        tile[5 * TILE + i] = _SPREAD_SCALE * determinant / (total * total * total)
        tile[6 * TILE + i] = rx + ry + rz


@_compile
def _refine(stack, pixels, start, lights, ridge, i, tile):  # type: ignore[no-untyped-def]
    """Solve pixel i of the tile again in float64: its lights lie so close to a plane that float32 is not accurate."""
    xx, yy, zz, yz, xz, xy, rx, ry, rz, total = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(lights.shape[0]):
        value = stack[k * pixels + start + i]
        if value > tile[9 * TILE + i]:
            x, y, z = lights[k, 0], lights[k, 1], lights[k, 2]
            xx += x * x
            yy += y * y
            zz += z * z
            yz += y * z
            xz += x * z
            xy += x * y
            rx += x * value
            ry += y * value
            rz += z * value
            total += 1.0
    xx += ridge
    yy += ridge
    zz += ridge
    cxx, cyy, czz = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
    cyz, cxz, cxy = xy * xz - xx * yz, xy * yz - yy * xz, xz * yz - zz * xy
    determinant = xx * cxx + xy * cxy + xz * cxz
    tile[i] = (cxx * rx + cxy * ry + cxz * rz) / determinant
    tile[TILE + i] = (cxy * rx + cyy * ry + cyz * rz) / determinant
    tile[2 * TILE + i] = (cxz * rx + cyz * ry + czz * rz) / determinant
    tile[3 * TILE + i] = (cxx + cyy + czz) / determinant
    # The ridge would make lights in one plane appear spread: det(A) from B = A + ridge I.
    without_ridge = (
        determinant - ridge * (cxx + cyy + czz) + ridge * ridge * (xx + yy + zz) - ridge * ridge * ridge
    )
    tile[5 * TILE + i] = 27.0 * without_ridge / (total * total * total)


@_compile
def _misfit(stack, pixels, start, lights, tile):  # type: ignore[no-untyped-def]
    """tile[10] = sum over the lights used of (I - l . b)^2."""
    count = lights.shape[0]
    for i in range(TILE):
        tile[10 * TILE + i] = _f(0)
    pairs = count // 2 * 2
    for k in range(0, pairs, 2):
        x0, y0, z0 = lights[k, 0], lights[k, 1], lights[k, 2]
        x1, y1, z1 = lights[k + 1, 0], lights[k + 1, 1], lights[k + 1, 2]
        row0 = stack[k * pixels + start : k * pixels + start + TILE]
        row1 = stack[(k + 1) * pixels + start : (k + 1) * pixels + start + TILE]
        for i in range(TILE):
            limit = tile[9 * TILE + i]
            bx, by, bz = tile[i], tile[TILE + i], tile[2 * TILE + i]
            p = row0[i] - (x0 * bx + y0 * by + z0 * bz)
            q = row1[i] - (x1 * bx + y1 * by + z1 * bz)
            p = p if row0[i] > limit else _f(0)
            q = q if row1[i] > limit else _f(0)
            tile[10 * TILE + i] += p * p + q * q
    for k in range(pairs, count):
        x, y, z = lights[k, 0], lights[k, 1], lights[k, 2]
        row = stack[k * pixels + start : k * pixels + start + TILE]
        for i in range(TILE):
            p = row[i] - (x * tile[i] + y * tile[TILE + i] + z * tile[2 * TILE + i])
            p = p if row[i] > tile[9 * TILE + i] else _f(0)
            tile[10 * TILE + i] += p * p


@_compile
def _place(plane, field):  # type: ignore[no-untyped-def]
    for i in range(TILE):
        field[i] = plane[i]


@_compile
def _finish(start, mask, normal, albedo, residual, confidence, determined, tile):  # type: ignore[no-untyped-def]
    """Compute lengths, confidence and the test for degenerate pixels, and write all results."""
    inside = mask[start : start + TILE]
    for i in range(TILE):
        tile[5 * TILE + i] = tile[5 * TILE + i] if inside[i] else _f(0)
    for i in range(TILE):
        x, y, z = tile[i], tile[TILE + i], tile[2 * TILE + i]
        squared = x * x + y * y + z * z
        total = tile[4 * TILE + i]
        good = _f(1) if tile[5 * TILE + i] > _f(LEAST_SPREAD) else _f(0)
        good = good if total > _f(2.5) else _f(0)
        good = good if squared > _f(0) else _f(0)
        length = np.sqrt(squared)
        variance = tile[10 * TILE + i] / squared + _f(ASSUMED_MISFIT)
        variance = variance / max(total - _f(2), _f(1)) * tile[3 * TILE + i] * _f(PER_SQUARED_RADIAN)
        # Overwrites planes that are no longer needed. Values of pixels that are not determined may be NaN, so they are
        # replaced, not multiplied by 0.
        tile[i] = x / length if good > _f(0) else _f(0)
        tile[TILE + i] = y / length if good > _f(0) else _f(0)
        tile[2 * TILE + i] = z / length if good > _f(0) else _f(0)
        tile[5 * TILE + i] = good
        tile[7 * TILE + i] = length if good > _f(0) else _f(0)
        tile[8 * TILE + i] = np.sqrt(tile[10 * TILE + i] / total) if good > _f(0) else _f(0)
        tile[9 * TILE + i] = _f(1) / (_f(1) + variance) if good > _f(0) else _f(0)
    # Slices, not [start + i]: an index that might be negative is checked each time, and the loop stays scalar.
    unit = normal[3 * start : 3 * (start + TILE)]
    for i in range(TILE):
        unit[3 * i] = tile[i]
        unit[3 * i + 1] = tile[TILE + i]
        unit[3 * i + 2] = tile[2 * TILE + i]
    _place(tile[7 * TILE : 8 * TILE], albedo[start : start + TILE])
    _place(tile[8 * TILE : 9 * TILE], residual[start : start + TILE])
    _place(tile[9 * TILE : 10 * TILE], confidence[start : start + TILE])
    good_here = determined[start : start + TILE]
    for i in range(TILE):
        good_here[i] = tile[5 * TILE + i] > _f(0)


@_compile
def _solve_range(  # type: ignore[no-untyped-def]
    stack,
    pixels,
    first,
    last,
    lights,
    ridge,
    tau,
    floor,
    mask,
    normal,
    albedo,
    residual,
    confidence,
    determined,
):
    """Solve the tiles from pixel first to last; the last tile is moved back to fit. True if all input is finite."""
    tile = np.empty(11 * TILE, np.float32)
    finite = True
    for begin in range(first, last, TILE):
        start = min(begin, pixels - TILE)
        inside = mask[start : start + TILE]
        touched = 0
        for i in range(TILE):
            touched += inside[i]
        if touched == 0:
            continue
        _accumulate(stack, pixels, start, lights, tau, floor, tile)
        _invert(ridge, tile)
        # Counted first: counting runs in vector instructions, and most tiles have none.
        doubtful, odd = 0, 0
        for i in range(TILE):
            doubtful += tile[5 * TILE + i] < _f(SAFE_SPREAD) and tile[4 * TILE + i] > _f(2.5)
            odd += tile[6 * TILE + i] - tile[6 * TILE + i] != _f(0)
        finite = finite and odd == 0
        if doubtful > 0:
            for i in range(TILE):
                if tile[5 * TILE + i] < _f(SAFE_SPREAD) and tile[4 * TILE + i] > _f(2.5):
                    _refine(stack, pixels, start, lights, ridge, i, tile)
        _misfit(stack, pixels, start, lights, tile)
        _finish(start, mask, normal, albedo, residual, confidence, determined, tile)
    return finite


def solve_lit(
    grey: Float32,
    directions: Float64,
    mask: Bool,
    limits: tuple[float, float, float],
    fields: tuple[Float32, Float32, Float32, Float32, Bool],
    pixels: range,
) -> bool:
    """Solve by least squares over the lights above max(0, floor, tau * the pixel's largest value).

    Args:
        grey: (K, N) float32, contiguous, N >= TILE.
        directions: (K, 3) unit vectors toward the lights.
        mask: (N,) the pixels to solve.
        limits: ridge, tau, floor.
        fields: normal (N, 3), albedo, residual, confidence and determined (N,); written in place.
        pixels: The range to solve, of step 1; each thread takes one.

    Returns:
        False if a value that was read is NaN or infinite.
    """
    assert grey.shape[1] >= TILE and grey.flags.c_contiguous and grey.dtype == np.float32
    lights = np.ascontiguousarray(directions, dtype=np.float32)
    scalars = (_f(limit) for limit in limits)
    stack, count = grey.reshape(-1), grey.shape[1]
    normal, *others = fields
    return bool(
        _solve_range(
            stack, count, pixels.start, pixels.stop, lights, *scalars, mask, normal.reshape(-1), *others
        )
    )
