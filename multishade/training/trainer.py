# SPDX-License-Identifier: Apache-2.0
"""The training loop: a task and its configuration -> a folder with log, checkpoints, validation pictures and model.

The loop is the same for all models; what is trained on what is the task's. Every step takes its random numbers from a
generator seeded by (seed, step, process), and its data by the number of the batch: a run that was killed and resumed
makes the very steps that it would have made.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object, set_seed
from torch import nn

from multishade.data.batches import Batch
from multishade.errors import ConfigError, TrainingError
from multishade.models.hub import push
from multishade.training import state, tasks, weighting
from multishade.training.config import Optimisation, TrainConfig
from multishade.training.log import RunLog, require_wandb
from multishade.training.parameters import RunningMean
from multishade.training.sources import Sources, from_shards
from multishade.training.state import Progress, TrainState
from multishade.training.stop import StopRequest
from multishade.training.task import OptimizerSpec, Task, require_finite

Report = Callable[[str], None]
OnStep = Callable[[int, Mapping[str, float]], None]


def train(
    config: TrainConfig | str | Path,
    resume: bool = False,
    sources: Sources | None = None,
    report: Report = print,
    *,
    overrides: Sequence[str] = (),
    on_step: OnStep | None = None,
) -> Path:
    """Train a model on shards.

    Args:
        config: A configuration, the path of its YAML file, or the name of a shipped recipe, such as "rose-tiny".
        resume: Whether to go on from the latest checkpoint of the run's folder.
        sources: In place of the shards that the configuration names; each process gets batches of its own.
        report: Called with lines for the terminal.
        overrides: Strings `section.key=value`, the value in YAML, applied after the file; only with a path or a name.
        on_step: Called after each step, in the first process, with the number of steps made and the step's numbers.

    Returns:
        The folder of the finished model, which `multishade.load_model` reads.

    Raises:
        ConfigError: If the configuration is wrong.
        TrainingError: If the run cannot start or be resumed, or a loss is not finite.
        KeyboardInterrupt: On Ctrl-C and SIGTERM, after the step and a checkpoint.
        ModelError, DataError: If the model's settings or the shards do not fit.
    """
    if not isinstance(config, TrainConfig):
        config = tasks.load_config(config, overrides)
    elif overrides:
        raise ConfigError("overrides go with a path or a recipe's name; a TrainConfig is complete")
    return Trainer(config, tasks.task_class(config.task)(config), sources, report, on_step).fit(resume=resume)


class Trainer:
    """Runs one task.

    Args:
        config: The run.
        task: What is trained on what.
        sources: Of batches, in place of the shards that the configuration names.
        report: Called with lines for the terminal.
        on_step: Called after each step, in the first process, with the number of steps made and the step's numbers.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task[Any, Any],
        sources: Sources | None = None,
        report: Report = print,
        on_step: OnStep | None = None,
    ) -> None:
        self.config, self.task, self.report, self.on_step = config, task, report, on_step
        self._sources = sources

    def fit(self, *, resume: bool = False) -> Path:
        """Train to the last step, and return the folder of the finished model. Errors as `train`."""
        config, options, folder = self.config, self.config.optimisation, self.config.folder
        if config.logging.wandb:
            require_wandb()
        AcceleratorState._reset_state()  # a second run of one process may have another precision
        accelerator = Accelerator(
            mixed_precision=options.precision,
            log_with=[name for name in ("tensorboard", "wandb") if getattr(config.logging, name)] or None,
            project_dir=str(folder),
            step_scheduler_with_optimizer=False,
        )
        start = _start_from(folder, resume)
        progress = Progress(processes=accelerator.num_processes)
        if start is not None:
            progress = state.read_progress(start, config, accelerator.num_processes)
            remarks = state.compare_runs(start, progress, config)
            done = progress.step == options.steps and (folder / "model").exists()
            if done:
                remarks.append(f"{folder}: all {options.steps} steps are made; there is nothing to do")
            if accelerator.is_main_process:
                for remark in remarks:
                    self.report(remark)
            if done:
                return folder / "model"
        run = _Run(self.task, accelerator)
        run.state.progress = progress
        if start is not None:
            run.state.load(start)
        sources = self._sources or from_shards(
            self.task, accelerator.process_index, accelerator.num_processes
        )
        log = RunLog(accelerator, config, self.report, None if start is None else progress.step)
        if accelerator.is_main_process:
            for remark in self.task.remarks():
                self.report(remark)
        with StopRequest() as stop:
            self._loop(run, sources, log, stop)
        finished = folder / "model"
        if accelerator.is_main_process:
            run.state.save_model(finished)
            if config.hub.repository is not None:
                push(finished, config.hub.repository, config.hub.private, f"{run.state.model.name} model")
        accelerator.wait_for_everyone()
        accelerator.end_training()
        return finished

    def _loop(self, run: "_Run", sources: Sources, log: RunLog, stop: StopRequest) -> None:
        """Make the steps that are left. Raises KeyboardInterrupt, after a checkpoint, if a stop is requested."""
        config, options, accelerator = self.config, self.config.optimisation, run.accelerator
        progress = run.state.progress
        batches = sources.train(progress.batches)
        watch = weighting.CollapseWatch(self.report if accelerator.is_main_process else _silent)
        clock, since = time.perf_counter(), progress.step
        while progress.step < options.steps:
            values = run.step([next(batches) for _ in range(options.accumulation)])
            last = progress.step == options.steps
            watch.see(progress.step, values)
            if self.on_step is not None and accelerator.is_main_process:
                self.on_step(progress.step, values)
            if progress.step % config.logging.every == 0 or last:
                seconds = (time.perf_counter() - clock) / max(1, progress.step - since)
                log.step(progress.step, values, seconds)
                clock, since = time.perf_counter(), progress.step
            if progress.step % config.validation.every == 0 or last:
                rows = run.validate(sources)
                if accelerator.is_main_process:
                    log.validated(progress.step, rows)
                clock, since = time.perf_counter(), progress.step
            stopping = not last and _any_requested(stop, accelerator)
            if progress.step % config.checkpoints.every == 0 or last or stopping:
                if accelerator.is_main_process:
                    saved = run.state.save(config.folder, config)
                    if stopping:
                        self.report(
                            f"stopped after step {progress.step}: {saved}; --resume goes on from there"
                        )
                accelerator.wait_for_everyone()
                clock, since = time.perf_counter(), progress.step
            if stopping:
                accelerator.end_training()
                raise KeyboardInterrupt


