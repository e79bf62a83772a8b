# SPDX-License-Identifier: Apache-2.0
"""Manifests of environments and materials -> pictures for backgrounds: `data.photometric.background.images`.

    python -m multishade.training.backgrounds -o OUT --environments FILE.jsonl ... --materials FILE.jsonl ...
        [--objects SHARDS ...]

Writes OUT/train, OUT/val and OUT/test, each from the assets of that split only. A third of the pictures are views into
an environment, as a camera takes them; a fifth are parts of a material's colour map; the others are collages of pieces
of both with sharp outlines (dead leaves: Lee, Mumford and Huang 2001), since environment maps are coarse and a
network would otherwise learn that what is blurred is background. With `--objects`, two fifths of the pictures show
objects of these shards as well, so that a network learns to tell the object in front from others behind it. Procedural
assets are passed over.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from multishade.assets.manifest import read_environments, read_materials
from multishade.data.backgrounds import read_picture
from multishade.data.torch_dataset import ShardDataset
from multishade.errors import DataError
from multishade.imaging.color import linear_to_srgb, luminance

Float32 = NDArray[np.float32]
SIDE = 256  # pixels a side of a picture
QUALITY = 92
FIELD_DEGREES, PITCH_DEGREES = (60.0, 110.0), (-40.0, 25.0)
LEAVES = (12, 60)
VIEWS, MAPS = 0.35, 0.2  # shares of the kinds; the rest are collages
MIDDLE = (0.05, 0.4)  # median luminance, of white
WITH_OBJECTS = 0.4  # share of the pictures, if there are shards
OBJECTS, OBJECT_SIDE = (1, 5), (0.2, 0.9)  # number of objects; the longer side of one, of the picture's
OUT_OF_FOCUS = 0.3  # share of the objects


@dataclass(frozen=True)
class Sources:
    """environments: equirectangular (H, 2 H, 3) linear light. maps: (H, W, 3) linear reflectance. objects: shards with
    image_* and alpha, or None."""

    environments: tuple[Float32, ...]
    maps: tuple[Float32, ...]
    objects: ShardDataset | None = None


def make_backgrounds(sources: "Sources", folder: Path, count: int, rng: np.random.Generator) -> None:
    """Write `count` pictures, 0000.jpg and so on. Raises DataError if one cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(count):
        path = folder / f"{place:04d}.jpg"
        picture = np.rint(linear_to_srgb(sample_picture(sources, rng)) * 255).astype(np.uint8)
        if not cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
            raise DataError(f"{path}: cannot be written")


def read_sources(
    environments: Sequence[Path], materials: Sequence[Path], split: str, objects: Sequence[str] = ()
) -> Sources:
    """Read the files of one split.

    Args:
        environments, materials: Manifests.
        split: "train", "val" or "test".
        objects: Shards of that split, as `ShardDataset` takes them; none for pictures without objects.

    Raises:
        ManifestError, DataError: If a manifest, an image or a shard cannot be read.
    """
    rows = [row for manifest in environments for row in read_environments(manifest) if row.split == split]
    sets = [row for manifest in materials for row in read_materials(manifest) if row.split == split]
    return Sources(
        tuple(read_picture(str(row.path)) for row in rows if row.source == "file"),
        tuple(
            read_picture(str(row.path / row.maps.base_color))
            for row in sets
            if row.maps is not None and row.maps.base_color is not None
        ),
        ShardDataset(objects, ("image_*", "alpha")) if objects else None,
    )


def sample_picture(sources: Sources, rng: np.random.Generator) -> Float32:
    """Sample a picture (SIDE, SIDE, 3) of linear light, 0 to 1."""
    kind = rng.random()
    if kind < VIEWS or not sources.maps:
        picture = _view(sources, rng)
    elif kind < VIEWS + MAPS:
        picture = _part(sources, rng)
    else:
        picture = _leaves(sources, rng)
    picture = _exposed(picture, rng)
    if sources.objects is not None and rng.random() < WITH_OBJECTS:
        for _ in range(int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))):
            picture = _with_object(picture, sources.objects, rng)
    return np.clip(picture, 0, 1).astype(np.float32)


def view_into(environment: Float32, yaw: float, pitch: float, field: float, side: int) -> Float32:
    """Render an environment as a camera sees it.

    Args:
        environment: Equirectangular (H, 2 H, 3).
        yaw, pitch: Of the view axis, radians; pitch above the horizon.
        field: Of view, radians.
        side: Pixels a side.

    Returns:
        (side, side, 3).
    """
    height, width = environment.shape[:2]
    reach = np.tan(field / 2) * ((np.arange(side) + 0.5) * 2 / side - 1)
    x, y = np.meshgrid(reach, -reach)
    up = y * np.cos(pitch) + np.sin(pitch)
    ahead = np.cos(pitch) - y * np.sin(pitch)
    longitude = np.arctan2(x, ahead) + yaw
    latitude = np.arctan2(up, np.hypot(x, ahead))
    columns = np.mod(longitude / (2 * np.pi) + 0.5, 1) * width - 0.5
    rows = (0.5 - latitude / np.pi) * height - 0.5
    wrapped = np.concatenate([environment[:, -1:], environment, environment[:, :1]], axis=1)
    return cv2.remap(
        np.ascontiguousarray(wrapped, np.float32),
        (columns + 1).astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ).clip(0)


