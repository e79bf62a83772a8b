# SPDX-License-Identifier: Apache-2.0
"""A loaded group and weights of its light basis -> the image under all those lights at once, rendered, not composed."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import Box
from multishade.protocol.messages import Combined, Shot
from multishade.protocol.scene import Light, View
from multishade.render.blender.passes import read_passes
from multishade.render.blender.process import BlenderProcess


def render_combined(
    blender: BlenderProcess, view: View, weights: NDArray[np.floating], box: Box | None, seed: int
) -> tuple[NDArray[np.float32], float]:
    """Render one image under several lights of the view's basis at once.

    Args:
        blender: A process that has loaded the view's group.
        view: The view, with a basis of M lights.
        weights: (M, 3), factor of each light per colour channel, as for `relight`.
        box: Crop; None: the whole frame.
        seed: Seed of Cycles' noise.

    Returns:
        The image (H, W, 3), linear, unexposed, 0 outside `box`; and the seconds of the render call.

    Raises:
        AssetError, BlenderError: As `BlenderProcess.request`.
    """
    path = blender.folder / "combined.exr"
    path.unlink(missing_ok=True)
    shot = Shot(str(path), box, seed)
    seconds = blender.request(Combined(view.key, tuple(weighted(view, weights)), shot)).seconds
    pixels = read_passes(path)["Combined"][..., :3]
    if box is None:
        return pixels, seconds
    frame = np.zeros((view.camera.height, view.camera.width, 3), np.float32)
    frame[box.window] = pixels
    return frame, seconds


def weighted(view: View, weights: NDArray[np.floating]) -> list[Light]:
    """The lights of the view's basis with a weight above 0, scaled in strength and colour by `weights` (M, 3)."""
    lights = []
    for light, (red, green, blue) in zip(view.basis, np.asarray(weights, np.float64).tolist(), strict=True):
        if (most := max(red, green, blue)) > 0:
            colour = (red / most, green / most, blue / most)
            lights.append(dataclasses.replace(light, strength=light.strength * most, colour=colour))
    return lights