class _Run:
    """Model, networks and optimizers on this process's device."""

    def __init__(self, task: Task[Any, Any], accelerator: Accelerator) -> None:
        config, options = task.config, task.config.optimisation
        self.task, self.config, self.accelerator = task, config, accelerator
        set_seed(config.seed)  # of the initial weights; nothing later uses the global generators
        model = task.build()
        parameters = task.trainable(model)
        networks = task.networks(model)
        if options.gradient_checkpointing:
            _checkpoint_gradients(networks)
        model.to(accelerator.device)
        for network in networks.values():
            network.to(accelerator.device)
        self.specs = task.optimizers(parameters)
        _require_one_owner(self.specs, parameters)
        optimizers = {spec.name: spec.build(options) for spec in self.specs}
        loss_weighting = weighting.build(config.weighting).to(accelerator.device)
        if learned := list(loss_weighting.parameters()):
            optimizers["weighting"] = torch.optim.AdamW(
                learned, lr=config.weighting.learning_rate, weight_decay=0
            )
        prepared = accelerator.prepare(*networks.values(), *optimizers.values())
        prepared = list(prepared) if isinstance(prepared, tuple) else [prepared]
        self.networks: dict[str, nn.Module] = dict(zip(networks, prepared, strict=False))
        self._wrapped = dict(zip(optimizers, prepared[len(networks) :], strict=True))
        self.weighting = accelerator.prepare(loss_weighting) if learned else loss_weighting
        self.state = TrainState(
            task,
            model,
            parameters,
            optimizers,
            loss_weighting,
            RunningMean(parameters, options.ema) if options.ema > 0 else None,
            accelerator.scaler,
            Progress(processes=accelerator.num_processes),
        )

    def step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Make one update of every optimizer, on the mean of several batches. Returns numbers for the log."""
        config, progress = self.config, self.state.progress
        batches = [batch.to(self.accelerator.device, non_blocking=True) for batch in batches]
        progress.batches += len(batches)
        rng = _generator(config.seed, progress.step, self.accelerator.process_index)
        for network in self.networks.values():
            network.train()
        rate = learning_rate(config.optimisation, progress.step)
        log: dict[str, float] = {}
        for spec in self.specs:
            for group in self.state.optimizers[spec.name].param_groups:
                group["lr"] = rate * spec.rate * group["factor"]
            prefix = f"{spec.name}/" if len(self.specs) > 1 else ""
            log |= {f"{prefix}{name}": value for name, value in self._turn(spec, batches, rng).items()}
        if self.state.mean is not None:
            self.state.mean.update(self.state.parameters, progress.step)
        progress.step += 1
        return {**log, "learning_rate": rate}

    def _turn(self, spec: OptimizerSpec, batches: Sequence[Batch], rng: torch.Generator) -> dict[str, float]:
        """One optimizer's update."""
        parts = len(batches)
        log: dict[str, float] = {}
        for number, batch in enumerate(batches):
            last = number == parts - 1
            with ExitStack() as unsynchronised:
                if not last:
                    for network in self.networks.values():
                        unsynchronised.enter_context(self.accelerator.no_sync(network))
                losses = self.task.losses(self.state.model, self.networks, batch, spec.name, rng)
                require_finite(losses, batch, self.state.progress.step)
                weighted = self.weighting(losses)
                self.accelerator.backward(weighted.loss / parts)
            values = {"loss": losses.total, **losses.parts}
            numbers = {name: float(value.detach().mean()) for name, value in values.items()} | weighted.log
            for name, value in numbers.items():
                log[name] = log.get(name, 0.0) + value / parts
        clip = self.config.optimisation.clip
        norm = self.accelerator.clip_grad_norm_(list(spec.parameters.values()), clip)
        self._wrapped[spec.name].step()
        if "weighting" in self._wrapped:
            self._wrapped["weighting"].step()
        # Of all optimizers: one optimizer's loss may have left gradients in the networks of another.
        for optimizer in self._wrapped.values():
            optimizer.zero_grad()
        return {**log, "gradient_norm": float(norm)}

    def validate(self, sources: Sources) -> list[Any]:
        """Measure the val images, with averaged weights if there are any. Each process takes every n-th batch."""
        for network in self.task.networks(self.state.model).values():
            network.eval()
        accelerator = self.accelerator
        share = islice(sources.val(), accelerator.process_index, None, accelerator.num_processes)
        pictures = self.config.validation.pictures if accelerator.is_main_process else 0
        rows: list[Any] = []
        with self.state.averaged():
            for batch in share:
                rows += self.task.validate(
                    self.state.model, batch.to(accelerator.device), max(0, pictures - len(rows))
                )
        rows = gather_object(rows)
        if not rows:
            raise TrainingError("data.val: no sample in these shards")
        return rows


