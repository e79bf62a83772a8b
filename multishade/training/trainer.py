# SPDX-License-Identifier: Apache-2.0
"""The training loop: configuration -> a folder with the run's log, checkpoints, validation pictures and the model.

Every step draws its noise from a generator seeded by (seed, step, process), and asks the data for batch number so and
so: a run that was killed and resumed makes the very steps that it would have made.
"""

import json
import math
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object, set_seed

from multishade.data.batches import Batch
from multishade.errors import TrainingError
from multishade.imaging import display
from multishade.models.hub import push
from multishade.models.rose.model import RoSE
from multishade.training import objectives, state, validation
from multishade.training.build import build_model
from multishade.training.config import Optimisation, TrainConfig
from multishade.training.parameters import RunningMean, choose
from multishade.training.sources import Sources, from_shards
from multishade.training.state import Progress


def train(
    config: TrainConfig,
    resume: bool = False,
    sources: Sources | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Train, and return the folder of the finished model.

    resume: go on from the latest checkpoint of the run's folder. sources: in place of the shards in `config.data`;
    each process gets batches of its own. Raises TrainingError.
    """
    if config.logging.wandb:
        _require_wandb()
    AcceleratorState._reset_state()  # a second run of one process may have another precision
    accelerator = Accelerator(
        mixed_precision=config.optimisation.precision,
        log_with=[name for name in ("tensorboard", "wandb") if getattr(config.logging, name)] or None,
        project_dir=str(config.folder),
        step_scheduler_with_optimizer=False,
    )
    folder, options = config.folder, config.optimisation
    start = _start_from(folder, resume)
    set_seed(config.seed)  # of the initial weights; nothing later draws from the global generators
    model = build_model(config)
    parameters = choose(model.unet, options.trainable, options.lora_rank)
    if options.gradient_checkpointing:
        model.unet.enable_gradient_checkpointing()
    model.to(accelerator.device)
    optimizer = torch.optim.AdamW(
        parameters.values(),
        lr=options.learning_rate,
        betas=options.betas,
        weight_decay=options.weight_decay,
    )
    network, wrapped = accelerator.prepare(model.unet, optimizer)
    mean = RunningMean(parameters, options.ema) if options.ema > 0 else None
    progress = Progress(processes=accelerator.num_processes)
    if start is not None:
        progress = state.read_progress(start, config, accelerator.num_processes)
        state.restore(start, parameters, mean, optimizer, accelerator.scaler)
    if sources is None:
        sources = from_shards(config, accelerator.process_index, accelerator.num_processes)

    log = _Log(accelerator, config, report)
    loss_of = objectives.objective_of(model)
    batches = sources.train(progress.batches)
    clock, since = time.perf_counter(), progress.step
    while progress.step < options.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(options, progress.step)
        draws = _draws(config.seed, progress.step, accelerator.process_index)
        network.train()
        summed: dict[str, float] = {}
        for part in range(options.accumulation):
            batch = next(batches).to(accelerator.device, non_blocking=True)
            progress.batches += 1
            last = part == options.accumulation - 1
            with nullcontext() if last else accelerator.no_sync(network):
                losses = loss_of(model, network, batch, config.objective, draws)
                objectives.require_finite(losses, batch, progress.step)
                accelerator.backward(losses.total.mean() / options.accumulation)
            for name, values in {"loss": losses.total, **losses.parts}.items():
                summed[name] = summed.get(name, 0.0) + float(values.detach().mean()) / options.accumulation
        norm = accelerator.clip_grad_norm_(list(parameters.values()), options.clip)
        wrapped.step()
        wrapped.zero_grad()
        if mean is not None:
            mean.update(parameters, progress.step)
        progress.step += 1

        if progress.step % config.logging.every == 0 or progress.step == options.steps:
            seconds = (time.perf_counter() - clock) / max(1, progress.step - since)
            rate = optimizer.param_groups[0]["lr"]
            log.step(progress.step, {**summed, "gradient_norm": float(norm), "learning_rate": rate}, seconds)
            clock, since = time.perf_counter(), progress.step
        if progress.step % config.validation.every == 0 or progress.step == options.steps:
            with mean.in_place_of(parameters) if mean is not None else nullcontext():
                _validate(model, sources.val(), config, accelerator, log, progress.step)
            clock, since = time.perf_counter(), progress.step
        if progress.step % config.checkpoints.every == 0 or progress.step == options.steps:
            if accelerator.is_main_process:
                state.save(folder, model, parameters, mean, optimizer, accelerator.scaler, progress, config)
            accelerator.wait_for_everyone()
            clock, since = time.perf_counter(), progress.step

    finished = folder / "model"
    if accelerator.is_main_process:
        state.save_model(finished, model, parameters, mean)
        if config.hub.repository is not None:
            push(finished, config.hub.repository, config.hub.private, "RoSE model")
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return finished


def learning_rate(options: Optimisation, step: int) -> float:
    """Of update number `step`, from 0: a linear rise over `warmup` updates, then constant or half a cosine to 0."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    if options.decay == "constant":
        return options.learning_rate
    done = (step - options.warmup) / max(1, options.steps - options.warmup)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _validate(
    model: RoSE,
    batches: Iterable[Batch],
    config: TrainConfig,
    accelerator: Accelerator,
    log: "_Log",
    step: int,
) -> None:
    """Each process takes every n-th batch; the first one has the mean of all."""
    model.unet.eval()
    share = islice(batches, accelerator.process_index, None, accelerator.num_processes)
    drawn = config.validation.pictures if accelerator.is_main_process else 0
    rows = gather_object(validation.rows_of(model, share, config.validation.solver, drawn))
    if not rows:
        raise TrainingError("data.val: no sample in these shards")
    if accelerator.is_main_process:
        log.validated(step, validation.scores(rows), validation.sheet(rows))


def _draws(seed: int, step: int, process: int) -> torch.Generator:
    """The generator of one step on one process: a function of nothing else."""
    mixed = np.random.SeedSequence([seed, step, process]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 32 | int(mixed[1]))


def _start_from(folder: Path, resume: bool) -> Path | None:
    """The checkpoint to go on from. Raises TrainingError where a run would be overwritten, or none is there."""
    found = state.listed(folder)
    if resume and not found:
        raise TrainingError(f"{folder}: no checkpoint to resume from; start without --resume")
    if not resume and (found or (folder / "model").exists()):
        raise TrainingError(
            f"{folder}: holds a run already: go on with --resume, or choose another folder (--set output=...)"
        )
    return found[-1] if resume else None


def _require_wandb() -> None:
    import importlib.util

    if importlib.util.find_spec("wandb") is None:
        raise TrainingError(
            "logging.wandb is set, but wandb is not installed: pip install wandb, or set it to false"
        )


class _Log:
    """metrics.jsonl, TensorBoard and the terminal; only the first process writes."""

    def __init__(self, accelerator: Accelerator, config: TrainConfig, report: Callable[[str], None]) -> None:
        self._accelerator, self._config, self._report = accelerator, config, report
        self._main = accelerator.is_main_process
        if self._main:
            config.folder.mkdir(parents=True, exist_ok=True)
            (config.folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        if config.logging.tensorboard or config.logging.wandb:
            accelerator.init_trackers("log")

    def step(self, step: int, values: dict[str, float], seconds: float) -> None:
        self._write(step, {**{f"train/{name}": value for name, value in values.items()}, "seconds": seconds})
        left = (self._config.optimisation.steps - step) * seconds
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._say(
            f"step {step}/{self._config.optimisation.steps}  {shown}  {seconds:.2f} s a step, "
            f"{int(left // 60)} min left"
        )

    def validated(self, step: int, scores: validation.Scores, sheet: display.Picture | None) -> None:
        self._write(step, scores.as_log())
        self._say(
            f"step {step}: validation over {scores.images} images: mean angular error {scores.mean:.2f} degrees "
            f"(a constant: {scores.constant:.2f}), median {scores.median:.2f}"
        )
        if sheet is None:
            return
        path = self._config.folder / "validation" / f"step-{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        display.save(path, sheet)
        for tracker in self._accelerator.trackers:
            tracker.log_images({"validation": sheet[None]}, step=step, **_layout(tracker.name))

    def _write(self, step: int, values: dict[str, float]) -> None:
        self._accelerator.log(values, step=step)
        if self._main:
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            with (self._config.folder / "metrics.jsonl").open("a") as stream:
                stream.write(json.dumps({"step": step, **finite}) + "\n")

    def _say(self, text: str) -> None:
        if self._main:
            self._report(text)


def _layout(tracker: str) -> dict[str, Any]:
    return {"dataformats": "NHWC"} if tracker == "tensorboard" else {}
