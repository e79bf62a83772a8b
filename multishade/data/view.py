# SPDX-License-Identifier: Apache-2.0
"""A sample's files -> the arrays that training takes from it, and no others.

Arrays are planar (C, H, W) half floats as they are stored: what makes float32 of them runs where it is needed.
"""

import fnmatch
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.data import relight
from multishade.data.display import half
from multishade.data.reader import Raw
from multishade.data.settings import Data
from multishade.errors import DataError, ImageFileError, ShardError
from multishade.field_files import decode_grey, light_names
from multishade.image_files import decode_exr, decode_png
from multishade.transfer import linear_from_png

Half = NDArray[np.float16]
_IMAGE = re.compile(r"image_[a-z0-9_]+\.(?:exr|png)")
_FRAME = re.compile(r"light_[0-9]+\.png")
_SEQUENCE = "shading.exr"
_SAME_DIRECTION = 1e-3  # largest difference of a light's coordinates that counts as rounding


@dataclass(frozen=True, eq=False)
class View:
    """image: (3, H, W) linear light, background 0, weighted by coverage. alpha: (H, W) uint8 coverage, or
    None if unasked.

    mask: (H, W) bool. normal: (3, H, W), 0 off the mask, of unit length to 0.1 %. shading: (K, H, W) as stored, or None
    where it follows from the normal.
    """

    key: str
    image: Half
    alpha: NDArray[np.uint8] | None
    mask: NDArray[np.bool_]
    normal: Half
    shading: Half | None


