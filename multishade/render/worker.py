# SPDX-License-Identifier: Apache-2.0
"""One shard of a plan -> one tar and its marker: groups through Blender, views into samples, samples into the tar."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from multishade.assets.verify import verify_rows
from multishade.config import Config
from multishade.errors import AssetError, BlenderError, MultiShadeError, RenderDeviceMissing
from multishade.render.assemble import build_sample, field_format, middle_exposure
from multishade.render.blender import BlenderProcess, render_views
from multishade.render.blender.confined import AssetFiles
from multishade.render.copies import with_own_environments
from multishade.render.failures import FailureKind, GroupFailure, ShardFailed, kind_of, remove_shard_failure
from multishade.render.plan import Plan, PlannedGroup
from multishade.render.relight import visibility
from multishade.render.scenes import scene_group
from multishade.render.settings import render_settings
from multishade.render.staging import StagedGroup, Staging, remove_staging
from multishade.render.stopwatch import Stopwatch
from multishade.shards.layout import shard_file
from multishade.shards.marker import commit_marker
from multishade.shards.sample import Sample, encode_sample
from multishade.shards.tar import Entry, write_tar
from multishade.storage.store import Store
from multishade.threads import processor
from multishade.version import __version__


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
        file.remove_partials()
        groups = _Groups(plan, shard, renderer, Staging(plan, file))
        digest = write_tar(file, groups.files(progress))
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

    def __init__(self, plan: Plan, shard: int, renderer: "GroupRenderer", staging: Staging) -> None:
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


class GroupRenderer:
    """Renders groups, one after another, in a Blender process that is replaced after a failure or many groups."""

    def __init__(self, config: Config, threads: int, watch: Stopwatch) -> None:
        self._config, self.watch = config, watch
        self.settings = render_settings(config, threads)
        self._blender: BlenderProcess | None = None
        self._expected = AssetFiles()
        self._served = 0
        self._in_a_row = 0
        self.failures: list[GroupFailure] = []
        self._step = ""  # what is done besides Blender's requests
        self.made_by: dict[str, str] = {"multishade": __version__, "processor": processor()}
        self._cpu_of_ended = 0.0

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all Blender processes so far."""
        return self._cpu_of_ended + (self._blender.cpu_seconds() if self._blender is not None else 0.0)

    def __enter__(self) -> "GroupRenderer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def expect(self, assets: AssetFiles) -> None:
        """Let Blender processes that start from now on read these files; any other costs a new process."""
        self._expected = assets

    def samples(self, group: PlannedGroup) -> list[Sample]:
        """Render all samples of a group; none, and a failure recorded, if it cannot be rendered.

        Raises ShardFailed if the render device is missing, or `runtime.consecutive_failures` groups in a row failed,
        and not because of their assets.
        """
        attempts = self._config.runtime.attempts
        for attempt in range(1, attempts + 1):
            try:
                samples = self.render(group)
            except AssetError as error:
                # The file is at fault: another attempt would end the same way.
                return self._fail(group, error, attempt, self._phase)
            except RenderDeviceMissing as error:
                # No group of this machine would end otherwise.
                raise ShardFailed(
                    f"shard {group.shard}: {error}", kind_of(error), tuple(self.failures)
                ) from error
            except BlenderError as error:
                phase = self._phase
                self.close()
                if attempt == attempts:
                    return self._fail(group, error, attempt, phase)
            else:
                self.succeeded()
                return samples
        raise AssertionError("unreachable: the last attempt returns")

    def succeeded(self) -> None:
        """Note that a group was finished, here or by an interrupted run."""
        self._in_a_row = 0

    def render(self, group: PlannedGroup) -> list[Sample]:
        """Render all samples of a group in one attempt. Raises AssetError, BlenderError."""
        self._step = "verify"
        with self.watch.timed("object"):
            verify(group)
        self._step = "start"
        blender = self.blender(group)
        self._step = "scene"
        with self.watch.timed("object"):
            request = scene_group(group, blender.folder, self._config)
        self._step = ""
        self._served += 1
        samples = []
        wanted = visibility(self._config)
        views = render_views(blender, request, self.settings, self.watch, self._expose, wanted)
        for planned, rendered in zip(group.views, views, strict=True):
            rendered = dataclasses.replace(rendered, view=with_own_environments(rendered.view, planned))
            with self.watch.timed("assemble"):
                samples.append(build_sample(rendered, group, self._config, blender.info))
        return samples

    @property
    def _phase(self) -> str:
        """What is being done with a group."""
        return self._step or (self._blender.last_request if self._blender is not None else "")

    def _expose(self, pixels: NDArray[np.float32]) -> float:
        return middle_exposure(pixels, self._config.exposure)

    def blender(self, group: PlannedGroup | None = None) -> BlenderProcess:
        """The running Blender.

        It is a new one if there is none, if it has rendered `runtime.groups_per_child` groups, or if it may not read
        the files of `group`.
        """
        needed = AssetFiles([group] if group else [])
        if self._served >= self._config.runtime.groups_per_child:
            self.close()
        if self._blender is not None and not self._blender.assets.covers(needed):
            self.close()
        if self._blender is None:
            with self.watch.timed("start"):
                self._blender = BlenderProcess(
                    self._config.render.device,
                    self._config.runtime,
                    self.settings.threads,
                    self._expected if self._expected.covers(needed) else needed,
                )
            self._served = 0
            self.made_by |= {"blender": self._blender.info.blender, "device": self._blender.info.device}
        return self._blender

    def close(self) -> None:
        """End the running Blender, if there is one; the next group starts another."""
        if self._blender is not None:
            self._cpu_of_ended += self._blender.cpu_seconds()
            self._blender.close()
            self._blender = None

    def interrupt(self) -> None:
        """End the running Blender from another thread: the group in progress fails with BlenderCrashed."""
        blender = self._blender
        if blender is not None:
            blender.kill()

    def _fail(self, group: PlannedGroup, error: MultiShadeError, attempts: int, phase: str) -> list[Sample]:
        self.failures.append(
            GroupFailure(
                group=group.key,
                object=group.object.id,
                material=group.material.id if group.material else "own",
                kind=kind_of(error),
                error=str(error),
                attempts=attempts,
                output=error.output if isinstance(error, BlenderError) else (),
                phase=phase,
                signal=error.signal if isinstance(error, BlenderError) else "",
            )
        )
        self._in_a_row += 1
        limit = self._config.runtime.consecutive_failures
        if self._in_a_row >= limit and not isinstance(error, AssetError):
            raise ShardFailed(
                f"shard {group.shard}: {self._in_a_row} groups in a row failed (runtime.consecutive_failures), "
                f"the last with: {error}",
                kind_of(error),
                tuple(self.failures),
            ) from error
        return []


def verify(group: PlannedGroup) -> None:
    """Check that the files of a group's assets exist and are unchanged. Raises AssetError."""
    materials = [group.material] if group.material else []
    used = {light.environment for view in group.views for light in view.lights}
    environments = [row for row in group.environments if row.source == "file" and str(row.path) in used]
    verify_rows((group.object, *materials, *environments))
