# SPDX-License-Identifier: Apache-2.0
"""Findings -> docs/study-quality.md and its figure: every figure from results, every conclusion from intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.study.arms import NO_SOLVER
from benchmarks.study.findings import LEVEL, Answer, Cell, Findings
from benchmarks.study_quality.levels import (
    COST,
    KINDS,
    LADDER,
    MARGIN,
    REFERENCE,
    REFERENCE_SAMPLES,
    STEPS,
    arm_name,
    level_of,
)
from benchmarks.study_quality.scenes import CLEAN_SAMPLES, Scenes
from multishade.evaluation.statistics import readable
from multishade.report.document import Block, Bullets, Caution, Figure, Heading, Paragraph, Table
from multishade.training.tasks.rose import RoseConfig

TITLE = "What is the quality of rendered images worth?"
NAME = "study-quality"
BENCHMARKS = {"shards": "Clean test shards", "diligent": "DiLiGenT"}
TERMS = {STEPS: "equal steps", COST: "equal cost"}


@dataclass(frozen=True)
class Measured:
    """What a level is and costs.

    Attributes:
        samples: By kind of light; None: the level's own settings.
        psnr: Mean dB by kind of light, on scenes that nothing is trained on.
        seconds: CPU seconds of a view.
        scenes: Groups that it is trained on, by kind of arm (STEPS, COST).
    """

    samples: Mapping[str, int] | None
    psnr: Mapping[str, float]
    seconds: float
    scenes: Mapping[str, int]

    @property
    def mean_psnr(self) -> float:
        """Mean over the kinds of light, dB."""
        return sum(self.psnr.values()) / len(self.psnr)


def verdict(answer: Answer) -> str:
    """Judge one comparison with the margin: over objects and over seeds, both intervals have to stay below it."""
    highs, lows = (answer.found.high, answer.seeds_high), (answer.found.low, answer.seeds_low)
    if any(math.isnan(value) for value in (*highs, *lows)):
        return "too few objects or seeds"
    if max(highs) < MARGIN:
        return "not inferior"
    return "inferior" if min(lows) > MARGIN else "open"


def blocks(
    config: RoseConfig,
    levels: Mapping[str, Measured],
    found: Sequence[Findings],
    missing: Sequence[str],
    figure: Figure,
    scenes: Scenes,
    devices: Sequence[str] = (),
) -> list[Block]:
    """Write the report. levels: by name; missing: what this run left out, in sentences; devices: of the training."""
    parts: list[Block] = [
        Paragraph(
            "Rendered training images are noisy, and each halving of the noise costs four times the samples. Does "
            "the noise hurt a network that learns normals from them? The same scenes are rendered at several "
            "qualities, and the same network is trained on each: with equal steps, and at equal rendering cost, so "
            "that cheap images mean more scenes. This page is written by `make study-quality`."
        )
    ]
    parts += [Caution(text) for text in missing]
    parts += [Heading("The qualities"), Paragraph(_qualities_text(scenes.panel)), _qualities(levels)]
    parts += [Heading("What is trained"), Paragraph(_training_text(config, levels, devices))]
    for one in found:
        parts += [
            Heading(BENCHMARKS.get(one.benchmark, one.benchmark)),
            Paragraph(
                f"{one.objects} objects, {one.predictions} photos per run. Mean angular error in degrees inside the "
                f"mask, averaged by object, then over objects; interval: {LEVEL:.0%} over objects; then the range "
                "over the seeds that all have."
                + (
                    f" Objects and materials of the test split, {CLEAN_SAMPLES} samples, denoised."
                    if one.benchmark == "shards"
                    else ""
                )
            ),
            _errors(levels, one),
        ]
        parts += [figure] if one is found[0] else []
        parts += [Heading("Differences from the reference", 3), Paragraph(_margin_text()), _differences(one)]
    parts += [Heading("What follows"), Bullets(conclusions(levels, found[0]) if found else [])]
    parts += [Heading("Limits"), Bullets(_limits(config, levels))]
    return parts


def not_inferior(found: Findings, kind: str = STEPS) -> list[str]:
    """Names of the levels whose arms of this kind are not inferior to the reference, and the reference."""
    good = {answer.question.other[0] for answer in found.answers if verdict(answer) == "not inferior"}
    return [name for name in _level_names(found) if name == REFERENCE or arm_name(kind, name) in good]


def conclusions(levels: Mapping[str, Measured], found: Findings) -> list[str]:
    """State which qualities are not inferior, the cheapest of them, and what equal cost buys."""
    good = [name for name in not_inferior(found) if name in levels]
    cheapest = min(good, key=lambda name: levels[name].seconds)
    share = levels[cheapest].seconds / levels[REFERENCE].seconds
    said = [
        f"Not inferior to {level_of(REFERENCE).title} by {MARGIN} degrees with equal steps: "
        f"{'; '.join(level_of(name).title for name in good)}.",
        f"The cheapest of them is {level_of(cheapest).title}: {levels[cheapest].seconds:.2f} CPU seconds a view, "
        f"{share:.2f} times the reference's.",
    ]
    for judged, text in (("open", "Open, since an interval has the margin inside"), ("inferior", "Inferior")):
        names = [
            level_of(name).title
            for name in _level_names(found)
            for answer in found.answers
            if answer.question.other[0] == arm_name(STEPS, name) and verdict(answer) == judged
        ]
        said += [f"{text}, with equal steps: {'; '.join(names)}."] if names else []
    for answer in found.answers:
        kind, _, name = answer.question.other[0].partition("-")
        if kind == COST and answer.shown:
            side = "lower" if answer.found.difference < 0 else "higher"
            said.append(
                f"At equal cost the error of {level_of(name).title} is {abs(answer.found.difference):.2f} degrees "
                f"{side} than the reference's ({_range(answer.found.low, answer.found.high)})."
            )
    said.append(
        "[The whole data set](performance.md#the-whole-data-set): the recipes that follow from it, and their cost."
    )
    return said


def cell_of(found: Findings, kind: str, level: str) -> Cell | None:
    """Of the reference both kinds of arms are one."""
    name = arm_name(STEPS if level == REFERENCE else kind, level)
    return found.cells.get((name, NO_SOLVER))


def _level_names(found: Findings) -> list[str]:
    return [name.partition("-")[2] for name, _ in found.cells if name.startswith(f"{STEPS}-")]


def _qualities_text(panel: int) -> str:
    return (
        "Samples are chosen for each kind of light so that the mean PSNR of denoised images comes nearest to the "
        f"named one. It is measured on {panel} other scenes than those of the training: against {REFERENCE_SAMPLES:,} "
        "samples without denoiser, display-encoded, inside the mask; at most "
        f"{LADDER[-1]} samples are taken. The last two qualities are settings as they are. Seconds are CPU "
        "seconds of all stages of a view of three images, geometry and object included, from the shards' markers."
    )


def _qualities(levels: Mapping[str, Measured]) -> Table:
    rows = [
        [
            level_of(name).title,
            *(str(level.samples[kind]) if level.samples else "" for kind in KINDS),
            *(f"{level.psnr[kind]:.1f}" for kind in KINDS),
            f"{level.mean_psnr:.1f}",
            f"{level.seconds:.2f}",
            *(str(level.scenes.get(kind, "")) for kind in (STEPS, COST)),
        ]
        for name, level in levels.items()
    ]
    header = (
        "quality",
        *(f"samples, {kind}" for kind in KINDS),
        *(f"dB, {kind}" for kind in KINDS),
        "dB, mean",
        "CPU s a view",
        "scenes, equal steps",
        "scenes, equal cost",
    )
    return Table(header, rows)


def _training_text(config: RoseConfig, levels: Mapping[str, Measured], devices: Sequence[str]) -> str:
    options = config.optimisation
    most = max(level.scenes.get(COST, 0) for level in levels.values())
    where = f" Trained on: {', '.join(devices)}." if devices else ""
    return (
        f"`{config.model.preset}` predicts normals directly from one photo at {config.model.size} x "
        f"{config.model.size} pixels: {options.steps} steps of {options.batch} photos, AdamW, learning rate "
        f"{options.learning_rate:g}, {options.decay} decay (`configs/train/study-quality.yaml`). With one seed all "
        "qualities get the same scenes, crops and exposures in the same order. At equal cost each quality has as many "
        f"scenes as the rendering time of the reference's {levels[REFERENCE].scenes[STEPS]} pays for, in whole shards "
        f"and at most {most}, and the same number of steps; if that is the same number of shards, there is no run of "
        "its own." + where
    )


def _margin_text() -> str:
    return (
        f"Reference: {level_of(REFERENCE).title}, equal steps. Negative: better than the reference. Each on the seeds "
        "that both have. Not inferior: both "
        f"{LEVEL:.0%} intervals, over objects and over seeds, end below the margin of {MARGIN} degrees, which was "
        "stated before there were results."
    )


def _errors(levels: Mapping[str, Measured], found: Findings) -> Table:
    rows = []
    for name in levels:
        row = [level_of(name).title]
        for kind in (STEPS, COST):
            cell = found.cells.get((arm_name(kind, name), NO_SOLVER))
            row += (
                ["", "", ""]
                if cell is None
                else [
                    f"{cell.mean:.2f}",
                    _range(cell.low, cell.high),
                    _range(min(cell.by_seed), max(cell.by_seed)),
                ]
            )
        rows.append(row)
    rows += [
        [f"baseline: {name}", f"{cell.mean:.2f}", _range(cell.low, cell.high), "", "", "", ""]
        for name, cell in found.baselines.items()
    ]
    header = ["quality"]
    for kind in (STEPS, COST):
        header += [f"{TERMS[kind]} °", "interval", "by seed"]
    return Table(header, rows)


def _differences(found: Findings) -> Table:
    rows = [
        [
            answer.question.asked,
            readable(answer.found.difference, sign=True),
            _range(answer.found.low, answer.found.high, sign=True),
            str(len(answer.by_seed)),
            _range(answer.seeds_low, answer.seeds_high, sign=True),
            verdict(answer),
        ]
        for answer in found.answers
    ]
    return Table(("", "difference °", "over objects", "seeds", "over seeds", ""), rows)


def _limits(config: RoseConfig, levels: Mapping[str, Measured]) -> list[str]:
    return [
        "Few seeds: the interval over n seeds is Student's t with n - 1 degrees of freedom, wide for three, and for "
        "two narrow only if these happen to agree.",
        f"A small network, {config.optimisation.steps} steps: one that fits its training set more closely could "
        "notice finer noise.",
        f"{levels[REFERENCE].scenes[STEPS]} objects for equal steps: noise works like an augmentation, which a small "
        "set needs more than a large one. With more objects the order may change.",
        f"Images of 128 pixels, seen at {config.model.size}: shrinking averages noise away, and so would larger images "
        "seen at the same size.",
        "Training and test images come from one renderer; the real photographs are of few objects.",
        "Noise of images that are an input only. Shading frames of the mode `photometric` are targets or "
        "measurements; nothing here says how noisy they may be.",
        "Objects and geometry are a larger part of a small image's cost, so that larger images save more by fewer "
        "samples.",
    ]


def _range(low: float, high: float, sign: bool = False) -> str:
    return "too few" if math.isnan(low) else f"{readable(low, sign)} to {readable(high, sign)}"
