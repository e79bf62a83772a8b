# SPDX-License-Identifier: Apache-2.0
"""The arms: what each changes in `configs/train/study-supervision.yaml`; and the questions that pairs of them "
"answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from multishade.config import load_settings
from multishade.training.tasks.surface import SurfaceConfig

NORMALS, DEPTH = "normals", "depth"  # what a surface is made from: integrated normals, or the depth as it is
Order = Literal["random", "curriculum", "filtered"]
ENSEMBLE = 3  # networks whose normals the arm `ensemble` averages
# A curriculum starts with this share of the samples, the plainest, and has all of them after this share of the steps.
CURRICULUM_START, CURRICULUM_END = 0.3, 0.6
KEPT = 0.75  # share of the samples that the arm `filtered` is trained on


@dataclass(frozen=True)
class Arm:
    """One kind of training.

    Attributes:
        name: Of its results.
        title: As the report names it.
        surfaces: What is measured of it: NORMALS, DEPTH.
        changes: "section.key" -> value, laid over the shared settings.
        order: Which samples it sees when.
        members: How many networks it averages; more than one are those of `of`, with this seed and the next ones.
        of: The arm that its members are of.
    """

    name: str
    title: str
    surfaces: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    order: Order = "random"
    members: int = 1
    of: str = ""


ADAPTIVE = {"weighting.kind": "instance"}
_HEADS = {
    "normals": ("normals", (NORMALS,), {"model.heads": "normal"}),
    "depth": ("depth", (DEPTH,), {"model.heads": "depth"}),
    "both": ("normals and depth", (NORMALS, DEPTH), {"model.heads": "both"}),
}
ARMS: tuple[Arm, ...] = (
    *(Arm(name, title, surfaces, heads) for name, (title, surfaces, heads) in _HEADS.items()),
    *(
        Arm(f"{name}-adaptive", f"{title}, adaptive weights", surfaces, {**heads, **ADAPTIVE})
        for name, (title, surfaces, heads) in _HEADS.items()
    ),
    Arm("curriculum", "normals, plain samples first", (NORMALS,), _HEADS["normals"][2], order="curriculum"),
    Arm(
        "filtered",
        "normals, without the least plain quarter",
        (NORMALS,),
        _HEADS["normals"][2],
        order="filtered",
    ),
    Arm("ensemble", f"normals, mean of {ENSEMBLE} networks", (NORMALS,), members=ENSEMBLE, of="normals"),
)
Key = tuple[str, str]  # arm, surface


@dataclass(frozen=True)
class Question:
    """A planned comparison: does `other` recover a better surface than `reference`? stratified: also by stratum."""

    asked: str
    reference: Key
    other: Key
    stratified: bool = False


QUESTIONS: tuple[Question, ...] = (
    Question("depth against normals", ("normals", NORMALS), ("depth", DEPTH), True),
    Question("normals of both against normals", ("normals", NORMALS), ("both", NORMALS), True),
    Question("depth of both against depth", ("depth", DEPTH), ("both", DEPTH), True),
    Question(
        "adaptive against equal weights: normals", ("normals", NORMALS), ("normals-adaptive", NORMALS), True
    ),
    Question("adaptive against equal weights: depth", ("depth", DEPTH), ("depth-adaptive", DEPTH), True),
    Question(
        "adaptive against equal weights: normals of both", ("both", NORMALS), ("both-adaptive", NORMALS)
    ),
    Question("adaptive against equal weights: depth of both", ("both", DEPTH), ("both-adaptive", DEPTH)),
    Question("plain samples first", ("normals", NORMALS), ("curriculum", NORMALS)),
    Question("without the least plain quarter", ("normals", NORMALS), ("filtered", NORMALS)),
    Question("mean of three networks", ("normals", NORMALS), ("ensemble", NORMALS)),
)


def named(names: Sequence[str]) -> tuple[Arm, ...]:
    """Arms by name, in the order of ARMS, with those whose networks they average. Raises ValueError for others."""
    known = {arm.name: arm for arm in ARMS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no arm {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = {*names, *(known[name].of for name in names)}
    return tuple(arm for arm in ARMS if arm.name in wanted)


def configure(path: Path, arm: Arm, seed: int, output: Path, overrides: Sequence[str] = ()) -> SurfaceConfig:
    """The settings of one run. path: the shared ones; overrides: of the command line. Raises ConfigError."""
    changes = [f"{key}={json.dumps(value)}" for key, value in arm.changes.items()]
    config = load_settings(path, SurfaceConfig, [*changes, *overrides])
    steps = config.optimisation.steps
    return config.model_copy(
        update={
            "name": f"{arm.name}-seed{seed}",
            "seed": seed,
            "output": output,
            "validation": config.validation.model_copy(update={"every": steps}),
            "checkpoints": config.checkpoints.model_copy(update={"every": steps}),
        }
    )
