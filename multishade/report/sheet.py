# SPDX-License-Identifier: Apache-2.0
"""Tars -> one PNG with a spread of their samples, or one sample large; at its end, what the captions mean."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from multishade.errors import MultiShadeError
from multishade.imaging.codecs import write_png
from multishade.imaging.text import font
from multishade.report.block import PAGE, QUIET, TITLE, draw_block
from multishade.report.drawable import is_drawable
from multishade.report.legend import draw_legend, normal_ball
from multishade.shards.keys import group_key_of
from multishade.shards.sample import Sample, decode_sample
from multishade.shards.tar import list_keys, read_shard
from multishade.storage.store import FilePlace, StoredFile, open_file

MARGIN, BETWEEN = 36, 30
LARGE = 380  # pixels a side of a tile of one sample alone

Tar = TypeVar("Tar")


def draw_sheet(
    path: Path, shards: Sequence[FilePlace], rows: int, reasons: Mapping[str, Sequence[str]] | None = None
) -> int:
    """Write a contact sheet as PNG; samples that cannot be read, or whose arrays do not fit their meta, are left out.

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
    blocks = [draw_block(sample, reasons.get(sample.key, ())) for sample in samples]
    names = tars[0].name if len(tars) == 1 else f"{tars[0].name} to {tars[-1].name}"
    write_png(path, draw_page(blocks, f"{len(blocks)} of {len(entries)} samples of {names}"))
    return len(blocks)


def draw_sample_sheet(path: Path, sample: Sample) -> None:
    """Write one sample as a large PNG.

    Args:
        path: The PNG file.
        sample: The sample.

    Raises:
        ImageFileError: If the file cannot be written.
    """
    write_png(path, draw_page([draw_block(sample, tile=LARGE)], sample.key))


def draw_page(blocks: Sequence[Image.Image], subtitle: str) -> NDArray[np.uint8]:
    """Draw blocks below a title, and the legend at the end; (H, W, 3)."""
    width = max([block.width for block in blocks], default=900)
    parts = [_draw_title(width, subtitle), *blocks, draw_legend(width)]
    height = 2 * MARGIN + sum(part.height for part in parts) + BETWEEN * (len(parts) - 2)
    page = Image.new("RGB", (width + 2 * MARGIN, height), PAGE)
    top = MARGIN
    for number, part in enumerate(parts):
        page.paste(part, (MARGIN, top))
        top += part.height + (BETWEEN if number else 0)
    return np.asarray(page)


def _entries(shards: Sequence[StoredFile]) -> list[tuple[StoredFile, str]]:
    """(tar, key) of every sample of the tars that can be listed."""
    entries = []
    for shard in shards:
        with suppress(MultiShadeError):
            entries += [(shard, key) for key in list_keys(shard)]
    return entries


def _read(entries: Sequence[tuple[StoredFile, str]]) -> Iterator[Sample]:
    """The samples that can be drawn, tar by tar; each tar is read once."""
    wanted: dict[StoredFile, set[str]] = {}
    for shard, key in entries:
        wanted.setdefault(shard, set()).add(key)
    for shard in sorted(wanted, key=str):
        with suppress(MultiShadeError):
            for key, files in read_shard(shard):
                if key in wanted[shard] and (sample := _drawable(key, files)) is not None:
                    yield sample


def _drawable(key: str, files: Mapping[str, bytes]) -> Sample | None:
    try:
        sample = decode_sample(key, files)
    except MultiShadeError:
        return None
    return sample if is_drawable(sample) else None


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


def _draw_title(width: int, subtitle: str) -> Image.Image:
    band = Image.new("RGB", (width, 92), PAGE)
    draw = ImageDraw.Draw(band)
    draw.text((0, 0), "MultiShade", fill=TITLE, font=font(32))
    draw.text((0, 44), subtitle, fill=QUIET, font=font(17))
    ball = normal_ball(72)
    band.paste(ball, (width - 72, 0))
    return band
