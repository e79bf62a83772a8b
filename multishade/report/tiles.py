# SPDX-License-Identifier: Apache-2.0
"""A sample -> the square pictures of its row on a contact sheet, each with its caption."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.boxes import Box, bounding_square
from multishade.imaging.color import linear_to_png, srgb_to_linear
from multishade.inspect.physics import recovered_error
from multishade.shards.sample import Sample, shading_of

Picture = NDArray[np.uint8]
GROUND = np.array([36, 39, 44], np.uint8)  # behind every object
MASK_SHADE = np.array([214, 217, 221], np.uint8)
UNDETERMINED = np.array([70, 120, 140], np.uint8)  # no three lights reach the pixel
ERROR_DEGREES = {"lambert": 0.1, "cast": 5.0, "photometric": 30.0}  # white end of the error's scale
MOST_FRAMES = 10


@dataclass(frozen=True)
class Tile:
    """A square picture, its name, what is said of it, and the (x, y) of its light's direction, if it has one."""

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
        light = sample.meta["lights"].get(name, {})
        picture = linear_to_png(_over_ground(_cut(image, box), _cut(sample.alpha, box)), 8)
        tiles.append(Tile(picture, light.get("type", name), _light_note(light), _light_place(light)))
    mask = _cut(sample.mask, box)
    for name, normal in (("normal", sample.normal), ("normal, no bump", sample.normal_geometry)):
        if normal is not None:
            tiles.append(Tile(_normal_colours(_cut(normal, box), mask), name))
    tiles.append(Tile(_depth_colours(_cut(sample.depth, box), mask), "depth", _depth_note(sample)))
    picture = np.where(mask[..., None], MASK_SHADE, GROUND)
    tiles.append(Tile(picture, "mask", f"{sample.mask.mean():.0%} of the frame"))
    tiles.append(_error_tile(sample, box))
    return tiles


def shading_tiles(sample: Sample) -> list[Tile]:
    """The frames of the shading sequence; of more than MOST_FRAMES, as many taken evenly."""
    return _frame_tiles(sample, shading_of(sample), sample.meta["shading"]["directions"], "light")


def basis_tiles(sample: Sample) -> list[Tile]:
    """Likewise those of a light basis; none where there is none."""
    if sample.light_basis is None:
        return []
    return _frame_tiles(sample, sample.light_basis, sample.meta["light_basis"]["directions"], "basis")


def _frame_tiles(
    sample: Sample, frames: NDArray[np.float32], directions: list[list[float]], name: str
) -> list[Tile]:
    box, mask = object_square(sample.mask), None
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int))
    tiles = []
    for k in chosen:
        frame = _cut(frames[k], box)
        if frame.ndim == 3:
            picture = linear_to_png(_over_ground(frame, _cut(sample.alpha, box)), 8)
        else:
            # Shown as the numbers that networks see, without display encoding.
            mask = _cut(sample.mask, box)[..., None]
            grey = np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)[..., None]
            picture = np.where(mask, np.repeat(grey, 3, axis=2), GROUND)
        note = _angles_note(directions[k])
        tiles.append(Tile(picture, f"{name} {k}", note, (directions[k][0], directions[k][1])))
    return tiles


def object_square(mask: NDArray[np.bool_]) -> Box:
    """A square around the object with a margin, which may reach beyond the image; the image if there is no object."""
    height, width = mask.shape
    return bounding_square(mask, scale=1.08, padding=3) or Box(0, 0, width, height)


def _cut(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """The box out of (H, W, ...), 0 where it reaches beyond the image."""
    height, width = array.shape[:2]
    cut = np.zeros((box.height, box.width, *array.shape[2:]), array.dtype)
    there = array[max(box.top, 0) : min(box.bottom, height), max(box.left, 0) : min(box.right, width)]
    row, column = max(-box.top, 0), max(-box.left, 0)
    cut[row : row + there.shape[0], column : column + there.shape[1]] = there
    return cut


def _over_ground(image: NDArray[np.floating], alpha: NDArray[np.floating]) -> NDArray[np.floating]:
    """A premultiplied linear image with the sheet's grey put behind it, in linear light."""
    ground = srgb_to_linear(GROUND / np.float32(255))
    return np.add(np.minimum(image, 1), ground * (1 - alpha[..., None]))


def _normal_colours(normal: NDArray[np.float32], mask: NDArray[np.bool_]) -> Picture:
    coded = np.rint((np.clip(normal, -1, 1) * 0.5 + 0.5) * 255).astype(np.uint8)
    return np.where(mask[..., None], coded, GROUND)


def _depth_colours(depth: NDArray[np.float32], mask: NDArray[np.bool_]) -> Picture:
    """Near is light, far is dark, over the object's own range."""
    import matplotlib

    if not mask.any():
        return np.broadcast_to(GROUND, (*mask.shape, 3)).copy()
    near, far = depth[mask].min(), depth[mask].max()
    scaled = 1 - (np.where(mask, depth, near) - near) / max(float(far - near), 1e-9)
    colours = (matplotlib.colormaps["viridis"](0.06 + 0.9 * scaled)[..., :3] * 255).round().astype(np.uint8)
    return np.where(mask[..., None], colours, GROUND)


def _error_tile(sample: Sample, box: Box) -> Tile:
    import matplotlib

    try:
        error, determined = recovered_error(sample)
    except SolveError:
        blank = np.broadcast_to(GROUND, (box.height, box.width, 3)).copy()
        return Tile(blank, "least squares", "not solvable")
    limit = ERROR_DEGREES[sample.meta["shading"]["mode"]]
    mean = float(error[determined].mean()) if determined.any() else math.nan
    colours = (
        (matplotlib.colormaps["inferno"](_cut(error, box) / limit)[..., :3] * 255).round().astype(np.uint8)
    )
    colours[~_cut(determined, box)] = UNDETERMINED
    picture = np.where(_cut(sample.mask, box)[..., None], colours, GROUND)
    return Tile(picture, "least squares", f"{mean:.2g}° off", scale=limit)


def _light_note(light: dict[str, Any]) -> str:
    if "environment" in light:
        return f"{light['environment']} {light['rotation']:.0f}°"
    if "direction" in light:
        return _angles_note(light["direction"])
    if "position" in light:
        x, y, z = light["position"]
        return f"at {x:.1f}, {y:.1f}, {z:.1f}"
    return ""


def _light_place(light: dict[str, Any]) -> tuple[float, float] | None:
    """Where on the disc of directions the light stands; of a point light, as seen from the object's centre."""
    if "direction" in light:
        return light["direction"][0], light["direction"][1]
    return None


def _angles_note(direction: list[float]) -> str:
    """Azimuth clockwise from up, and elevation above the image plane."""
    x, y, z = direction
    azimuth = math.degrees(math.atan2(x, y)) % 360
    return f"az {azimuth:.0f}° el {math.degrees(math.asin(max(-1.0, min(1.0, z)))):.0f}°"


def _depth_note(sample: Sample) -> str:
    depth = sample.depth[sample.mask & np.isfinite(sample.depth)]
    return f"{depth.min():.2f} to {depth.max():.2f}" if depth.size else ""
