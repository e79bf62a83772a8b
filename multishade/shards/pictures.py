# SPDX-License-Identifier: Apache-2.0
"""Arrays of a sample -> named pictures for a notebook, as one PNG or as a figure of matplotlib."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from multishade.imaging import codecs, display, panels
from multishade.imaging.color import linear_to_png
from multishade.imaging.display import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Float32 = NDArray[np.float32]
COLUMNS, SIDE = 6, 160


def named_pictures(
    images: Mapping[str, Float32],
    normal: Float32,
    depth: Float32,
    mask: NDArray[np.bool_],
    frames: Float32,
) -> list[tuple[str, Picture]]:
    """Return pictures of the images, the normal, the depth, the mask and three shading frames, with names.

    The arrays are those of a `Sample`; `frames` is its shading sequence.
    """
    found = [
        (name.removeprefix("image_"), linear_to_png(np.minimum(image, 1), 8))
        for name, image in images.items()
    ]
    found.append(("normal", display.normal_to_rgb(normal, mask)))
    found.append(("normals of a ball", panels.normal_ball(SIDE)))
    found.append(("depth", display.depth_to_rgb(depth, mask, colours=display.DEPTH_COLOURS)))
    found.append(("mask", display.grey_to_rgb(mask.astype(np.float32))))
    for number in dict.fromkeys((0, len(frames) // 3, 2 * len(frames) // 3)):
        frame = frames[number]
        picture = linear_to_png(np.minimum(frame, 1), 8) if frame.ndim == 3 else display.grey_to_rgb(frame)
        found.append((f"shading {number}", picture))
    return found


def png_of(named: Sequence[tuple[str, Picture]]) -> bytes:
    """Return named pictures as one PNG."""
    rows = [named[first : first + COLUMNS] for first in range(0, len(named), COLUMNS)]
    pictures = [[display.fit_height(picture, SIDE) for _, picture in row] for row in rows]
    return codecs.encode_png(panels.tile(pictures, [[name for name, _ in row] for row in rows]))


def figure_of(named: Sequence[tuple[str, Picture]], title: str) -> "Figure":
    """Return a figure with one titled axis for each picture."""
    from matplotlib.figure import Figure

    rows = -(-len(named) // COLUMNS)
    figure = Figure(figsize=(2 * COLUMNS, 2.2 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (name, picture) in zip(axes, named, strict=False):
        axis.imshow(picture)
        axis.set_title(name, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure
