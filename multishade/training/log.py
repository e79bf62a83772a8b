# SPDX-License-Identifier: Apache-2.0
"""A run's numbers and pictures -> metrics.jsonl, TensorBoard or wandb, validation/, and the terminal."""

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accelerate import Accelerator

from multishade.errors import TrainingError
from multishade.imaging import display
from multishade.storage.local import write_text
from multishade.training import validation
from multishade.training.config import TrainConfig

METRICS = "metrics.jsonl"


class RunLog:
    """The log of one run; only the first process writes. Creates the run's folder and its config.json.

    Args:
        accelerator: Of the run.
        config: Of the run.
        report: Called with lines for the terminal.
        resumed: The step of the checkpoint from which an earlier run is continued: what it logged later is removed.
            None: a new run, which replaces what one without a checkpoint has left.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        config: TrainConfig,
        report: Callable[[str], None],
        resumed: int | None = None,
    ) -> None:
        self._accelerator, self._config, self._report = accelerator, config, report
        self._main = accelerator.is_main_process
        if self._main:
            config.folder.mkdir(parents=True, exist_ok=True)
            if resumed is None:
                self._clear()
            else:
                self._forget_after(resumed)
            (config.folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        if config.logging.tensorboard or config.logging.wandb:
            # What TensorBoard was given after the checkpoint is hidden.
            purge = {} if resumed is None else {"tensorboard": {"purge_step": resumed + 1}}
            accelerator.init_trackers("log", init_kwargs=purge if config.logging.tensorboard else {})
        options = config.optimisation
        each = f"{options.batch * options.accumulation} samples each"
        if accelerator.num_processes > 1:
            each += f" on each of {accelerator.num_processes} processes"
        self._show(
            f"{config.name}: steps {(resumed or 0) + 1} to {options.steps}, {each}, into {config.folder}"
        )

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

    def _clear(self) -> None:
        """Remove the log of a run that ended before its first checkpoint."""
        folder = self._config.folder
        left = [folder / name for name in (METRICS, "log", "validation") if (folder / name).exists()]
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if left:
            names = ", ".join(path.name for path in left)
            self._show(f"{folder}: {names} of an earlier run without a checkpoint removed")

    def _forget_after(self, step: int) -> None:
        """Remove what was logged after the checkpoint: these steps are made again."""
        path = self._config.folder / METRICS
        if path.exists():
            lines = path.read_text().splitlines(keepends=True)
            write_text(path, "".join(line for line in lines if _step_of(line) <= step), TrainingError)

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        self._accelerator.log(dict(values), step=step)
        if self._main:
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            with (self._config.folder / METRICS).open("a") as stream:
                stream.write(json.dumps({"step": step, **finite}) + "\n")

    def _show(self, text: str) -> None:
        if self._main:
            self._report(text)


def _step_of(line: str) -> float:
    """The step of a line of metrics.jsonl; infinite for one that a killed run has left half written."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return math.inf


def require_wandb() -> None:
    """Raise TrainingError if wandb is not installed."""
    import importlib.util

    if importlib.util.find_spec("wandb") is None:
        raise TrainingError(
            "logging.wandb is set, but wandb is not installed: pip install wandb, or set it to false"
        )


def _layout(tracker: str) -> dict[str, Any]:
    return {"dataformats": "NHWC"} if tracker == "tensorboard" else {}
