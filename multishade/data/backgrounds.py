# SPDX-License-Identifier: Apache-2.0
"""Random backgrounds behind an object: a colour, a gradient, or a piece of a picture, in linear light."""

import glob
from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.settings import Background
from multishade.errors import DataError, ImageFileError
from multishade.imaging.codecs import HALF_MAX
from multishade.imaging.color import png_to_linear
from multishade.imaging.read import read_image

Float32 = NDArray[np.float32]
_LARGEST_SIDE = 1024  # pictures are cached at this size
_CACHED = 32
_SATURATION = 0.7


class Backgrounds:
    """Samples backgrounds. Owns a cache of pictures."""

    def __init__(self, settings: Background) -> None:
        self._settings = settings
        weights = np.array([settings.black, settings.colour, settings.gradient, settings.image])
        self._steps = np.cumsum(weights / weights.sum())
        self._paths = _list_pictures(settings.images) if settings.image else []
        self._read: OrderedDict[str, Float32] = OrderedDict()

    @property
    def black(self) -> bool:
        """Whether it is always black."""
        settings = self._settings
        return settings.colour + settings.gradient + settings.image == 0

    def sample(self, size: tuple[int, ...], rng: np.random.Generator) -> Tensor:
        """(3, H, W) float32 linear light for size (H, W), or (3, 1, 1) of one colour; its mean lies in the
        settings' brightness.
        """
        kind = int(np.searchsorted(self._steps, rng.random(), side="right"))
        low, high = self._settings.brightness
        brightness = low + rng.random() * (high - low)
        if kind == 0:
            return torch.zeros(3, 1, 1)
        if kind == 1:
            return torch.from_numpy(_colour(rng) * np.float32(brightness)).view(3, 1, 1)
        if kind == 2:
            corners = np.stack([_colour(rng) * rng.uniform(0.1, 1) for _ in range(9)]).reshape(3, 3, 3)
            field = np.maximum(_resize(corners.astype(np.float32), size, cv2.INTER_CUBIC), 0)
        else:
            field = self._piece(size, rng)
        scale = brightness / max(float(field.mean()), 1e-6)
        return torch.from_numpy(field).permute(2, 0, 1) * scale

    def _piece(self, size: tuple[int, ...], rng: np.random.Generator) -> Float32:
        """A random part, of the wanted shape and at least half of what fits, of a random picture."""
        picture = self._picture(self._paths[int(rng.integers(len(self._paths)))])
        height, width = picture.shape[:2]
        fit = min(height / size[0], width / size[1]) * rng.uniform(0.5, 1)
        rows, columns = max(1, int(size[0] * fit)), max(1, int(size[1] * fit))
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        piece = picture[top : top + rows, left : left + columns]
        piece = piece[:, ::-1] if rng.random() < 0.5 else piece
        filtering = cv2.INTER_AREA if rows > size[0] else cv2.INTER_LINEAR
        return _resize(piece, size, filtering)

    def _picture(self, path: str) -> Float32:
        if path not in self._read:
            self._read[path] = read_picture(path)
            if len(self._read) > _CACHED:
                self._read.popitem(last=False)
        self._read.move_to_end(path)
        return self._read[path]


def read_picture(path: str) -> Float32:
    """An image file, 8 or 16 bit in sRGB or EXR in linear light -> (H, W, 3) linear light, at most 1024 pixels a side.

    Raises DataError, naming the file, if it cannot be read.
    """
    try:
        image = read_image(path, upright=True)
    except ImageFileError as error:
        raise DataError(f"{error}; take it out of background.images") from error
    if image.transfer == "linear":
        linear = np.clip(image.rgb, 0, HALF_MAX)
    else:
        linear = png_to_linear(np.repeat(image.pixels, 3 // image.pixels.shape[2], axis=2))
    larger = max(linear.shape[:2]) / _LARGEST_SIDE
    if larger > 1:
        small = (round(linear.shape[0] / larger), round(linear.shape[1] / larger))
        linear = _resize(linear, small, cv2.INTER_AREA)
    return linear


def _resize(image: Float32, size: tuple[int, ...], filtering: int) -> Float32:
    """(H, W, 3) at another size (rows, columns)."""
    rows, columns = size
    resized = cv2.resize(np.ascontiguousarray(image), (columns, rows), interpolation=filtering)
    return resized.astype(np.float32, copy=False)


def _list_pictures(patterns: Sequence[str]) -> list[str]:
    paths: list[str] = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise DataError(f"background.images: {pattern}: no such file, or pattern that matches one")
        paths += matches
    return list(dict.fromkeys(paths))


def _colour(rng: np.random.Generator) -> Float32:
    """A colour of mean 1, between grey and rather saturated."""
    colour = 1 + _SATURATION * rng.random() * (rng.random(3) * 2 - 1)
    return (colour / colour.mean()).astype(np.float32)
