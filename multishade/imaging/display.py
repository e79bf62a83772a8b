# SPDX-License-Identifier: Apache-2.0
"""Arrays (normals, depth, errors, radiance, masks) -> 8-bit RGB pictures for people; the one owner of their colours.

All pictures are (H, W, 3) uint8. Nothing here is read back as data.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.imaging import codecs
from multishade.imaging.color import linear_to_png
from multishade.imaging.normal_maps import encode_normals

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]
WHITE, BLACK, INK, MISSING = (255, 255, 255), (0, 0, 0), (32, 36, 42), (0, 200, 220)
# 30 degrees is where the published within-x-degrees tables end; beyond it errors need no finer shades.
ERROR_RANGE, ERROR_COLOURS = 30.0, "inferno"
DEPTH_COLOURS = "viridis"
WIDEST = 4  # in heights: how wide a picture beside others may become


def normal_to_rgb(
    normal: NDArray[np.floating], mask: Mask | None = None, background: Colour = WHITE
) -> Picture:
    """(H, W, 3) unit vectors -> n / 2 + 1/2 in 8 bit; `background` outside `mask` and where there is no normal."""
    inside = (normal != 0).any(axis=2) if mask is None else mask & (normal != 0).any(axis=2)
    return _on_background(encode_normals(normal, 8), inside, background)


def depth_to_rgb(
    depth: NDArray[np.floating],
    mask: Mask,
    background: Colour = WHITE,
    colours: str | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
) -> Picture:
    """(H, W) depth -> near bright, far dark, over the range of the object; `background` where it is not finite.

    colours: a colour map of matplotlib's such as DEPTH_COLOURS, or None for grey. percentiles: of the depths on the
    object, what counts as nearest and farthest.
    """
    inside = mask & np.isfinite(depth)
    if not inside.any():
        return _on_background(np.zeros((*mask.shape, 3), np.uint8), inside, background)
    near, far = np.percentile(depth[inside], percentiles)
    distance = (np.where(inside, depth, near) - near) / max(float(far - near), 1e-9)
    if colours is None:
        return grey_to_rgb(1 - 0.9 * distance, inside, background)
    return _on_background(_mapped(0.06 + 0.9 * (1 - distance), colours), inside, background)


def error_to_rgb(
    error: NDArray[np.floating],
    mask: Mask,
    maximum: float = ERROR_RANGE,
    background: Colour = WHITE,
    missing: Colour = MISSING,
) -> Picture:
    """(H, W) errors in degrees: 0 is black, `maximum` and above pale yellow, NaN (no prediction) `missing`."""
    coloured = _mapped(np.nan_to_num(error, nan=0.0) / maximum, ERROR_COLOURS)
    coloured[np.isnan(error)] = missing
    return _on_background(coloured, mask, background)


def error_ramp(length: int) -> Picture:
    """The colours of `error_to_rgb` from 0 to its maximum, (1, length, 3)."""
    return _mapped(np.linspace(0, 1, length), ERROR_COLOURS)[None]


def radiance_to_rgb(
    image: NDArray[np.floating],
    mask: Mask | None = None,
    background: Colour = WHITE,
    white: float | None = None,
) -> Picture:
    """Linear (H, W, 3) or (H, W) -> sRGB. `white`: the value shown as white, by default the 99th percentile."""
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    inside = np.ones(colour.shape[:2], dtype=bool) if mask is None else mask
    if white is None:
        values = colour[inside]
        white = float(np.percentile(values, 99)) if values.size else 1.0
    return _on_background(linear_to_png(colour / max(white, 1e-12), 8), inside, background)


def grey_to_rgb(
    values: NDArray[np.floating], mask: Mask | None = None, background: Colour = WHITE
) -> Picture:
    """(H, W) in [0, 1], shown as it is (no sRGB coding): shading, confidence, alpha."""
    coded = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    inside = np.ones(values.shape, dtype=bool) if mask is None else mask
    return _on_background(np.repeat(coded[..., None], 3, axis=2), inside, background)


def pass_to_rgb(
    name: str, values: NDArray[Any], mask: Mask | None = None, background: Colour = WHITE
) -> Picture:
    """A material pass -> a picture; `background` outside `mask`.

    name: albedo (H, W, 3) is sRGB-encoded, roughness and metallic (H, W) are grey from 0 to 1, object_index (H, W) has
    a colour for each number, position (H, W, 3) is red, green and blue over the largest extent of the object.
    """
    inside = np.ones(values.shape[:2], dtype=bool) if mask is None else mask
    if name == "albedo":
        coloured = linear_to_png(np.minimum(values, 1), 8)
    elif name == "position":
        chosen = values[inside]
        low = chosen.min(axis=0) if chosen.size else np.zeros(3)
        extent = max(float((chosen.max(axis=0) - low).max()) if chosen.size else 0.0, 1e-9)
        coloured = np.rint(np.clip((values - low) / extent, 0, 1) * 255).astype(np.uint8)
    elif name == "object_index":
        # The golden angle: neighbouring numbers get distant colours, and a number the same one in every sample.
        coloured = _mapped(np.mod(values * 0.381966, 1.0), "hsv")
    else:
        return grey_to_rgb(values, inside, background)
    return _on_background(coloured, inside, background)


def fit_height(picture: Picture, height: int) -> Picture:
    """The picture at another height: nearest neighbour to enlarge (pixels stay pixels), area to shrink.

    Its aspect is kept; one that is WIDEST times as wide as high, or more, becomes WIDEST heights wide and lower than
    `height`, so that no picture is unbounded.
    """
    from PIL import Image

    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    if width > WIDEST * height:
        width = WIDEST * height
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    shrinking = height < picture.shape[0]
    filtering = Image.Resampling.BOX if shrinking else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), filtering))


def save(path: Path, picture: Picture) -> None:
    """Write a PNG."""
    codecs.write_png(path, picture)


def _mapped(values: NDArray[np.floating], colours: str) -> Picture:
    """(...) values in [0, 1], cut at the ends -> (..., 3) of a colour map of matplotlib's."""
    import matplotlib

    mapped = matplotlib.colormaps[colours](np.clip(values, 0, 1))[..., :3]
    return (mapped * 255).round().astype(np.uint8)


def _on_background(coloured: Picture, inside: Mask, background: Colour) -> Picture:
    return np.where(inside[..., None], coloured, np.array(background, dtype=np.uint8))
