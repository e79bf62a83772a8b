# SPDX-License-Identifier: Apache-2.0
"""Shards as Ray tasks, one each, on this machine or a cluster, with a clean stop.

A shard is committed atomically by its own task, so a task that runs twice, or dies after its commit, does no harm.
"""

from collections.abc import Sequence
from typing import Any

import ray

from multishade.errors import StorageError
from multishade.render.backends import Resources, RunStopped
from multishade.render.backends.ray_cluster import running
from multishade.render.failures import FailureKind, ShardFailure, shard_failure
from multishade.render.interrupt import interruptible
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
AHEAD = 2  # tasks in flight beyond those that can run, so that a worker never waits for the driver


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
        ShardError: If the cluster does not answer, has less than one worker needs, or is lost.
        KeyboardInterrupt: On Ctrl-C and SIGTERM, when the tasks have ended.
    """
    # Our handlers are set after Ray's start, which installs its own.
    with interruptible(), running(resources, progress) as cluster, interruptible():
        counter: Any = ray.remote(_SampleCounter).options(num_cpus=0).remote()
        task, work = _task(resources), ray.put(plan)
        waiting = list(shards)
        pending: dict[Any, int] = {}
        try:
            while waiting or pending:
                while waiting and len(pending) < cluster.slots + AHEAD:
                    shard = waiting.pop(0)
                    reference = task.remote(work, shard, store, resources.cpus_per_worker, counter)
                    pending[reference] = shard
                done, _ = ray.wait(list(pending), timeout=POLL_SECONDS)
                cluster.require_alive()
                if count := _taken(counter):
                    progress(SamplesRendered(count))
                for reference in done:
                    progress(_event(reference, pending.pop(reference)))
        except KeyboardInterrupt:
            progress(Stopping())
            _stop(list(pending))
            raise
        except (StorageError, RunStopped):
            _stop(list(pending))
            raise


def _taken(counter: Any) -> int:
    """Samples since the last call; 0 if Ray does not tell in time, or lost the counter with its worker."""
    try:
        return int(ray.get(counter.take.remote(), timeout=POLL_SECONDS * 10))
    except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
        return 0


def _event(reference: Any, shard: int) -> Event:
    """How a task ended."""
    try:
        return ShardCommitted(ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        # A programming error is recorded with its traceback, which Ray's own error contains.
        failure = shard_failure(shard, cause, str(error))
        return ShardGivenUp(failure, ends_run=isinstance(cause, StorageError))
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


def _stop(references: list[Any]) -> None:
    """Cancel every task, which ends its Blender; kill the tasks that do not end in time."""
    for reference in references:
        ray.cancel(reference, force=False)
    _, stubborn = (
        ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS) if references else ([], [])
    )
    for reference in stubborn:
        ray.cancel(reference, force=True)
