# SPDX-License-Identifier: Apache-2.0
"""A group and a running child -> the arrays of each of its views.

All views' geometry is rendered first (the object in clay), then all images (in its material): the object changes
clothes twice, not twice per view.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import AssetError, RenderFailed
from multishade.geometry.boxes import Box, bounding_box
from multishade.protocol.scene import Group, RenderSettings, View, to_json
from multishade.render.blender.convergence import Convergence, Goal, Part, converge
from multishade.render.blender.passes import camera_normals, hit_mask, read_passes
from multishade.render.blender.process import BlenderChild

Array = NDArray[np.float32]
Expose = Callable[[Array], float]  # (N, 3) linear pixels of the object -> the factor they will be shown with
STAGES = {"image": "images", "photometric": "sequence", "basis": "sequence", "pilots": "pilots"}
STREAMS = ("image", "photometric", "basis")  # of Cycles' noise; append only: the place decides the seed
PILOTS = 8  # at most so many frames of a sequence are looked at to learn its exposure
CROP_MARGIN = 4  # pixels; more than the pixel filter's reach, so that no edge pixel is lost


@dataclasses.dataclass(frozen=True)
class RenderedView:
    """What Cycles computed for one view; float32, linear, unexposed."""

    view: View
    mask: NDArray[np.bool_]  # (H, W)
    normal: Array  # (H, W, 3), camera frame, 0 off the mask
    normal_geometry: Array  # (H, W, 3), likewise, without bump
    depth: Array  # (H, W), along the camera's z axis, +inf off the mask
    alpha: Array  # (H, W), coverage
    images: dict[str, Array]  # field -> (H, W, 3), background 0, premultiplied
    sequence: Array | None  # (K, H, W) for mode cast, (K, H, W, 3) for photometric
    basis: Array | None = None  # (M, H, W, 3), one light of the basis each
    converged: dict[str, Convergence] = dataclasses.field(default_factory=dict)  # field -> where it ended


@dataclasses.dataclass(frozen=True)
class RenderedImage:
    """rgba: (H, W, 4), linear, unexposed, premultiplied; converged: where a quality is asked for."""

    rgba: Array
    converged: Convergence | None


@dataclasses.dataclass
class Stopwatch:
    """Seconds by stage, summed over a shard."""

    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def render_views(
    child: BlenderChild,
    group: Group,
    settings: RenderSettings,
    watch: Stopwatch,
    expose: Expose | None = None,
) -> Iterator[RenderedView]:
    """Load the group and yield its views in order. Raises AssetError, BlenderError.

    With `expose`, noise is judged as it will be seen: by the image's first parts where a quality is asked for, by a
    quick small pilot for adaptive sampling.
    """
    loaded = child.ask({"do": "load", "group": to_json(group), "settings": to_json(settings)})
    watch.add("import", loaded["import_seconds"])
    watch.add("material", loaded["material_seconds"])
    session = Session(child, settings, watch, expose)
    geometry = [session.geometry(view) for view in group.views]
    for view, buffers in zip(group.views, geometry, strict=True):
        yield session.complete(view, buffers)


class Session:
    """The requests of one group's views, and where their files go."""

    def __init__(
        self, child: BlenderChild, settings: RenderSettings, watch: Stopwatch, expose: Expose | None = None
    ) -> None:
        self._child, self._settings, self._watch = child, settings, watch
        self._expose = expose

    def geometry(self, view: View) -> dict[str, Any]:
        passes = self._render("geometry", {"do": "geometry", "view": view.key})
        mask = hit_mask(passes["Depth"])
        if not mask.any():
            raise AssetError(
                f"{view.key}: no pixel's centre hits the object: it is thinner than a pixel, or all holes"
            )
        buffers = {
            "mask": mask,
            "normal": camera_normals(passes["Normal"], mask, view.camera),
            "normal_geometry": camera_normals(passes["normal_geometry"], mask, view.camera),
            "depth": np.where(mask, passes["Depth"], np.float32(np.inf)),
            "sequence": None,
        }
        if view.sequence.mode == "cast":
            frames = [
                self._render("sequence", {"do": "cast", "view": view.key, "number": number})["Combined"][
                    ..., 0
                ]
                for number in range(len(view.sequence.directions))
            ]
            buffers["sequence"] = np.where(mask, np.stack(frames), np.float32(0))
        return buffers

    def complete(self, view: View, buffers: dict[str, Any]) -> RenderedView:
        mask = buffers["mask"]
        box = bounding_box(mask, CROP_MARGIN) if self._settings.crop else None
        images: dict[str, Array] = {}
        alphas: dict[str, Array] = {}
        converged: dict[str, Convergence] = {}
        for number, light in enumerate(view.lights):
            image = self.image(view, "image", number, box, mask.shape)
            images[light.field], alphas[light.kind] = image.rgba[..., :3], image.rgba[..., 3]
            converged |= _worst(light.field, [image])
        sequence = buffers["sequence"]
        if view.sequence.mode == "photometric":
            frames = self._frames(view, "photometric", len(view.sequence.directions), box, mask.shape)
            sequence = np.stack([frame.rgba[..., :3] for frame in frames])
            alphas["shading"] = np.mean([frame.rgba[..., 3] for frame in frames], axis=0)
            converged |= _worst("shading", frames)
        basis = None
        if view.basis:
            frames = self._frames(view, "basis", len(view.basis), box, mask.shape)
            basis = np.stack([frame.rgba[..., :3] for frame in frames])
            if not alphas:  # else a view is covered alike with a basis and without
                alphas["basis"] = np.mean([frame.rgba[..., 3] for frame in frames], axis=0)
            converged |= _worst("light_basis", frames)
        # Coverage is the same under every light; the image with the most paths knows it best.
        alphas = alphas or {"shading": mask.astype(np.float32)}
        best = max(alphas, key=lambda kind: self._settings.samples[kind])
        return RenderedView(
            view=view,
            mask=mask,
            normal=buffers["normal"],
            normal_geometry=buffers["normal_geometry"],
            depth=buffers["depth"],
            alpha=np.clip(alphas[best], 0, 1),
            images=images,
            sequence=sequence,
            basis=basis,
            converged=converged,
        )

    def _frames(
        self, view: View, kind: str, count: int, box: Box | None, shape: tuple[int, ...]
    ) -> list[RenderedImage]:
        """All frames of a sequence, which share one exposure."""
        exposure = self._exposure(view, kind, list(range(0, count, -(-count // PILOTS))), box)
        return [self.image(view, kind, number, box, shape, exposure) for number in range(count)]

    def image(
        self,
        view: View,
        kind: str,
        number: int,
        box: Box | None,
        shape: tuple[int, ...],
        exposure: float | None = None,
    ) -> RenderedImage:
        """One image, unexposed, pasted into the whole frame. exposure: what noise is judged at; else it is found."""
        converged = None
        if self._settings.psnr is None:
            if exposure is None:
                exposure = self._exposure(view, kind, [number], box)
            request = _request(view, kind, number, box)
            rgba = self._passes(view, kind, {**request, "exposure": exposure})["Combined"]
            rgba[..., :3] /= np.float32(exposure)  # a power of two: nothing is rounded
        else:
            most = self._settings.samples[_samples_of(view, kind, number)]
            goal = Goal(self._settings.psnr, self._settings.first_samples, most)

            def part(samples: int, place: int) -> Part:
                request = _request(view, kind, number, box, place)
                passes = self._passes(view, kind, {**request, "samples": samples})
                raw = passes["Noisy Image"][..., :3] if self._settings.denoise else None
                return Part(samples, passes["Combined"], raw)

            rgba, converged = converge(part, goal, lambda pixels: exposure or self._shown(pixels))
        if box is None:
            return RenderedImage(rgba, converged)
        left, top, right, bottom = box
        frame = np.zeros((*shape, 4), dtype=np.float32)
        if rgba.shape[:2] != (bottom - top, right - left):
            raise RenderFailed(
                f"{view.key}: asked Cycles for the box {tuple(box)}, got {rgba.shape[1]} x {rgba.shape[0]} pixels"
            )
        frame[top:bottom, left:right] = rgba
        return RenderedImage(frame, converged)

    def _shown(self, pixels: Array) -> float:
        """The exposure that (N, 3) pixels will be given; 1 where nobody says."""
        return self._expose(pixels) if self._expose is not None else 1.0

    def _exposure(self, view: View, kind: str, numbers: list[int], box: Box | None) -> float:
        """The power of two nearest to the exposure that these images will be given; 1 where nothing depends on it."""
        judged = self._settings.psnr is not None or self._settings.adaptive_threshold > 0
        if self._expose is None or not judged:
            return 1.0
        pixels = []
        for number in numbers:
            request = _request(view, kind, number, box)
            rgba = self._passes(view, "pilots", {**request, "pilot": True})["Combined"]
            solid = rgba[..., 3] > 0.5
            pixels.append(rgba[solid, :3] / rgba[solid, 3:])
        seen = np.concatenate(pixels)
        return float(2.0 ** round(math.log2(self._expose(seen)))) if len(seen) else 1.0

    def _passes(self, view: View, kind: str, request: dict[str, Any]) -> dict[str, Array]:
        """Of one render call that makes an image."""
        passes = self._render(STAGES[kind], request)
        if not np.isfinite(passes["Combined"]).all():
            raise RenderFailed(f"{view.key}: Cycles computed values that are not finite", self._child.output)
        return passes

    def _render(self, stage: str, request: dict[str, Any]) -> dict[str, Array]:
        path = self._child.folder / "render.exr"
        path.unlink(missing_ok=True)
        started = time.perf_counter()
        answer = self._child.ask({**request, "path": str(path)})
        answered = time.perf_counter()
        passes = read_passes(path)
        self._watch.add(stage, answer["seconds"])
        self._watch.add("request", answered - started - answer["seconds"])
        self._watch.add("read", time.perf_counter() - answered)
        return passes


def _request(view: View, kind: str, number: int, box: Box | None, part: int = 0) -> dict[str, Any]:
    place = (STREAMS.index(kind), number, *([part] if part else []))
    seed = int(np.random.SeedSequence(view.seed, spawn_key=place).generate_state(1)[0])
    return {"do": kind, "view": view.key, "number": number, "box": box, "seed": seed >> 1}


def _samples_of(view: View, kind: str, number: int) -> str:
    """The name under which the settings have an image's samples."""
    if kind == "image":
        return view.lights[number].kind
    return "shading" if kind == "photometric" else kind


def _worst(field: str, images: list[RenderedImage]) -> dict[str, Convergence]:
    """field -> the least quality and the most samples among the images; nothing where no quality is asked for."""
    found = [image.converged for image in images if image.converged is not None]
    if not found:
        return {}
    most = max(found, key=lambda image: image.samples)
    return {field: dataclasses.replace(most, psnr=min(image.psnr for image in found))}
