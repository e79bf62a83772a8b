# SPDX-License-Identifier: Apache-2.0
"""Shards one after another in this process, with one Blender: needs no Ray, and is easy to debug."""

import traceback
from collections.abc import Sequence

from multishade.errors import ConfigError, StorageError
from multishade.render.backends import Resources
from multishade.render.failures import shard_failure
from multishade.render.interrupt import interruptible
from multishade.render.plan import Plan
from multishade.render.progress import Progress, SamplesRendered, ShardCommitted, ShardGivenUp, Stopping
from multishade.render.worker import render_shard
from multishade.storage.store import Store


def render_shards(
    plan: Plan, shards: Sequence[int], store: Store, resources: Resources, progress: Progress
) -> None:
    """Render shards in order. A shard that is given up does not stop the others.

    Args:
        plan: The data set.
        shards: Numbers of the shards.
        store: Where they are written.
        resources: `cpus_per_worker` is the number of threads; one worker is all that this backend has.
        progress: Called with each event.

    Raises:
        ConfigError: If the resources name several workers or a cluster.
        KeyboardInterrupt: On Ctrl-C and SIGTERM, when Blender has ended.
    """
    if resources.workers not in (None, 1) or resources.address is not None:
        raise ConfigError(
            "backend 'local' renders one shard at a time in this process; use 'ray' for workers and clusters"
        )
    with interruptible():
        try:
            for shard in shards:
                _render(plan, shard, store, resources.cpus_per_worker, progress)
        except KeyboardInterrupt:
            progress(Stopping())
            raise


def _render(plan: Plan, shard: int, store: Store, threads: int, progress: Progress) -> None:
    try:
        report = render_shard(plan, shard, store, threads, lambda key: progress(SamplesRendered(1)))
    except Exception as error:  # recorded with its traceback; the other shards go on
        failure = shard_failure(shard, error, "".join(traceback.format_exception(error)))
        progress(ShardGivenUp(failure, ends_run=isinstance(error, StorageError)))
    else:
        progress(ShardCommitted(report))
