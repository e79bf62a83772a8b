# SPDX-License-Identifier: Apache-2.0
"""Findings -> docs/benchmarks.md: every figure of ours from a cell, published ones beside them."""

import math
from collections.abc import Iterable, Sequence

from benchmarks.evaluate_all.contenders import (
    LEARNED,
    LIGHTS,
    MASK,
    PHOTO,
    REFERENCES,
    SEES,
    Benchmark,
    Contender,
    trained_on,
)
from benchmarks.evaluate_all.findings import LEVEL, Findings, Standing
from benchmarks.evaluate_all.published import DILIGENT_LIGHTS, DILIGENT_PHOTO, MULTISHADE, Published
from multishade.evaluation.contrasts import Contrast
from multishade.evaluation.statistics import FEWEST_FOR_INTERVAL, readable
from multishade.report.document import Block, Bullets, Caution, Heading, Paragraph, Table

TITLE = "Benchmarks"
MANY = 12  # objects from which on a column for each would not fit


def blocks(
    contenders: Sequence[Contender], benchmarks: Sequence[Benchmark], found: Sequence[Findings]
) -> list[Block]:
    """Write the page."""
    parts: list[Block] = [
        Paragraph(
            "Every method on every benchmark at hand. This page is written by `make evaluate`, which measures what has "
            "changed since the last time. Mean angular error in degrees inside the mask; a pixel without a "
            "normal counts "
            "as 90. An object's views and photos are averaged first, then the objects. The interval "
            f"({LEVEL:.0%}, BCa) is over objects, and so are the tests: permutations within objects, corrected by Holm "
            "over the methods of one table. What the columns mean: [evaluation](evaluation.md)."
        )
    ]
    missing = [f"{each.title}: {each.missing}." for each in benchmarks if each.missing]
    if missing:
        parts.append(Caution(f"Left out of this run: {' '.join(missing)}"))
    parts += [Heading("In short"), _overview(contenders, found)]
    parts += [Heading("What the models were trained on"), _training(contenders)]
    for one in found:
        parts += _section(one)
    parts += [Heading("Limits"), Bullets(list(_limits(found)))]
    return parts


def _overview(contenders: Sequence[Contender], found: Sequence[Findings]) -> Table:
    rows = []
    for sees in SEES:
        for contender in contenders:
            if contender.sees != sees:
                continue
            cells = []
            for one in found:
                standing = next((each for each in one.standings if each.cell.contender == contender), None)
                cells.append("" if standing is None else _degrees(standing.mean))
            if contender.missing:
                cells = ["no weights" if sees in one.benchmark.sees else "" for one in found]
            rows.append([contender.name, SEES[sees], *cells])
    return Table(["method", "sees", *(one.benchmark.name for one in found)], rows, text_columns=2)


def _training(contenders: Sequence[Contender]) -> Table:
    rows = [
        [each.name, f"not measured: {each.missing}" if each.missing else trained_on(each)]
        for each in contenders
        if each.name in LEARNED
    ]
    return Table(["model", "trained on"], rows, text_columns=2, wrap=True)


def _section(found: Findings) -> list[Block]:
    benchmark = found.benchmark
    objects = max((len(each.by_object) for each in found.standings), default=0)
    parts: list[Block] = [
        Heading(benchmark.title),
        Paragraph(
            f"{benchmark.note} {_count(objects, 'object')}, at most {_count(found.rows, 'result')} a method."
        ),
        _standings(found),
    ]
    materials = sorted({name for each in found.standings for name in each.by_material})
    if len(materials) > 1:
        parts += [Heading("By material", 3), _by_material(found, materials)]
    if objects < FEWEST_FOR_INTERVAL:
        parts.append(Paragraph(f"{_capital(_count(objects, 'object'))}: too few for an interval or a test."))
    for sees, tests in found.tests.items():
        if objects < FEWEST_FOR_INTERVAL or (sees == LIGHTS and benchmark.computed):
            continue
        title = f"Against `{REFERENCES[sees]}`, by {'one photo' if sees == PHOTO else 'known lights'}"
        parts += [Heading(title, 3), _tests(tests)]
    for title, published in _published(benchmark):
        parts += [Heading(title, 3), _published_table(published, benchmark.name == "diligent")]
    return parts


