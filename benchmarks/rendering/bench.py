# SPDX-License-Identifier: Apache-2.0
"""A Blender child with one item of the panel loaded: its buffers and images, and the seconds of each."""

import dataclasses
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.rendering.panel import Item, config, planned
from multishade.config import Config
from multishade.geometry.boxes import Box, bounding_box
from multishade.protocol import scene
from multishade.render.assemble import usual_exposure
from multishade.render.blender import BlenderChild
from multishade.render.blender.passes import hit_mask, read_passes
from multishade.render.blender.session import CROP_MARGIN, Session, Stopwatch
from multishade.render.plan import PlannedGroup
from multishade.render.worker import object_source, render_settings

Image = NDArray[np.float32]


def group_of(item: PlannedGroup, folder: Path, config: Config) -> scene.Group:
    """What Blender is asked to load."""
    return scene.Group(item.key, object_source(item, folder, config), item.material_spec, item.views)


class Bench:
    """Renders items of the panel, one at a time."""

    def __init__(self, threads: int = 1, overrides: list[str] | None = None) -> None:
        self.config = config(overrides)
        self.settings = render_settings(self.config, threads)
        self.pilots = True  # adaptive sampling judges noise as it is exposed
        self.child = BlenderChild("cpu", self.config.runtime, threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.close()

    def load(self, item: Item, **changes: Any) -> scene.View:
        """Bring the item in, with the recipe's settings but for `changes`."""
        settings = dataclasses.replace(self.settings, **changes)
        found = group_of(planned(item, self.config, self.child.folder), self.child.folder, self.config)
        self.child.ask({"do": "load", "group": scene.to_json(found), "settings": scene.to_json(settings)})
        self.shape = (found.views[0].camera.height, found.views[0].camera.width)
        self._session = Session(self.child, settings, Stopwatch(), self._expose if self.pilots else None)
        return found.views[0]

    def _expose(self, pixels: Image) -> float:
        return usual_exposure(pixels, self.config.exposure)

    def mask(self, view: scene.View) -> NDArray[np.bool_]:
        path = self.child.folder / "bench.exr"
        self.child.ask({"do": "geometry", "view": view.key, "path": str(path)})
        return hit_mask(read_passes(path)["Depth"])

    def image(self, view: scene.View, number: int, box: Box, seed: int) -> Image:
        """(h, w, 3) of the box alone, with the noise of `seed`."""
        path = self.child.folder / "bench.exr"
        self.child.ask(
            {"do": "image", "view": view.key, "number": number, "box": box, "seed": seed, "path": str(path)}
        )
        return read_passes(path)["Combined"][..., :3]

    def whole(self, view: scene.View, number: int, box: Box) -> Image:
        """(H, W, 3): an image as a worker renders it, cropped to `box`, in the whole frame."""
        return self._session.image(view, "image", number, box, self.shape).rgba[..., :3]


def object_box(mask: NDArray[np.bool_]) -> Box:
    box = bounding_box(mask, CROP_MARGIN)
    assert box is not None
    return box
