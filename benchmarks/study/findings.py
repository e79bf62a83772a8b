# SPDX-License-Identifier: Apache-2.0
"""Tables of results -> a mean for each arm and solver, and an answer to each planned question.

Objects are the unit: an object's views, photos and seeds are averaged first. All questions of one benchmark are one
family for Holm's correction. Those tests hold for the networks that were trained and know nothing of other
starts: so an
answer counts as shown only where a t interval of the seeds' own differences leaves out 0, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.study.arms import ARMS, QUESTIONS, Arm, Question
from benchmarks.study.measure import BASELINES, settings_text
from multishade.evaluation import statistics
from multishade.evaluation.contrasts import Results, results_of
from multishade.evaluation.table import ResultRow

# Pixels that a solver leaves without a normal count as 90 degrees: leaving them out would reward it for saying
# little.
METRIC = "mean_with_missing"
LEVEL = 0.95
CORRECTION = "holm"
Key = tuple[str, str]  # arm, solver


@dataclass(frozen=True)
class Cell:
    """One arm and solver on one benchmark, degrees. low, high: interval of the mean over objects, NaN for too
    few."""

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    by_object: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """by_seed: `other` minus `reference` of each seed; seeds_low, seeds_high: t interval of their mean, NaN for one
    seed. shown: see the module.
    """

    question: Question
    found: statistics.Difference
    adjusted_p: float
    verdict: str
    by_seed: tuple[float, ...]
    seeds_low: float
    seeds_high: float
    shown: bool


@dataclass(frozen=True)
class Findings:
    """What one benchmark says. seeds: by arm; cells: in the order of ARMS; baselines: by name. unasked:
    questions of
    which an arm is missing."""

    benchmark: str
    seeds: Mapping[str, Sequence[int]]
    objects: int
    predictions: int
    cells: Mapping[Key, Cell]
    baselines: Mapping[str, Cell]
    answers: tuple[Answer, ...]
    unasked: tuple[Question, ...]


def common_seeds(done: Mapping[str, Sequence[int]], arms: Sequence[Arm] = ARMS) -> dict[str, tuple[int, ...]]:
    """Finished seeds by arm -> by arm those that all the arms of its network have; arms of which none is left
    out."""
    networks = {arm.name: arm.network for arm in arms}
    common = {}
    for name in done:
        shared = set.intersection(*(set(done[other]) for other in done if networks[other] == networks[name]))
        if shared:
            common[name] = tuple(sorted(shared))
    return common


def find(
    rows: Sequence[ResultRow],
    baselines: Sequence[ResultRow],
    seeds: Mapping[str, Sequence[int]],
    rng: np.random.Generator,
    arms: Sequence[Arm] = ARMS,
    questions: Sequence[Question] = QUESTIONS,
    finished: Mapping[str, Sequence[int]] | None = None,
) -> list[Findings]:
    """rows: of all arms, solvers, seeds and benchmarks; those of other seeds than the arm's are not looked at.
    finished: seeds by arm; with it each question is answered on all seeds that both its arms have.
    """
    return [
        _on(
            benchmark,
            [row for row in rows if row.benchmark == benchmark],
            [row for row in baselines if row.benchmark == benchmark],
            seeds,
            rng,
            arms,
            questions,
            finished or seeds,
        )
        for benchmark in dict.fromkeys(row.benchmark for row in rows)
    ]


def _on(
    benchmark: str,
    rows: Sequence[ResultRow],
    baselines: Sequence[ResultRow],
    seeds: Mapping[str, Sequence[int]],
    rng: np.random.Generator,
    arms: Sequence[Arm],
    questions: Sequence[Question],
    finished: Mapping[str, Sequence[int]],
) -> Findings:
    grouped: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        grouped.setdefault((row.method, row.settings), []).append(row)
    cells: dict[Key, Cell] = {}
    for arm in arms:
        for solver in arm.solvers:
            parts = [
                grouped.get((arm.name, settings_text(solver, seed)), []) for seed in seeds.get(arm.name, ())
            ]
            if parts and all(parts):
                cells[arm.name, solver] = _cell(parts, f"{arm.name} {solver}", rng)
    asked = [question for question in questions if {question.reference, question.other} <= cells.keys()]
    pairs = [_pair(item, grouped, cells, seeds, finished, rng) for item in asked]
    found = [
        _difference(pair[item.reference], pair[item.other], rng)
        for item, pair in zip(asked, pairs, strict=True)
    ]
    adjusted = statistics.adjust([one.p for one in found], CORRECTION)
    answers = [
        _answer(question, difference, p, pair, len(asked), arms)
        for question, difference, p, pair in zip(asked, found, adjusted, pairs, strict=True)
    ]
    some = next(iter(cells.values())) if cells else None
    first = next((list(group) for group in grouped.values()), [])
    return Findings(
        benchmark,
        seeds,
        len(some.by_object) if some else 0,
        len(first),
        cells,
        {
            name: _cell([[row for row in baselines if row.method == name]], name, rng)
            for name in BASELINES
            if any(row.method == name for row in baselines)
        },
        tuple(answers),
        tuple(question for question in questions if question not in asked),
    )


def _pair(
    question: Question,
    grouped: Mapping[tuple[str, str], Sequence[ResultRow]],
    cells: Mapping[Key, Cell],
    seeds: Mapping[str, Sequence[int]],
    finished: Mapping[str, Sequence[int]],
    rng: np.random.Generator,
) -> Mapping[Key, Cell]:
    """The question's two cells, on the seeds that both have: those of the table, if these are all."""
    keys = (question.reference, question.other)
    shared = sorted(set.intersection(*(set(finished[arm]) for arm, _ in keys)))
    if all(list(seeds[arm]) == shared for arm, _ in keys):
        return cells
    return {
        (arm, solver): _cell(
            [grouped[arm, settings_text(solver, seed)] for seed in shared], f"{arm} {solver}", rng
        )
        for arm, solver in keys
    }


