# SPDX-License-Identifier: Apache-2.0
"""A run's state <-> `checkpoints/step-000500/`: a model folder that inference reads, and what a resume needs.

rose.json, unet/, ...        the model, with averaged weights if there are any
training/state.safetensors   raw weights, their running mean, AdamW's moments
training/state.json          step, batches taken, processes, seed, loss scale, the configuration
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from multishade.errors import TrainingError
from multishade.models.rose.model import RoSE
from multishade.storage.local import atomic_folder
from multishade.training.config import TrainConfig
from multishade.training.parameters import Parameters, RunningMean, merged

# What may differ between a run and its continuation: none of it changes a step that is already made.
FREE_SECTIONS = {"name", "output", "validation", "checkpoints", "logging", "hub"}
FREE_SETTINGS = {("optimisation", "steps"), ("data", "workers"), ("data", "val")}


@dataclass
class Progress:
    """step: updates made. batches: taken from the data by each of `processes`."""

    step: int = 0
    batches: int = 0
    processes: int = 1


def save(
    folder: Path,
    model: RoSE,
    parameters: Parameters,
    mean: RunningMean | None,
    optimizer: torch.optim.Optimizer,
    scaler: Any | None,
    progress: Progress,
    config: TrainConfig,
) -> Path:
    """Write a checkpoint that appears under its name complete, or not at all; the oldest beyond `keep` go."""
    from safetensors.torch import save_file

    checkpoints = folder / "checkpoints"
    final = checkpoints / f"step-{progress.step:07d}"
    tensors: dict[str, Tensor] = {f"weights/{name}": value for name, value in parameters.items()}
    if mean is not None:
        tensors |= {f"mean/{name}": value for name, value in mean.mean.items()}
    for name, value in parameters.items():
        for kind, moment in optimizer.state[value].items():
            tensors[f"{kind}/{name}"] = torch.as_tensor(moment)
    state = {
        **asdict(progress),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "config": config.model_dump(mode="json"),
    }
    with atomic_folder(final, TrainingError, "free space or choose another output folder") as partial:
        save_model(partial, model, parameters, mean)
        (partial / "training").mkdir()
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            partial / "training" / "state.safetensors",
        )
        (partial / "training" / "state.json").write_text(json.dumps(state, indent=2) + "\n")
    for old in listed(folder)[: -config.checkpoints.keep]:
        shutil.rmtree(old)
    return final


def save_model(folder: Path, model: RoSE, parameters: Parameters, mean: RunningMean | None) -> None:
    """The model alone, with averaged weights if there are any and adapters folded in."""

    def write() -> None:
        from dataclasses import replace

        RoSE(replace(model.parts, unet=merged(model.unet))).save_pretrained(folder)

    if mean is None:
        write()
    else:
        with mean.in_place_of(parameters):
            write()


def listed(folder: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*"))


def read_progress(checkpoint: Path, config: TrainConfig, processes: int) -> Progress:
    """Where the run stands. Raises TrainingError, naming the settings, when it cannot be continued by `config`."""
    path = checkpoint / "training" / "state.json"
    try:
        state = json.loads(path.read_text())
        progress = Progress(state["step"], state["batches"], state["processes"])
        theirs = _fixed(state["config"])
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); remove {checkpoint} to go on from an older one"
        ) from error
    ours = _fixed(config.model_dump(mode="json"))
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


def restore(
    checkpoint: Path,
    parameters: Parameters,
    mean: RunningMean | None,
    optimizer: torch.optim.Optimizer,
    scaler: Any | None,
) -> None:
    """Put weights, their mean, AdamW's moments and the loss scale back. Raises TrainingError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = checkpoint / "training" / "state.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); remove {checkpoint} to go on from an older one"
        ) from error
    expected = {f"weights/{name}" for name in parameters}
    found = {name for name in tensors if name.startswith("weights/")}
    if found != expected:
        different = sorted(found ^ expected)
        raise TrainingError(f"{path}: other weights than this network's: {', '.join(different[:3])}")
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(tensors[f"weights/{name}"])
            optimizer.state[value] = {
                kind: _placed(tensors[f"{kind}/{name}"], kind, value)
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if f"{kind}/{name}" in tensors
            }
        if mean is not None:
            for name, averaged in mean.mean.items():
                averaged.copy_(tensors[f"mean/{name}"])
    if scaler is not None:
        scaler.load_state_dict(json.loads((checkpoint / "training" / "state.json").read_text())["scaler"])


def _placed(moment: Tensor, kind: str, parameter: Tensor) -> Tensor:
    # AdamW counts its steps on the CPU.
    return moment if kind == "step" else moment.to(parameter)


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
