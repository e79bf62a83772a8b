# SPDX-License-Identifier: Apache-2.0
"""Two methods' results on the same objects -> difference, interval, p-value, effect size, and a verdict in words.

The object is the unit: its pixels are not independent, so objects are resampled and never pixels. Intervals
are BCa bootstrap intervals (Efron 1987) widened for small samples (Hesterberg 2015, section 5.3: the level is
set so that a t interval's factor replaces the normal one); p-values come from exchanging the two results
within objects, over all 2^n exchanges if these are few.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError

Float64 = NDArray[np.float64]
RESAMPLES = 9999
CORRECTIONS = ("holm", "bonferroni")
# Below this many objects a bootstrap has too few distinct resamples for a 95 % interval to mean anything.
FEWEST_FOR_INTERVAL = 5


@dataclass(frozen=True)
class Difference:
    """`b - a`, paired by object. `p` is uncorrected, `effect` Cohen's d_z, the interval NaN for too few objects."""

    objects: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    level: float
    p: float
    effect: float


def paired_difference(
    a: Sequence[float] | Float64,
    b: Sequence[float] | Float64,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Difference:
    """Compare two methods on the same objects. a, b: (N,) one value an object, in the same order.

    Raises EvaluationError for unequal lengths, no objects, or values that are not finite.
    """
    first, second = _paired(a, b)
    low, high = paired_interval(first, second, rng, level, resamples)
    return Difference(
        objects=len(first),
        mean_a=float(first.mean()),
        mean_b=float(second.mean()),
        difference=float((second - first).mean()),
        low=low,
        high=high,
        level=level,
        p=permutation_p(first, second, rng, resamples),
        effect=cohens_dz(first, second),
    )


def paired_interval(
    a: Sequence[float] | Float64,
    b: Sequence[float] | Float64,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    widened: bool = True,
) -> tuple[float, float]:
    """BCa interval of mean(b) - mean(a), resampling objects. widened: Hesterberg's correction for small samples.

    (NaN, NaN) for fewer than FEWEST_FOR_INTERVAL objects; (d, d) if every object differs by the same d.
    """
    from scipy import stats

    first, second = _paired(a, b)
    differences = second - first
    if len(differences) < FEWEST_FOR_INTERVAL:
        return float("nan"), float("nan")
    if np.ptp(differences) <= 1e-12 * max(1.0, float(np.abs(differences).max())):
        return float(differences[0]), float(differences[0])
    result = stats.bootstrap(
        (first, second),
        lambda x, y, axis: (y - x).mean(axis=axis),
        paired=True,
        vectorized=True,
        method="BCa",
        confidence_level=widened_level(level, len(first)) if widened else level,
        n_resamples=resamples,
        rng=rng,
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def widened_level(level: float, objects: int) -> float:
    """The nominal level at which a bootstrap over `objects` objects covers about `level`.

    A percentile-type interval is as narrow as a normal one with the n-divisor standard deviation; a t
    interval has the factor sqrt(n / (n - 1)) t(n - 1) instead of z. Hesterberg (The American Statistician
    2015) puts that factor in for z.
    """
    from scipy import stats

    tail = (1 - level) / 2
    factor = np.sqrt(objects / (objects - 1)) * stats.t.ppf(1 - tail, objects - 1)
    return float(1 - 2 * stats.norm.sf(factor))


def permutation_p(
    a: Sequence[float] | Float64,
    b: Sequence[float] | Float64,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> float:
    """Two-sided p of "the methods are exchangeable on every object", by swapping within objects.

    Exact if 2^n <= resamples; else a random sample of the exchanges, the observed one counted in.
    """
    from scipy import stats

    first, second = _paired(a, b)
    if len(first) == 1 or np.array_equal(first, second):
        return 1.0
    result = stats.permutation_test(
        (first, second),
        lambda x, y, axis: (y - x).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        alternative="two-sided",
        rng=rng,
    )
    return float(result.pvalue)


def smallest_p(objects: int) -> float:
    """The least two-sided p that a paired permutation test of `objects` objects can give: 2 of the 2^n exchanges."""
    return float(min(1.0, 2.0 ** (1 - objects)))


def cohens_dz(a: Sequence[float] | Float64, b: Sequence[float] | Float64) -> float:
    """Mean of b - a over its standard deviation (n - 1). NaN for one object, +-inf without spread."""
    first, second = _paired(a, b)
    differences = second - first
    if len(differences) < 2:
        return float("nan")
    spread = float(differences.std(ddof=1))
    mean = float(differences.mean())
    if spread == 0:
        return 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
    return mean / spread


def adjust(p_values: Sequence[float], method: str = "holm") -> list[float]:
    """p-values of one family, corrected so that the chance of any false claim stays at the level asked for."""
    from statsmodels.stats.multitest import multipletests

    if method not in CORRECTIONS:
        raise EvaluationError(f"correction {method!r}: expected one of {', '.join(CORRECTIONS)}")
    if not p_values:
        return []
    return [float(p) for p in multipletests(list(p_values), method=method)[1]]


def weighted_difference(
    strata: Mapping[str, tuple[Sequence[float] | Float64, Sequence[float] | Float64]],
    weights: Mapping[str, float],
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """b - a over a population whose strata have other shares than the sample: (difference, low, high).

    strata: name -> (a, b), one value an object; weights: the share of each stratum in the population asked
    about, scaled to sum to 1. The estimate is sum_s w_s mean_s(b - a); objects are resampled within their
    stratum. The interval is NaN if a stratum has fewer than two objects: its spread is unknown.
    """
    from scipy import stats

    unknown = sorted(set(strata) ^ set(weights))
    if unknown:
        raise EvaluationError(
            f"strata and weights must name the same strata; only one of them has {', '.join(unknown)}"
        )
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise EvaluationError(f"stratum weights must be positive numbers, got {dict(weights)}")
    names = [name for name in strata if weights[name] > 0]
    shares = [weights[name] / total for name in names]
    differences = [np.subtract(*reversed(_paired(*strata[name]))) for name in names]
    estimate = float(sum(share * d.mean() for share, d in zip(shares, differences, strict=True)))
    if min(len(d) for d in differences) < 2 or sum(map(len, differences)) < FEWEST_FOR_INTERVAL:
        return estimate, float("nan"), float("nan")
    if all(np.ptp(d) == 0 for d in differences):
        return estimate, estimate, estimate

    def statistic(*samples: Float64, axis: int = -1) -> Float64:
        return sum(share * sample.mean(axis=axis) for share, sample in zip(shares, samples, strict=True))

    result = stats.bootstrap(
        differences,
        statistic,
        vectorized=True,
        method="BCa",
        confidence_level=widened_level(level, sum(map(len, differences)) - len(names) + 1),
        n_resamples=resamples,
        rng=rng,
    )
    return estimate, float(result.confidence_interval.low), float(result.confidence_interval.high)


def verdict(
    paired: Difference,
    adjusted_p: float,
    comparisons: int,
    a: str,
    b: str,
    higher_is_better: bool,
    unit: str = "",
) -> str:
    """State in one sentence what the numbers support.

    comparisons: how many tests share the level. "Too few objects to tell": even if every object agreed, p
    could not get below the corrected level.
    """
    alpha = 1 - paired.level
    b_better = (paired.difference > 0) == higher_is_better
    winner, loser = (b, a) if b_better else (a, b)
    size = f"{readable(abs(paired.difference))}{unit}"
    low, high = readable(paired.low, sign=True), readable(paired.high, sign=True)
    interval = f"{paired.level:.0%} interval {low} to {high}{unit}"
    if adjusted_p < alpha and np.isfinite(paired.low):
        return f"{winner} is better than {loser} by {size} on average ({interval}; p = {adjusted_p:.2g})."
    if smallest_p(paired.objects) * comparisons > alpha or not np.isfinite(paired.low):
        needed = max(FEWEST_FOR_INTERVAL, int(np.ceil(1 + np.log2(comparisons / alpha))))
        tests = "1 comparison" if comparisons == 1 else f"{comparisons} comparisons"
        seen = (
            f"{winner} was better by {size} on average" if paired.difference else "they were equal on average"
        )
        return (
            f"Too few objects to tell {a} and {b} apart: {paired.objects} cannot give p below {alpha:.2g} in "
            f"{tests}, it takes at least {needed}. Here {seen}."
        )
    widest = readable(max(abs(paired.low), abs(paired.high)))
    return (
        f"No difference shown between {a} and {b} ({interval}; p = {adjusted_p:.2g}); "
        f"one of up to {widest}{unit} is not ruled out."
    )


def readable(value: float, sign: bool = False) -> str:
    """Two decimals, or two significant digits if decimals would show only zeros."""
    mark = "+" if sign else ""
    return f"{value:{mark}.2f}" if abs(value) >= 0.05 or value == 0 else f"{value:{mark}.2g}"


def _paired(a: Sequence[float] | Float64, b: Sequence[float] | Float64) -> tuple[Float64, Float64]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or first.size == 0:
        raise EvaluationError(
            f"paired results must be two lists of one length, got {first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise EvaluationError(
            "paired results must be finite; drop the objects that a method has no result for"
        )
    return first, second
