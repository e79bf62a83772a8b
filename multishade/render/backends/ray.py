# SPDX-License-Identifier: Apache-2.0
"""A plan and shard numbers -> Ray tasks, one shard each: local or on a cluster, with progress, and a clean stop.

A shard is committed atomically by its own task, so a task that runs twice, or dies after its commit, does no harm.
"""

import contextlib
import dataclasses
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray
from tqdm import tqdm

from multishade.config import Config
from multishade.errors import MultiShadeError, ShardError
from multishade.render.plan import Plan
from multishade.render.worker import GroupFailure, ShardFailed, ShardReport, render_shard

POLL_SECONDS = 0.5
STOP_SECONDS = 15.0
CONNECT_SECONDS = 5.0
AHEAD = 2  # tasks in flight beyond those that can run, so that a worker never waits for the driver
MEMORY_PER_WORKER_GIB = 2.0  # a Ray worker, and its Blender with a mesh of a million faces and 2k textures
OBJECT_STORE_BYTES = 100 * 2**20  # plans and reports are all that travels


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the work is spread. `workers` None: as many as the CPUs (or GPUs) and memory allow."""

    workers: int | None = None
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0.0
    address: str | None = None


@dataclasses.dataclass
class Outcome:
    """What became of the shards that were asked for."""

    reports: list[ShardReport] = dataclasses.field(default_factory=list)
    failed: dict[int, str] = dataclasses.field(default_factory=dict)
    failures: list[GroupFailure] = dataclasses.field(default_factory=list)


def render_shards(plan: Plan, shards: Sequence[int], folder: Path, layout: Layout) -> Outcome:
    """Render `shards` into `folder`. A shard that fails for good does not stop the others.

    Raises ShardError where the layout asks for more than there is; KeyboardInterrupt after a clean stop.
    """
    outcome = Outcome()
    # The handler comes after Ray's start, which installs one of its own.
    with _ray(plan.config, layout) as slots, _interrupted_by_sigterm(), _bars(len(shards), plan) as bars:
        progress: Any = ray.remote(_Progress).options(num_cpus=0).remote()
        work = ray.put(plan)
        waiting = list(shards)
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < slots + AHEAD:
                    shard = waiting.pop(0)
                    running[_task(layout).remote(work, shard, folder, layout.cpus_per_worker, progress)] = (
                        shard
                    )
                done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                bars.samples(ray.get(progress.take.remote()))
                for reference in done:
                    _collect(reference, running.pop(reference), outcome)
                    bars.shard(outcome)
        except KeyboardInterrupt:
            bars.note("stopping: ending the Blender processes; what is committed stays, a rerun continues")
            _stop(list(running))
            raise
    return outcome


def _collect(reference: Any, shard: int, outcome: Outcome) -> None:
    try:
        report = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, ShardFailed):
            outcome.failures += cause.failures
        # A programming error keeps its traceback: that is what will be reported.
        outcome.failed[shard] = str(cause) if isinstance(cause, MultiShadeError) else str(error)
    except ray.exceptions.RayError as error:
        outcome.failed[shard] = f"the worker was lost: {type(error).__name__}: {error}"
    else:
        outcome.reports.append(report)
        outcome.failures += report.failures


class _Progress:
    """Counts finished samples between the driver's looks."""

    def __init__(self) -> None:
        self._samples = 0

    def add(self) -> None:
        self._samples += 1

    def take(self) -> int:
        samples, self._samples = self._samples, 0
        return samples


def _render(plan: Plan, shard: int, folder: Path, threads: int, progress: Any) -> ShardReport:
    return render_shard(plan, shard, folder, threads, lambda key: progress.add.remote())


def _task(layout: Layout) -> Any:
    return ray.remote(_render).options(
        num_cpus=layout.cpus_per_worker,
        num_gpus=layout.gpus_per_worker,
        max_retries=1,  # of lost workers; errors that the task raises are its own business
        retry_exceptions=False,
        name="render_shard",
    )


@contextlib.contextmanager
def _ray(config: Config, layout: Layout) -> Iterator[int]:
    """Ray, started here or joined; yields how many workers can run at once."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if layout.address is None:
        slots = _local_slots(config, layout)
        ray.init(
            num_cpus=slots * layout.cpus_per_worker,
            num_gpus=math.ceil(slots * layout.gpus_per_worker) or None,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    else:
        _require_answer(layout.address)
        try:
            ray.init(address=layout.address, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ShardError(f"--address {layout.address}: no Ray cluster answers there: {error}") from error
        slots = _cluster_slots(layout)
    try:
        yield slots
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes before it says that nobody is there."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto" and the like: Ray finds the address, or says at once that there is none
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ShardError(f"--address {address}: no Ray cluster answers there ({error})") from error


def _local_slots(config: Config, layout: Layout) -> int:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if layout.workers is not None:
        return layout.workers
    by_memory = int(psutil.virtual_memory().available / (MEMORY_PER_WORKER_GIB * 2**30))
    return max(1, min(cpus // layout.cpus_per_worker, by_memory))


def _cluster_slots(layout: Layout) -> int:
    resources = ray.cluster_resources()
    slots = int(resources.get("CPU", 0) // layout.cpus_per_worker)
    if layout.gpus_per_worker:
        slots = min(slots, int(resources.get("GPU", 0) // layout.gpus_per_worker))
    if slots < 1:
        raise ShardError(
            f"the Ray cluster has {resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs: too few for "
            f"one worker of {layout.cpus_per_worker} CPUs and {layout.gpus_per_worker:g} GPUs"
        )
    return min(slots, layout.workers or slots)


def _stop(references: list[Any]) -> None:
    """Ask every task to end, which ends its Blender; insist where one does not."""
    for reference in references:
        ray.cancel(reference, force=False)
    _, stubborn = (
        ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS) if references else ([], [])
    )
    for reference in stubborn:
        ray.cancel(reference, force=True)


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Batch systems end a job with SIGTERM: that is a Ctrl-C to us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


class _Bars:
    """Shards, samples, samples per second, time left and failures on one line."""

    def __init__(self, shards: int, plan: Plan) -> None:
        per_shard = plan.config.shards.groups * plan.config.views.count
        self._shards, self._done = shards, 0
        self._bar = tqdm(total=shards * per_shard, unit="sample", dynamic_ncols=True, smoothing=0.1)
        self.shard(Outcome())

    def samples(self, count: int) -> None:
        self._bar.update(count)

    def shard(self, outcome: Outcome) -> None:
        self._done = len(outcome.reports) + len(outcome.failed)
        self._bar.set_description(f"shards {self._done}/{self._shards}")
        if outcome.failures or outcome.failed:
            self._bar.set_postfix(failed_groups=len(outcome.failures), failed_shards=len(outcome.failed))

    def note(self, text: str) -> None:
        self._bar.write(text)

    def close(self) -> None:
        self._bar.close()


@contextlib.contextmanager
def _bars(shards: int, plan: Plan) -> Iterator[_Bars]:
    bars = _Bars(shards, plan)
    try:
        yield bars
    finally:
        bars.close()


def print_summary(outcome: Outcome, already: int, write: Callable[[str], None] = print) -> None:
    """What was made and what was not, with names and reasons."""
    samples = sum(report.samples for report in outcome.reports)
    write(f"{len(outcome.reports)} shards rendered ({samples} samples), {already} already there")
    for failure in outcome.failures:
        write(f"  left out: {failure.group} ({failure.object}, {failure.material}): {failure.error}")
    for shard, reason in sorted(outcome.failed.items()):
        write(f"  shard {shard} failed: {reason}")
