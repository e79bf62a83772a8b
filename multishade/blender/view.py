# SPDX-License-Identifier: Apache-2.0
"""A group and a running child -> the arrays of each of its views.

All views' geometry is rendered first (the object in clay), then all images (in its material): the object changes
clothes twice, not twice per view.
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.blender.buffers import bounding_box, camera_normals, hit_mask, read_passes
from multishade.blender.child import BlenderChild
from multishade.errors import AssetError, RenderFailed
from multishade.scene import Group, RenderSettings, View, to_json

Array = NDArray[np.float32]
STREAMS = ("image", "photometric", "basis")  # of Cycles' noise; append only: the place decides the seed
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


@dataclasses.dataclass
class Stopwatch:
    """Seconds by stage, summed over a shard."""

    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def render_views(
    child: BlenderChild, group: Group, settings: RenderSettings, watch: Stopwatch
) -> Iterator[RenderedView]:
    """Load the group and yield its views in order. Raises AssetError, BlenderError."""
    loaded = child.ask({"do": "load", "group": to_json(group), "settings": to_json(settings)})
    watch.add("import", loaded["import_seconds"])
    watch.add("material", loaded["material_seconds"])
    session = _Session(child, settings, watch)
    geometry = [session.geometry(view) for view in group.views]
    for view, buffers in zip(group.views, geometry, strict=True):
        yield session.complete(view, buffers)


class _Session:
    """The requests of one group's views, and where their files go."""

    def __init__(self, child: BlenderChild, settings: RenderSettings, watch: Stopwatch) -> None:
        self._child, self._settings, self._watch = child, settings, watch

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
        for number, light in enumerate(view.lights):
            rgba = self._image(view, "image", number, box, mask.shape)
            images[light.field] = rgba[..., :3]
            alphas[light.kind] = rgba[..., 3]
        sequence = buffers["sequence"]
        if view.sequence.mode == "photometric":
            frames = [
                self._image(view, "photometric", number, box, mask.shape)
                for number in range(len(view.sequence.directions))
            ]
            sequence = np.stack([frame[..., :3] for frame in frames])
            alphas["shading"] = np.mean([frame[..., 3] for frame in frames], axis=0)
        basis = None
        if view.basis:
            frames = [
                self._image(view, "basis", number, box, mask.shape) for number in range(len(view.basis))
            ]
            basis = np.stack([frame[..., :3] for frame in frames])
            if not alphas:  # else a view is covered alike with a basis and without
                alphas["basis"] = np.mean([frame[..., 3] for frame in frames], axis=0)
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
        )

    def _image(
        self,
        view: View,
        kind: str,
        number: int,
        box: tuple[int, int, int, int] | None,
        shape: tuple[int, ...],
    ) -> Array:
        """(H, W, 4) of one image, pasted into the whole frame."""
        place = (STREAMS.index(kind), number)
        seed = int(np.random.SeedSequence(view.seed, spawn_key=place).generate_state(1)[0])
        request = {"do": kind, "view": view.key, "number": number, "box": box, "seed": seed >> 1}
        rgba = self._render("images" if kind == "image" else "sequence", request)["Combined"]
        if not np.isfinite(rgba).all():
            raise RenderFailed(f"{view.key}: Cycles computed values that are not finite", self._child.output)
        if box is None:
            return rgba
        left, top, right, bottom = box
        frame = np.zeros((*shape, 4), dtype=np.float32)
        if rgba.shape[:2] != (bottom - top, right - left):
            raise RenderFailed(
                f"{view.key}: asked Cycles for the box {box}, got {rgba.shape[1]} x {rgba.shape[0]} pixels"
            )
        frame[top:bottom, left:right] = rgba
        return frame

    def _render(self, stage: str, request: dict[str, Any]) -> dict[str, Array]:
        path = self._child.folder / "render.exr"
        path.unlink(missing_ok=True)
        started = time.perf_counter()
        answer = self._child.ask({**request, "path": str(path)})
        answered = time.perf_counter()
        passes = read_passes(Path(path))
        self._watch.add(stage, answer["seconds"])
        self._watch.add("request", answered - started - answer["seconds"])
        self._watch.add("read", time.perf_counter() - answered)
        return passes
