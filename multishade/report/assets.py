# SPDX-License-Identifier: Apache-2.0
"""Pictures of assets and the reasons for which others are refused -> one PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from multishade.imaging import display
from multishade.imaging.codecs import write_png
from multishade.imaging.text import fit_text, font
from multishade.report.block import ALARM, PAGE, QUIET, TEXT, TITLE
from multishade.report.legend import normal_ball

MARGIN, GAP, SIDE = 36, 14, 128
COLUMNS = 5
MOST_ASSETS, MOST_REASONS = 500, 200
TITLE_HEIGHT, CAPTION_HEIGHT, LINE = 84, 44, 24
BALL = 72  # pixels a side of the legend of the normals


@dataclass(frozen=True)
class AssetPicture:
    """One asset: its name, its properties, and pictures of it of one height."""

    name: str
    tags: tuple[str, ...]
    pictures: tuple[display.Picture, ...]


def draw_asset_sheet(
    path: Path, title: str, assets: Sequence[AssetPicture], refused: Sequence[tuple[str, str]] = ()
) -> None:
    """Write a contact sheet of assets as PNG.

    Args:
        path: The PNG file.
        title: Line at the top.
        assets: The assets; of more than `MOST_ASSETS`, evenly spaced ones are shown.
        refused: Name and reason of each asset that is not shown, listed below; at most `MOST_REASONS`.

    Raises:
        ImageFileError: If the file cannot be written.
    """
    shown = min(len(assets), MOST_ASSETS)
    chosen = [assets[number * len(assets) // shown] for number in range(shown)]
    lines = [f"{name}: {reason}" for name, reason in refused[:MOST_REASONS]]
    if len(refused) > MOST_REASONS:
        lines.append(f"and {len(refused) - MOST_REASONS} more")
    cell = 2 * SIDE + 4
    width = COLUMNS * (cell + GAP) - GAP
    rows = -(-shown // COLUMNS)
    below = TITLE_HEIGHT + rows * (SIDE + CAPTION_HEIGHT + GAP)
    height = below + (LINE * (len(lines) + 2) if lines else 0)
    page = Image.new("RGB", (width + 2 * MARGIN, height + 2 * MARGIN), PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN), "MultiShade", fill=TITLE, font=font(32))
    some = "" if shown == len(assets) else f" ({shown} of them shown)"
    draw.text((MARGIN, MARGIN + 44), title + some, fill=QUIET, font=font(17))
    page.paste(normal_ball(BALL), (MARGIN + width - BALL, MARGIN - 4))
    for number, asset in enumerate(chosen):
        row, column = divmod(number, COLUMNS)
        left = MARGIN + column * (cell + GAP)
        _draw_asset(page, draw, asset, left, MARGIN + TITLE_HEIGHT + row * (SIDE + CAPTION_HEIGHT + GAP))
    if lines:
        top = MARGIN + below + LINE // 2
        draw.text((MARGIN, top), f"Refused: {len(refused)}", fill=TITLE, font=font(17), anchor="lm")
        for number, line in enumerate(lines, 1):
            text = fit_text(line, width, font(15))
            draw.text((MARGIN, top + number * LINE), text, fill=ALARM, font=font(15), anchor="lm")
    write_png(path, np.asarray(page))


def _draw_asset(
    page: Image.Image, draw: ImageDraw.ImageDraw, asset: AssetPicture, left: int, top: int
) -> None:
    for number, picture in enumerate(asset.pictures):
        tile = Image.fromarray(np.ascontiguousarray(display.fit_height(picture, SIDE)))
        page.paste(tile, (left + number * (SIDE + 4), top))
    room = 2 * SIDE + 4
    for text, size, colour, offset in (
        (asset.name, 15, TEXT, 12),
        (", ".join(asset.tags), 13, QUIET, 31),
    ):
        fitted = fit_text(text, room, font(size))
        draw.text((left, top + SIDE + offset), fitted, fill=colour, font=font(size), anchor="lm")
