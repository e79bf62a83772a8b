# SPDX-License-Identifier: Apache-2.0
"""One shard of a plan -> one tar and its marker: groups through Blender, views into samples, samples into the tar."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.assets.schema import family_and_seed
from multishade.assets.verify import verify_rows
from multishade.config import Config
from multishade.errors import AssetError, BlenderError, MultiShadeError, ShardError
from multishade.procedural import objects
from multishade.protocol import scene
from multishade.render.assemble import assemble, field_format, usual_exposure
from multishade.render.blender import BlenderChild, render_views
from multishade.render.blender.session import Stopwatch
from multishade.render.plan import Plan, PlannedGroup
from multishade.shards.sample import Sample, encode_sample
from multishade.shards.tar import commit_marker, write_shard
from multishade.storage.local import remove_partials


@dataclasses.dataclass(frozen=True)
class GroupFailure:
    """A group that is not in its shard, and why. `output`: the last lines that Blender printed."""

    group: str
    object: str
    material: str
    error: str
    attempts: int
    output: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ShardReport:
    shard: int
    samples: int
    failures: tuple[GroupFailure, ...]
    seconds: dict[str, float]


class ShardFailed(ShardError):
    """A shard that cannot be completed, with what failed in it."""

    def __init__(self, message: str, failures: tuple[GroupFailure, ...]) -> None:
        super().__init__(message)
        self.failures = failures

    def __reduce__(self) -> tuple[type, tuple[str, tuple[GroupFailure, ...]]]:
        return type(self), (str(self), self.failures)  # Ray sends it from worker to driver


def shard_path(folder: Path, shard: int) -> Path:
    return folder / f"multishade-{shard:06d}.tar"


def render_shard(
    plan: Plan, shard: int, folder: Path, threads: int, progress: Callable[[str], None]
) -> ShardReport:
    """Render and commit one shard. `progress` is called with the key of each finished sample.

    A group that fails is left out and recorded in the marker. Raises ShardFailed when so many fail in a row that the
    cause is not the assets, or when nothing is left; then nothing is committed.
    """
    watch, started = Stopwatch(), time.perf_counter()
    with GroupRenderer(plan.config, threads, watch) as renderer:
        path = shard_path(folder, shard)
        remove_partials(path)
        digest = write_shard(path, _files(plan, shard, renderer, watch, progress))
        total = time.perf_counter() - started
        watch.add("total", total)
        failures = tuple(renderer.failures)
        commit_marker(
            path,
            digest,
            timings={stage: round(seconds, 4) for stage, seconds in watch.seconds.items()},
            failures=[dataclasses.asdict(failure) for failure in failures],
        )
    return ShardReport(shard, digest.samples, failures, watch.seconds)


def _files(
    plan: Plan, shard: int, renderer: "GroupRenderer", watch: Stopwatch, progress: Callable[[str], None]
) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The files of every sample of a shard, in order."""
    format = field_format(plan.config)
    for group in plan.groups(shard):
        for sample in renderer.samples(group):
            with timed(watch, "encode"):
                files = encode_sample(sample, format)
            with timed(watch, "write"):
                yield sample.key, files
            progress(sample.key)
    if len(renderer.failures) == plan.config.shards.groups:
        raise ShardFailed(f"shard {shard}: every group failed", tuple(renderer.failures))


