# SPDX-License-Identifier: Apache-2.0
"""Layers and channels of an EXR -> the planes of its picture: which channels are red, green and blue, or luminance.

Channel names are compared by their last part and in any case (`ViewLayer.Combined.R`, `beauty.r`, `red`). Of several
layers the plain one is taken, else the one called Combined, else beauty (or rgba), else the first that holds colour;
layers of data (normals, depth, Cryptomatte) are never taken for a picture.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging.color import REC709_LUMINANCE

Planes = Mapping[str, NDArray[np.floating]]

_LONG_NAMES = {"RED": "R", "GREEN": "G", "BLUE": "B", "ALPHA": "A", "LUMINANCE": "Y", "LUMA": "Y"}
_PREFERRED = ({""}, {"combined"}, {"beauty", "rgba", "rgb"})
_DATA_LAYER = re.compile(
    r"crypto|normal|position|\buv\b|vector|depth|motion|denois|velocity|index|objectid", re.IGNORECASE
)


@dataclass(frozen=True)
class ChosenPlanes:
    """The planes of an EXR that make its image.

    Attributes:
        pixels: (H, W, C), C is 3 for colour and for vectors, 1 for luminance and for data of one channel.
        alpha: (H, W) or None.
        names: The full names of the channels that `pixels` comes from.
        picture: Whether they are colour or luminance, and not vectors (X, Y, Z) or another single channel.
    """

    pixels: NDArray[np.floating]
    alpha: NDArray[np.floating] | None
    names: tuple[str, ...]
    picture: bool


def choose_planes(layers: Mapping[str, Planes], source: str) -> ChosenPlanes:
    """Choose the planes of an EXR's image.

    Args:
        layers: Layer -> channel -> (H, W), as `codecs.decode_exr_layers` returns them.
        source: How messages name the file.

    Returns:
        The picture, if there is one; else the X, Y, Z or the only channel of the only layer.

    Raises:
        ImageFileError: If there is neither; it names the channels.
    """
    folded = {layer: {canonical(name): name for name in planes} for layer, planes in layers.items()}
    pictures = [
        layer
        for layer, names in folded.items()
        if _picture_names(names) and (not _DATA_LAYER.search(layer) or len(layers) == 1)
    ]
    if pictures:
        order = list(layers)
        best = min(
            pictures,
            key=lambda layer: (_rank(layer), _picture_names(folded[layer]) == ("Y",), order.index(layer)),
        )
        return _planes(best, layers[best], folded[best], _picture_names(folded[best]), True, source)
    layer = "" if "" in layers else next(iter(layers))
    if layer == "" or len(layers) == 1:
        names = folded[layer]
        if {"X", "Y", "Z"} <= names.keys():
            return _planes(layer, layers[layer], names, ("X", "Y", "Z"), False, source)
        others = tuple(name for name in names if name != "A" or len(names) == 1)
        if len(others) == 1:
            return _planes(layer, layers[layer], names, others, False, source)
    raise ImageFileError(
        f"{source}: channels {', '.join(full_names(layers))}: neither R, G, B nor Y in any layer, and not a single "
        "channel; save the picture with channels R, G and B"
    )


def full_names(layers: Mapping[str, Planes]) -> tuple[str, ...]:
    """The names of all channels with their layers, in order."""
    return tuple(_full(layer, channel) for layer, planes in layers.items() for channel in planes)


def canonical(name: str) -> str:
    """A channel's name in the spelling of this module: R, G, B, A, Y, RY, BY, X, Z, or the name itself."""
    upper = name.upper()
    return _LONG_NAMES.get(upper, upper)


def from_luminance_chroma(
    y: NDArray[np.floating], ry: NDArray[np.floating], by: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Luminance and chroma -> (H, W, 3) linear Rec.709.

    RY = (R - Y) / Y, BY = (B - Y) / Y, and Y = wr R + wg G + wb B with the luminance weights ("Technical Introduction
    to OpenEXR", section on luminance/chroma images). Chroma of half the size is interpolated.
    """
    import cv2

    height, width = y.shape
    luminance = y.astype(np.float32)

    def full_size(chroma: NDArray[np.floating]) -> NDArray[np.float32]:
        plane = np.ascontiguousarray(chroma, np.float32)
        if plane.shape == y.shape:
            return plane
        # Samples lie at even rows and columns, so the map is by coordinates and not by pixel centres.
        columns, rows = np.meshgrid(
            np.arange(width, dtype=np.float32) / 2, np.arange(height, dtype=np.float32) / 2
        )
        full = cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return full.astype(np.float32, copy=False)

    red, blue = (1 + full_size(ry)) * luminance, (1 + full_size(by)) * luminance
    wr, wg, wb = (float(weight) for weight in REC709_LUMINANCE)
    return np.stack([red, (luminance - wr * red - wb * blue) / wg, blue], axis=2).astype(np.float32)


def _picture_names(names: Mapping[str, str]) -> tuple[str, ...]:
    """The canonical channels that make a picture; empty if there is none."""
    for wanted in (("R", "G", "B"), ("Y", "RY", "BY")):
        if set(wanted) <= names.keys():
            return wanted
    return ("Y",) if "Y" in names and not {"X", "Z"} & names.keys() else ()


def _rank(layer: str) -> int:
    last = layer.rpartition(".")[2].lower()
    return next((rank for rank, names in enumerate(_PREFERRED) if last in names), len(_PREFERRED))


def _planes(
    layer: str, planes: Planes, names: Mapping[str, str], wanted: tuple[str, ...], picture: bool, source: str
) -> ChosenPlanes:
    chosen = [planes[names[name]] for name in wanted]
    used = tuple(_full(layer, names[name]) for name in wanted)
    alpha = planes[names["A"]] if "A" in names and "A" not in wanted else None
    if wanted == ("Y", "RY", "BY"):
        return ChosenPlanes(from_luminance_chroma(*chosen), alpha, used, picture)
    if len({plane.shape for plane in chosen}) > 1:
        raise ImageFileError(f"{source}: channels {', '.join(used)} are of different sizes; save them at one")
    kind = np.result_type(*chosen)
    return ChosenPlanes(np.stack([plane.astype(kind) for plane in chosen], axis=2), alpha, used, picture)


def _full(layer: str, channel: str) -> str:
    return ".".join(filter(None, (layer, channel)))
