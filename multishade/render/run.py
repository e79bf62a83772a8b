# SPDX-License-Identifier: Apache-2.0
"""A plan, an output folder and shard numbers -> committed shards there, and a report on each."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from multishade.config import Config
from multishade.errors import ConfigError, ShardError, StorageError
from multishade.render.backends import Resources, RunStopped, load_backend
from multishade.render.blender.process import BlenderProcess
from multishade.render.failures import GroupFailure, ShardFailure, write_shard_failure
from multishade.render.plan import Plan, with_quarantine
from multishade.render.progress import Event, Progress, ShardCommitted, ShardGivenUp, Started
from multishade.render.staging import remove_leftovers
from multishade.render.worker import ShardReport
from multishade.shards.layout import marker_name, shard_file, tar_name
from multishade.shards.locate import CONNECTIONS
from multishade.shards.marker import committed
from multishade.shards.record import open_dataset
from multishade.storage.scratch import sweep_scratch
from multishade.storage.store import FolderPlace, Store, open_store

FEWEST_GROUPS = 32  # before the share of failed groups says anything


@dataclasses.dataclass(frozen=True)
class RenderResult:
    """The outcome of one call of `render`, by shard.

    Attributes:
        output: The folder, as a store.
        rendered: One report for each shard that this call committed, in order.
        skipped: Shards that were complete before, and the groups left out of each.
        given_up: Shards that could not be completed, and why.
        stopped: Why the run stopped before all shards were tried; empty if it did not.
    """

    output: Store
    rendered: tuple[ShardReport, ...]
    skipped: Mapping[int, int]
    given_up: Mapping[int, ShardFailure]
    stopped: str = ""

    @property
    def samples(self) -> int:
        """Number of samples that this call rendered into committed shards."""
        return sum(report.samples for report in self.rendered)

    @property
    def resumed(self) -> int:
        """Number of groups that interrupted runs had finished, in the shards that this call committed."""
        return sum(report.resumed for report in self.rendered)

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
        return not (self.stopped or self.given_up or self.failures or self.left_out_before)


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

    The groups that an interrupted run finished in shards that it did not complete are kept beside these, and are not
    rendered again (`multishade.render.staging`). Temporary folders that runs left when they were killed
    on this machine are removed.

    A group that cannot be rendered is left out of its shard and recorded in the shard's marker. A shard that has to be
    given up does not stop the others; its failures are kept beside it (`multishade.render.failures`). The run stops
    early if the share of failed groups exceeds `runtime.failed_share`.

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
        ConfigError: If there is no such backend or shard, or GPUs are to be used by a configuration for the CPU, or all
            objects are in quarantine.
        ShardError: If the folder belongs to another data set, or a Ray cluster does not answer or is lost.
        StorageError: If the folder cannot be written, at the first write that is refused.
        RenderDeviceMissing: If this machine renders, and does not have the device of `render.device`.
        KeyboardInterrupt: On Ctrl-C and SIGTERM, after a clean stop; committed shards stay.
    """
    render_shards = load_backend(backend)
    resources = resources or Resources()
    _require_fitting(plan.config, resources)
    wanted = _wanted(plan, shards)
    sweep_scratch()
    store = open_store(output)
    open_dataset(store, plan.record())
    plan = with_quarantine(plan, store)
    complete = _left_out(store, wanted)
    skipped = {shard: groups for shard, groups in complete.items() if not (retry_failed and groups)}
    remove_leftovers(store, skipped)
    missing = [shard for shard in wanted if shard not in skipped]
    tally = _Tally(store, plan.config, progress)
    if missing and resources.address is None:
        _require_device(plan.config)
    tally(Started(len(missing), len(skipped)))
    stopped = ""
    if missing:
        try:
            render_shards(plan, missing, store.absolute(), resources, tally)
        except RunStopped as reason:
            stopped = str(reason)
        finally:
            sweep_scratch()  # of workers that were killed
    rendered = tuple(tally.reports[shard] for shard in sorted(tally.reports))
    return RenderResult(store, rendered, skipped, dict(sorted(tally.given_up.items())), stopped)


class _Tally:
    """Collects what became of each shard, keeps the failures of those given up, and stops a run that is in vain."""

    def __init__(self, store: Store, config: Config, progress: Progress | None) -> None:
        self._store, self._config, self._progress = store, config, progress
        self.reports: dict[int, ShardReport] = {}
        self.given_up: dict[int, ShardFailure] = {}
        self._groups = self._failed = 0

    def __call__(self, event: Event) -> None:
        match event:
            case ShardCommitted(report):
                self.reports[report.shard] = report
                self._count(self._config.shards.groups, len(report.failures))
            case ShardGivenUp(failure):
                event = dataclasses.replace(event, failure=_keep(self._store, failure))
                self.given_up[failure.shard] = event.failure
                self._count(max(1, len(failure.groups)), max(1, len(failure.groups)))
        if self._progress is not None:
            self._progress(event)
        if isinstance(event, ShardGivenUp) and event.ends_run:
            raise StorageError(event.failure.error)
        share = self._config.runtime.failed_share
        if self._groups >= FEWEST_GROUPS and self._failed > share * self._groups:
            raise RunStopped(
                f"{self._failed} of {self._groups} groups failed, more than runtime.failed_share ({share:g}) allows"
            )

    def _count(self, groups: int, failed: int) -> None:
        self._groups += groups
        self._failed += failed


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


def _left_out(store: Store, wanted: Sequence[int]) -> dict[int, int]:
    """Number of groups left out of each shard that is complete; markers are read several at a time."""
    names = set(store.list_names("*.json"))

    def count(shard: int) -> int | None:
        marker = committed(shard_file(store, shard))
        return None if marker is None else len(marker.failures)

    marked = [shard for shard in wanted if marker_name(tar_name(shard)) in names]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        counts = zip(marked, threads.map(count, marked), strict=True)
        return {shard: groups for shard, groups in counts if groups is not None}


def _keep(store: Store, failure: ShardFailure) -> ShardFailure:
    """Write the failure beside its shard; if it cannot be written, add that to its text."""
    try:
        write_shard_failure(shard_file(store, failure.shard), failure)
    except ShardError as error:
        return dataclasses.replace(failure, error=f"{failure.error} (and this is not recorded: {error})")
    return failure
