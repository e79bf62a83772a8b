# SPDX-License-Identifier: Apache-2.0
"""A Blender process with one item of the panel loaded: its mask and its images."""

import dataclasses
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.rendering.panel import Item, config, planned
from multishade.geometry.boxes import Box, bounding_box
from multishade.protocol import messages, scene
from multishade.render.assemble import middle_exposure
from multishade.render.blender import BlenderProcess
from multishade.render.blender.passes import hit_mask, read_passes
from multishade.render.blender.session import CROP_MARGIN, Session
from multishade.render.scenes import scene_group
from multishade.render.settings import render_settings
from multishade.render.stopwatch import Stopwatch

Image = NDArray[np.float32]


class Bench:
    """Renders items of the panel, one at a time."""

    def __init__(self, threads: int = 1, overrides: list[str] | None = None) -> None:
        self.config = config(overrides)
        self.settings = render_settings(self.config, threads)
        self.pilots = True  # adaptive sampling judges noise as it is exposed
        self.blender = BlenderProcess("cpu", self.config.runtime, threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.blender.close()

    def load(self, item: Item, **changes: Any) -> scene.View:
        """Load the item with the recipe's settings, apart from `changes`; returns its view."""
        settings = dataclasses.replace(self.settings, **changes)
        folder = self.blender.folder
        group = scene_group(planned(item, self.config, folder), folder, self.config)
        self.blender.request(messages.Load(group, settings))
        (view,) = group.views
        self.shape = (view.camera.height, view.camera.width)
        self._session = Session(self.blender, settings, Stopwatch(), self._expose if self.pilots else None)
        return view

    def _expose(self, pixels: Image) -> float:
        return middle_exposure(pixels, self.config.exposure)

    def mask(self, view: scene.View) -> NDArray[np.bool_]:
        path = self.blender.folder / "bench.exr"
        self.blender.request(messages.Geometry(view.key, str(path)))
        return hit_mask(read_passes(path)["Depth"])

    def image(self, view: scene.View, number: int, box: Box, seed: int) -> Image:
        """(h, w, 3) of the box alone, with the noise of `seed`."""
        path = self.blender.folder / "bench.exr"
        self.blender.request(messages.Image(view.key, number, messages.Shot(str(path), box, seed)))
        return read_passes(path)["Combined"][..., :3]

    def whole(self, view: scene.View, number: int, box: Box) -> Image:
        """(H, W, 3): an image as a worker renders it, cropped to `box`, in the whole frame."""
        return self._session.image(view, "image", number, box, self.shape).rgba[..., :3]


def object_box(mask: NDArray[np.bool_]) -> Box:
    box = bounding_box(mask, CROP_MARGIN)
    assert box is not None
    return box
