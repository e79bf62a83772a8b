# SPDX-License-Identifier: Apache-2.0
"""Results of two or more methods by object -> contrasts with the first one, over all objects and in strata.

Rows of one object (several images, views) are averaged first: the object is the unit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from multishade.errors import EvaluationError
from multishade.evaluation import statistics
from multishade.evaluation.metrics import TILT_EDGES, is_higher_better
from multishade.evaluation.table import ResultRow

TILT = "tilt"


@dataclass(frozen=True)
class Results:
    """One method's values by object: `values[object]`, and the tags by object."""

    label: str
    values: Mapping[str, Mapping[str, float]]
    tags: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Contrast:
    """`other` against `reference` in one stratum ("" is all objects). `adjusted_p` is within its family of tests."""

    reference: str
    other: str
    stratum: str
    difference: statistics.Difference
    adjusted_p: float
    verdict: str


@dataclass(frozen=True)
class WeightedDifference:
    """The difference over a population with other shares of the strata than the sample has."""

    reference: str
    other: str
    weights: Mapping[str, float]
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Contrasts over all objects, by stratum, and reweighted; `notes` are what a reader must know about the data."""

    metric: str
    level: float
    correction: str
    overall: tuple[Contrast, ...]
    strata: tuple[Contrast, ...]
    weighted: tuple[WeightedDifference, ...]
    notes: tuple[str, ...]


def results_of(rows: Sequence[ResultRow], label: str) -> Results:
    """Average the rows of each object. Raises EvaluationError if the table holds more than one method."""
    methods = sorted({(row.method, row.settings) for row in rows})
    if len(methods) > 1:
        listed = "; ".join(" ".join(filter(None, pair)) for pair in methods)
        raise EvaluationError(
            f"{label}: rows of {len(methods)} methods in one table ({listed}); split it by method"
        )
    grouped: dict[str, list[ResultRow]] = {}
    for row in rows:
        grouped.setdefault(f"{row.benchmark}/{row.object}" if row.benchmark else row.object, []).append(row)
    values, tags = {}, {}
    for name, group in grouped.items():
        metrics = {
            metric: [row.metrics.get(metric, math.nan) for row in group] for metric in group[0].metrics
        }
        values[name] = {
            metric: float(np.nanmean(column)) if np.isfinite(column).any() else math.nan
            for metric, column in metrics.items()
        }
        tags[name] = group[0].tags
    return Results(label, values, tags)


def compare_results(
    tables: Sequence[Results],
    rng: np.random.Generator,
    metric: str = "mean",
    by: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
    level: float = 0.95,
    correction: str = "holm",
    resamples: int = statistics.RESAMPLES,
) -> Comparison:
    """Compare each table with the first one.

    by: strata: names of tags (`material`, `family`) or `tilt` (the angle between true normal and view, of
    which `evaluate` writes the mean error by bin). weights: share of each stratum in another population,
    for one entry of `by`. The overall tests are one family for the correction, those in the strata
    another.
    """
    if len(tables) < 2:
        raise EvaluationError("a comparison needs two tables")
    labels = [table.label for table in tables]
    if len(set(labels)) < len(labels):
        raise EvaluationError(f"tables need different names, got {', '.join(labels)}")
    if weights is not None and len(by) != 1:
        raise EvaluationError("weights belong to one stratification: give exactly one --by")
    notes: list[str] = []
    reference = tables[0]
    for table in tables:
        _require_metric(table, metric)
    overall = _family(
        [
            (
                reference,
                other,
                "",
                *_aligned(reference, other, metric, _common(reference, other, notes), notes),
            )
            for other in tables[1:]
        ],
        rng,
        metric,
        level,
        correction,
        resamples,
    )
    strata, weighted = [], []
    for other in tables[1:]:
        for name in by:
            groups = _groups(reference, other, metric, name)
            strata += [(reference, other, stratum, a, b) for stratum, (a, b) in groups.items()]
            if weights is not None:
                estimate = _weighted(groups, weights, rng, level, resamples, name)
                weighted.append(WeightedDifference(reference.label, other.label, dict(weights), *estimate))
    if metric == "mean":
        notes += _coverage_notes(tables)
    return Comparison(
        metric,
        level,
        correction,
        overall,
        _family(strata, rng, metric, level, correction, resamples),
        tuple(weighted),
        tuple(dict.fromkeys(notes)),
    )


def _family(
    tests: Sequence[tuple[Results, Results, str, list[float], list[float]]],
    rng: np.random.Generator,
    metric: str,
    level: float,
    correction: str,
    resamples: int,
) -> tuple[Contrast, ...]:
    differences = [statistics.paired_difference(a, b, rng, level, resamples) for *_, a, b in tests]
    adjusted = statistics.adjust([difference.p for difference in differences], correction)
    unit = " degrees" if metric.startswith(("mean", "median", "rmse")) else ""
    return tuple(
        Contrast(
            reference.label,
            other.label,
            stratum,
            difference,
            p,
            statistics.verdict(
                difference, p, len(tests), reference.label, other.label, is_higher_better(metric), unit
            ),
        )
        for (reference, other, stratum, _, _), difference, p in zip(tests, differences, adjusted, strict=True)
    )


def _common(a: Results, b: Results, notes: list[str]) -> list[str]:
    common = [name for name in a.values if name in b.values]
    if not common:
        raise EvaluationError(
            f"{a.label} and {b.label} have no object in common; were they run on one benchmark?"
        )
    for first, second in ((a, b), (b, a)):
        alone = [name for name in first.values if name not in second.values]
        if alone:
            notes.append(f"Only {first.label} has {', '.join(alone)}: left out.")
    return common


def _aligned(
    a: Results, b: Results, metric: str, names: Sequence[str], notes: list[str] | None = None
) -> tuple[list[float], list[float]]:
    pairs = {name: (a.values[name][metric], b.values[name][metric]) for name in names}
    finite = {name: pair for name, pair in pairs.items() if all(map(math.isfinite, pair))}
    if len(finite) < len(pairs) and notes is not None:
        lost = ", ".join(name for name in pairs if name not in finite)
        notes.append(f"No {metric} from both {a.label} and {b.label} for {lost}: left out.")
    if not finite:
        raise EvaluationError(f"{a.label} and {b.label} have no object for which both have {metric}")
    return [first for first, _ in finite.values()], [second for _, second in finite.values()]


def _groups(a: Results, b: Results, metric: str, by: str) -> dict[str, tuple[list[float], list[float]]]:
    common = [name for name in a.values if name in b.values]
    if by == TILT:
        if metric != "mean":
            raise EvaluationError(f"strata by tilt exist for the metric mean, not for {metric}")
        groups = {}
        for low, high in zip(TILT_EDGES[:-1], TILT_EDGES[1:], strict=True):
            column = f"mean_tilt_{low:g}_{high:g}"
            _require_metric(a, column)
            _require_metric(b, column)
            usable = [
                name
                for name in common
                if math.isfinite(a.values[name][column]) and math.isfinite(b.values[name][column])
            ]
            if usable:
                groups[f"tilt {low:g} to {high:g}"] = _aligned(a, b, column, usable)
        return groups
    if not any(by in tags for tags in a.tags.values()):
        known = sorted({tag for tags in a.tags.values() for tag in tags})
        raise EvaluationError(
            f"{a.label}: no tag {by!r} to stratify by; it has {', '.join(known) or 'none'} and {TILT}"
        )
    names: dict[str, list[str]] = {}
    for name in common:
        if math.isfinite(a.values[name][metric]) and math.isfinite(b.values[name][metric]):
            names.setdefault(a.tags[name].get(by, "") or "(none)", []).append(name)
    return {stratum: _aligned(a, b, metric, members) for stratum, members in sorted(names.items())}


def _weighted(
    groups: Mapping[str, tuple[list[float], list[float]]],
    weights: Mapping[str, float],
    rng: np.random.Generator,
    level: float,
    resamples: int,
    by: str,
) -> tuple[float, float, float]:
    if by != TILT:
        return statistics.weighted_difference(groups, weights, rng, level, resamples)
    # Bins of tilt are parts of the same objects, so the weights apply within an object and objects are
    # resampled whole.
    full = {name: weights.get(name, weights.get(name.removeprefix("tilt "))) for name in groups}
    if any(share is None for share in full.values()) or len(full) != len(weights):
        raise EvaluationError(f"weights must name each of {', '.join(groups)}")
    shares = np.array([float(share) for share in full.values() if share is not None])
    if len({len(a) for a, _ in groups.values()}) > 1:
        raise EvaluationError(
            "not every object has pixels in every bin of tilt, so bins cannot be weighted within objects"
        )
    first = shares @ np.array([a for a, _ in groups.values()]) / shares.sum()
    second = shares @ np.array([b for _, b in groups.values()]) / shares.sum()
    low, high = statistics.paired_interval(first, second, rng, level, resamples)
    return float((second - first).mean()), low, high


def _require_metric(table: Results, metric: str) -> None:
    known = next(iter(table.values.values()))
    if metric not in known:
        raise EvaluationError(f"{table.label}: no metric {metric}; it has {', '.join(known)}")


def _coverage_notes(tables: Sequence[Results]) -> list[str]:
    notes = []
    for table in tables:
        partial = [name for name, row in table.values.items() if row.get("coverage", 100.0) < 99.5]
        if partial:
            notes.append(
                f"{table.label} gave no normal for part of {', '.join(partial)}; its mean is over the rest. Compare "
                "mean_with_missing too."
            )
    return notes
