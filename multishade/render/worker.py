# SPDX-License-Identifier: Apache-2.0
"""One shard of a plan -> one tar and its marker: groups, taken from what is staged or rendered, into the tar."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

from multishade.render.assemble import field_format
from multishade.render.blender.confined import AssetFiles
from multishade.render.failures import FailureKind, GroupFailure, ShardFailed, remove_shard_failure
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import Plan, PlannedGroup
from multishade.render.staging import StagedGroup, Staging, remove_staging
from multishade.render.stopwatch import Stopwatch
from multishade.shards.layout import shard_file
from multishade.shards.marker import commit_marker
from multishade.shards.sample import encode_sample
from multishade.shards.tar import Entry, write_tar
from multishade.storage.store import Store


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """A shard that was committed: its number, its samples, the groups left out, and seconds by stage.

    resumed: Groups that an interrupted run had finished, and that were not rendered again.
    """

    shard: int
    samples: int
    failures: tuple[GroupFailure, ...]
    seconds: dict[str, float]
    resumed: int = 0


def render_shard(
    plan: Plan, shard: int, store: Store, threads: int, progress: Callable[[str], None]
) -> ShardReport:
    """Render and commit one shard.

    A group that fails is left out and recorded in the marker.

    Args:
        plan: The data set.
        shard: The shard's number.
        store: Where the tar and its marker are written.
        threads: Threads of Blender.
        progress: Called with the key of each finished sample.

    Returns:
        What was committed.

    Raises:
        ShardFailed: If all groups fail, or `runtime.consecutive_failures` in a row fail for another reason than their
            assets. Nothing is committed then.
        ShardError: If the shard cannot be written.
    """
    watch = Stopwatch()
    file = shard_file(store, shard)
    with GroupRenderer(plan.config, threads, watch) as renderer:
        groups = _Groups(plan, shard, renderer, Staging(plan, file))
        digest = write_tar(file, groups.files(progress), take_up=True)
        groups.add_time()
        failures = tuple(renderer.failures)
        commit_marker(
            file,
            digest,
            timings={stage: round(seconds, 4) for stage, seconds in watch.seconds.items()},
            failures=[dataclasses.asdict(failure) for failure in failures],
            resumed=groups.resumed,
            made_by=renderer.made_by,
        )
        remove_shard_failure(file)
        remove_staging(file)
    return ShardReport(shard, digest.samples, failures, watch.seconds, groups.resumed)


class _Groups:
    """The groups of one shard in order: taken from what is staged, else rendered and staged."""

    def __init__(self, plan: Plan, shard: int, renderer: GroupRenderer, staging: Staging) -> None:
        self._plan, self._shard, self._renderer, self._staging = plan, shard, renderer, staging
        self._watch, self._format = renderer.watch, field_format(plan.config)
        self._clock, self._cpu = time.perf_counter(), time.process_time() + renderer.cpu_seconds
        self.resumed = 0

    def files(self, progress: Callable[[str], None]) -> Iterator[Entry]:
        """The files of every sample."""
        last = self._plan.config.shards.groups - 1
        groups = self._plan.groups(self._shard)
        self._renderer.expect(AssetFiles(groups))
        for group in groups:
            staged = self._staging.read(group)
            if staged is None:
                entries = self._render(group, stage=group.number < last)
            else:
                entries = staged.entries
                self.resumed += 1
                self._renderer.succeeded()
                for name, seconds in staged.seconds.items():
                    self._watch.add(name, seconds)
            for key, files in entries:
                with self._watch.timed("write"):
                    yield key, files
                progress(key)
        failures = self._renderer.failures
        if len(failures) == self._plan.config.shards.groups:
            kinds = {failure.kind for failure in failures}
            kind = kinds.pop() if len(kinds) == 1 else FailureKind.RENDER
            raise ShardFailed(f"shard {self._shard}: every group failed", kind, tuple(failures))

    def _render(self, group: PlannedGroup, stage: bool) -> Sequence[Entry]:
        """Render a group, and stage it; the last one would be staged for nothing."""
        self.add_time()
        before = dict(self._watch.seconds)
        samples = self._renderer.samples(group)
        with self._watch.timed("encode"):
            entries = [(sample.key, encode_sample(sample, self._format)) for sample in samples]
        self.add_time()
        if entries and stage:
            spent = {name: total - before.get(name, 0.0) for name, total in self._watch.seconds.items()}
            with self._watch.timed("stage"):
                self._staging.write(group, StagedGroup(entries, spent))
        return entries

    def add_time(self) -> None:
        """Add the time since the last call to the stages "total" (seconds) and "cpu" (CPU seconds)."""
        clock, cpu = time.perf_counter(), time.process_time() + self._renderer.cpu_seconds
        self._watch.add("total", clock - self._clock)
        self._watch.add("cpu", cpu - self._cpu)
        self._clock, self._cpu = clock, cpu
