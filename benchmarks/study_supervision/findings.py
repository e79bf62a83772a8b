# SPDX-License-Identifier: Apache-2.0
"""Tables of results -> a mean for each arm and surface, and an answer to each planned question, also by stratum.

Objects are the unit: an object's views, photos and seeds are averaged first. The questions over all objects are one
family for Bonferroni's correction, those in the strata another. These tests hold for the networks that were trained; so
an answer counts as shown only if a t interval of the seeds' own differences excludes 0, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.study.findings import seeds_interval
from benchmarks.study_supervision.arms import ARMS, QUESTIONS, Key, Question
from benchmarks.study_supervision.measure import ANGLE, ERROR, TILTS, settings_text
from multishade.evaluation import statistics
from multishade.evaluation.contrasts import results_of
from multishade.evaluation.table import ResultRow

LEVEL = 0.95
CORRECTION = "bonferroni"
BY_TAG = ("family", "material")
Value = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Cell:
    """One arm and surface, in percent of the relief.

    Attributes:
        mean: Over objects.
        low, high: Interval of the mean over objects; NaN for too few.
        angle: Mean angular error of the normals, degrees.
        by_seed: Mean of each seed.
        by_object: Metric -> object -> mean over seeds; NaN where an object has no such pixel.
        tags: Object -> its tags.
    """

    mean: float
    low: float
    high: float
    angle: float
    by_seed: tuple[float, ...]
    by_object: Mapping[str, Mapping[str, float]]
    tags: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Answer:
    """A planned comparison, over all objects (stratum "") or in a stratum.

    by_seed, seeds_low, seeds_high: difference of each seed and their t interval; only over all objects.
    """

    question: Question
    stratum: str
    found: statistics.Difference
    adjusted_p: float
    by_seed: tuple[float, ...] = ()
    seeds_low: float = float("nan")
    seeds_high: float = float("nan")

    @property
    def shown(self) -> bool:
        """Over objects and, where seeds are compared, over seeds."""
        over_objects = self.adjusted_p < 1 - LEVEL and bool(np.isfinite(self.found.low))
        return over_objects and (bool(self.stratum) or self.seeds_low > 0 or self.seeds_high < 0)


@dataclass(frozen=True)
class Findings:
    """What the study shows. seeds: those that every arm has finished."""

    seeds: tuple[int, ...]
    objects: int
    predictions: int
    cells: Mapping[Key, Cell]
    baselines: Mapping[str, Cell]
    answers: tuple[Answer, ...]
    strata: tuple[Answer, ...]
    unasked: tuple[Question, ...]


def find(
    rows: Sequence[ResultRow], baselines: Sequence[ResultRow], seeds: Sequence[int], rng: np.random.Generator
) -> Findings:
    """rows: of all arms, surfaces and seeds; those of other seeds are not looked at."""
    grouped: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        grouped.setdefault((row.method, row.settings), []).append(row)
    cells: dict[Key, Cell] = {}
    for arm in ARMS:
        for surface in arm.surfaces:
            parts = [grouped.get((arm.name, settings_text(surface, seed)), []) for seed in seeds]
            if parts and all(parts):
                cells[arm.name, surface] = _cell(parts, rng)
    asked = [question for question in QUESTIONS if {question.reference, question.other} <= cells.keys()]
    some = next(iter(cells.values()))
    names = dict.fromkeys(row.method for row in baselines)
    return Findings(
        tuple(seeds),
        len(some.by_object[ERROR]),
        len(next(iter(grouped.values()))),
        cells,
        {name: _cell([[row for row in baselines if row.method == name]], rng) for name in names},
        _answers(asked, cells, rng),
        _in_strata([question for question in asked if question.stratified], cells, rng),
        tuple(question for question in QUESTIONS if question not in asked),
    )


def _cell(parts: Sequence[Sequence[ResultRow]], rng: np.random.Generator) -> Cell:
    """parts: the rows of each seed."""
    by_seed = [results_of(part, "part") for part in parts]
    objects = list(by_seed[0].values)
    metrics = (ERROR, ANGLE, *TILTS)
    by_object = {
        metric: {name: float(np.mean([one.values[name][metric] for one in by_seed])) for name in objects}
        for metric in metrics
    }
    values = list(by_object[ERROR].values())
    low, high = statistics.paired_interval([0.0] * len(values), values, rng, LEVEL)
    return Cell(
        float(np.mean(values)),
        low,
        high,
        float(np.mean(list(by_object[ANGLE].values()))),
        tuple(float(np.mean([one.values[name][ERROR] for name in objects])) for one in by_seed),
        by_object,
        by_seed[0].tags,
    )


def _answers(
    asked: Sequence[Question], cells: Mapping[Key, Cell], rng: np.random.Generator
) -> tuple[Answer, ...]:
    found = [_difference(question, cells, rng, ERROR) for question in asked]
    adjusted = statistics.adjust([one.p for one in found], CORRECTION)
    answers = []
    for question, difference, p in zip(asked, found, adjusted, strict=True):
        pairs = zip(cells[question.reference].by_seed, cells[question.other].by_seed, strict=True)
        by_seed = tuple(b - a for a, b in pairs)
        answers.append(Answer(question, "", difference, p, by_seed, *seeds_interval(by_seed)))
    return tuple(answers)


def _in_strata(
    asked: Sequence[Question], cells: Mapping[Key, Cell], rng: np.random.Generator
) -> tuple[Answer, ...]:
    tests: list[tuple[Question, str, statistics.Difference]] = []
    for question in asked:
        reference = cells[question.reference]
        for tag in BY_TAG:
            for value in sorted({tags.get(tag, "") for tags in reference.tags.values()}):
                members = [name for name, tags in reference.tags.items() if tags.get(tag, "") == value]
                tests.append((question, f"{tag} {value}", _difference(question, cells, rng, ERROR, members)))
        tests += [(question, tilt, _difference(question, cells, rng, tilt)) for tilt in TILTS]
    adjusted = statistics.adjust([found.p for _, _, found in tests], CORRECTION)
    return tuple(Answer(*test, p) for test, p in zip(tests, adjusted, strict=True))


def _difference(
    question: Question,
    cells: Mapping[Key, Cell],
    rng: np.random.Generator,
    metric: str,
    objects: Sequence[str] | None = None,
) -> statistics.Difference:
    first, second = (cells[key].by_object[metric] for key in (question.reference, question.other))
    names = [
        name
        for name in (first if objects is None else objects)
        if np.isfinite(first[name]) and np.isfinite(second[name])
    ]
    return statistics.paired_difference(
        [first[name] for name in names], [second[name] for name in names], rng, LEVEL
    )
