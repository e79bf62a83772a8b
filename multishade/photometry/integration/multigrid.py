# SPDX-License-Identifier: Apache-2.0
"""A sparse symmetric positive matrix -> conjugate gradients on it, preconditioned by one multigrid V-cycle in float32.

The hierarchy is pyamg's Ruge-Stueben, which is made for such matrices and, unlike smoothed aggregation, uses no random
numbers. The cycle itself is written out: one forward Gauss-Seidel sweep down and one backward sweep up make it
symmetric, half the precision halves its memory traffic, and no residuals are computed that nobody reads.
"""

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from multishade.photometry.solvers.observations import Float32, Float64

# The coarsest level is solved by its pseudo-inverse without directions weaker than this: constants of components that
# nothing holds.
_WEAKEST = 1e-9
_COARSEST_SIZE = 200
_NEGLIGIBLE = 1e-20  # of the largest entry


class Multigrid:
    """The hierarchy of one matrix; it also serves matrices near it."""

    def __init__(self, matrix: scipy.sparse.csr_matrix) -> None:
        """Build the levels. matrix: (N, N) symmetric, positive, few entries a row."""
        import pyamg
        from pyamg.amg_core import gauss_seidel

        self._sweep = gauss_seidel
        levels = pyamg.ruge_stuben_solver(matrix, max_coarse=_COARSEST_SIZE, interpolation="direct").levels
        self._matrices = [_single(level.A) for level in levels[:-1]]
        self._up = [_single(level.P) for level in levels[:-1]]
        self._down = [_single(level.R) for level in levels[:-1]]
        dense = levels[-1].A.toarray()
        self._coarsest = np.linalg.pinv(dense, rcond=_WEAKEST, hermitian=True).astype(np.float32)

    def cycle(self, right: Float64) -> Float64:
        """Return an approximate solution for `right` (N,)."""
        # Scaled to 1, so that small residuals do not leave the range of float32.
        size = float(np.abs(right).max())
        if size == 0:
            return np.zeros_like(right)
        return self._descend(0, (right / size).astype(np.float32)).astype(np.float64) * size

    def _descend(self, level: int, right: Float32) -> Float32:
        if level == len(self._matrices):
            return self._coarsest @ right
        matrix = self._matrices[level]
        size = len(right)
        found = np.zeros(size, np.float32)
        self._sweep(matrix.indptr, matrix.indices, matrix.data, found, right, 0, size, 1)
        missing = right - matrix @ found
        found += self._up[level] @ self._descend(level + 1, self._down[level] @ missing)
        self._sweep(matrix.indptr, matrix.indices, matrix.data, found, right, size - 1, -1, -1)
        return found


def conjugate_gradients(
    matrix: scipy.sparse.csr_matrix,
    right: Float64,
    guess: Float64,
    multigrid: Multigrid,
    tolerance: float,
    max_iterations: int,
) -> tuple[Float64, int]:
    """Solve matrix x = right.

    Args:
        matrix: (N, N) symmetric, positive.
        right: (N,).
        guess: (N,) start.
        multigrid: Of this matrix, or of one near it.
        tolerance: Residual relative to `right`.
        max_iterations: The largest number of iterations.

    Returns:
        x (N,) and the number of iterations; it is above `max_iterations` if they did not suffice.
    """
    solution = guess.copy()
    residual = right - matrix @ solution
    limit = tolerance * float(np.linalg.norm(right))
    if float(np.linalg.norm(residual)) <= limit:
        return solution, 0
    direction: NDArray[Any] = np.zeros_like(right)
    before = 1.0
    for iteration in range(1, max_iterations + 1):
        corrected = multigrid.cycle(residual)
        product = float(residual @ corrected)
        direction = corrected + (product / before) * direction
        before = product
        along = matrix @ direction
        length = product / float(direction @ along)
        solution += length * direction
        residual -= length * along
        if float(np.linalg.norm(residual)) <= limit:
            return solution, iteration
    return solution, max_iterations + 1


def _single(matrix: Any) -> scipy.sparse.csr_matrix:
    converted = scipy.sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
    # Numbers below float32's normal range make the processor a hundred times as slow.
    converted.data[np.abs(converted.data) < _NEGLIGIBLE * np.abs(converted.data).max(initial=0)] = 0
    converted.eliminate_zeros()
    converted.indices = converted.indices.astype(np.int32)
    converted.indptr = converted.indptr.astype(np.int32)
    return converted
