# SPDX-License-Identifier: Apache-2.0
"""One sample -> a block of a contact sheet: its name, a line of tiles, and a line for each of its sequences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from multishade.imaging import display
from multishade.imaging.text import fit_text, font
from multishade.report.tiles import Tile, basis_tiles, image_tiles, shading_tiles
from multishade.shards.sample import Sample

PAGE, TITLE, TEXT, QUIET, ALARM, LAMP = "#15171a", "#f4f5f6", "#c9cdd2", "#858b93", "#ff7b6b", "#ffd166"
GAP, TILE, CAPTION = 10, 204, 22
HEADER = 34
MIN_COLUMNS, MIN_FRAMES = 8, 9  # a row is at least as wide as 8 tiles, and has room for 9 frames


def draw_block(sample: Sample, reasons: Sequence[str] = (), tile: int = TILE) -> Image.Image:
    """Draw one sample: its name, the tiles of its images and maps, and below them the frames of its sequence.

    Args:
        sample: The sample.
        reasons: What is wrong with it; the first three are shown.
        tile: Pixels a side of a tile of the first line.
    """
    tiles, frames, basis = image_tiles(sample), shading_tiles(sample), basis_tiles(sample)
    width = max(len(tiles), MIN_COLUMNS) * (tile + GAP) - GAP
    side = (width + GAP) // max(MIN_FRAMES, len(frames)) - GAP
    below = (width + GAP) // max(MIN_FRAMES, len(basis)) - GAP + CAPTION + GAP if basis else 0
    height = HEADER + tile + CAPTION + GAP + side + CAPTION + below + (24 * len(reasons[:3]))
    block = Image.new("RGB", (width, height), PAGE)
    draw = ImageDraw.Draw(block)
    info = sample.info
    name = info.object.id
    draw.text((0, 10), name, fill=TITLE, font=font(20), anchor="lm")
    left = font(20).getlength(name) + 14
    camera = info.camera
    parts = [
        f"material {info.material.id} ({info.material.kind})",
        f"{camera.type} {camera.width} x {camera.height}",
    ]
    parts += [f"shading {info.shading.mode}, {len(info.shading.directions)} lights"]
    room = width - left - font(15).getlength(sample.key) - 20
    draw.text((left, 11), fit_text("   ".join(parts), room, font(15)), fill=TEXT, font=font(15), anchor="lm")
    draw.text((width, 11), sample.key, fill=QUIET, font=font(15), anchor="rm")
    _draw_line(block, draw, tiles, HEADER, tile, width)
    _draw_line(block, draw, frames, HEADER + tile + CAPTION + GAP, side, width)
    if basis:
        top = HEADER + tile + CAPTION + GAP + side + CAPTION + GAP
        _draw_line(block, draw, basis, top, below - CAPTION - GAP, width)
    for number, reason in enumerate(reasons[:3]):
        draw.text(
            (0, height - 24 * (len(reasons[:3]) - number) + 10),
            reason,
            fill=ALARM,
            font=font(15),
            anchor="lm",
        )
    return block


def _draw_line(
    block: Image.Image, draw: ImageDraw.ImageDraw, tiles: Sequence[Tile], top: int, side: int, width: int
) -> None:
    """Tiles side by side over the whole width, each with its caption below and its light as a dot on a disc."""
    step = (width - side) / max(1, len(tiles) - 1) if len(tiles) * (side + GAP) > width - side else side + GAP
    for number, tile in enumerate(tiles):
        left = round(number * step)
        block.paste(_resized(tile.picture, side), (left, top))
        if tile.light is not None:
            draw_light(draw, left + side - 17, top + 17, tile.light)
        if tile.scale is not None:
            block.paste(
                Image.fromarray(np.repeat(display.error_ramp(side), 4, axis=0)), (left, top + side - 4)
            )
            draw.text(
                (left + side - 4, top + side - 14),
                f"{tile.scale:g}°",
                fill=QUIET,
                font=font(13),
                anchor="rm",
            )
            draw.text((left + 4, top + side - 14), "0", fill=QUIET, font=font(13), anchor="lm")
        small = font(14)
        draw.text((left, top + side + 12), tile.name, fill=TEXT, font=small, anchor="lm")
        room = side - small.getlength(tile.name) - 8
        draw.text(
            (left + side, top + side + 12),
            fit_text(tile.note, room, small),
            fill=QUIET,
            font=small,
            anchor="rm",
        )


def draw_light(draw: ImageDraw.ImageDraw, x: int, y: int, light: tuple[float, float]) -> None:
    """Draw the (x, y) of a light's direction as a dot on a disc about a pixel."""
    draw.ellipse((x - 10, y - 10, x + 10, y + 10), outline=QUIET, width=1)
    dx, dy = light[0] * 10, -light[1] * 10
    draw.ellipse((x + dx - 3, y + dy - 3, x + dx + 3, y + dy + 3), fill=LAMP)


def _resized(picture: NDArray[np.uint8], side: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    return image.resize(
        (side, side), Image.Resampling.LANCZOS if picture.shape[0] > side else Image.Resampling.BICUBIC
    )
