# SPDX-License-Identifier: Apache-2.0
"""Pictures -> one picture of them in rows, with captions, labels, the scale of errors and the ball of normals."""

from collections.abc import Sequence

import numpy as np

from multishade.imaging.display import ERROR_RANGE, INK, WHITE, Colour, Picture, error_ramp, normal_to_rgb
from multishade.imaging.text import fit_text, font


def normal_ball(side: int, background: Colour = WHITE) -> Picture:
    """Draw a ball in the colours of its normals: the legend of every picture of normals.

    Args:
        side: Pixels of the square picture.
        background: Colour around the ball.
    """
    from PIL import Image

    fine = 4 * side
    v, u = np.mgrid[0:fine, 0:fine] + 0.5
    x, y = 2 * u / fine - 1, 1 - 2 * v / fine
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    ball = normal_to_rgb(np.stack([x, y, z], axis=-1), x * x + y * y < 1, background)
    return np.asarray(Image.fromarray(ball).resize((side, side), Image.Resampling.LANCZOS))


def normal_legend(height: int) -> Picture:
    """Draw the ball with the axes of its colours, as a strip for beside pictures of normals of that height."""
    from PIL import Image, ImageDraw

    side = int(np.clip(height // 4, 28, 72))
    strip = Image.new("RGB", (side + 8, height), WHITE)
    top = max(0, height - side - (18 if height >= side + 36 else 0))
    strip.paste(Image.fromarray(normal_ball(side)), (4, top))
    if height >= side + 36:
        draw = ImageDraw.Draw(strip)
        middle = strip.width / 2
        draw.text((middle, top - 10), "y up", fill=INK, font=font(11), anchor="mm")
        draw.text((middle, top + side + 9), "x right", fill=INK, font=font(11), anchor="mm")
    return np.asarray(strip)


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