def _view(sources: Sources, rng: np.random.Generator) -> Float32:
    environment = sources.environments[int(rng.integers(len(sources.environments)))]
    pitch, field = np.radians(rng.uniform(*PITCH_DEGREES)), np.radians(rng.uniform(*FIELD_DEGREES))
    return view_into(environment, rng.uniform(-np.pi, np.pi), pitch, field, SIDE)


def _part(sources: Sources, rng: np.random.Generator) -> Float32:
    """A part of a colour map under light that falls off to a side, tinted."""
    found = sources.maps[int(rng.integers(len(sources.maps)))]
    side = int(min(found.shape[:2]) * rng.uniform(0.25, 1))
    top, left = (int(rng.integers(size - side + 1)) for size in found.shape[:2])
    part = found[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    part = cv2.resize(np.ascontiguousarray(part), (SIDE, SIDE), interpolation=how).clip(0)
    slope = rng.normal(0, 0.4, 2)
    axis = np.linspace(-1, 1, SIDE)
    light = np.exp(slope[0] * axis[:, None] + slope[1] * axis[None])
    return (part * light[..., None] * np.exp(rng.normal(0, 0.3, 3))).astype(np.float32)


def _leaves(sources: Sources, rng: np.random.Generator) -> Float32:
    """Pieces of views, maps and plain colours, ellipses and polygons of all sizes, one over the other."""
    canvas = _exposed(_view(sources, rng) if rng.random() < 0.7 else _part(sources, rng), rng)
    for _ in range(int(rng.integers(*LEAVES))):
        size = SIDE * 10 ** rng.uniform(-1.5, -0.25)
        centre = rng.uniform(0, SIDE, 2)
        corners = 24 if rng.random() < 0.4 else int(rng.integers(3, 7))
        turns = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners < 24 else np.arange(24) * np.pi / 12
        axes, tilt = size * rng.uniform(0.3, 1, 2), rng.uniform(0, np.pi)
        points = np.stack([np.cos(turns), np.sin(turns)], 1) * axes
        turned = points @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]]) + centre
        stencil = np.zeros((SIDE, SIDE), np.float32)
        cv2.fillPoly(stencil, [np.rint(turned * 16).astype(np.int32)], (1.0,), cv2.LINE_AA, shift=4)
        kind = rng.random()
        if kind < 0.4:
            filling = np.full((SIDE, SIDE, 3), rng.uniform(0, 1, 3) ** 2, np.float32)
        else:
            filling = _exposed(_view(sources, rng) if kind < 0.6 else _part(sources, rng), rng)
        canvas = canvas + stencil[..., None] * (filling - canvas)
    return canvas


def _with_object(picture: Float32, objects: ShardDataset, rng: np.random.Generator) -> Float32:
    """A picture with a random object over it, anywhere, also cut by the border."""
    item = objects[int(rng.integers(len(objects)))]
    images = sorted(name for name in item if name.startswith("image_"))
    image = np.moveaxis(np.asarray(item[images[int(rng.integers(len(images)))]]), 0, 2)
    layer = np.concatenate([image, np.moveaxis(np.asarray(item["alpha"]), 0, 2)], axis=2)
    rows, columns = (np.flatnonzero(layer[..., 3].any(axis=axis)) for axis in (1, 0))
    layer = layer[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    layer = layer[:, ::-1] if rng.random() < 0.5 else layer
    scale = SIDE * rng.uniform(*OBJECT_SIDE) / max(layer.shape[:2])
    middle = rng.uniform(0, SIDE, 2) - scale * np.array(layer.shape[1::-1]) / 2
    turn = np.array([[scale, 0, middle[0]], [0, scale, middle[1]]])
    placed = cv2.warpAffine(np.ascontiguousarray(layer), turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    if rng.random() < OUT_OF_FOCUS:
        placed = cv2.GaussianBlur(placed, (0, 0), rng.uniform(0.5, 5))
    # The image is weighted by its coverage already.
    return (picture * (1 - placed[..., 3:]) + placed[..., :3]).astype(np.float32)


def _exposed(picture: Float32, rng: np.random.Generator) -> Float32:
    """Scaled so that its median luminance is that of a photograph."""
    median = float(np.median(luminance(picture)))
    low, high = np.log(MIDDLE)
    return (picture * (np.exp(rng.uniform(low, high)) / max(median, 1e-4))).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make pictures for backgrounds of training images.")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--environments", type=Path, nargs="+", required=True, metavar="FILE.jsonl")
    parser.add_argument("--materials", type=Path, nargs="*", default=[], metavar="FILE.jsonl")
    parser.add_argument(
        "--objects",
        nargs="*",
        default=[],
        metavar="SHARDS",
        help="tars, folders or patterns of the train split; the pictures of the other splits show no objects",
    )
    parser.add_argument("--count", type=int, default=600, help="of the train split; others: a quarter")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for number, split in enumerate(("train", "val", "test")):
        objects = options.objects if split == "train" else ()
        sources = read_sources(options.environments, options.materials, split, objects)
        if not sources.environments:
            if split == "train":
                raise SystemExit("no environment file of the split train in these manifests")
            continue
        count = options.count if split == "train" else options.count // 4
        make_backgrounds(
            sources, options.output / split, count, np.random.default_rng((options.seed, number))
        )
        print(
            f"{options.output / split}: {count} pictures from {len(sources.environments)} environments and "
            f"{len(sources.maps)} colour maps"
            + (f", and {len(sources.objects)} views of objects" if sources.objects is not None else "")
        )


if __name__ == "__main__":
    main()
