# SPDX-License-Identifier: Apache-2.0
"""Pictures -> one picture of them in rows, with captions, labels and the scale of errors."""

from collections.abc import Sequence

import numpy as np

from multishade.imaging.display import ERROR_RANGE, INK, WHITE, Picture, error_ramp
from multishade.imaging.text import fit_text, font


def colour_bar(height: int, maximum: float = ERROR_RANGE, unit: str = "°") -> Picture:
    """The scale of `display.error_to_rgb` beside a picture of that height: 0 at the bottom, `maximum` at the top."""
    from PIL import Image, ImageDraw

    bar = np.full((height, 62, 3), 255, dtype=np.uint8)
    bar[:, 4:18] = error_ramp(height)[0, ::-1, None]
    canvas = Image.fromarray(bar)
    draw = ImageDraw.Draw(canvas)
    steps = 5 if height >= 140 else 2
    for step in range(steps + 1):
        value = maximum * step / steps
        y = (height - 1) * (1 - step / steps)
        draw.line([(18, y), (21, y)], fill=INK)
        # The last colour stands for everything above it too.
        text = f"{value:g}{unit}{'+' if step == steps else ''}"
        draw.text((24, min(max(y, 7), height - 7)), text, fill=INK, font=font(13), anchor="lm")
    return np.asarray(canvas)


def tile(
    rows: Sequence[Sequence[Picture | None]],
    captions: Sequence[Sequence[str]] | None = None,
    labels: Sequence[str] | None = None,
    gap: int = 8,
) -> Picture:
    """Pictures in rows on white, a caption above each and a label before each row; None leaves a place empty.

    rows: lists of pictures; columns are as wide as their widest picture, rows as high as their highest.
    captions: a line of text for each picture, cut where it would run into the next one.
    """
    from PIL import Image, ImageDraw

    caption_font, label_font = font(13), font(14)
    columns = max(len(row) for row in rows)
    widths = [
        max(
            (picture.shape[1] for row in rows for picture in row[column : column + 1] if picture is not None),
            default=0,
        )
        for column in range(columns)
    ]
    heights = [max((picture.shape[0] for picture in row if picture is not None), default=0) for row in rows]
    caption_height = 20 if captions else 0
    label_height = 22 if labels else 0
    total_width = sum(widths) + gap * (columns + 1)
    total_height = sum(heights) + (gap + caption_height + label_height) * len(rows) + gap
    canvas = Image.new("RGB", (total_width, total_height), WHITE)
    draw = ImageDraw.Draw(canvas)
    top = gap
    for number, row in enumerate(rows):
        if labels:
            draw.text((gap, top + label_height / 2), labels[number], fill=INK, font=label_font, anchor="lm")
            top += label_height
        left = gap
        for column, picture in enumerate(row):
            if captions and column < len(captions[number]):
                text = fit_text(captions[number][column], widths[column], caption_font)
                draw.text(
                    (left, top + caption_height / 2 - 1), text, fill=INK, font=caption_font, anchor="lm"
                )
            if picture is not None:
                canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (left, top + caption_height))
            left += widths[column] + gap
        top += heights[number] + caption_height + gap
    return np.asarray(canvas)
