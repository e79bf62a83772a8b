# SPDX-License-Identifier: Apache-2.0
"""Tars -> one PNG with a spread of their samples: images, normals, depth, mask, error, and the shading sequence."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from multishade.errors import MultiShadeError
from multishade.imaging import display
from multishade.imaging.codecs import write_png
from multishade.imaging.text import fit_text, font
from multishade.report.tiles import Tile, basis_tiles, image_tiles, shading_tiles
from multishade.shards.keys import group_key_of
from multishade.shards.sample import Sample, decode_sample
from multishade.shards.tar import list_keys, read_shard
from multishade.storage.store import FilePlace, StoredFile, open_file

PAGE, TITLE, TEXT, QUIET, ALARM, LAMP = "#15171a", "#f4f5f6", "#c9cdd2", "#858b93", "#ff7b6b", "#ffd166"
MARGIN, GAP, TILE, CAPTION = 36, 10, 204, 22
HEADER, BETWEEN = 34, 30
MIN_COLUMNS, MIN_FRAMES = 8, 9  # a row is at least as wide as 8 tiles, and has room for 9 frames


Tar = TypeVar("Tar")


def draw_sheet(
    path: Path, shards: Sequence[FilePlace], rows: int, reasons: Mapping[str, Sequence[str]] | None = None
) -> int:
    """Write a contact sheet as PNG; samples that cannot be read are left out.

    Args:
        path: The PNG file.
        shards: Tars.
        rows: Largest number of samples, spread over groups and views.
        reasons: Key of a sample -> what is wrong with it; these samples come first.

    Returns:
        The number of samples on the sheet.

    Raises:
        ImageFileError: If the file cannot be written.
    """
    reasons = reasons or {}
    tars = [open_file(shard) for shard in shards]
    entries = _entries(tars)
    samples = _read(spread(entries, rows, set(reasons)))
    blocks = [_draw_sample(sample, reasons.get(sample.key, ())) for sample in samples]
    width = max([block.width for block in blocks], default=900) + 2 * MARGIN
    title = _draw_title(width - 2 * MARGIN, tars, f"{len(blocks)} of {len(entries)} samples")
    height = 2 * MARGIN + title.height + sum(block.height + BETWEEN for block in blocks)
    page = Image.new("RGB", (width, height), PAGE)
    page.paste(title, (MARGIN, MARGIN))
    top = MARGIN + title.height
    for block in blocks:
        page.paste(block, (MARGIN, top))
        top += block.height + BETWEEN
    write_png(path, np.asarray(page))
    return len(blocks)


def _entries(shards: Sequence[StoredFile]) -> list[tuple[StoredFile, str]]:
    """(tar, key) of every sample of the tars that can be listed."""
    entries = []
    for shard in shards:
        with suppress(MultiShadeError):
            entries += [(shard, key) for key in list_keys(shard)]
    return entries


def _read(entries: Sequence[tuple[StoredFile, str]]) -> Iterator[Sample]:
    """The samples that can be read, tar by tar; each tar is read once."""
    wanted: dict[StoredFile, set[str]] = {}
    for shard, key in entries:
        wanted.setdefault(shard, set()).add(key)
    for shard in sorted(wanted, key=str):
        for key, files in read_shard(shard):
            if key in wanted[shard]:
                with suppress(MultiShadeError):
                    yield decode_sample(key, files)


def spread(entries: list[tuple[Tar, str]], rows: int, first: set[str]) -> list[tuple[Tar, str]]:
    """At most `rows` of (shard, key): those whose key is in `first`, then a different view of evenly spaced groups."""
    urgent = [entry for entry in entries if entry[1] in first][:rows]
    groups: dict[tuple[Tar, str], list[tuple[Tar, str]]] = {}
    for entry in entries:
        if entry not in urgent:
            groups.setdefault((entry[0], group_key_of(entry[1])), []).append(entry)
    left = rows - len(urgent)
    names = list(groups)
    if len(names) >= left:
        names = [names[index * len(names) // left] for index in range(left)]
        return urgent + [groups[name][number % len(groups[name])] for number, name in enumerate(names)]
    # Fewer groups than rows: one more view of each group in turn.
    longest = max((len(views) for views in groups.values()), default=0)
    in_turn = [views[turn] for turn in range(longest) for views in groups.values() if turn < len(views)]
    picked = set(in_turn[:left])
    return urgent + [entry for entry in entries if entry in picked]


def _draw_title(width: int, shards: Sequence[StoredFile], count: str) -> Image.Image:
    band = Image.new("RGB", (width, 92), PAGE)
    draw = ImageDraw.Draw(band)
    draw.text((0, 0), "MultiShade", fill=TITLE, font=font(32))
    names = shards[0].name if len(shards) == 1 else f"{shards[0].name} to {shards[-1].name}"
    draw.text((0, 44), f"{count} of {names}", fill=QUIET, font=font(17))
    ball = _normal_key(72)
    band.paste(ball, (width - 72, 0))
    lines = ("normals: red right, green up,", "blue toward the viewer")
    for number, line in enumerate(lines):
        draw.text((width - 86, 26 + 19 * number), line, fill=QUIET, font=font(14), anchor="rm")
    return band


def _draw_sample(sample: Sample, reasons: Sequence[str]) -> Image.Image:
    tiles, frames, basis = image_tiles(sample), shading_tiles(sample), basis_tiles(sample)
    width = max(len(tiles), MIN_COLUMNS) * (TILE + GAP) - GAP
    side = (width + GAP) // max(MIN_FRAMES, len(frames)) - GAP
    below = (width + GAP) // max(MIN_FRAMES, len(basis)) - GAP + CAPTION + GAP if basis else 0
    height = HEADER + TILE + CAPTION + GAP + side + CAPTION + below + (24 * len(reasons[:3]))
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
    _draw_line(block, draw, tiles, HEADER, TILE, width)
    _draw_line(block, draw, frames, HEADER + TILE + CAPTION + GAP, side, width)
    if basis:
        top = HEADER + TILE + CAPTION + GAP + side + CAPTION + GAP
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
            _draw_light(draw, left + side - 17, top + 17, tile.light)
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


def _draw_light(draw: ImageDraw.ImageDraw, x: int, y: int, light: tuple[float, float]) -> None:
    draw.ellipse((x - 10, y - 10, x + 10, y + 10), outline=QUIET, width=1)
    dx, dy = light[0] * 10, -light[1] * 10
    draw.ellipse((x + dx - 3, y + dy - 3, x + dx + 3, y + dy + 3), fill=LAMP)


def _resized(picture: NDArray[np.uint8], side: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    return image.resize(
        (side, side), Image.Resampling.LANCZOS if picture.shape[0] > side else Image.Resampling.BICUBIC
    )


def _normal_key(side: int) -> Image.Image:
    """A ball in the colours of its normals, on the page's colour."""
    fine = 4 * side
    y, x = -(np.mgrid[0:fine, 0:fine] + 0.5 - fine / 2) / (fine / 2)
    x = -x
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    page = ImageColor.getrgb(PAGE)[:3]
    ball = display.normal_to_rgb(np.stack([x, y, z], axis=-1), x * x + y * y < 1, page)
    return Image.fromarray(ball).resize((side, side), Image.Resampling.LANCZOS)
