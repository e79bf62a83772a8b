# SPDX-License-Identifier: Apache-2.0
"""Arrays (normals, errors, radiance, masks) -> 8-bit RGB pictures for people, and tiles of them with captions.

All pictures are (H, W, 3) uint8. Nothing here is read back as data.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.color import linear_to_png

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
WHITE, BLACK, INK = (255, 255, 255), (0, 0, 0), (32, 36, 42)
# 30 degrees is where the published within-x-degrees tables end; beyond it "wrong" needs no finer shades.
ERROR_RANGE, ERROR_COLOURS = 30.0, "inferno"


def normal_to_rgb(
    normal: NDArray[np.floating], mask: Mask | None = None, background: tuple[int, int, int] = WHITE
) -> Picture:
    """(H, W, 3) unit vectors -> n / 2 + 1/2 in 8 bit; `background` outside `mask` and where there is no normal."""
    inside = (normal != 0).any(axis=2) if mask is None else mask & (normal != 0).any(axis=2)
    coded = np.rint((np.clip(normal, -1, 1) * 0.5 + 0.5) * 255).astype(np.uint8)
    return _on_background(coded, inside, background)


def error_to_rgb(
    error: NDArray[np.floating],
    mask: Mask,
    maximum: float = ERROR_RANGE,
    background: tuple[int, int, int] = WHITE,
) -> Picture:
    """(H, W) errors in degrees: 0 is black, `maximum` and above pale yellow, NaN (no prediction) cyan."""
    import matplotlib

    scaled = np.clip(np.nan_to_num(error, nan=0.0) / maximum, 0, 1)
    coloured = (matplotlib.colormaps[ERROR_COLOURS](scaled)[..., :3] * 255).round().astype(np.uint8)
    coloured[np.isnan(error)] = (0, 200, 220)
    return _on_background(coloured, mask, background)


def radiance_to_rgb(
    image: NDArray[np.floating],
    mask: Mask | None = None,
    background: tuple[int, int, int] = WHITE,
    white: float | None = None,
) -> Picture:
    """Linear (H, W, 3) or (H, W) -> sRGB. `white`: the value shown as white, by default the 99th percentile."""
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    inside = np.ones(colour.shape[:2], dtype=bool) if mask is None else mask
    if white is None:
        values = colour[inside]
        white = float(np.percentile(values, 99)) if values.size else 1.0
    return _on_background(linear_to_png(colour / max(white, 1e-12), 8), inside, background)


def gray_to_rgb(
    values: NDArray[np.floating], mask: Mask | None = None, background: tuple[int, int, int] = WHITE
) -> Picture:
    """(H, W) in [0, 1], shown as it is (no sRGB coding): shading, confidence, alpha."""
    coded = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    inside = np.ones(values.shape, dtype=bool) if mask is None else mask
    return _on_background(np.repeat(coded[..., None], 3, axis=2), inside, background)


def clay(
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    mask: Mask,
    height: int,
    turn_degrees: float = 0.0,
) -> Picture:
    """A surface as matt clay, turned about the vertical axis and lit from the upper left.

    points, normals: (H, W, 3) where `mask` (H, W) is, pixel neighbours being neighbours on the surface. Camera frame:
    +x right, +y up, +z toward the camera. Every square of four neighbours is filled with enough dots to leave no hole
    in a depth buffer; what faces away is not drawn.
    """
    angle = np.radians(turn_degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    placed, facing = points @ turn.T, normals @ turn.T
    inside = placed[mask]
    low, high = inside.min(axis=0), inside.max(axis=0)
    width_to_height = 1.6
    scale = (height - 4) / max(high[1] - low[1], (high[0] - low[0]) / width_to_height, 1e-12)
    size = (height, int((high[0] - low[0]) * scale) + 4)
    corners = [np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1], np.s_[1:, 1:]]
    square = np.logical_and.reduce([mask[corner] for corner in corners])
    flat = [(placed[corner][square][:, :2] - low[:2]) * scale for corner in corners]
    # A dot for each picture pixel of the longest side; past 24 a side belongs to a jump and not to the surface.
    sides = np.stack([np.abs(flat[0] - flat[1]), np.abs(flat[0] - flat[2]), np.abs(flat[0] - flat[3])])
    dots = int(np.clip(np.ceil(np.percentile(sides.max(axis=(0, 2)), 99)) + 1, 2, 24)) if square.any() else 2
    light = np.array([-0.45, 0.5, 0.74]) / np.linalg.norm([-0.45, 0.5, 0.74])
    nearest = np.full(size, -np.inf)
    shade = np.ones(size)
    steps = (np.arange(dots) + 0.5) / dots
    for down in steps:
        for right in steps:
            weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
            at = sum(weight * part for weight, part in zip(weights, flat, strict=True))
            depth = sum(w * placed[corner][square][:, 2] for w, corner in zip(weights, corners, strict=True))
            normal = sum(w * facing[corner][square] for w, corner in zip(weights, corners, strict=True))
            normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
            # Half Lambert: the side away from the light keeps its shape; below white, so that the paper shows apart.
            brightness = 0.93 * (0.5 + 0.5 * normal @ light) ** 1.5
            column, row = at[:, 0].astype(int) + 2, size[0] - 3 - at[:, 1].astype(int)
            order = np.argsort(depth, kind="stable")
            order = order[normal[order, 2] > 0]
            # Far to near: NumPy keeps the last value written to a place, so within a round the nearest dot wins.
            layer, layer_depth = np.ones(size), np.full(size, -np.inf)
            layer[row[order], column[order]] = brightness[order]
            layer_depth[row[order], column[order]] = depth[order]
            nearer = layer_depth > nearest
            shade[nearer], nearest[nearer] = layer[nearer], layer_depth[nearer]
    return gray_to_rgb(shade)


def colour_bar(height: int, maximum: float = ERROR_RANGE, unit: str = "°") -> Picture:
    """The scale of `error_to_rgb` beside a picture of that height: 0 at the bottom, `maximum` at the top."""
    import matplotlib
    from PIL import Image, ImageDraw

    font = _font(13)
    ramp = matplotlib.colormaps[ERROR_COLOURS](np.linspace(1, 0, height))[:, None, :3]
    bar = np.full((height, 62, 3), 255, dtype=np.uint8)
    bar[:, 4:18] = (ramp * 255).round().astype(np.uint8)
    canvas = Image.fromarray(bar)
    draw = ImageDraw.Draw(canvas)
    steps = 5 if height >= 140 else 2
    for step in range(steps + 1):
        value = maximum * step / steps
        y = (height - 1) * (1 - step / steps)
        draw.line([(18, y), (21, y)], fill=INK)
        # The last colour stands for everything above it too.
        text = f"{value:g}{unit}{'+' if step == steps else ''}"
        draw.text((24, min(max(y, 7), height - 7)), text, fill=INK, font=font, anchor="lm")
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

    font, bold = _font(13), _font(14)
    columns = max(len(row) for row in rows)
    widths = [
        max(
            (picture.shape[1] for row in rows for picture in row[place : place + 1] if picture is not None),
            default=0,
        )
        for place in range(columns)
    ]
    heights = [max((picture.shape[0] for picture in row if picture is not None), default=0) for row in rows]
    caption_height = 20 if captions else 0
    label_height = 22 if labels else 0
    total_width = sum(widths) + gap * (columns + 1)
    total_height = sum(heights) + (gap + caption_height + label_height) * len(rows) + gap
    canvas = Image.new("RGB", (total_width, total_height), WHITE)
    draw = ImageDraw.Draw(canvas)
    top = gap
    for place, row in enumerate(rows):
        if labels:
            draw.text((gap, top + label_height / 2), labels[place], fill=INK, font=bold, anchor="lm")
            top += label_height
        left = gap
        for column, picture in enumerate(row):
            if captions and column < len(captions[place]):
                text = _fit(captions[place][column], widths[column], font)
                draw.text((left, top + caption_height / 2 - 1), text, fill=INK, font=font, anchor="lm")
            if picture is not None:
                canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (left, top + caption_height))
            left += widths[column] + gap
        top += heights[place] + caption_height + gap
    return np.asarray(canvas)


def fit_height(picture: Picture, height: int) -> Picture:
    """The picture at another height, aspect kept: nearest neighbour to enlarge (pixels stay pixels), area to shrink."""
    from PIL import Image

    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    shrinking = height < picture.shape[0]
    filtering = Image.Resampling.BOX if shrinking else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), filtering))


def save(path: Path, picture: Picture) -> None:
    """Write a PNG."""
    codecs.write_png(path, picture)


def save_gif(path: Path, frames: Sequence[Picture], rate: float) -> None:
    """Write an endless GIF of grey or few-coloured frames, `rate` a second."""
    from PIL import Image

    first, *rest = [Image.fromarray(np.ascontiguousarray(frame)).convert("P") for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / rate), loop=0, optimize=False)


def save_mp4(path: Path, frames: Sequence[Picture], rate: float) -> None:
    """Write a VP9 video (browsers and players read it; OpenCV brings the encoder), `rate` frames a second."""
    import cv2

    height, width = (size - size % 2 for size in frames[0].shape[:2])  # colour is stored for 2 x 2 pixels
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"vp09"), rate, (width, height))
    if not writer.isOpened():
        raise ImageFileError(f"{path}: cannot be written as a video; choose another folder, or GIF")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:height, :width, ::-1]))
    writer.release()


def _on_background(coloured: Picture, inside: Mask, background: tuple[int, int, int]) -> Picture:
    return np.where(inside[..., None], coloured, np.array(background, dtype=np.uint8))


def _font(size: int):  # type: ignore[no-untyped-def]
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _fit(text: str, width: int, font) -> str:  # type: ignore[no-untyped-def]
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
