# SPDX-License-Identifier: Apache-2.0
"""Planned groups -> their samples, by Blender processes that are replaced after a failure; what failed, and where."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from multishade.assets.verify import verify_rows
from multishade.config import Config
from multishade.errors import (
    AssetError,
    BlenderCrashed,
    BlenderError,
    BlenderTimeout,
    MultiShadeError,
    RenderDeviceMissing,
)
from multishade.protocol.messages import Geometry, Load
from multishade.protocol.scene import Group, ObjectSource
from multishade.render.assemble import build_sample, middle_exposure
from multishade.render.blender import BlenderProcess, render_views
from multishade.render.blender.confined import AssetFiles
from multishade.render.copies import forget_old_copies, with_own_environments
from multishade.render.failures import GroupFailure, ShardFailed, kind_of
from multishade.render.plan import PlannedGroup
from multishade.render.relight import visibility
from multishade.render.scenes import scene_group
from multishade.render.settings import render_settings
from multishade.render.stopwatch import Stopwatch
from multishade.shards.sample import Sample
from multishade.threads import processor
from multishade.version import __version__


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
        and not because of their assets: files that cannot be used, or that end Blender each time while a built-in
        object can be rendered.
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
            forget_old_copies(blender.folder)
            request = scene_group(group, blender.folder, self._config, blender.copy)
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
        if self._is_at_fault(group, error, attempts):
            return []
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

    def _is_at_fault(self, group: PlannedGroup, error: MultiShadeError, attempts: int) -> bool:
        """Whether a group's files end Blender each time, and not the machine: a built-in object renders after it."""
        ended = isinstance(error, BlenderCrashed | BlenderTimeout) and attempts > 1
        if not ended or not (
            group.object.in_files or (group.material is not None and group.material.in_files)
        ):
            return False
        view = dataclasses.replace(group.views[0], lights=(), basis=())
        control = Group("control", ObjectSource("monkey"), {"source": "own"}, (view,))
        try:
            blender = self.blender()
            blender.request(Load(control, self.settings))
            blender.request(Geometry(view.key, str(blender.folder / "control.exr")))
        except BlenderError:
            self.close()
            return False
        return True


def verify(group: PlannedGroup) -> None:
    """Check that the files of a group's assets exist and are unchanged. Raises AssetError."""
    materials = [group.material] if group.material else []
    used = {light.environment for view in group.views for light in view.lights}
    environments = [row for row in group.environments if row.source == "file" and str(row.path) in used]
    verify_rows((group.object, *materials, *environments))
