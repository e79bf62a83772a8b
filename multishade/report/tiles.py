# SPDX-License-Identifier: Apache-2.0
"""A sample -> the square pictures of its row on a contact sheet, each with its caption."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.boxes import Box, bounding_square
from multishade.imaging import display
from multishade.imaging.color import linear_to_png, srgb_to_linear
from multishade.imaging.display import Picture
from multishade.shards.meta import EnvironmentMeta, LightMeta, MixedMeta, ParallelMeta, PointMeta, Vector
from multishade.shards.recovery import recovered_error
from multishade.shards.sample import Sample, shading_of

GROUND = (36, 39, 44)  # behind every object
MASK_SHADE = (214, 217, 221)
UNDETERMINED = (70, 120, 140)  # no three lights reach the pixel
ERROR_DEGREES = {"lambert": 0.1, "cast": 5.0, "photometric": 30.0}  # white end of the error's scale
MAX_FRAMES = 10


@dataclass(frozen=True)
class Tile:
    """A square picture, its name, a note, and the (x, y) of its light's direction, if it has one."""

    picture: Picture
    name: str
    note: str = ""
    light: tuple[float, float] | None = None
    scale: float | None = None  # degrees at the bright end of an error's colours


def image_tiles(sample: Sample) -> list[Tile]:
    """The images under each light, normals, depth, mask, and the error of least squares on the shading."""
    box = object_square(sample.mask)
    tiles = []
    for name, image in sample.images.items():
        light = sample.info.lights.get(name)
        picture = linear_to_png(over_ground(cut(image, box), cut(sample.alpha, box)), 8)
        tiles.append(
            Tile(picture, light.type if light else name, _light_note(light), _light_direction(light))
        )
    mask = cut(sample.mask, box)
    for name, normal in (("normal", sample.normal), ("normal, no bump", sample.normal_geometry)):
        if normal is not None:
            tiles.append(Tile(display.normal_to_rgb(cut(normal, box), mask, GROUND), name))
    tiles.append(Tile(_depth_picture(sample, box), "depth", _depth_note(sample)))
    picture = np.where(mask[..., None], np.array(MASK_SHADE, np.uint8), np.array(GROUND, np.uint8))
    tiles.append(Tile(picture, "mask", f"{sample.mask.mean():.0%} of the frame"))
    tiles.append(_error_tile(sample, box))
    return tiles + pass_tiles(sample)


def pass_tiles(sample: Sample) -> list[Tile]:
    """The material passes that the sample has."""
    box = object_square(sample.mask)
    mask = cut(sample.mask, box)
    tiles = []
    for name, values in sample.passes.items():
        picture = display.pass_to_rgb(name, cut(values, box), mask, GROUND)
        tiles.append(Tile(picture, name.replace("_", " "), _pass_note(name, values[sample.mask])))
    return tiles


def _pass_note(name: str, values: NDArray[Any]) -> str:
    """What the caption says of the values on the object."""
    if not values.size:
        return ""
    if name == "object_index":
        number = len(np.unique(values))
        return f"{number} object" + ("s" if number > 1 else "")
    if name == "position":
        return ""
    return f"{values.min():.2f} to {values.max():.2f}"


def shading_tiles(sample: Sample) -> list[Tile]:
    """The frames of the shading sequence; at most MAX_FRAMES, evenly chosen."""
    return _frame_tiles(sample, shading_of(sample), sample.info.shading.directions, "light")


def basis_tiles(sample: Sample) -> list[Tile]:
    """The frames of the light basis, likewise; none if the sample has none."""
    lights = sample.info.light_basis
    if sample.light_basis is None or lights is None:
        return []
    return _frame_tiles(sample, sample.light_basis, lights.directions, "basis")


