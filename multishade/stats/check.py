# SPDX-License-Identifier: Apache-2.0
"""A figure of a data set against what its recipe promises -> one line: what, measured, expected, ok or SUSPECT.

What the generator draws at random is tested as such, at a p-value that no sound data set reaches by chance (all
checks of a thousand data sets would raise a few dozen false alarms). What follows from the assets is held to bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]
P_LEAST = 1e-4  # a random quantity less probable than this is suspect
FEWEST_GROUPS = 8  # fewer say nothing about an average


@dataclass(frozen=True)
class Check:
    """`section` is where the page shows it. measured, expected: text for a person."""

    section: str
    what: str
    measured: str
    expected: str
    ok: bool

    def line(self) -> str:
        return f"{'ok' if self.ok else 'SUSPECT':<9}{self.what}: {self.measured}; expected: {self.expected}"


def uniform_p(values: ArrayLike, low: float, high: float) -> float:
    """p-value of Kolmogorov's and Smirnov's test that `values` (N,) are uniform in [low, high]; 0 beyond its ends.

    Where low is high: 1, or 0 where a value differs.
    """
    from scipy import stats

    found = np.asarray(values, np.float64)
    slack = 1e-6 * max(abs(low), abs(high), 1e-3)
    if not found.size:
        return 1.0
    if found.min() < low - slack or found.max() > high + slack:
        return 0.0
    if high - low <= slack:
        return 1.0
    return float(stats.kstest(found, "uniform", (low, high - low)).pvalue)


def uniform_check(
    section: str, what: str, values: Sequence[float], low: float, high: float, unit: str = ""
) -> Check:
    """`uniform_p` as a check, for what is drawn from a range of the recipe."""
    p = uniform_p(values, low, high)
    return Check(
        section,
        what,
        f"{min(values):.3g} to {max(values):.3g}{unit}, mean {np.mean(values):.3g} ({len(values)} drawn, p {p:.2g})",
        f"uniform in {low:g} to {high:g}{unit}, p at least {P_LEAST:g}",
        p >= P_LEAST,
    )


def cap_p(directions: Float64, lowest: float, azimuths: float) -> float:
    """p-value that directions (N, 3) are uniform by solid angle over z >= `lowest` and azimuths in [0, azimuths].

    Azimuths in radians, from +x, counter-clockwise. 0 where a direction lies beyond.

    Equal steps of z and of azimuth are equal solid angles, so each must be uniform, and so must a grid of both.
    """
    from scipy import stats

    z = np.clip(directions[:, 2], -1, 1)
    azimuth = np.mod(np.arctan2(directions[:, 1], directions[:, 0]) + 1e-9, 2 * np.pi)
    tests = [uniform_p(z, lowest, 1.0), uniform_p(azimuth, 0.0, azimuths)]
    cells = int(np.sqrt(len(directions) / 5))  # five directions in each cell, at least, or the test errs
    if cells >= 2 and min(tests) > 0:
        cells = min(cells, 12)
        counts = np.histogram2d(z, azimuth, bins=cells, range=[[lowest, 1 + 1e-9], [0, azimuths + 1e-9]])[0]
        tests.append(float(stats.chisquare(counts.ravel()).pvalue))
    return min(1.0, min(tests) * len(tests))


def mean_p(values: ArrayLike, expected: float) -> float:
    """p-value of Student's test that `values` (N,), independent, have the mean `expected`; 1 for too few of them."""
    from scipy import stats

    found = np.asarray(values, np.float64)
    if len(found) < FEWEST_GROUPS:
        return 1.0
    if np.ptp(found) == 0:
        return 1.0 if np.isclose(found[0], expected) else 0.0
    return float(stats.ttest_1samp(found, expected).pvalue)


def shares_p(counts: Mapping[str, int], probabilities: Mapping[str, float]) -> tuple[float, str]:
    """Counts of a draw with `probabilities` -> p-value of the most unlikely count, for all of them, and its name.

    Names that are in one mapping only count as 0 in the other.
    """
    from scipy import stats

    total = sum(counts.values())
    names = list(dict.fromkeys([*probabilities, *counts]))
    tests = {
        name: float(
            stats.binomtest(counts.get(name, 0), total, min(probabilities.get(name, 0.0), 1.0)).pvalue
        )
        for name in names
    }
    worst = min(tests, key=lambda name: tests[name])
    return min(1.0, tests[worst] * len(tests)), worst


def percent(share: float) -> str:
    return f"{share:.1%}" if 0.001 <= abs(share) or share == 0 else f"{share:.2%}"
