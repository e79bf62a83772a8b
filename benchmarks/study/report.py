# SPDX-License-Identifier: Apache-2.0
"""Findings -> docs/study-paradigm.md. Every figure comes from results; every conclusion from an answer that is
shown."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.study.arms import ARMS, FRAMES, SOLVERS, Arm
from benchmarks.study.findings import LEVEL, Findings
from multishade.evaluation.statistics import FEWEST_FOR_INTERVAL, readable, smallest_p
from multishade.report.document import Block, Bullets, Caution, Figure, Heading, Paragraph, Table
from multishade.training.tasks.rose import RoseConfig

TITLE = "Shading or normals: a study on equal terms"
BENCHMARKS = {"shards": "Test shards", "diligent": "DiLiGenT"}
BASELINES = {"constant": "facing the camera", "sphere": "an ellipsoid in the mask's box"}
Facts = Mapping[str, Sequence[Mapping[str, float]]]  # arm -> what each seed's run took


def blocks(
    config: RoseConfig,
    facts: Facts,
    found: Sequence[Findings],
    pictures: Sequence[Figure],
    missing: Sequence[str],
) -> list[Block]:
    """The report. config: the shared settings. missing: jobs without a result, or parts without data, in words."""
    parts: list[Block] = [
        Paragraph(
            "Is it better to predict a shading sequence and solve it for the normal than to "
            "predict the normal? The paper reports so for one large pretrained network. Here "
            "small networks are trained from random weights, and differ only in what is compared. "
            "This page is written by `make study-paradigm`."
        )
    ]
    parts += [Caution(text) for text in missing]
    parts += [Heading("What is compared"), Paragraph(_terms(config)), _arms_table(facts)]
    for one in found:
        parts += [
            Heading(BENCHMARKS.get(one.benchmark, one.benchmark)),
            Paragraph(_measured(one)),
            _means(one),
        ]
        parts += [picture for picture in pictures if one is found[0]]
        parts += [Heading("Planned comparisons", 3), _answers_table(one), *_in_words(one)]
    parts += [Heading("Limits"), Bullets(_limits(config))]
    return parts


def _terms(config: RoseConfig) -> str:
    options, model = config.optimisation, config.model
    return (
        "Two networks; within each all arms have the same size, data, steps and optimizer. "
        f"`{model.preset}` is a plain UNet with the K frames as channels, so that a step costs the "
        f"same for every K and for direct normals: {options.steps} steps of {options.batch} photos "
        f"at {model.size} x {model.size} pixels. It has no input for noise, so diffusion is "
        f"compared within `{FRAMES['model.preset']}`, SVD's spatio-temporal UNet with few "
        "channels, which is run with K frames of shading or one frame of normals: "
        f"{FRAMES['optimisation.steps']} steps of {options.batch} photos at {FRAMES['model.size']} "
        f"x {FRAMES['model.size']}, in {FRAMES['optimisation.precision']}. Its weights are the "
        "same for any number of frames; a step with K frames costs more than a step with one. "
        "Arms of different networks are not compared. AdamW, learning rate "
        f"{options.learning_rate:g}, {options.warmup} steps of warm-up, then a {options.decay}; "
        f"averaged weights (decay {options.ema:g}). With one seed all arms of a network get the "
        "same photos, with the same crops and exposures, in the same order. The losses are those "
        "of [training](training.md): diffusion learns v; one step and direct learn squared error "
        f"and angle. Diffusion is sampled with {model.sampling.steps} Euler steps, without "
        "guidance. Shared settings: `configs/train/study.yaml`; arms and planned comparisons: "
        "`benchmarks/study/arms.py`."
    )


def _arms_table(facts: Facts) -> Table:
    def mean(arm: Arm, name: str) -> float:
        return float(np.mean([run[name] for run in facts[arm.name]]))

    rows = [
        [
            arm.title,
            "normal" if arm.direct else "shading",
            str(arm.changes.get("model.process", "one_step")).replace("_", " "),
            "RGB" if arm.changes.get("model.photo") == "rgb" else "grey",
            "" if arm.direct else str(arm.changes.get("model.lights", 9)),
            f"{mean(arm, 'parameters') / 1e6:.2f}",
            f"{mean(arm, 'steps'):.0f}",
            f"{mean(arm, 'training_seconds'):.0f}",
            f"{mean(arm, 'measuring_seconds'):.0f}",
            str(len(facts[arm.name])),
        ]
        for arm in ARMS
        if facts.get(arm.name)
    ]
    header = (
        "arm",
        "predicts",
        "how",
        "photo",
        "K",
        "weights, M",
        "steps",
        "training, processor s",
        "measuring, processor s",
        "seeds",
    )
    return Table(header, rows, text_columns=4)


def _measured(found: Findings) -> str:
    what = (
        "Objects and materials that no training shard has, all photos of all views"
        if found.benchmark == "shards"
        else "Real photographs 21 to 30 of each object"
    )
    return (
        f"{what}: {found.objects} objects, {found.predictions} photos per arm, seed and solver. "
        "Mean angular error in degrees inside the mask at the photo's size; a pixel without a "
        f"normal counts as 90. Averaged by object, then over objects. Interval: {LEVEL:.0%}, over "
        f"objects. The first value is with the solver `{SOLVERS[0]}`."
    )


def _means(found: Findings) -> Table:
    names = list(next(iter(found.cells.values())).by_object) if found.cells else []
    few = names if len(names) < FEWEST_FOR_INTERVAL else []
    rows = []
    for arm in ARMS:
        first = found.cells.get((arm.name, arm.solvers[0]))
        if first is None:
            continue
        others = [found.cells.get((arm.name, solver)) for solver in SOLVERS[1:]]
        rows.append(
            [
                arm.title,
                f"{first.mean:.2f}",
                *([_number(first.by_object[name]) for name in few] or [_range(first.low, first.high)]),
                _range(min(first.by_seed), max(first.by_seed)),
                *("" if arm.direct or cell is None else f"{cell.mean:.2f}" for cell in others),
            ]
        )
    rows += [
        [
            BASELINES[name],
            f"{cell.mean:.2f}",
            *([_number(cell.by_object[name]) for name in few] or [_range(cell.low, cell.high)]),
            "",
            *("" for _ in SOLVERS[1:]),
        ]
        for name, cell in found.baselines.items()
    ]
    header = ("", "mean °", *(few or ["interval"]), "by seed", *SOLVERS[1:])
    return Table(header, rows)


def _answers_table(found: Findings) -> Table:
    rows = [
        [
            answer.question.asked,
            f"{answer.found.mean_a:.2f}",
            f"{answer.found.mean_b:.2f}",
            readable(answer.found.difference, sign=True),
            _range(answer.found.low, answer.found.high, sign=True),
            f"{answer.adjusted_p:.2g}",
            "too few"
            if math.isnan(answer.seeds_low)
            else _range(answer.seeds_low, answer.seeds_high, sign=True),
            "yes" if answer.shown else "no",
        ]
        for answer in found.answers
    ]
    header = ("", "reference °", "other °", "difference", "interval", "p corrected", "over seeds", "shown")
    return Table(header, rows)


def _in_words(found: Findings) -> list[Block]:
    """Conclusions: of answers that are shown. The others are named as open, with the reason."""
    parts: list[Block] = [
        Paragraph(
            f"Negative: the first one named is better. The {len(found.answers)} comparisons were "
            "planned before there were results and are one family (Holm). Shown: corrected p "
            f"below {1 - LEVEL:.2g} over objects, and the interval over seeds excludes 0."
        )
    ]
    shown = [answer for answer in found.answers if answer.shown]
    if shown:
        parts += [Paragraph("Shown:"), Bullets([f"{a.question.asked}: {a.verdict}" for a in shown])]
    for reason, asked in _open(found).items():
        parts.append(Paragraph(f"{reason}: {'; '.join(asked)}."))
    weak = _against_baselines(found)
    return parts + ([Paragraph(weak)] if weak else [])


def _open(found: Findings) -> dict[str, list[str]]:
    """Reason -> questions that have no answer for it."""
    few = smallest_p(found.objects) * len(found.answers) > 1 - LEVEL
    reasons: dict[str, list[str]] = {}
    for answer in found.answers:
        if answer.shown:
            continue
        if few or math.isnan(answer.found.low):
            reason = f"Not shown, too few objects ({found.objects}) for this number of comparisons"
        elif answer.adjusted_p >= 1 - LEVEL:
            reason = "No difference shown; the intervals bound how large one could be"
        else:
            reason = "Not shown, since few seeds do not rule out that other initialisations differ"
        reasons.setdefault(reason, []).append(answer.question.asked)
    return reasons


def _against_baselines(found: Findings) -> str:
    """The gain of the best arm, and the arms that are no better than a baseline that uses the mask only."""
    said = []
    best = min(found.cells, key=lambda key: found.cells[key].mean, default=None)
    if best is not None and "constant" in found.baselines:
        gain = found.baselines["constant"].mean - found.cells[best].mean
        said.append(f"The best value of the table is {gain:.2f} degrees below {BASELINES['constant']}.")
    for name, baseline in found.baselines.items():
        weak = [
            f"{arm.title} ({cell.mean:.2f})"
            for arm in ARMS
            if (cell := found.cells.get((arm.name, arm.solvers[0]))) and cell.mean >= baseline.mean
        ]
        if weak:
            said.append(f"No better than {BASELINES[name]} ({baseline.mean:.2f}): {', '.join(weak)}.")
    return " ".join(said)


def _limits(config: RoseConfig) -> list[str]:
    photos = config.optimisation.steps * config.optimisation.batch
    return [
        f"The networks have a few million weights, get at most {photos} photos at "
        f"{config.model.size} pixels, and start from random weights. The paper's has 1.5 billion "
        "weights, pretrained on video, and 80,000 steps at 576 pixels: nothing here confirms or "
        "refutes its figures.",
        "With this few steps, the study measures how fast an arm learns more than how good it can "
        "become. Diffusion, whose loss has a noisy target, is known to need many more.",
        "One recipe (learning rate, losses, noise levels) is used for all arms. A recipe for each "
        "could change the order.",
        "A few seeds show that a sign is not an accident of one initialisation; they do not "
        "measure the spread between initialisations. Intervals are over objects, for the networks "
        "that were trained.",
        "Photos and truth of training and test come from one generator; the real objects are few "
        "and of one set.",
    ]


def _range(low: float, high: float, sign: bool = False) -> str:
    return "too few" if math.isnan(low) else f"{readable(low, sign)} to {readable(high, sign)}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