class ViewDecoder:
    """Settings and lights -> which files of a sample are needed, and the arrays in them.

    directions: (K, 3) the lights whose shading is wanted, camera frame.
    """

    def __init__(self, settings: Data, directions: NDArray[np.floating]) -> None:
        self._settings = settings
        self._directions = np.asarray(directions, np.float64)
        background = settings.photometric.background
        self._alpha = background.colour + background.gradient + background.image > 0
        self._cast = settings.shading == "cast"

    def may_need(self, name: str) -> bool:
        """Whether a file of this name (without the key) can be needed by any sample."""
        fixed = ("normal.exr", "mask.png", "meta.json", "alpha.png", _SEQUENCE, relight.FILE)
        return name in fixed or bool(_IMAGE.fullmatch(name) or _FRAME.fullmatch(name))

    def choose(self, names: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Names of a sample's files -> those to read. Draws the input image.

        Raises ShardError where a file lacks, DataError where the settings ask for what this kind of shard
        does not have.
        """
        relit, which = rng.random(2)
        needed = ["normal.exr", "mask.png"]
        if self._alpha:
            needed.append("alpha.png")
        if self._cast:
            needed += ["meta.json", _SEQUENCE]
        if relit < self._settings.relight.share:
            needed += relight.basis_files(names)
        else:
            inputs = self._inputs(names)
            needed.append(inputs[int(which * len(inputs))])
        missing = [name for name in needed if name not in names]
        if missing:
            raise ShardError(f"lacks {', '.join(missing)}; it has {', '.join(names)}")
        return list(dict.fromkeys(needed))

    def decode(self, raw: Raw, rng: np.random.Generator) -> View:
        """The chosen files -> arrays; composes the input image where a basis was chosen. rng: begun anew as
        for `choose`.

        Raises ShardError for files that are damaged, DataError for ones that do not fit the settings.
        """
        files = raw.files
        relit, which = rng.random(2)
        try:
            mask = decode_grey(raw.key, "mask.png", files["mask.png"]) > 127
            normal = _planes(raw, "normal.exr", "RGB")
            if relit < self._settings.relight.share:
                image = self._relit(raw, mask, rng)
            else:
                image = self._image(raw, which)
            alpha = decode_grey(raw.key, "alpha.png", files["alpha.png"]) if self._alpha else None
            shading = self._stored_shading(raw) if self._cast else None
        except ImageFileError as error:
            raise ShardError(f"{raw.place}: {error}") from error
        for what, array in (("image", image), ("normal", normal), ("shading", shading), ("alpha", alpha)):
            if array is not None and array.shape[-2:] != mask.shape:
                raise ShardError(
                    f"{raw.place}: {raw.key}: {what} is {array.shape[-2:]}, the mask {mask.shape}"
                )
        if not (np.isfinite(normal.max(initial=0)) and np.isfinite(image.max(initial=0))):
            raise ShardError(f"{raw.place}: {raw.key}: normal or image holds values that are not finite")
        return View(raw.key, image, alpha, mask, normal, shading)

    def _inputs(self, names: Sequence[str]) -> list[str]:
        """The files that can be the input image: image_*, or frames of a photometric sequence where there
        is no image_*.
        """
        stored = [name for name in names if _IMAGE.fullmatch(name)]
        if not stored:
            frames = [name for name in names if _FRAME.fullmatch(name)]
            if not frames and _SEQUENCE not in names:
                raise DataError("holds no input image: render with lights, or with shading.mode: photometric")
            return frames or [_SEQUENCE]
        patterns = self._settings.images
        chosen = [
            name
            for name in stored
            if any(fnmatch.fnmatchcase(name.rsplit(".", 1)[0], pattern) for pattern in patterns)
        ]
        if not chosen:
            raise DataError(
                f"no image matches images: {', '.join(patterns)}; there are "
                f"{', '.join(name.rsplit('.', 1)[0] for name in stored)}"
            )
        return chosen

    def _image(self, raw: Raw, which: float) -> Half:
        """(3, H, W) linear light: the chosen file, or a frame of the sequence that was chosen for want of one."""
        name = next((name for name in raw.files if _IMAGE.fullmatch(name) or _FRAME.fullmatch(name)), None)
        if name is None:
            frames = relight.basis_of(raw.key, raw.files)
            return _planar(frames[int(which * len(frames))])
        if name.endswith(".exr"):
            return _planes(raw, name, "RGB")
        pixels = decode_png(raw.files[name], f"{raw.key}.{name}")
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ShardError(f"{raw.place}: {raw.key}.{name}: has shape {pixels.shape}, not (H, W, 3)")
        return _planar(linear_from_png(pixels))

    def _relit(self, raw: Raw, mask: NDArray[np.bool_], rng: np.random.Generator) -> Half:
        """(3, H, W) linear light: a random lighting of the sample's basis."""
        settings = self._settings.relight
        basis = relight.basis_of(raw.key, raw.files)
        if basis.shape[1:3] != mask.shape:
            raise ShardError(
                f"{raw.place}: {raw.key}: light basis is {basis.shape[1:3]}, the mask {mask.shape}"
            )
        return _planar(relight.draw_image(basis, mask, rng, settings.lights, settings.tint, settings.median))

    def _stored_shading(self, raw: Raw) -> Half:
        """(K, H, W) with cast shadows. Raises DataError where the shard has another sequence than is wanted."""
        try:
            stated = json.loads(raw.files["meta.json"])["shading"]
            mode, stored = stated["mode"], np.asarray(stated["directions"], np.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise ShardError(f"{raw.place}: {raw.key}.meta.json: states no shading ({error!r})") from error
        remedy = "set shading to lambert, which follows from the normal for any lights, or render such shards"
        if mode != "cast":
            raise DataError(f"{raw.place}: {raw.key}: its shading is of mode {mode}, not cast: {remedy}")
        wanted = self._directions
        if stored.shape != wanted.shape or np.abs(stored - wanted).max() > _SAME_DIRECTION:
            raise DataError(
                f"{raw.place}: {raw.key}: its sequence has {len(stored)} lights, and the model's {len(wanted)} are not "
                f"the same: {remedy}"
            )
        return _planes(raw, _SEQUENCE, light_names(len(wanted)))


def _planar(image: NDArray[np.float32]) -> Half:
    """(H, W, 3) float32 -> (3, H, W) float16."""
    return half(np.ascontiguousarray(image.transpose(2, 0, 1)))


def _planes(raw: Raw, name: str, channels: Sequence[str]) -> Half:
    """An EXR -> (C, H, W) float16 of the named channels."""
    planes = decode_exr(raw.files[name], f"{raw.key}.{name}")
    missing = [channel for channel in channels if channel not in planes]
    if missing:
        raise ShardError(
            f"{raw.place}: {raw.key}.{name}: lacks channel {', '.join(missing)}; it has {', '.join(planes)}"
        )
    stacked = np.empty((len(channels), *planes[channels[0]].shape), np.float16)
    for index, channel in enumerate(channels):
        plane = planes[channel]
        stacked[index] = plane if plane.dtype == np.float16 else half(np.ascontiguousarray(plane))
    return stacked
