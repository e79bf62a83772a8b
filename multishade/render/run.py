# SPDX-License-Identifier: Apache-2.0
"""A plan, an output folder and shard numbers -> committed shards there, and a report on each."""

import dataclasses
from collections.abc import Iterable, Mapping

from multishade.config import Config
from multishade.errors import ConfigError, ShardError
from multishade.render.backends import Resources, load_backend
from multishade.render.blender.process import BlenderProcess
from multishade.render.failures import GroupFailure, ShardFailure, write_shard_failure
from multishade.render.plan import Plan
from multishade.render.progress import Event, Progress, ShardCommitted, ShardGivenUp, Started
from multishade.render.worker import ShardReport
from multishade.shards.layout import shard_file
from multishade.shards.marker import committed
from multishade.shards.record import open_dataset
from multishade.storage.store import FolderPlace, Store, open_store


@dataclasses.dataclass(frozen=True)
class RenderResult:
    """The outcome of one call of `render`, by shard.

    Attributes:
        output: The folder, as a store.
        rendered: One report for each shard that this call committed, in order.
        skipped: Shards that were complete before, and the groups left out of each.
        given_up: Shards that could not be completed, and why.
    """

    output: Store
    rendered: tuple[ShardReport, ...]
    skipped: Mapping[int, int]
    given_up: Mapping[int, ShardFailure]

    @property
    def samples(self) -> int:
        """Number of samples that this call rendered into committed shards."""
        return sum(report.samples for report in self.rendered)

    @property
    def failures(self) -> tuple[GroupFailure, ...]:
        """The groups that failed in this call, in rendered and in given-up shards."""
        groups = {report.shard: report.failures for report in self.rendered}
        groups |= {shard: failure.groups for shard, failure in self.given_up.items()}
        return tuple(failure for shard in sorted(groups) for failure in groups[shard])

    @property
    def left_out_before(self) -> int:
        """Number of groups that are missing from skipped shards."""
        return sum(self.skipped.values())

    @property
    def complete(self) -> bool:
        """Whether every requested shard is committed with all its groups."""
        return not (self.given_up or self.failures or self.left_out_before)


def render(
    plan: Plan,
    output: FolderPlace,
    shards: Iterable[int] | None = None,
    backend: str = "local",
    *,
    resources: Resources | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> RenderResult:
    """Render shards of a data set. Complete shards are skipped, so an interrupted run is continued by calling again.

    A group that cannot be rendered is left out of its shard and recorded in the shard's marker. A shard that has to be
    given up does not stop the others; its failures are kept beside it (`multishade.render.failures`).

    Args:
        plan: What to render, from `make_plan`.
        output: Folder of the data set, local or remote (s3://, ...); created if it is missing.
        shards: Numbers of the shards; None: all of them.
        backend: "local": one after another in this process. "ray": in parallel, on this machine or a cluster.
        resources: Workers, and what each may use; None: the defaults of `Resources`.
        retry_failed: Render complete shards again if groups were left out of them.
        progress: Called with an event whenever samples or shards are finished, such as a `ProgressBar`.

    Returns:
        What was rendered, skipped and given up.

    Raises:
        ConfigError: If there is no such backend or shard, or GPUs are to be used by a configuration for the CPU.
        ShardError: If the folder belongs to another data set or cannot be written, or a Ray cluster does not answer.
        RenderDeviceMissing: If this machine renders, and does not have the device of `render.device`.
        KeyboardInterrupt: On Ctrl-C and SIGTERM, after a clean stop; committed shards stay.
    """
    render_shards = load_backend(backend)
    resources = resources or Resources()
    _require_fitting(plan.config, resources)
    wanted = _wanted(plan, shards)
    store = open_store(output)
    open_dataset(store, plan.record())
    markers = {shard: committed(shard_file(store, shard)) for shard in wanted}
    skipped = {
        shard: len(marker.failures)
        for shard, marker in markers.items()
        if marker is not None and not (retry_failed and marker.failures)
    }
    missing = [shard for shard in wanted if shard not in skipped]
    reports: dict[int, ShardReport] = {}
    given_up: dict[int, ShardFailure] = {}

    def on_event(event: Event) -> None:
        if isinstance(event, ShardCommitted):
            reports[event.report.shard] = event.report
        elif isinstance(event, ShardGivenUp):
            event = ShardGivenUp(_keep(store, event.failure))
            given_up[event.failure.shard] = event.failure
        if progress is not None:
            progress(event)

    if missing and resources.address is None:
        _require_device(plan.config)
    on_event(Started(len(missing), len(skipped)))
    if missing:
        render_shards(plan, missing, store.absolute(), resources, on_event)
    rendered = tuple(reports[shard] for shard in sorted(reports))
    return RenderResult(store, rendered, skipped, dict(sorted(given_up.items())))


def _require_fitting(config: Config, resources: Resources) -> None:
    """Refuse GPUs that nothing would use."""
    if resources.gpus_per_worker < 0:
        raise ConfigError(f"{resources.gpus_per_worker:g} GPUs per worker: expected 0 or more")
    if resources.gpus_per_worker and config.render.device == "cpu":
        raise ConfigError(
            f"{resources.gpus_per_worker:g} GPUs per worker, but render.device is 'cpu': choose the device as well, "
            "such as --set render.device=optix, or leave --gpus-per-worker out"
        )


def _require_device(config: Config) -> None:
    """Start Blender once, before the workers do, if the configuration names a device that may be missing."""
    if config.render.device != "cpu":
        with BlenderProcess(config.render.device, config.runtime):
            pass


def _wanted(plan: Plan, shards: Iterable[int] | None) -> list[int]:
    count = plan.config.shards.count
    wanted = sorted(set(range(count) if shards is None else shards))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < count:
        raise ConfigError(
            f"the data set has {count} shards, 0 to {count - 1} (shards.count); requested: {wanted}"
        )
    return wanted


def _keep(store: Store, failure: ShardFailure) -> ShardFailure:
    """Write the failure beside its shard; if it cannot be written, add that to its text."""
    try:
        write_shard_failure(shard_file(store, failure.shard), failure)
    except ShardError as error:
        return dataclasses.replace(failure, error=f"{failure.error} (and this is not recorded: {error})")
    return failure
