# SPDX-License-Identifier: Apache-2.0
"""Weighted normal equations of many pixels -> albedo times normal: least squares with three unknowns.

Each solver weights the lights in its own way; A = sum w l l^T and r = sum w l I of each pixel are stored as planes
(6, B) and (3, B), so that NumPy's loops run along pixels. The inverse of a symmetric 3 x 3 matrix is written out.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.photometry.solvers.observations import Bool, Float32, Float64

# A pixel is determined if 27 det(A / sum w), which is 1 for lights spread evenly in space and 0 for lights in one
# plane, is above this. Three lights 1.1 degrees apart at the corners of a triangle just pass; directions in one plane,
# rounded to 4 decimals, do not.
LEAST_SPREAD = 1e-7
# Below this spread the float32 inverse loses more than 0.001 degrees, and the pixel is solved again in float64.
SAFE_SPREAD = 3e-3

# `confidence` is 1 / (1 + (d / 5 degrees)^2), d the predicted deviation of the normal.
PER_SQUARED_RADIAN = np.float32((180 / np.pi / 5) ** 2)
# A fit to three lights has no residual. Each fit is judged as if one more light had missed by 1 % of the albedo.
ASSUMED_MISFIT = np.float32(1e-4)


def outer_products(directions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the six distinct entries of l l^T: (K, 3) -> (6, K), in the order xx, yy, zz, yz, xz, xy."""
    x, y, z = directions.T
    return np.stack([x * x, y * y, z * z, y * z, x * z, x * y])


def solve_symmetric(
    matrix: NDArray[np.floating], right: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Solve A b = r for B symmetric 3 x 3 matrices by the adjugate, in the type given.

    Args:
        matrix: (6, B) entries xx, yy, zz, yz, xz, xy.
        right: (3, B) right-hand sides.

    Returns:
        b (3, B), the determinants (B,) and the traces of A^-1 (B,). If a determinant is 0, the others are infinite or
        NaN: check the determinant first.
    """
    xx, yy, zz, yz, xz, xy = matrix
    adjugate = np.empty_like(matrix)
    product = np.empty_like(right)
    np.multiply(yy, zz, out=adjugate[0])
    np.multiply(xx, zz, out=adjugate[1])
    np.multiply(xx, yy, out=adjugate[2])
    np.multiply(matrix[3:], matrix[3:], out=product)
    adjugate[:3] -= product
    np.multiply(xy, xz, out=adjugate[3])
    np.multiply(xy, yz, out=adjugate[4])
    np.multiply(xz, yz, out=adjugate[5])
    np.multiply(matrix[:3], matrix[3:], out=product)
    adjugate[3:] -= product

    determinant = xx * adjugate[0]
    term = xy * adjugate[5]
    determinant += term
    np.multiply(xz, adjugate[4], out=term)
    determinant += term

    solution = adjugate[:3] * right
    for row, (entry, column) in (
        (0, (5, 1)),
        (0, (4, 2)),
        (1, (5, 0)),
        (1, (3, 2)),
        (2, (4, 0)),
        (2, (3, 1)),
    ):
        np.multiply(adjugate[entry], right[column], out=term)
        solution[row] += term
    inverse_trace = adjugate[0] + adjugate[1]
    inverse_trace += adjugate[2]
    inverse_determinant = np.divide(1, determinant, out=term)
    solution *= inverse_determinant
    inverse_trace *= inverse_determinant
    return solution, determinant, inverse_trace


def spread(determinant: NDArray[np.floating], total: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute how far lights are from lying in one plane, 0 to 1: 27 det(A / total), total: sums of weights; (B,)."""
    cube = total * total
    cube *= total
    cube += np.finfo(cube.dtype).tiny
    return 27 * determinant / cube


def fit_weighted(
    grey: Float32, weights: NDArray[Any], directions: Float64, ridge: float = 0.0
) -> tuple[Float64, Float64, Float64]:
    """Solve weighted least squares in float64, for the few pixels that are ill-conditioned.

    Args:
        grey: (K, B) values.
        weights: (K, B) weights of the lights.
        directions: (K, 3) unit vectors toward the lights.
        ridge: Added to the diagonal of the normal equations.

    Returns:
        b (3, B), the spread without the ridge (B,) and the traces of A^-1 (B,).
    """
    heavy = weights.astype(np.float64)
    matrix = outer_products(directions) @ heavy
    total = heavy.sum(axis=0)
    matrix[:3] += ridge
    solution, determinant, inverse_trace = solve_symmetric(matrix, directions.T @ (heavy * grey))
    # The ridge would make lights in one plane appear spread: det(A) from B = A + ridge I.
    without_ridge = determinant * (1 - ridge * inverse_trace) + ridge**2 * matrix[:3].sum(axis=0) - ridge**3
    return solution, spread(without_ridge, total), inverse_trace


def confidence(
    misfit: NDArray[np.floating],
    total: NDArray[np.floating],
    squared_albedo: NDArray[np.floating],
    inverse_trace: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Compute the confidence in fitted normals, 0 to 1: 1 / (1 + (d / 5 degrees)^2), d the predicted angular deviation.

    d^2 = s^2 trace(A^-1) / albedo^2 with s^2 = (misfit + (0.01 albedo)^2) / (total - 2): the covariance of least
    squares, with one assumed light that misses by 1 %.

    Args:
        misfit: (B,) weighted sums of squared residuals.
        total: (B,) sums of weights.
        squared_albedo: (B,).
        inverse_trace: (B,) traces of A^-1.

    Returns:
        (B,) confidence.
    """
    variance = misfit / squared_albedo
    variance += ASSUMED_MISFIT
    variance /= np.maximum(total - 2, 1)
    variance *= inverse_trace
    variance *= PER_SQUARED_RADIAN
    variance += 1
    return np.divide(1, variance, out=variance)


def usable(solution: NDArray[np.floating], spread_of_lights: NDArray[np.floating], lit: NDArray[Any]) -> Bool:
    """Find determined pixels (B,): three lit lights or more, not in one plane, and a solution that is not 0."""
    length = np.abs(solution).sum(axis=0)
    return (lit >= 3) & (spread_of_lights > LEAST_SPREAD) & (length > 0) & np.isfinite(length)
