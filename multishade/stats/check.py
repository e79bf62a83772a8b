# SPDX-License-Identifier: Apache-2.0
"""A statistic and the value that the recipe predicts -> a check: what, measured, expected, ok or SUSPECT.

Statistics of random samples are tested at a p-value that sound data sets hardly ever reach by chance (all checks of a
thousand data sets give a few dozen false alarms). Statistics that depend on the assets are compared with bounds: only
an interval that lies beyond its bound as a whole is suspect, so that a small set, of which little is known, raises no
false alarm. Groups are independent, their views and images are not; intervals count groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]
P_LEAST = 1e-4  # a random value less probable than this is suspect
FEWEST_GROUPS = 8  # fewer do not determine an average
LEVEL = 0.999  # confidence of intervals


@dataclass(frozen=True)
class Check:
    """One comparison with the recipe.

    Attributes:
        section: The section of the page.
        what: The statistic.
        measured: Its value, as text.
        expected: The value that the recipe predicts, as text.
        ok: Whether they agree.
    """

    section: str
    what: str
    measured: str
    expected: str
    ok: bool

    def line(self) -> str:
        """Format the check as one line of text."""
        return f"{'ok' if self.ok else 'SUSPECT':<9}{self.what}: {self.measured}; expected: {self.expected}"


def uniform_p(values: ArrayLike, low: float, high: float) -> float:
    """Test that values are uniform in an interval (Kolmogorov-Smirnov).

    Args:
        values: (N,).
        low: Lower end of the interval.
        high: Upper end. If it equals `low`, all values must be equal to it.

    Returns:
        The p-value; 0 if a value lies outside.
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
    """Check with `uniform_p` a quantity that the recipe samples from a range."""
    p = uniform_p(values, low, high)
    return Check(
        section,
        what,
        f"{min(values):.3g} to {max(values):.3g}{unit}, mean {np.mean(values):.3g} ({len(values)} sampled, p {p:.2g})",
        f"uniform in {low:g} to {high:g}{unit}, p at least {P_LEAST:g}",
        p >= P_LEAST,
    )


def cap_p(directions: Float64, lowest: float, azimuths: float) -> float:
    """Test that directions are uniform in solid angle over a part of the sphere.

    Equal steps of z and of azimuth are equal solid angles, so both must be uniform, and a grid of both, too.

    Args:
        directions: (N, 3) unit vectors.
        lowest: The least z.
        azimuths: Azimuths are in [0, azimuths], radians, counter-clockwise from +x.

    Returns:
        The p-value; 0 if a direction lies outside.
    """
    from scipy import stats

    z = np.clip(directions[:, 2], -1, 1)
    azimuth = np.mod(np.arctan2(directions[:, 1], directions[:, 0]) + 1e-9, 2 * np.pi)
    tests = [uniform_p(z, lowest, 1.0), uniform_p(azimuth, 0.0, azimuths)]
    cells = int(np.sqrt(len(directions) / 5))  # the test needs at least five directions in each cell
    if cells >= 2 and min(tests) > 0:
        cells = min(cells, 12)
        counts = np.histogram2d(z, azimuth, bins=cells, range=[[lowest, 1 + 1e-9], [0, azimuths + 1e-9]])[0]
        tests.append(float(stats.chisquare(counts.ravel()).pvalue))
    return min(1.0, min(tests) * len(tests))


def mean_p(values: ArrayLike, expected: float) -> float:
    """Test that independent values (N,) have the mean `expected` (Student's t); returns p, 1 for too few values."""
    from scipy import stats

    found = np.asarray(values, np.float64)
    if len(found) < FEWEST_GROUPS:
        return 1.0
    if np.ptp(found) == 0:
        return 1.0 if np.isclose(found[0], expected) else 0.0
    return float(stats.ttest_1samp(found, expected).pvalue)


def shares_p(counts: Mapping[str, int], probabilities: Mapping[str, float]) -> tuple[float, str]:
    """Test that counts follow probabilities (binomial tests, Bonferroni-corrected).

    Args:
        counts: Occurrences of each name.
        probabilities: Probability of each name; a name that only one mapping has counts as 0 in the other.

    Returns:
        The p-value, and the name with the least probable count.
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


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """Compute the interval of the mean of independent values (N,) at LEVEL (Student's t); unbounded for one value."""
    from scipy import stats

    found = np.asarray(values, np.float64)
    if len(found) < 2:
        return -np.inf, np.inf
    centre, error = float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found)))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(found) - 1)) * error
    return centre - reach, centre + reach


def share_interval(share: float, independent: int) -> tuple[float, float]:
    """Compute the interval of a probability at LEVEL (Clopper and Pearson).

    Args:
        share: The share of cases that was measured.
        independent: Number of independent cases.
    """
    from scipy import stats

    tail, count = (1 - LEVEL) / 2, share * independent
    low = float(stats.beta.ppf(tail, count, independent - count + 1)) if count > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, count + 1, independent - count)) if count < independent else 1.0
    return low, high


def times(count: int, most: int | None = None) -> str:
    """Return "once", "twice", "3 times"; with `most`, a range such as "once to 4 times"."""
    if most is not None and most != count:
        return f"{count if count > 2 else times(count)} to {times(most)}"
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def between(interval: tuple[float, float]) -> str:
    """Format an interval of shares."""
    low, high = interval
    if not np.isfinite(low):
        return "too few groups for an interval"
    return f"{percent(max(low, 0.0))} to {percent(min(high, 1.0))} with {LEVEL:.1%} confidence"


def percent(share: float) -> str:
    """Format a share as percent, small ones with two digits."""
    return f"{share:.1%}" if 0.001 <= abs(share) or share == 0 else f"{share:.2%}"