def _frame_tiles(
    sample: Sample, frames: NDArray[np.float32], directions: tuple[Vector, ...], name: str
) -> list[Tile]:
    box = object_square(sample.mask)
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MAX_FRAMES)).round().astype(int))
    tiles = []
    for k in chosen:
        frame = cut(frames[k], box)
        if frame.ndim == 3:
            picture = linear_to_png(over_ground(frame, cut(sample.alpha, box)), 8)
        else:
            # Shown as the numbers that networks see, without display encoding.
            picture = display.grey_to_rgb(frame, cut(sample.mask, box), GROUND)
        note = _angles_note(directions[k])
        tiles.append(Tile(picture, f"{name} {k}", note, (directions[k][0], directions[k][1])))
    return tiles


def object_square(mask: NDArray[np.bool_]) -> Box:
    """A square around the object with a margin, which may reach beyond the image; the image if there is no object."""
    height, width = mask.shape
    return bounding_square(mask, scale=1.08, padding=3) or Box(0, 0, width, height)


def cut(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """The box out of (H, W, ...), 0 where it reaches beyond the image."""
    height, width = array.shape[:2]
    cut = np.zeros((box.height, box.width, *array.shape[2:]), array.dtype)
    overlap = array[max(box.top, 0) : min(box.bottom, height), max(box.left, 0) : min(box.right, width)]
    row, column = max(-box.top, 0), max(-box.left, 0)
    cut[row : row + overlap.shape[0], column : column + overlap.shape[1]] = overlap
    return cut


def over_ground(image: NDArray[np.floating], alpha: NDArray[np.floating]) -> NDArray[np.floating]:
    """A premultiplied linear image with the sheet's grey put behind it, in linear light."""
    ground = srgb_to_linear(np.array(GROUND, np.float32) / np.float32(255))
    return np.add(np.minimum(image, 1), ground * (1 - alpha[..., None]))


def _depth_picture(sample: Sample, box: Box) -> Picture:
    """Near is light, far is dark, over the object's own range."""
    mask = cut(sample.mask, box)
    depth = np.where(mask, cut(sample.depth, box), np.nan)
    return display.depth_to_rgb(depth, mask, GROUND, display.DEPTH_COLOURS, percentiles=(0, 100))


def _error_tile(sample: Sample, box: Box) -> Tile:
    try:
        error, determined = recovered_error(sample)
    except SolveError:
        blank = np.full((box.height, box.width, 3), GROUND, np.uint8)
        return Tile(blank, "least squares", "not solvable")
    limit = ERROR_DEGREES[sample.info.shading.mode]
    mean = float(error[determined].mean()) if determined.any() else math.nan
    shown = cut(np.where(determined, error, np.nan), box)
    picture = display.error_to_rgb(shown, cut(sample.mask, box), limit, GROUND, missing=UNDETERMINED)
    return Tile(picture, "least squares", f"{mean:.2g}° off", scale=limit)


def _light_note(light: LightMeta | None) -> str:
    if isinstance(light, EnvironmentMeta | MixedMeta):
        return f"{light.environment} {light.rotation:.0f}°"
    if isinstance(light, ParallelMeta):
        return _angles_note(light.direction)
    if isinstance(light, PointMeta):
        x, y, z = light.position
        return f"at {x:.1f}, {y:.1f}, {z:.1f}"
    return ""


def _light_direction(light: LightMeta | None) -> tuple[float, float] | None:
    """(x, y) of the direction, for lights that have one."""
    return light.direction[:2] if isinstance(light, ParallelMeta | MixedMeta) else None


def _angles_note(direction: Vector) -> str:
    """Azimuth clockwise from up, and elevation above the image plane."""
    x, y, z = direction
    azimuth = math.degrees(math.atan2(x, y)) % 360
    return f"az {azimuth:.0f}° el {math.degrees(math.asin(max(-1.0, min(1.0, z)))):.0f}°"


def _depth_note(sample: Sample) -> str:
    depth = sample.depth[sample.mask & np.isfinite(sample.depth)]
    return f"{depth.min():.2f} to {depth.max():.2f}" if depth.size else ""