def _standings(found: Findings) -> Table:
    names = list(found.standings[0].by_object) if found.standings else []
    each_object = names if 1 < len(names) < MANY else []
    order = {sees: place for place, sees in enumerate((LIGHTS, PHOTO, MASK))}
    rows = [
        [
            each.cell.contender.name,
            _degrees(each.mean),
            _interval(each.low, each.high),
            _degrees(each.median),
            f"{each.within:.1f}",
            f"{each.coverage:.1f}",
            *(_degrees(each.by_object[name]) for name in each_object),
        ]
        for each in sorted(found.standings, key=lambda each: (order[each.cell.contender.sees], each.mean))
    ]
    rows += [[cell.contender.name, cell.missing, *[""] * (4 + len(each_object))] for cell in found.missing]
    header = ["method", "mean °", "interval", "median °", "< 11.25°, %", "with a normal, %"]
    return Table([*header, *(name.rpartition("/")[2] for name in each_object)], rows)


def _by_material(found: Findings, materials: Sequence[str]) -> Table:
    counts = _objects_by_material(found.standings[0])
    rows = [
        [each.cell.contender.name, *(_degrees(each.by_material.get(name, math.nan)) for name in materials)]
        for each in found.standings
    ]
    return Table(["method", *(f"{name} ({counts.get(name, 0)})" for name in materials)], rows)


def _objects_by_material(standing: Standing) -> dict[str, int]:
    objects: dict[str, set[str]] = {}
    for row in standing.cell.rows:
        objects.setdefault(row.tags.get("material", ""), set()).add(row.object)
    return {name: len(members) for name, members in objects.items()}


def _tests(tests: Iterable[Contrast]) -> Table:
    rows = []
    for test in tests:
        found = test.difference
        shown = test.adjusted_p < 1 - LEVEL
        rows.append(
            [
                test.other,
                readable(found.difference, sign=True),
                _interval(found.low, found.high, sign=True),
                f"{test.adjusted_p:.2g}",
                "" if not math.isfinite(found.effect) else f"{found.effect:+.2f}",
                ("better" if found.difference < 0 else "worse") if shown else "no difference shown",
            ]
        )
    return Table(["method", "difference °", "interval", "p corrected", "d_z", "is"], rows)


def _published(benchmark: Benchmark) -> list[tuple[str, Sequence[Published]]]:
    if benchmark.name == "diligent":
        return [
            ("Published, by known lights (all ten objects)", DILIGENT_LIGHTS),
            ("Published, by one photo (all ten objects, photographs 21 to 30)", DILIGENT_PHOTO),
        ]
    if benchmark.name == "bundled-test":
        return [("Published, on the test split of the published MultiShade", MULTISHADE)]
    return []


def _published_table(published: Sequence[Published], with_objects: bool) -> Table:
    rows = [
        [
            each.method,
            each.source,
            each.trained,
            *([_degrees(each.ball), _degrees(each.cat)] if with_objects else []),
            _degrees(each.mean),
        ]
        for each in published
    ]
    columns = ["ball °", "cat °"] if with_objects else []
    return Table(["method", "source", "trained on", *columns, "mean °"], rows, text_columns=3, wrap=True)


def _limits(found: Sequence[Findings]) -> Iterable[str]:
    yield (
        "Published figures were not measured here. Those of DiLiGenT are over ten objects, ours over the objects in "
        "the tables; by the published figures these are easier than most, so means cannot be set side by side, single "
        "objects can."
    )
    yield (
        "The published test split of MultiShade has other objects, materials and images of 576 x 576 than our test "
        "shards: the figures beside each other show the size of the errors, not a rank."
    )
    yield (
        "Our networks are trained on the few thousand views of the table above, the published ones on up to millions "
        "of images and, like RoSE, from large pretrained weights: the tables do not compare architectures."
    )


def _degrees(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.2f}"


def _interval(low: float, high: float, sign: bool = False) -> str:
    if math.isnan(low):
        return "too few"
    return f"{readable(low, True)} to {readable(high, True)}" if sign else f"{low:.2f} to {high:.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
