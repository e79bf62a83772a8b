# SPDX-License-Identifier: Apache-2.0
"""The qualities that are compared: what each changes in `configs/study-quality.yaml`; and the arms trained on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.study.arms import NO_SOLVER, Arm, Question

KINDS = ("parallel", "point", "environment")  # of light: each needs samples of its own for one PSNR
LADDER = (1, 4, 16, 64, 256)  # samples whose PSNR is measured; between them it is interpolated
REFERENCE_SAMPLES = 1024  # not denoised
MARGIN = 0.5  # degrees of mean angular error: a quality that costs less than this is not inferior. Stated beforehand
STEPS, COST = (
    "steps",
    "cost",
)  # equal steps on the same scenes; equal rendering cost, on as many scenes as it buys


@dataclass(frozen=True)
class Level:
    """One quality of images.

    Attributes:
        name: Of its folder and its arms.
        target: dB of denoised images that its samples are chosen for; None: `changes` states the samples.
        changes: "section.key=value", laid over the recipe.
    """

    name: str
    title: str
    target: float | None = None
    changes: tuple[str, ...] = ()


def _samples(count: int) -> tuple[str, ...]:
    return tuple(f"render.samples.{kind}={count}" for kind in KINDS)


LEVELS: tuple[Level, ...] = (
    Level("q26", "26 dB", 26.0),
    Level("q30", "30 dB", 30.0),
    Level("q34", "34 dB", 34.0),
    Level("q38", "38 dB", 38.0),
    Level("q42", "42 dB", 42.0),
    Level("raw4", "4 samples, not denoised", None, (*_samples(4), "render.denoise.enabled=false")),
    # The setting of configs/multishade.yaml when the study was planned.
    Level(
        "fine",
        "adaptive, threshold 0.04",
        None,
        (*_samples(256), "render.adaptive={threshold: 0.04, min_samples: 8}"),
    ),
)
REFERENCE = "q38"  # what the others are compared with


def level_of(name: str) -> Level:
    """Return the level of a name. Raises ValueError if there is none."""
    for level in LEVELS:
        if level.name == name:
            return level
    raise ValueError(f"no quality {name}; there are {', '.join(level.name for level in LEVELS)}")


def arm_name(kind: str, level: str) -> str:
    """Name the arm of a level. kind: STEPS or COST."""
    return f"{kind}-{level}"


def arms(tars: Mapping[str, Mapping[str, Sequence[Path]]]) -> tuple[Arm, ...]:
    """Make the arms. tars: kind (STEPS, COST) -> level -> shards that it is trained on; the same scenes are one arm."""
    made = []
    for kind, levels in tars.items():
        for name, files in levels.items():
            changes: dict[str, Any] = {"model.target": "normal", "data.train": [str(path) for path in files]}
            made.append(Arm(arm_name(kind, name), f"{level_of(name).title}, equal {kind}", changes))
    return tuple(made)


def questions(levels: Mapping[str, Sequence[str]]) -> tuple[Question, ...]:
    """Make the planned comparisons: each quality with REFERENCE, whose scenes both kinds of arms share.

    Args:
        levels: Kind (STEPS, COST) -> levels that have an arm of it.
    """
    reference = (arm_name(STEPS, REFERENCE), NO_SOLVER)
    return tuple(
        Question(f"{level_of(name).title}, equal {kind}", reference, (arm_name(kind, name), NO_SOLVER))
        for kind, names in levels.items()
        for name in names
        if name != REFERENCE
    )
