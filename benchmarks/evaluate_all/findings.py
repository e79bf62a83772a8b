# SPDX-License-Identifier: Apache-2.0
"""Cells of one benchmark -> means with intervals, and paired tests against a reference. Objects are the unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluate_all.cells import Cell
from benchmarks.evaluate_all.contenders import LIGHTS, MASK, PHOTO, REFERENCES, Benchmark
from multishade.evaluation import statistics
from multishade.evaluation.contrasts import Contrast, compare_results, results_of

METRIC = "mean_with_missing"  # a pixel without a normal counts as 90 degrees
LEVEL = 0.95


@dataclass(frozen=True)
class Standing:
    """One method on one benchmark, degrees.

    Attributes:
        cell: Its rows.
        mean: Over objects of their means.
        low, high: Interval of the mean over objects; NaN for too few.
        median, within, coverage: Mean over objects of the median, of the percentage below 11.25 degrees, and of the
            percentage of pixels with a normal.
        by_object: Object -> mean.
        by_material: Kind of material -> mean over its objects.
    """

    cell: Cell
    mean: float
    low: float
    high: float
    median: float
    within: float
    coverage: float
    by_object: Mapping[str, float]
    by_material: Mapping[str, float]


@dataclass(frozen=True)
class Findings:
    """What one benchmark shows. tests: by what the methods see (LIGHTS or PHOTO), each family corrected by Holm."""

    benchmark: Benchmark
    standings: tuple[Standing, ...]
    missing: tuple[Cell, ...]
    tests: Mapping[str, tuple[Contrast, ...]]
    rows: int


def find(benchmark: Benchmark, cells: Sequence[Cell], rng: np.random.Generator) -> Findings:
    """cells: of this benchmark."""
    done = [cell for cell in cells if cell.rows]
    standings = [_standing(cell, rng) for cell in done]
    tests = {}
    for sees, reference in REFERENCES.items():
        # The baselines see less than one photo, and are compared with those that see one.
        family = [
            each for each in done if each.contender.sees in ((PHOTO, MASK) if sees == PHOTO else (LIGHTS,))
        ]
        family.sort(key=lambda cell: cell.contender.name != reference)
        if len(family) > 1 and family[0].contender.name == reference:
            tables = [results_of(cell.rows, cell.contender.name) for cell in family]
            tests[sees] = compare_results(tables, rng, metric=METRIC, level=LEVEL).overall
    return Findings(
        benchmark,
        tuple(standings),
        tuple(cell for cell in cells if not cell.rows),
        tests,
        max((len(cell.rows) for cell in done), default=0),
    )


def _standing(cell: Cell, rng: np.random.Generator) -> Standing:
    results = results_of(cell.rows, cell.contender.name)
    by_object = {name: row[METRIC] for name, row in results.values.items()}
    values = list(by_object.values())
    low, high = statistics.paired_interval([0.0] * len(values), values, rng, LEVEL)
    materials: dict[str, list[float]] = {}
    for name, value in by_object.items():
        if material := results.tags[name].get("material", ""):
            materials.setdefault(material, []).append(value)

    def mean(metric: str) -> float:
        return float(np.nanmean([row[metric] for row in results.values.values()]))

    return Standing(
        cell,
        float(np.mean(values)),
        low,
        high,
        mean("median"),
        mean("within_11.25"),
        mean("coverage"),
        by_object,
        {name: float(np.mean(group)) for name, group in sorted(materials.items())},
    )