def _silent(text: str) -> None:
    """Report of a process that is not the first."""


def learning_rate(options: Optimisation, step: int) -> float:
    """Of update number `step`, from 0: a linear rise over `warmup` updates, then constant, half a cosine to 0, or
    halved after each sixth of the steps (PS-FCN: every 5 of 30 epochs).
    """
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    if options.decay == "constant":
        return options.learning_rate
    if options.decay == "halving":
        return options.learning_rate * 0.5 ** min(5, 6 * step // options.steps)
    done = (step - options.warmup) / max(1, options.steps - options.warmup)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _generator(seed: int, step: int, process: int) -> torch.Generator:
    """The generator of one step on one process: a function of nothing else."""
    mixed = np.random.SeedSequence([seed, step, process]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 32 | int(mixed[1]))


def _checkpoint_gradients(networks: Mapping[str, nn.Module]) -> None:
    for name, network in networks.items():
        enable = getattr(network, "enable_gradient_checkpointing", None)
        if enable is None:
            raise TrainingError(
                f"optimisation.gradient_checkpointing: the network {name} does not support it; set it to false"
            )
        enable()


def _require_one_owner(specs: Sequence[OptimizerSpec], parameters: Mapping[str, nn.Parameter]) -> None:
    """Every trained parameter belongs to exactly one optimizer."""
    owned = [name for spec in specs for name in spec.parameters]
    if sorted(owned) != sorted(parameters):
        wrong = sorted({name for name in owned if owned.count(name) > 1} | (set(owned) ^ set(parameters)))
        raise TrainingError(f"optimizers: {', '.join(wrong[:3])} must belong to exactly one of them")


def _any_requested(stop: StopRequest, accelerator: Accelerator) -> bool:
    """Whether any process is to stop: all have to stop after the same step."""
    if accelerator.num_processes == 1:
        return stop.requested
    if stop.requested:
        accelerator.set_trigger()
    return bool(accelerator.check_trigger())


def _start_from(folder: Path, resume: bool) -> Path | None:
    """The checkpoint to go on from. Raises TrainingError if a run would be overwritten, or there is none."""
    found = state.listed(folder)
    if resume and not found:
        raise TrainingError(f"{folder}: no checkpoint to resume from; start without --resume")
    if not resume and (found or (folder / "model").exists()):
        raise TrainingError(
            f"{folder}: holds a run already: go on with --resume, or choose another folder with -o"
        )
    return found[-1] if resume else None
