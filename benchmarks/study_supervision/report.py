# SPDX-License-Identifier: Apache-2.0
"""Findings -> docs/study-supervision.md: every figure from results, every conclusion from intervals and tests."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.study_supervision.arms import (
    ARMS,
    CURRICULUM_END,
    CURRICULUM_START,
    ENSEMBLE,
    KEPT,
    Question,
)
from benchmarks.study_supervision.findings import LEVEL, Answer, Findings
from benchmarks.study_supervision.measure import FLAT, TRUE
from multishade.evaluation.statistics import readable
from multishade.report.document import Block, Bullets, Caution, Heading, Paragraph, Table
from multishade.training.tasks.surface import SurfaceConfig

NAME, TITLE = "study-supervision", "Normals or depth: which supervision recovers the better surface?"
BASELINES = {FLAT: "a plane that faces the camera", TRUE: "the true normals, integrated"}
# Read in the source document; each names figures of it that exclude each other.
CONTRADICTIONS = (
    "its title says that reconstruction benefits more from normal maps, its abstract that depth estimation is the "
    "dominant factor.",
    "the abstract has 18 data sets and 31,631 samples, the introduction 21 benchmarks and 39,571 instances.",
    "the improvement is 31.3 % in the abstract and 11.0 % in the introduction and the conclusion.",
    "the text has an F1 of 0.753 for the full method; no row of the table of results has it, and there the full method "
    "(0.61) is worse than the baseline (0.67).",
    "in three of that table's five rows F1 lies outside of precision and recall, which a harmonic mean cannot.",
    "in the ablation the full model (0.70) is below the one without all its parts (0.75), and rows that are better "
    "than it have a negative difference to it.",
    "the gains by benchmark are said to range from 7.6 %, and the table has one of 7.41 %.",
)


def blocks(
    config: SurfaceConfig,
    views: Mapping[str, Any],
    facts: Mapping[str, Sequence[Mapping[str, Any]]],
    found: Findings | None,
    missing: Sequence[str],
) -> list[Block]:
    """Write the report.

    Args:
        config: Shared settings.
        views: "train" and "test": number of views; "seen": test objects that training views have; "sets": names of the
            data sets that were trained on.
        facts: Arm -> what its runs took.
        found: What they show; None if no seed is finished for all arms: then the report has no figures and says so.
        missing: What this run left out, in sentences.
    """
    parts: list[Block] = [
        Paragraph(
            "The same network is supervised by normals, by depth, or by both, with equal and with learned "
            "weights of the "
            "samples, and compared by the surface that it recovers. The question is that of a document with the title "
            '"3D object reconstruction from single images benefits more from normal map supervision than depth maps", '
            "whose own figures contradict each other ([below](#the-source)). This page is written by "
            "`make study-supervision`."
        )
    ]
    parts += [Caution(text) for text in missing]
    if views["seen"]:
        parts.append(
            Caution(f"{len(views['seen'])} of the test objects were trained on: choose other test shards.")
        )
    if found is None:
        parts.append(
            Caution("No seed is finished for all arms yet, so this page has no figures: repeat the command.")
        )
        return [*parts, Heading("What is compared"), Paragraph(_method(config, views)), *_source()]
    parts += [
        Heading("What is compared"),
        Paragraph(_method(config, views)),
        _arms(facts),
        Paragraph(_surface_text()),
    ]
    parts += [Heading("Surfaces"), Paragraph(_results_text(found, views)), _results(found)]
    if found.answers:
        parts += [Heading("Planned comparisons"), _answers(found.answers), Paragraph(_test_text(found))]
        parts.append(Bullets(conclusions(found)))
    if found.strata:
        parts += [Heading("In strata"), Paragraph(_strata_text(found)), _strata(found.strata)]
    parts += [
        *_source(),
        Heading("Limits"),
        Bullets(_limits(config, views, found)),
    ]
    return parts


def _source() -> list[Block]:
    return [
        Heading("The source"),
        Paragraph("No figure of the document can be a target, for they exclude each other:"),
        Bullets([_capital(text) for text in CONTRADICTIONS]),
        Paragraph(
            "What is used here is its method: weights by a learned score with a temperature, a divergence from uniform "
            "weights that keeps them from collapsing, strata, and its protocol of tests. Its negative results, a "
            "curriculum, an ensemble, and leaving out the hardest samples, are three more arms."
        ),
    ]


def conclusions(found: Findings) -> list[str]:
    """State what each planned comparison shows."""
    said = []
    for answer in found.answers:
        size = f"{readable(abs(answer.found.difference))} % of the relief"
        interval = f"{LEVEL:.0%} interval {_range(answer.found.low, answer.found.high, sign=True)}"
        if answer.shown:
            better = "lower" if answer.found.difference < 0 else "higher"
            said.append(f"{_capital(answer.question.asked)}: the error is {better} by {size} ({interval}).")
        else:
            said.append(f"{_capital(answer.question.asked)}: no difference shown ({interval}).")
    return said


def _method(config: SurfaceConfig, views: Mapping[str, Any]) -> str:
    options = config.optimisation
    return (
        f"A UNet of width {config.model.width} at {config.model.size} x {config.model.size} pixels sees a photo "
        "and the mask. "
        "Its last convolution makes normals, or the relief (the height toward the camera in units of the image's "
        "side, up to "
        "a constant), or both; all else is equal. Losses: 1 - cosine of the normal's angle; absolute error of "
        "the relief, "
        f"times {config.objective.depth:g}. {options.steps} steps of {options.batch}, AdamW, learning rate "
        f"{options.learning_rate:g}, {options.warmup} steps of warm-up, then a cosine; averaged weights (decay "
        f"{options.ema:g}). Training: {views['train']:,} views of {' and '.join(views['sets'])}, three photos "
        "each, turned, "
        "mirrored and exposed at random; with one seed all arms see the same photos in the same order. Adaptive "
        "weights: "
        "softmax over the batch of a learned score of the sample's losses, temperature "
        f"{config.weighting.temperature:g}, plus {config.weighting.kl:g} times the divergence from uniform "
        "weights. Plain "
        f"samples first: the plainest {CURRICULUM_START:.0%} at the start, all after {CURRICULUM_END:.0%} of the "
        "steps; plain "
        f"is a small mean angle between the normals of neighbouring pixels. Filtered: the plainest {KEPT:.0%} "
        "only. Ensemble: "
        f"the normals of {ENSEMBLE} networks, averaged; they are the networks of the arm `normals` with this "
        "seed and the "
        "next ones, so its seeds are not independent."
    )


def _surface_text() -> str:
    return (
        "Collapsed is the share of logged steps in which about one sample of the batch has all the weight, and "
        "the weight that is left amounts to the given share of a batch (1: equal weights)."
    )


def _arms(facts: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    rows = []
    for arm in ARMS:
        if arm.name not in facts:
            continue
        of = facts[arm.name]
        adaptive = of[0].get("effective") is not None and arm.members == 1
        rows.append(
            [
                arm.title,
                ", ".join(arm.surfaces),
                f"{_mean(of, 'training_seconds'):.0f}" if arm.members == 1 else "",
                ", ".join(sorted({str(each["device"]) for each in of})),
                f"{_mean(of, 'effective'):.2f}" if adaptive else "",
                f"{_mean(of, 'collapsed'):.0%}" if adaptive else "",
                str(len(of)),
            ]
        )
    header = ["arm", "surface from", "training, s", "device", "weight left", "collapsed", "seeds"]
    return Table(header, rows, text_columns=2)


def _results_text(found: Findings, views: Mapping[str, Any]) -> str:
    return (
        f"{found.objects} objects{'' if views['seen'] else ' that no training view has'}, {views['test']} views, "
        f"{found.predictions} photos "
        "for each run. "
        "Mean absolute depth error after the best scale of each connected patch, in percent of the object's "
        "relief (1st to "
        "99th percentile of its depth), averaged by object, then over objects. Normals are integrated by least "
        "squares with "
        f"the view's camera, depth is taken as it is. Interval: {LEVEL:.0%}, over objects; then the range over seeds."
    )


def _results(found: Findings) -> Table:
    rows = []
    for arm in ARMS:
        for surface in arm.surfaces:
            cell = found.cells.get((arm.name, surface))
            if cell is None:
                continue
            name = arm.title if len(arm.surfaces) == 1 else f"{arm.title}: {surface}"
            spread = _range(min(cell.by_seed), max(cell.by_seed))
            rows.append([name, readable(cell.mean), _range(cell.low, cell.high), spread, f"{cell.angle:.1f}"])
    for name, cell in found.baselines.items():
        rows.append(
            [BASELINES[name], readable(cell.mean), _range(cell.low, cell.high), "", f"{cell.angle:.1f}"]
        )
    return Table(["", "surface, %", "interval", "by seed", "normals, °"], rows)


def _answers(answers: Sequence[Answer]) -> Table:
    rows = [
        [
            answer.question.asked,
            readable(answer.found.mean_a),
            readable(answer.found.mean_b),
            readable(answer.found.difference, sign=True),
            _range(answer.found.low, answer.found.high, sign=True),
            f"{answer.adjusted_p:.2g}",
            f"{answer.found.effect:+.2f}",
            _range(answer.seeds_low, answer.seeds_high, sign=True),
            "yes" if answer.shown else "no",
        ]
        for answer in answers
    ]
    header = [
        "",
        "reference, %",
        "other, %",
        "difference",
        "interval",
        "p corrected",
        "d_z",
        "over seeds",
        "shown",
    ]
    return Table(header, rows)


def _test_text(found: Findings) -> str:
    return (
        "Negative: the first one named is better. Paired by object: interval by bootstrap (BCa), p by "
        "permutation within "
        f"objects, Bonferroni over the {len(found.answers)} comparisons, Cohen's d_z. Shown: corrected p below "
        f"{1 - LEVEL:.2f}, and the t interval over seeds ({len(found.seeds)}) excludes 0."
    )


def _strata_text(found: Findings) -> str:
    shown = [answer for answer in found.strata if answer.shown]
    names = "; ".join(f"{answer.question.asked}, {answer.stratum}" for answer in shown)
    return (
        f"{len(found.strata)} comparisons, one family for Bonferroni; shown: {names or 'none'}. Tilt is the "
        "angle between "
        "the true normal and the view axis; its strata are parts of the same objects. A stratum of fewer than "
        "five objects "
        "has no interval."
    )


def _strata(strata: Sequence[Answer]) -> Table:
    questions = list(dict.fromkeys(answer.question for answer in strata))
    names = list(dict.fromkeys(answer.stratum for answer in strata))
    found: dict[tuple[Question, str], Answer] = {(each.question, each.stratum): each for each in strata}
    rows = []
    for name in names:
        objects = found[questions[0], name].found.objects
        cells = []
        for question in questions:
            answer = found[question, name]
            mark = " *" if answer.shown else ""
            cells.append(readable(answer.found.difference, sign=True) + mark)
        rows.append([name, str(objects), *cells])
    return Table(["stratum", "objects", *(question.asked for question in questions)], rows)


def _limits(config: SurfaceConfig, views: Mapping[str, Any], found: Findings) -> list[str]:
    return [
        f"One small network, {config.model.size} x {config.model.size} pixels, {views['train']:,} views, random "
        "weights at "
        "the start. Large pretrained networks may behave otherwise.",
        "The weights of the two losses were set once, so that both are of one size at the start, and not searched.",
        "The relief is measured after the best scale; whoever needs metric depth asks another question.",
        "Objects are rendered alone, with their masks; scenes, where depth has more to say, are not looked at.",
        f"Seeds: {len(found.seeds)}; objects: {found.objects}: small differences cannot be seen.",
    ]


def _mean(facts: Sequence[Mapping[str, Any]], name: str) -> float:
    return sum(float(each[name]) for each in facts) / len(facts)


def _range(low: float, high: float, sign: bool = False) -> str:
    return "too few" if math.isnan(low) else f"{readable(low, sign)} to {readable(high, sign)}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
