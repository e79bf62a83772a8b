# SPDX-License-Identifier: Apache-2.0
"""One sample -> its pictures for a browser: small ones from few files, large ones with captions, normals as numbers."""

import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multishade.errors import ShardError
from multishade.imaging import display
from multishade.imaging.codecs import encode_png
from multishade.imaging.color import linear_to_png
from multishade.imaging.display import Picture
from multishade.protocol.scene import PASSES
from multishade.report.tiles import (
    GROUND,
    MASK_SHADE,
    Tile,
    basis_tiles,
    cut,
    image_tiles,
    object_square,
    over_ground,
    shading_tiles,
)
from multishade.shards.fields import decode_depth, decode_grey, decode_image, decode_rgb
from multishade.shards.material_passes import decode_pass
from multishade.shards.sample import Sample

SMALL = ("normal", "depth", "mask", *PASSES)  # beside the images
UNIT = 32767  # of a normal's components in `normal_bytes`, as in static/relit.js
JPEG_QUALITY = 86
Read = Callable[[Sequence[str]], Mapping[str, bytes]]


@dataclass(frozen=True)
class LargeView:
    """The pictures of a sample, all of one square about the object.

    Attributes:
        pictures: Images, maps and the error of least squares, each with name and note.
        frames: Of the shading sequence, then of the light basis.
        normals: (H, W, 3) int16, `UNIT` times the normal, 0 off the object.
    """

    pictures: tuple[Tile, ...]
    frames: tuple[Tile, ...]
    normals: NDArray[np.int16]


def large_view(sample: Sample) -> LargeView:
    """Draw all pictures of a sample."""
    box = object_square(sample.mask)
    normal = cut(np.where(sample.mask[..., None], sample.normal, 0), box)
    return LargeView(
        tuple(image_tiles(sample)),
        (*shading_tiles(sample), *basis_tiles(sample)),
        np.rint(np.clip(normal, -1, 1) * UNIT).astype("<i2"),
    )


def normal_bytes(view: LargeView, side: int | None = None) -> tuple[int, bytes]:
    """Return the side in pixels and the normals of a view: int16, little-endian, row by row from the top.

    Args:
        view: The sample.
        side: Pixels at most; nearest neighbours are taken, so that normals stay normals.
    """
    size = len(view.normals)
    count = min(side or size, size)
    places = ((np.arange(count) + 0.5) * size / count).astype(int)
    return count, view.normals[np.ix_(places, places)].tobytes()


def small_picture(key: str, read: Read, fields: Sequence[str], name: str, side: int) -> bytes:
    """Draw one picture of a sample as JPEG.

    Args:
        key: The sample.
        read: Reads files of it by their names.
        fields: Names of all its files.
        name: A field of an image such as "image_point", or one of `SMALL`.
        side: Pixels.

    Raises:
        ShardError: If there is no such picture, or a file is damaged.
    """
    file = next((field for field in fields if field.split(".")[0] == name), None)
    if file is None or not (name.startswith("image_") or name in SMALL):
        raise ShardError(f"{key}: has no picture '{name}'")
    files = read(dict.fromkeys([file, "mask.png", "alpha.png"]))  # type: ignore[arg-type]
    mask = decode_grey(key, "mask.png", files["mask.png"]) > 127
    box = object_square(mask)
    inside = cut(mask, box)
    if name == "normal":
        picture = display.normal_to_rgb(cut(decode_rgb(key, file, files[file]), box), inside, GROUND)
    elif name == "depth":
        depth = np.where(inside, cut(decode_depth(key, files[file]), box), np.nan)
        picture = display.depth_to_rgb(depth, inside, GROUND, display.DEPTH_COLOURS, percentiles=(0, 100))
    elif name in PASSES:
        values = cut(decode_pass(key, name, files[file]), box)
        picture = display.pass_to_rgb(name, values, inside, GROUND)
    elif name == "mask":
        picture = np.where(inside[..., None], np.array(MASK_SHADE, np.uint8), np.array(GROUND, np.uint8))
    else:
        alpha = decode_grey(key, "alpha.png", files["alpha.png"]).astype(np.float32) / 255
        image = decode_image(key, file, files[file])
        picture = linear_to_png(over_ground(cut(image, box), cut(alpha, box)), 8)
    return jpeg(display.fit_height(picture, side) if picture.shape[0] > side else picture)


def jpeg(picture: Picture, quality: int = JPEG_QUALITY) -> bytes:
    """Encode an (H, W, 3) picture as JPEG, colours at full resolution."""
    stream = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.save(stream, "jpeg", quality=quality, subsampling=0)
    return stream.getvalue()


def png(picture: NDArray[Any]) -> bytes:
    """Encode a picture as PNG."""
    return encode_png(np.ascontiguousarray(picture))


def crop_of(sample: Sample) -> list[int]:
    """Return left, top and side of the square that the pictures show, and width and height of the frame, in pixels."""
    box = object_square(sample.mask)
    height, width = sample.mask.shape
    return [box.left, box.top, box.width, width, height]


def facts_of(sample: Sample) -> list[tuple[str, str]]:
    """Return name and value of what one wants to know of a sample."""
    info = sample.info
    camera, renderer = info.camera, info.renderer
    exposures = ", ".join(
        f"{name.removeprefix('image_')} {factor:.3g}" for name, factor in info.exposure.items()
    )
    return [
        ("object", info.object.id),
        ("family", info.object.family or info.object.source),
        ("licence", info.object.licence),
        ("material", f"{info.material.id} ({info.material.kind}, {info.material.licence})"),
        ("camera", f"{camera.type}, {camera.width} x {camera.height} pixels"),
        ("shading", f"{info.shading.mode}, {len(info.shading.directions)} lights"),
        ("mask", f"{sample.mask.mean():.1%} of the frame"),
        ("exposure", exposures),
        ("renderer", f"{renderer.name} {renderer.version} on {renderer.device}"),
        ("seed", str(info.seed)),
    ]


def replay_command(folder: str, key: str) -> str:
    """Return the command that renders a sample again, for a shell. folder: path or URL of its data set."""
    return shlex.join(["multishade", "replay", folder, key])
