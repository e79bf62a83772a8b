# SPDX-License-Identifier: Apache-2.0
"""A run's state <-> `checkpoints/step-0000500/`: a model folder that inference reads, and what a resume needs.

rose.json, unet/, ...        the model, with averaged weights if there are any
training/state.safetensors   raw weights, their running mean, moments of all optimizers, buffers, loss weighting
training/state.json          step, batches taken, processes, loss scale, the configuration
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from multishade.errors import TrainingError
from multishade.models.base import Model
from multishade.storage.local import atomic_folder
from multishade.training.config import TrainConfig
from multishade.training.parameters import RunningMean
from multishade.training.task import Task
from multishade.training.weighting import LossWeighting

# What may differ between a run and its continuation: none of it changes a step that is already made.
FREE_SECTIONS = {"name", "output", "validation", "checkpoints", "logging", "hub"}
FREE_SETTINGS = {("optimisation", "steps"), ("data", "workers"), ("data", "cache"), ("data", "val")}


@dataclass
class Progress:
    """step: updates made. batches: taken from the data by each of `processes`."""

    step: int = 0
    batches: int = 0
    processes: int = 1


@dataclass
class TrainState:
    """Everything that a step changes.

    Attributes:
        task, model: The model knows how to write itself, the task which networks belong to it.
        parameters: The trained ones, by name.
        optimizers: By name; together they hold `parameters` and those of `weighting`.
        weighting: The combination of losses; may have parameters of its own.
        mean: The running mean of `parameters`, or None.
        scaler: The loss scale of half precision, or None.
        progress: How far the run is.
    """

    task: Task[Any, Any]
    model: Model
    parameters: dict[str, nn.Parameter]
    optimizers: Mapping[str, torch.optim.Optimizer]
    weighting: LossWeighting
    mean: RunningMean | None = None
    scaler: Any | None = None
    progress: Progress = field(default_factory=Progress)

    def save(self, folder: Path, config: TrainConfig) -> Path:
        """Write a checkpoint that appears under its name complete, or not at all; delete the oldest beyond `keep`.

        Args:
            folder: Of the run.
            config: Is stored, and compared when the run is resumed.

        Returns:
            The checkpoint's folder.
        """
        from safetensors.torch import save_file

        checkpoints = folder / "checkpoints"
        final = checkpoints / f"step-{self.progress.step:07d}"
        state = {
            **asdict(self.progress),
            "threads": torch.get_num_threads(),
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
            "config": config.model_dump(mode="json"),
            "found": dict(self.task.found()),
        }
        with atomic_folder(final, TrainingError, "free space or choose another output folder") as partial:
            self.save_model(partial)
            (partial / "training").mkdir()
            save_file(
                {name: value.detach().cpu().contiguous() for name, value in self._tensors().items()},
                partial / "training" / "state.safetensors",
            )
            (partial / "training" / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        for old in listed(folder)[: -config.checkpoints.keep]:
            shutil.rmtree(old)
        return final

    def save_model(self, folder: Path) -> None:
        """Write the model alone, with averaged weights if there are any."""
        with self.averaged():
            self.task.save(self.model, folder)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Run the model on the averaged weights, if there are any, inside the block."""
        if self.mean is None:
            yield
        else:
            with self.mean.in_place_of(self.parameters):
                yield

    def load(self, checkpoint: Path) -> None:
        """Restore weights, mean, moments, buffers and loss scale; `read_progress` restores the progress.

        Raises:
            TrainingError: If the file is damaged or of other networks, or the task finds other things here.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        _require_same(checkpoint, self.task.found())
        path = checkpoint / "training" / "state.safetensors"
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"{path}: cannot be read ({error}); remove {checkpoint} to go on from an older one"
            ) from error
        expected, found = set(self._stored()), {name for name in tensors if name.startswith(PERMANENT)}
        if found != expected:
            different = sorted(found ^ expected)
            raise TrainingError(f"{path}: other weights than this network's: {', '.join(different[:3])}")
        with torch.no_grad():
            for name, value in self._stored().items():
                value.copy_(tensors[name])
        for name, (value, optimizer) in self._optimized().items():
            optimizer.state[value] = {
                key.partition("/")[0]: _placed(moment, key, value)
                for key, moment in tensors.items()
                if key.partition("/")[2] == name and not key.startswith(PERMANENT)
            }
        if self.scaler is not None:
            state = json.loads((checkpoint / "training" / "state.json").read_text())
            self.scaler.load_state_dict(state["scaler"])

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that is stored; moments as KIND/PARAMETER."""
        tensors = self._stored()
        for name, (value, optimizer) in self._optimized().items():
            for kind, moment in optimizer.state[value].items():
                tensors[f"{kind}/{name}"] = torch.as_tensor(moment)
        return tensors

    def _stored(self) -> dict[str, Tensor]:
        """What every checkpoint has, whatever the optimizer: copied in place when it is loaded."""
        tensors: dict[str, Tensor] = {f"weights/{name}": value for name, value in self.parameters.items()}
        if self.mean is not None:
            tensors |= {f"mean/{name}": value for name, value in self.mean.mean.items()}
        for network, module in self.task.networks(self.model).items():
            permanent = module.state_dict()  # without buffers that follow from the settings
            tensors |= {
                f"buffers/{network}.{name}": value
                for name, value in module.named_buffers()
                if name in permanent
            }
        return tensors | {f"weighting/{name}": value for name, value in self.weighting.named_parameters()}

    def _optimized(self) -> dict[str, tuple[nn.Parameter, torch.optim.Optimizer]]:
        """Every parameter that an optimizer changes, and that optimizer."""
        named = {**self.parameters, **{f"weighting.{k}": v for k, v in self.weighting.named_parameters()}}
        owner = {
            id(value): optimizer
            for optimizer in self.optimizers.values()
            for group in optimizer.param_groups
            for value in group["params"]
        }
        return {name: (value, owner[id(value)]) for name, value in named.items()}


