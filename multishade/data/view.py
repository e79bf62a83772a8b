# SPDX-License-Identifier: Apache-2.0
"""A sample's files -> the arrays that training takes from it, and no others.

Arrays are planar (C, H, W) half floats as they are stored: what makes float32 of them runs where it is needed.
"""

import fnmatch
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data import relight
from multishade.data.reader import Raw
from multishade.data.settings import Data
from multishade.errors import DataError, ImageFileError, ShardError
from multishade.field_files import decode_grey, light_names
from multishade.image_files import decode_exr, decode_png
from multishade.transfer import linear_from_png

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
    image: Tensor
    alpha: Tensor | None
    mask: Tensor
    normal: Tensor
    shading: Tensor | None


class ViewDecoder:
    """Settings and lights -> which files of a sample are needed, and the arrays in them.

    directions: (K, 3) the lights whose shading is wanted, camera frame. alpha: whether the coverage is wanted.
    """

    def __init__(self, settings: Data, directions: NDArray[np.floating], alpha: bool) -> None:
        self._settings, self._alpha = settings, alpha
        self._directions = np.asarray(directions, np.float64)
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

    def decode(self, raw: Raw, begin: Callable[[], np.random.Generator]) -> View:
        """The chosen files -> arrays; composes the input image where a basis was chosen.

        begin: makes the generator that `choose` had, if it is needed again. Raises ShardError for files that are
        damaged, DataError for ones that do not fit the settings.
        """
        files = raw.files
        try:
            mask = torch.from_numpy(decode_grey(raw.key, "mask.png", files["mask.png"]) > 127)
            normal = _planes(raw, "normal.exr", "RGB")
            image = self._image(raw, mask, begin)
            alpha = None
            if self._alpha:
                alpha = torch.from_numpy(decode_grey(raw.key, "alpha.png", files["alpha.png"]))
            shading = self._stored_shading(raw) if self._cast else None
        except ImageFileError as error:
            raise ShardError(f"{raw.place}: {error}") from error
        for what, array in (("image", image), ("normal", normal), ("shading", shading), ("alpha", alpha)):
            if array is not None and array.shape[-2:] != mask.shape:
                raise ShardError(
                    f"{raw.place}: {raw.key}: {what} is {array.shape[-2:]}, the mask {mask.shape}"
                )
        for what, array in (("image", image), ("normal", normal)):
            # As whole numbers, what is not finite lies above all that is: 25 times faster than isfinite.
            bits = array.numpy()
            if bits.view(np.int16).max() >= 0x7C00 or bits.view(np.uint16).max() >= 0xFC00:
                raise ShardError(f"{raw.place}: {raw.key}: {what} holds values that are not finite")
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

    def _image(self, raw: Raw, mask: Tensor, begin: Callable[[], np.random.Generator]) -> Tensor:
        """(3, H, W) linear light: the chosen file, or what a light basis or a sequence makes of the draws."""
        inputs = [name for name in raw.files if _IMAGE.fullmatch(name) or _FRAME.fullmatch(name)]
        if len(inputs) == 1:
            name = inputs[0]
            if name.endswith(".exr"):
                return _planes(raw, name, "RGB")
            pixels = decode_png(raw.files[name], f"{raw.key}.{name}")
            if pixels.ndim != 3 or pixels.shape[2] != 3:
                raise ShardError(f"{raw.place}: {raw.key}.{name}: has shape {pixels.shape}, not (H, W, 3)")
            return _planar(linear_from_png(pixels))
        basis = relight.basis_of(f"{raw.place}: {raw.key}", raw.files)
        if basis.shape[1:3] != tuple(mask.shape):
            raise ShardError(
                f"{raw.place}: {raw.key}: light basis is {basis.shape[1:3]}, the mask {mask.shape}"
            )
        rng, settings = begin(), self._settings.relight
        relit, which = rng.random(2)
        if relit < settings.share:
            return _planar(
                relight.draw_image(basis, mask.numpy(), rng, settings.lights, settings.tint, settings.median)
            )
        return _planar(basis[int(which * len(basis))])

    def _stored_shading(self, raw: Raw) -> Tensor:
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


def _planar(image: NDArray[np.float32]) -> Tensor:
    """(H, W, 3) float32 -> (3, H, W) float16."""
    return torch.from_numpy(image).permute(2, 0, 1).half().contiguous()


def _planes(raw: Raw, name: str, channels: Sequence[str]) -> Tensor:
    """An EXR -> (C, H, W) float16 of the named channels."""
    planes = decode_exr(raw.files[name], f"{raw.key}.{name}")
    missing = [channel for channel in channels if channel not in planes]
    if missing:
        raise ShardError(
            f"{raw.place}: {raw.key}.{name}: lacks channel {', '.join(missing)}; it has {', '.join(planes)}"
        )
    return torch.from_numpy(
        np.stack([planes[channel].astype(np.float16, copy=False) for channel in channels])
    )
