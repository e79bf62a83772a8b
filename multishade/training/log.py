# SPDX-License-Identifier: Apache-2.0
"""A run's numbers and pictures -> metrics.jsonl, TensorBoard or wandb, validation/, and the terminal."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accelerate import Accelerator

from multishade.errors import TrainingError
from multishade.imaging import display
from multishade.training import validation
from multishade.training.config import TrainConfig


class RunLog:
    """The log of one run; only the first process writes. Creates the run's folder and its config.json."""

    def __init__(self, accelerator: Accelerator, config: TrainConfig, report: Callable[[str], None]) -> None:
        self._accelerator, self._config, self._report = accelerator, config, report
        self._main = accelerator.is_main_process
        if self._main:
            config.folder.mkdir(parents=True, exist_ok=True)
            (config.folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        if config.logging.tensorboard or config.logging.wandb:
            accelerator.init_trackers("log")

    def step(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        """Log numbers of training. seconds: of one step."""
        self._write(step, {**{f"train/{name}": value for name, value in values.items()}, "seconds": seconds})
        left = (self._config.optimisation.steps - step) * seconds
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._show(
            f"step {step}/{self._config.optimisation.steps}  {shown}  {seconds:.2f} s a step, "
            f"{int(left // 60)} min left"
        )

    def validated(self, step: int, rows: Sequence[validation.ValidationRow]) -> None:
        """Log the scores and the picture of a validation."""
        scores, sheet = validation.scores(rows), validation.sheet(rows)
        self._write(step, {f"val/{name}": value for name, value in scores.items()})
        self._show(f"step {step}: {validation.describe(scores, len(rows))}")
        if sheet is None:
            return
        path = self._config.folder / "validation" / f"step-{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        display.save(path, sheet)
        for tracker in self._accelerator.trackers:
            tracker.log_images({"validation": sheet[None]}, step=step, **_layout(tracker.name))

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        self._accelerator.log(dict(values), step=step)
        if self._main:
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            with (self._config.folder / "metrics.jsonl").open("a") as stream:
                stream.write(json.dumps({"step": step, **finite}) + "\n")

    def _show(self, text: str) -> None:
        if self._main:
            self._report(text)


def require_wandb() -> None:
    """Raise TrainingError if wandb is not installed."""
    import importlib.util

    if importlib.util.find_spec("wandb") is None:
        raise TrainingError(
            "logging.wandb is set, but wandb is not installed: pip install wandb, or set it to false"
        )


def _layout(tracker: str) -> dict[str, Any]:
    return {"dataformats": "NHWC"} if tracker == "tensorboard" else {}
