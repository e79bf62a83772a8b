# SPDX-License-Identifier: Apache-2.0
"""A loaded group and weights of its light basis -> the image under all those lights at once, rendered, not composed."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import Box
from multishade.protocol.scene import Light, View, to_json
from multishade.render.blender.passes import read_passes
from multishade.render.blender.process import BlenderChild


def render_together(
    child: BlenderChild, view: View, weights: NDArray[np.floating], box: Box | None, seed: int
) -> tuple[NDArray[np.float32], float]:
    """(H, W, 3) unexposed, 0 beyond `box`, and the seconds that Cycles took. weights: (M, 3), as for `relight`.

    The child must hold the view's group (the request "load"). Raises AssetError, BlenderError.
    """
    path = child.folder / "together.exr"
    path.unlink(missing_ok=True)
    lights = [to_json(light) for light in weighted(view, weights)]
    request: dict[str, Any] = {"do": "together", "view": view.key, "lights": lights, "box": box, "seed": seed}
    seconds = child.ask({**request, "path": str(path)})["seconds"]
    pixels = read_passes(path)["Combined"][..., :3]
    if box is None:
        return pixels, seconds
    frame = np.zeros((view.camera.height, view.camera.width, 3), np.float32)
    frame[box.window] = pixels
    return frame, seconds


def weighted(view: View, weights: NDArray[np.floating]) -> list[Light]:
    """The lights of the view's basis that are on, each `weights` (M, 3) times as strong as in the basis."""
    lights = []
    for light, (red, green, blue) in zip(view.basis, np.asarray(weights, np.float64).tolist(), strict=True):
        if (most := max(red, green, blue)) > 0:
            colour = (red / most, green / most, blue / most)
            lights.append(dataclasses.replace(light, strength=light.strength * most, colour=colour))
    return lights
