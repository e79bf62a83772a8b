# SPDX-License-Identifier: Apache-2.0
"""The arms of the study: what each changes in `configs/train/study.yaml`; and the questions that pairs of them
answer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multishade.config import load_settings
from multishade.shards.locate import find_shards, open_shards
from multishade.shards.locate import fingerprint as data_fingerprint
from multishade.shards.marker import read_marker
from multishade.training.tasks.rose import RoseConfig

# The first is the project's default, and the one that arms are compared with; chosen before any result was seen.
SOLVERS = ("relu", "ols", "ols_masked", "robust")
NO_SOLVER = "direct"  # stands in a solver's place for arms that predict normals


@dataclass(frozen=True)
class Arm:
    """One kind of model. title: as the report names it. changes: "section.key" -> value, laid over the shared
    settings.
    """

    name: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def direct(self) -> bool:
        return self.changes.get("model.target") == "normal"

    @property
    def network(self) -> str:
        """Arms of one network are on equal terms; "" is that of the shared settings."""
        return str(self.changes.get("model.preset", ""))

    @property
    def solvers(self) -> tuple[str, ...]:
        return (NO_SOLVER,) if self.direct else SOLVERS


NORMAL = {"model.target": "normal"}
# The network that can be sampled from noise costs more than five times as much a photo, so its arms see fewer and
# smaller ones. In half precision, which saves a fourth of the time where the processor has AMX.
FRAMES = {
    "model.preset": "mini",
    "model.size": 32,
    "optimisation.steps": 500,
    "optimisation.precision": "bf16",
}

ARMS: tuple[Arm, ...] = (
    Arm("direct", "direct", NORMAL),
    Arm("onestep9", "one step, K = 9"),
    Arm("onestep6", "one step, K = 6", {"model.lights": 6}),
    Arm("onestep12", "one step, K = 12", {"model.lights": 12}),
    Arm("rgb9", "one step, K = 9, RGB", {"model.photo": "rgb"}),
    Arm("frames-direct", "frames network: direct", {**FRAMES, **NORMAL}),
    Arm("frames-onestep9", "frames network: one step, K = 9", FRAMES),
    Arm("frames-diffusion9", "frames network: diffusion, K = 9", {**FRAMES, "model.process": "diffusion"}),
)


@dataclass(frozen=True)
class Question:
    """A planned comparison: does `other` have a lower error than `reference`? Each is (arm, solver)."""

    asked: str
    reference: tuple[str, str]
    other: tuple[str, str]


RELU = SOLVERS[0]
QUESTIONS: tuple[Question, ...] = (
    Question("shading in one step against direct", ("direct", NO_SOLVER), ("onestep9", RELU)),
    Question("K = 6 against 9", ("onestep9", RELU), ("onestep6", RELU)),
    Question("K = 12 against 9", ("onestep9", RELU), ("onestep12", RELU)),
    Question("RGB against grey", ("onestep9", RELU), ("rgb9", RELU)),
    Question(
        "frames network: one step against direct", ("frames-direct", NO_SOLVER), ("frames-onestep9", RELU)
    ),
    Question(
        "frames network: diffusion against direct", ("frames-direct", NO_SOLVER), ("frames-diffusion9", RELU)
    ),
    Question(
        "frames network: diffusion against one step", ("frames-onestep9", RELU), ("frames-diffusion9", RELU)
    ),
    *(
        Question(f"{solver} against ols, {title}", (arm, "ols"), (arm, solver))
        for arm, title in (("onestep9", "one step"), ("frames-diffusion9", "diffusion"))
        for solver in SOLVERS
        if solver != "ols"
    ),
)


def named(names: Sequence[str]) -> tuple[Arm, ...]:
    """Arms by name, in the order of ARMS. Raises ValueError for a name that is none."""
    known = [arm.name for arm in ARMS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no arm {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(arm for arm in ARMS if arm.name in names)


def configure(path: Path, arm: Arm, seed: int, output: Path, overrides: Sequence[str] = ()) -> RoseConfig:
    """The settings of one run. path: the shared ones; overrides: of the command line. Raises ConfigError.

    Seeds are paired: with the same seed all arms see the same photos, cropped and exposed alike, in the same order.
    """
    changes = [f"{key}={json.dumps(value)}" for key, value in arm.changes.items()]
    config = load_settings(path, RoseConfig, [*changes, *overrides])
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


def training_fingerprint(config: RoseConfig) -> str:
    """Of what decides a run's weights: settings and shards, but neither their folder nor where the run lies."""
    settings = config.model_dump(
        mode="json",
        exclude={"output", "name", "validation", "checkpoints", "logging", "hub"},
        exclude_defaults=True,  # so that a setting that is new to the project changes nothing
    )
    settings["data"] = {
        **settings["data"],
        "train": [data_fingerprint(open_shards(config.data.train)), content_fingerprint(config.data.train)],
        "val": [],
    }
    for name in ("workers", "cache"):  # the batches are the same
        settings["data"].pop(name, None)
    settings["model"].pop("sampling", None)  # how a trained model is run
    return digest(settings)


def content_fingerprint(places: Sequence[str | Path]) -> str:
    """Of the content of shards, from their markers: settings may differ in what neither names nor sizes show."""
    markers = [read_marker(tar) for tar in find_shards(places)]
    return digest([None if marker is None else marker.sha256 for marker in markers])


def digest(content: Any) -> str:
    """16 hex digits of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