class GroupRenderer:
    """Renders groups, one after another, in a Blender child that is replaced when it is old or in doubt."""

    def __init__(self, config: Config, threads: int, watch: Stopwatch) -> None:
        self._config, self._watch = config, watch
        self.settings = render_settings(config, threads)
        self._child: BlenderChild | None = None
        self._served = 0
        self._in_a_row = 0
        self.failures: list[GroupFailure] = []

    def __enter__(self) -> "GroupRenderer":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop_child()

    def samples(self, group: PlannedGroup) -> list[Sample]:
        """All samples of a group, or none (and a failure recorded) if it cannot be rendered."""
        attempts = self._config.runtime.attempts
        for attempt in range(1, attempts + 1):
            try:
                samples = self.render(group)
            except AssetError as error:
                # The file is at fault: another try would end the same way.
                return self._fail(group, error, attempt)
            except BlenderError as error:
                self.drop_child()
                if attempt == attempts:
                    return self._fail(group, error, attempt)
            else:
                self._in_a_row = 0
                return samples
        raise AssertionError("unreachable: the last attempt returns")

    def render(self, group: PlannedGroup) -> list[Sample]:
        """All samples of a group. Raises AssetError, BlenderError."""
        with timed(self._watch, "object"):
            verify(group)
        child = self.child()
        with timed(self._watch, "object"):
            source = object_source(group, child.folder, self._config)
        request = scene.Group(group.key, source, group.material_spec, group.views)
        self._served += 1
        samples = []
        for rendered in render_views(child, request, self.settings, self._watch, self._expose):
            with timed(self._watch, "assemble"):
                samples.append(assemble(rendered, group, self._config, child.facts))
        return samples

    def _expose(self, pixels: NDArray[np.float32]) -> float:
        return usual_exposure(pixels, self._config.exposure)

    def child(self) -> BlenderChild:
        """The running child; a new one where there is none, or where the present one has served long enough."""
        if self._served >= self._config.runtime.groups_per_child:
            self.drop_child()
        if self._child is None:
            with timed(self._watch, "start"):
                self._child = BlenderChild(
                    self._config.render.device, self._config.runtime, self.settings.threads
                )
            self._served = 0
        return self._child

    def drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _fail(self, group: PlannedGroup, error: MultiShadeError, attempts: int) -> list[Sample]:
        self.failures.append(
            GroupFailure(
                group=group.key,
                object=group.object.id,
                material=group.material.id if group.material else "own",
                error=str(error),
                attempts=attempts,
                output=error.output if isinstance(error, BlenderError) else (),
            )
        )
        self._in_a_row += 1
        limit = self._config.runtime.consecutive_failures
        if self._in_a_row >= limit and not isinstance(error, AssetError):
            raise ShardFailed(
                f"shard {group.shard}: {self._in_a_row} groups in a row failed (runtime.consecutive_failures), "
                f"the last with: {error}",
                tuple(self.failures),
            ) from error
        return []


def verify(group: PlannedGroup) -> None:
    """Check that the files of a group's assets exist and are unchanged. Raises AssetError."""
    materials = [group.material] if group.material else []
    used = {light.environment for view in group.views for light in view.lights}
    environments = [row for row in group.environments if row.source == "file" and str(row.path) in used]
    verify_rows((group.object, *materials, *environments))


def object_source(group: PlannedGroup, folder: Path, config: Config) -> scene.ObjectSource:
    """Where Blender finds the group's mesh; built-in ones are built here and laid into `folder`."""
    row, max_faces = group.object, config.objects.max_faces
    if row.source == "blender":
        return scene.ObjectSource("monkey", rotation=group.rotation, max_faces=max_faces)
    if row.source == "file":
        return scene.ObjectSource("file", str(row.path), group.rotation, max_faces)
    mesh = objects.build(*family_and_seed(row.location))
    path = folder / "object.npz"
    arrays: dict[str, Any] = {
        "vertices": mesh.vertices,
        "faces": mesh.faces,
        "crease_degrees": mesh.crease_degrees,
    }
    np.savez(path, **arrays, **({} if mesh.uv is None else {"uv": mesh.uv}))
    return scene.ObjectSource("arrays", str(path), group.rotation, max_faces)


def render_settings(config: Config, threads: int) -> scene.RenderSettings:
    render = config.render
    return scene.RenderSettings(
        device=render.device,
        threads=threads,
        samples=render.samples.model_dump(),
        denoise=render.denoise.enabled,
        denoise_quality=render.denoise.quality,
        denoise_prefilter=render.denoise.prefilter,
        denoise_guides=render.denoise.guides,
        max_bounces=render.max_bounces,
        diffuse_bounces=render.diffuse_bounces,
        glossy_bounces=render.glossy_bounces,
        transmission_bounces=render.transmission_bounces,
        clamp_indirect=render.clamp_indirect,
        filter_width=render.filter_width,
        light_tree=render.light_tree,
        psnr=render.quality.psnr,
        first_samples=render.quality.first,
        adaptive_threshold=render.adaptive.threshold,
        adaptive_min_samples=render.adaptive.min_samples,
        importance_map=render.importance_map,
        crop=render.crop,
        max_texture=config.materials.max_texture,
    )


@contextlib.contextmanager
def timed(watch: Stopwatch, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        watch.add(stage, time.perf_counter() - started)