PERMANENT = ("weights/", "mean/", "buffers/", "weighting/")


def listed(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*"))


def read_progress(checkpoint: Path, config: TrainConfig, processes: int) -> Progress:
    """Read how far a run is.

    Raises:
        TrainingError: If `config`, whose differing settings are named, or `processes` cannot continue it.
    """
    path = checkpoint / "training" / "state.json"
    try:
        state = json.loads(path.read_text())
        progress = Progress(state["step"], state["batches"], state["processes"])
        stored = state["config"]
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); remove {checkpoint} to go on from an older one"
        ) from error
    theirs, ours = _fixed(_completed(stored, config)), _fixed(config.model_dump(mode="json"))
    changed = [
        f"{name}: {theirs.get(name)!r} -> {ours.get(name)!r}"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if changed:
        raise TrainingError(
            f"{checkpoint}: was made with other settings ({'; '.join(changed)}); "
            "take those back, or give another output folder"
        )
    if progress.processes != processes:
        raise TrainingError(
            f"{checkpoint}: was made by {progress.processes} processes, not {processes}: the order of the data "
            f"would change; start it with {progress.processes}"
        )
    return progress


def compare_runs(checkpoint: Path, progress: Progress, config: TrainConfig) -> list[str]:
    """Compare the length of a run with that of its continuation, and the threads that compute it.

    Args:
        checkpoint: Where the run is continued.
        progress: Of the checkpoint.
        config: Of the continuation.

    Returns:
        Remarks for the terminal on what has changed.

    Raises:
        TrainingError: If more steps are made than `config` asks for.
    """
    content = json.loads((checkpoint / "training" / "state.json").read_text())
    options = config.optimisation
    planned, threads = content["config"]["optimisation"]["steps"], content.get("threads")
    remarks = []
    if progress.step > options.steps:
        raise TrainingError(
            f"{checkpoint}: {progress.step} steps are made already, more than optimisation.steps: {options.steps}; ask "
            "for more, or give another output folder"
        )
    if planned != options.steps:
        rate = (
            ""
            if options.decay == "constant"
            else f"; the {options.decay} decay follows the new length from here"
        )
        remarks.append(f"{checkpoint}: planned with {planned} steps, now {options.steps}{rate}")
    if threads not in (None, torch.get_num_threads()):
        remarks.append(
            f"{checkpoint}: computed with {threads} threads, now {torch.get_num_threads()}: weights are equal to the "
            "last bit only with the same number (--threads)"
        )
    return remarks


def _require_same(checkpoint: Path, ours: Mapping[str, Any]) -> None:
    """Raise TrainingError if a task finds other things on this machine than where the checkpoint was made."""
    theirs = json.loads((checkpoint / "training" / "state.json").read_text()).get("found", {})
    for name in sorted(ours.keys() | theirs.keys()):
        if theirs.get(name) != ours.get(name):
            raise TrainingError(
                f"{checkpoint}: was made with {name} {json.dumps(theirs.get(name))}, and here is "
                f"{json.dumps(ours.get(name))}: the steps would be others; bring back what it was made with, or give "
                "another output folder"
            )


def _completed(stored: Mapping[str, Any], config: TrainConfig) -> Mapping[str, Any]:
    """A stored configuration with the defaults of settings that are newer than it."""
    try:
        return type(config).model_validate(stored).model_dump(mode="json")
    except ValidationError:
        return stored  # of another task or version: the comparison names what differs


def _placed(moment: Tensor, key: str, parameter: Tensor) -> Tensor:
    # AdamW counts its steps on the CPU.
    return moment if key.startswith("step/") else moment.to(parameter)


def _fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a continuation must share, as "section.name"."""
    flat: dict[str, Any] = {}
    for section, content in config.items():
        if section in FREE_SECTIONS:
            continue
        if not isinstance(content, Mapping):
            flat[section] = content
            continue
        for name, value in content.items():
            if (section, name) not in FREE_SETTINGS:
                flat[f"{section}.{name}"] = value
    return flat
