# SPDX-License-Identifier: Apache-2.0
"""Predicted and true normals -> whether the axes in which the prediction was declared can be right.

A wrong declaration is named together with the one that fits; it is never corrected automatically.
"""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.conventions import CAMERA_AXES, format_axes, parse_axes

# A declaration counts as wrong if another one explains the truth this much better, or if the error is larger than that
# of any sensible prediction: a random direction in the visible hemisphere is 60 to 70 degrees off on average, never
# above 90.
MAX_MEAN_DEGREES, BETTER_BY_DEGREES, BETTER_BY_FACTOR = 90.0, 10.0, 0.6


@dataclass(frozen=True)
class AxisMismatch:
    """A declaration that contradicts the truth: mean errors in degrees, and the declaration that fits best."""

    declared: str
    error: float
    better: str
    better_error: float

    def __str__(self) -> str:
        reason = (
            f"the declared convention {self.declared} gives a mean error of {self.error:.1f} degrees, "
            f"{self.better} would give {self.better_error:.1f}"
        )
        if self.error > MAX_MEAN_DEGREES:
            reason += "; above 90 the vectors point away from the truth"
        return f"{reason}. Declare it with --convention {self.better} if that is how the normals were stored"


class AxisCheck:
    """Compares the declared axes with all 48 signed axis orders, object by object; objects count equally."""

    def __init__(self, declared: str = CAMERA_AXES, largest_sample: int = 20000) -> None:
        self._declared = parse_axes(declared)
        self._largest_sample = largest_sample
        self._changes = [
            _signed_permutation(order, signs)
            for order in permutations(range(3))
            for signs in product((1, -1), repeat=3)
        ]
        self._totals = np.zeros(len(self._changes))
        self._count = 0

    def add(self, predicted: NDArray[np.floating], true: NDArray[np.floating]) -> None:
        """Add the normals of one object.

        Args:
            predicted: (N, 3) unit normals, turned into our frame by the declaration.
            true: (N, 3) unit normals in our frame.
        """
        if len(predicted) == 0:
            return
        step = -(-len(predicted) // self._largest_sample)
        # products[n, j, i] = predicted_j true_i: the cosine under any signed permutation is a signed sum of
        # three of these.
        products = (predicted[::step, :, None] * true[::step, None, :]).reshape(-1, 9).astype(np.float64)
        cosines = products @ np.stack([change.T.ravel() for change in self._changes]).T
        self._totals += np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean(axis=0)
        self._count += 1

    def mismatch(self) -> AxisMismatch | None:
        """Return what contradicts the declaration; None if nothing does, or if nothing was added."""
        if self._count == 0:
            return None
        errors = self._totals / self._count
        error, best = float(errors[0]), int(errors.argmin())
        clearly_better = errors[best] < BETTER_BY_FACTOR * error and errors[best] < error - BETTER_BY_DEGREES
        if error <= MAX_MEAN_DEGREES and not clearly_better:
            return None
        better = format_axes(self._changes[best] @ self._declared)
        return AxisMismatch(format_axes(self._declared), error, better, float(errors[best]))


def _signed_permutation(order: tuple[int, ...], signs: tuple[int, ...]) -> NDArray[np.float64]:
    matrix = np.zeros((3, 3))
    matrix[range(3), list(order)] = signs
    return matrix
