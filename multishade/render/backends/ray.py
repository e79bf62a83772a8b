# SPDX-License-Identifier: Apache-2.0
"""Shards as Ray tasks, one each, on this machine or a cluster, with a clean stop.

A shard is committed atomically by its own task, so a task that runs twice, or dies after its commit, does no harm.
"""

import contextlib
import logging
import math
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import ray

from multishade.errors import ShardError
from multishade.render.backends import Resources, sigterm_as_interrupt
from multishade.render.failures import FailureKind, ShardFailure, shard_failure
from multishade.render.plan import Plan
from multishade.render.progress import (
    Event,
    Progress,
    SamplesRendered,
    ShardCommitted,
    ShardGivenUp,
    Stopping,
)
from multishade.render.worker import ShardReport, render_shard
from multishade.storage.store import Store

POLL_SECONDS = 0.5
STOP_SECONDS = 15.0
CONNECT_SECONDS = 5.0
AHEAD = 2  # tasks in flight beyond those that can run, so that a worker never waits for the driver
OBJECT_STORE_BYTES = 100 * 2**20  # only plans and reports travel


def render_shards(
    plan: Plan, shards: Sequence[int], store: Store, resources: Resources, progress: Progress
) -> None:
    """Render shards in Ray tasks. A shard that is given up does not stop the others.

    Args:
        plan: The data set.
        shards: Numbers of the shards.
        store: Where they are written; on a cluster every node has to see it under this path.
        resources: Workers and what each may use.
        progress: Called with each event, in this process.

    Raises:
        ShardError: If the cluster does not answer or has less than one worker needs.
        KeyboardInterrupt: On Ctrl-C and SIGTERM, when the tasks have ended.
    """
    # The handler of SIGTERM is set after Ray's start, which installs its own.
    with _ray(resources) as slots, sigterm_as_interrupt():
        counter: Any = ray.remote(_SampleCounter).options(num_cpus=0).remote()
        task, work = _task(resources), ray.put(plan)
        waiting = list(shards)
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < slots + AHEAD:
                    shard = waiting.pop(0)
                    reference = task.remote(work, shard, store, resources.cpus_per_worker, counter)
                    running[reference] = shard
                done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                if count := ray.get(counter.take.remote()):
                    progress(SamplesRendered(count))
                for reference in done:
                    progress(_event(reference, running.pop(reference)))
        except KeyboardInterrupt:
            progress(Stopping())
            _stop(list(running))
            raise


def _event(reference: Any, shard: int) -> Event:
    """How a task ended."""
    try:
        return ShardCommitted(ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        # A programming error is recorded with its traceback, which Ray's own error contains.
        return ShardGivenUp(shard_failure(shard, cause, str(error)))
    except ray.exceptions.RayError as error:
        reason = f"the worker was lost: {type(error).__name__}: {error}"
        return ShardGivenUp(ShardFailure(shard, FailureKind.WORKER_LOST, reason))


class _SampleCounter:
    """Counts finished samples between two polls of the driver."""

    def __init__(self) -> None:
        self._samples = 0

    def add(self) -> None:
        self._samples += 1

    def take(self) -> int:
        samples, self._samples = self._samples, 0
        return samples


def _render(plan: Plan, shard: int, store: Store, threads: int, counter: Any) -> ShardReport:
    return render_shard(plan, shard, store, threads, lambda key: counter.add.remote())


def _task(resources: Resources) -> Any:
    return ray.remote(_render).options(
        num_cpus=resources.cpus_per_worker,
        num_gpus=resources.gpus_per_worker,
        max_retries=1,  # of lost workers; exceptions of the task are not retried
        retry_exceptions=False,
        name="render_shard",
    )


@contextlib.contextmanager
def _ray(resources: Resources) -> Iterator[int]:
    """Start Ray here or join a cluster; yield how many workers can run at once."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if resources.address is None:
        slots = resources.local_workers()
        ray.init(
            num_cpus=slots * resources.cpus_per_worker,
            num_gpus=math.ceil(slots * resources.gpus_per_worker) or None,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    else:
        _require_answer(resources.address)
        try:
            ray.init(address=resources.address, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ShardError(
                f"--address {resources.address}: no Ray cluster answers there: {error}"
            ) from error
        slots = _cluster_slots(resources)
    try:
        yield slots
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise ShardError at once if no cluster answers; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto" and the like: Ray finds the address, or fails at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ShardError(f"--address {address}: no Ray cluster answers there ({error})") from error


def _cluster_slots(resources: Resources) -> int:
    available = ray.cluster_resources()
    slots = int(available.get("CPU", 0) // resources.cpus_per_worker)
    if resources.gpus_per_worker:
        slots = min(slots, int(available.get("GPU", 0) // resources.gpus_per_worker))
    if slots < 1:
        raise ShardError(
            f"the Ray cluster has {available.get('CPU', 0):g} CPUs and {available.get('GPU', 0):g} GPUs: too few for "
            f"one worker of {resources.cpus_per_worker} CPUs and {resources.gpus_per_worker:g} GPUs"
        )
    return min(slots, resources.workers or slots)


def _stop(references: list[Any]) -> None:
    """Cancel every task, which ends its Blender; kill the tasks that do not end in time."""
    for reference in references:
        ray.cancel(reference, force=False)
    _, stubborn = (
        ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS) if references else ([], [])
    )
    for reference in stubborn:
        ray.cancel(reference, force=True)