def _cell(parts: Sequence[Sequence[ResultRow]], label: str, rng: np.random.Generator) -> Cell:
    """parts: the rows of each seed."""
    by_seed = [_by_object(results_of(part, label)) for part in parts]
    by_object = {name: float(np.mean([one[name] for one in by_seed])) for name in by_seed[0]}
    values = list(by_object.values())
    low, high = statistics.paired_interval([0.0] * len(values), values, rng, LEVEL)
    return Cell(
        float(np.mean(values)),
        low,
        high,
        tuple(float(np.mean(list(one.values()))) for one in by_seed),
        by_object,
    )


def _by_object(results: Results) -> dict[str, float]:
    return {name: metrics[METRIC] for name, metrics in results.values.items()}


def _difference(reference: Cell, other: Cell, rng: np.random.Generator) -> statistics.Difference:
    names = list(reference.by_object)
    return statistics.paired_difference(
        [reference.by_object[name] for name in names], [other.by_object[name] for name in names], rng, LEVEL
    )


def _answer(
    question: Question,
    found: statistics.Difference,
    p: float,
    cells: Mapping[Key, Cell],
    questions: int,
    arms: Sequence[Arm],
) -> Answer:
    reference, other = cells[question.reference], cells[question.other]
    by_seed = tuple(b - a for a, b in zip(reference.by_seed, other.by_seed, strict=True))
    low, high = seeds_interval(by_seed)
    return Answer(
        question,
        found,
        p,
        statistics.verdict(found, p, questions, *labels(question, arms), False, " degrees"),
        by_seed,
        low,
        high,
        bool(p < 1 - LEVEL and np.isfinite(found.low) and (low > 0 or high < 0)),
    )


def seeds_interval(differences: Sequence[float]) -> tuple[float, float]:
    """t interval of the mean of a difference over seeds, normal from one start to the next; NaN for one seed."""
    from scipy import stats

    if len(differences) < 2:
        return float("nan"), float("nan")
    mean, error = float(np.mean(differences)), float(stats.sem(differences))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(differences) - 1)) * error
    return mean - reach, mean + reach


def labels(question: Question, arms: Sequence[Arm] = ARMS) -> tuple[str, str]:
    """Reference and other, as the report names them: by solver if that is what differs."""
    titles = {arm.name: arm.title for arm in arms}
    (a, first), (b, second) = question.reference, question.other
    if a == b:
        return f"{titles[a]}, {first}", f"{titles[b]}, {second}"
    return titles[a], titles[b]
