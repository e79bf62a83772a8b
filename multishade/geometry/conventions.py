# SPDX-License-Identifier: Apache-2.0
"""Axes of a normal map, declared as text such as `x,-y,z` -> a matrix, and the check that they fit the truth.

A declaration says what our x, y, z (right, up, toward the camera) are in the file's own numbers: `x,-y,z` is
a file whose y points down, `-x,y,z` one whose x points left. It is never guessed: a wrong one is found,
named, and left for a person to mend.
"""

import re
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError

OURS = "x,y,z"

# A declaration counts as wrong when another one explains the truth this much better, or when the error is
# above what any sensible prediction has: a random direction in the visible hemisphere is 60 to 70 degrees off
# on average, never above 90.
WRONG_ABOVE, BETTER_BY_DEGREES, BETTER_BY_FACTOR = 90.0, 10.0, 0.6


def parse(text: str) -> NDArray[np.float32]:
    """`x,-y,z` -> the (3, 3) M with ours = M @ file's. EvaluationError on anything but a signed permutation."""
    terms = [term.strip().lower() for term in text.split(",")]
    axes = [re.fullmatch(r"([+-]?)([xyz])", term) for term in terms]
    if len(terms) != 3 or any(axis is None for axis in axes):
        raise EvaluationError(f"convention {text!r}: expected three signed axes such as x,-y,z")
    matrix = np.zeros((3, 3), dtype=np.float32)
    for row, axis in enumerate(axes):
        assert axis is not None
        matrix[row, "xyz".index(axis.group(2))] = -1 if axis.group(1) == "-" else 1
    if not (np.abs(matrix).sum(axis=0) == 1).all():
        raise EvaluationError(f"convention {text!r}: each of x, y and z must be there once")
    return matrix


def text_of(matrix: NDArray[np.floating]) -> str:
    """The declaration that `parse` turns into `matrix`."""
    columns = np.abs(matrix).argmax(axis=1)
    return ",".join(
        ("-" if matrix[row, column] < 0 else "") + "xyz"[column] for row, column in enumerate(columns)
    )


def to_ours(normal: NDArray[np.floating], convention: str) -> NDArray[np.float32]:
    """A normal map (H, W, 3) in the declared axes -> the same vectors in ours."""
    return np.ascontiguousarray(normal.astype(np.float32) @ parse(convention).T)


@dataclass(frozen=True)
class Mismatch:
    """A declaration that the truth speaks against: mean errors in degrees, and the declaration that fits best."""

    declared: str
    error: float
    better: str
    better_error: float

    def __str__(self) -> str:
        reason = (
            f"the declared convention {self.declared} gives a mean error of {self.error:.1f} degrees, "
            f"{self.better} would give {self.better_error:.1f}"
        )
        if self.error > WRONG_ABOVE:
            reason += "; above 90 the vectors point away from the truth"
        return f"{reason}. Declare it with --convention {self.better} if that is how the normals were stored"


class Check:
    """Does one of the 48 signed axis orders fit the truth far better than the one declared? Objects count equally."""

    def __init__(self, declared: str = OURS, largest_sample: int = 20000) -> None:
        self._declared = parse(declared)
        self._largest_sample = largest_sample
        self._changes = [
            _signed_permutation(order, signs)
            for order in permutations(range(3))
            for signs in product((1, -1), repeat=3)
        ]
        self._totals = np.zeros(len(self._changes))
        self._count = 0

    def add(self, predicted: NDArray[np.floating], true: NDArray[np.floating]) -> None:
        """One object's unit normals, each (N, 3) in our frame, the prediction after applying the declaration."""
        if len(predicted) == 0:
            return
        step = -(-len(predicted) // self._largest_sample)
        # products[n, j, i] = predicted_j true_i: the cosine under any signed permutation is a signed sum of
        # three of these.
        products = (predicted[::step, :, None] * true[::step, None, :]).reshape(-1, 9).astype(np.float64)
        cosines = products @ np.stack([change.T.ravel() for change in self._changes]).T
        self._totals += np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean(axis=0)
        self._count += 1

    def mismatch(self) -> Mismatch | None:
        """None when nothing speaks against the declaration, or nothing was added."""
        if self._count == 0:
            return None
        errors = self._totals / self._count
        error, best = float(errors[0]), int(errors.argmin())
        clearly_better = errors[best] < BETTER_BY_FACTOR * error and errors[best] < error - BETTER_BY_DEGREES
        if error <= WRONG_ABOVE and not clearly_better:
            return None
        better = text_of(self._changes[best] @ self._declared)
        return Mismatch(text_of(self._declared), error, better, float(errors[best]))


def _signed_permutation(order: tuple[int, ...], signs: tuple[int, ...]) -> NDArray[np.float64]:
    matrix = np.zeros((3, 3))
    matrix[range(3), list(order)] = signs
    return matrix
