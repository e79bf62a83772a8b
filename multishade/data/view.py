# SPDX-License-Identifier: Apache-2.0
"""A sample's files -> the arrays that training takes from it, and no others.

They stay half floats, as they are stored, one plane (H, W) per channel: they become float32 only where that is needed,
and are copied once, into the batch.
"""

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data import relight
from multishade.data.cache import DecodedCache
from multishade.data.fields import MATERIAL_FIELDS, FieldSpec
from multishade.data.reader import Raw
from multishade.data.sequence import FILE as _SEQUENCE
from multishade.data.sequence import FRAME as _FRAME
from multishade.data.sequence import choose_lights, decode_sequence, sequence_files
from multishade.data.settings import Data
from multishade.errors import DataError, ImageFileError, ShardError
from multishade.imaging.codecs import decode_exr, decode_png
from multishade.imaging.color import png_to_linear
from multishade.shards import light_basis
from multishade.shards.fields import decode_depth, decode_grey, light_names
from multishade.shards.hashes import check_hashes
from multishade.shards.material_passes import CHANNELS, pass_file
from multishade.shards.meta import SampleMeta, decode_meta

Planes = list[Tensor]
_IMAGE = re.compile(r"image_[a-z0-9_]+\.(?:exr|png)")
_ANOTHER_SHADING = (
    "set shading to lambert, which follows from the normal for any lights, or render such shards"
)
_SAME_DIRECTION = 1e-3  # largest difference of a light's coordinates that counts as rounding


@dataclass(frozen=True, eq=False)
class View:
    """The arrays of one sample, None for what was not asked for.

    Attributes:
        image: 3 planes of linear light, background 0, weighted by coverage; empty if not asked for.
        alpha: (H, W) uint8 coverage.
        normal: 3 planes, 0 off the mask, of unit length to 0.1 %.
        shading: K planes as stored; None also if it follows from the normal.
        images, directions: (K, 3, H, W) float16 linear light, and (K, 3) lights, of a photometric sequence.
        depth: (H, W) float32, scene units; infinite off the object.
        intrinsics: (3, 3) float64 pinhole matrix.
        materials: Of albedo, roughness and metallic those that were asked for, 3 planes or 1, 0 off the mask.
        orthographic: Whether the camera is, in which case `intrinsics` maps scene units to pixels at any depth.
    """

    key: str
    image: Planes
    alpha: Tensor | None
    normal: Planes
    shading: Planes | None
    images: Tensor | None = None
    directions: NDArray[np.float32] | None = None
    depth: Tensor | None = None
    intrinsics: NDArray[np.float64] | None = None
    orthographic: bool = False
    materials: Mapping[str, Planes] = field(default_factory=dict)

    @property
    def mask(self) -> Tensor:
        """(H, W) bool: the pixels whose normal is not 0. Equal to mask.png, at an eighth of the cost of decoding it."""
        bits = functools.reduce(np.bitwise_or, (plane.numpy().view(np.uint16) for plane in self.normal))
        return torch.from_numpy((bits & 0x7FFF) != 0)


class ViewDecoder:
    """Settings and lights -> which files of a sample are needed, and the arrays in them.

    directions: (K, 3) the lights whose shading is wanted, camera frame. alpha: whether the coverage is wanted. fields:
    by name.
    """

    def __init__(
        self,
        settings: Data,
        directions: NDArray[np.floating],
        alpha: bool,
        fields: Mapping[str, FieldSpec],
    ) -> None:
        self._settings, self._alpha, self._fields = settings, alpha, fields
        self._directions = np.asarray(directions, np.float64)
        self._cast = settings.shading == "cast" and "shading" in fields
        self._always = ["normal.exr"]
        if alpha:
            self._always.append("alpha.png")
        if self._cast:
            self._always += ["meta.json", _SEQUENCE]
        if "depth" in fields:
            self._always.append("depth.exr")
        if "intrinsics" in fields or settings.verify:
            self._always.append("meta.json")
        self._materials = [name for name in MATERIAL_FIELDS if name in fields]
        self._always += [pass_file(name) for name in self._materials]
        self._cache = DecodedCache(settings.cache)
        self._options = functools.cache(self._find_options)  # every sample of a data set has the same names

    def may_need(self, name: str) -> bool:
        """Whether a file of this name (without the key) can be needed by any sample."""
        fixed = (*self._always, "meta.json", "alpha.png", _SEQUENCE, light_basis.FILE)
        return name in fixed or bool(_IMAGE.fullmatch(name) or _FRAME.fullmatch(name))

    def choose(self, names: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Choose the files to read, and with them the input image at random.

        Args:
            names: Names of all files of the sample, without the key.
            rng: Makes the choice.

        Raises:
            ShardError: If a file is missing.
            DataError: If the settings need what this kind of shard does not have.
        """
        relit, which = rng.random(2)
        options = self._options(tuple(names), bool(relit < self._settings.relight.share))
        return options[int(which * len(options))]

    def decode(
        self, raw: Raw, begin: Callable[[], np.random.Generator], lights: Callable[[], np.random.Generator]
    ) -> View:
        """Decode the chosen files; compose the input image if a basis was chosen.

        begin: makes the generator that `choose` had, if it is needed again. lights: makes that of the images of a
        sequence. Raises ShardError for files that are damaged, DataError for ones that do not fit the settings.
        """
        try:
            if self._settings.verify:
                _verify(raw)
            normal = self._planes(raw, "normal.exr", "RGB")
            alpha = None
            if self._alpha:
                alpha = torch.from_numpy(decode_grey(raw.key, "alpha.png", raw.files["alpha.png"]))
            shading = self._stored_shading(raw) if self._cast else None
            view = View(raw.key, [], alpha, normal, shading)
            if "image" in self._fields:
                view = replace(view, image=self._image(raw) or self._composed(raw, view.mask, begin))
            if "images" in self._fields:
                sequence = self._cache.get((raw.index, _SEQUENCE), lambda: decode_sequence(raw))
                images, directions = choose_lights(raw, *sequence, self._fields["images"].count, lights)
                view = replace(view, images=images, directions=directions)
            if "depth" in self._fields:
                (depth,) = self._cache.get((raw.index, "depth.exr"), lambda: (_depth(raw),))
                view = replace(view, depth=depth)
            if "intrinsics" in self._fields:
                intrinsics, orthographic = _camera(raw)
                view = replace(view, intrinsics=intrinsics, orthographic=orthographic)
            planes = {
                name: self._planes(raw, pass_file(name), CHANNELS[name] or "") for name in self._materials
            }
            view = replace(view, materials=planes)
        except ImageFileError as error:
            raise ShardError(f"{raw.place}: {error}") from error
        others = {
            **{name: given[0] for name, given in view.materials.items()},
            "image": view.image[0] if view.image else None,
            "alpha": alpha,
            "shading": shading[0] if shading else None,
            "sequence": None if view.images is None else view.images[0, 0],
            "depth": view.depth,
        }
        for what, plane in others.items():
            if plane is not None and plane.shape != normal[0].shape:
                raise ShardError(
                    f"{raw.place}: {raw.key}: {what} is {tuple(plane.shape)}, the normal {tuple(normal[0].shape)}"
                )
        return view

    def _find_options(self, names: tuple[str, ...], relit: bool) -> list[list[str]]:
        """The files to read, for each image that may be chosen."""
        if "images" in self._fields:
            images = [sequence_files(names)]
        elif "image" not in self._fields:
            images = [[]]
        else:
            images = [light_basis.basis_files(names)] if relit else [[name] for name in self._inputs(names)]
        if self._cast and _SEQUENCE not in names:
            # Not damage: no other sample of such a shard would do either.
            raise DataError(f"lacks {_SEQUENCE}: {_ANOTHER_SHADING} (shading.stored: true)")
        missing = [name for name in self._always if name not in names]
        if missing:
            raise ShardError(f"lacks {', '.join(missing)}; it has {', '.join(names)}")
        return [list(dict.fromkeys([*self._always, *image])) for image in images]

    def _inputs(self, names: Sequence[str]) -> list[str]:
        """The files that can be the input image: image_*; if there are none, frames of a photometric sequence."""
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

    def _image(self, raw: Raw) -> Planes:
        """3 planes of linear light; none if the image is to be composed."""
        inputs = [name for name in raw.files if _IMAGE.fullmatch(name) or _FRAME.fullmatch(name)]
        if len(inputs) != 1:
            return []
        name = inputs[0]
        if name.endswith(".exr"):
            return self._planes(raw, name, "RGB")
        pixels = decode_png(raw.files[name], f"{raw.key}.{name}")
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ShardError(f"{raw.place}: {raw.key}.{name}: has shape {pixels.shape}, not (H, W, 3)")
        return list(torch.from_numpy(png_to_linear(pixels)).permute(2, 0, 1).half().contiguous())

    def _composed(self, raw: Raw, mask: Tensor, begin: Callable[[], np.random.Generator]) -> Planes:
        """3 planes of linear light: a random composition of a light basis, or a frame of a sequence."""
        basis = light_basis.LightBasis(f"{raw.place}: {raw.key}", raw.files)
        rng, settings = begin(), self._settings.relight
        relit, which = rng.random(2)
        if relit >= settings.share:
            image = relight.frame(basis, int(which * len(basis)))
        elif basis.planes(0)[0].shape != mask.shape:
            raise ShardError(f"{raw.place}: {raw.key}: its light basis and its normal are of different sizes")
        else:
            image = relight.sample_image(basis, mask, rng, settings.lights, settings.tint, settings.median)
        return list(image.half())

    def _stored_shading(self, raw: Raw) -> Planes:
        """(K, H, W) with cast shadows. Raises DataError if the shard has another sequence than the settings need."""
        shading = SampleMeta.decode(f"{raw.place}: {raw.key}", raw.files["meta.json"]).shading
        if shading.mode != "cast":
            raise DataError(
                f"{raw.place}: {raw.key}: its shading is of mode {shading.mode}, not cast: {_ANOTHER_SHADING}"
            )
        wanted, stored = self._directions, np.asarray(shading.directions, np.float64)
        if stored.shape != wanted.shape or np.abs(stored - wanted).max() > _SAME_DIRECTION:
            raise DataError(
                f"{raw.place}: {raw.key}: its sequence has {len(stored)} lights, and the model's {len(wanted)} are not "
                f"the same: {_ANOTHER_SHADING}"
            )
        return self._planes(raw, _SEQUENCE, light_names(len(wanted)))

    def _planes(self, raw: Raw, name: str, channels: Sequence[str]) -> Planes:
        return list(self._cache.get((raw.index, name), lambda: tuple(_planes(raw, name, channels))))


def _verify(raw: Raw) -> None:
    """Compare the files with the hashes in meta.json. Raises ShardError if one differs, DataError if there are none."""
    meta = decode_meta(f"{raw.place}: {raw.key}", raw.files["meta.json"])
    if "hashes" not in meta:
        # Not damage: no other sample of such a shard would do either.
        raise DataError(
            f"{raw.place}: {raw.key}: has no hashes in its meta.json to verify files with: render with formats.hashes: "
            "true, or set verify: false"
        )
    check_hashes(f"{raw.place}: {raw.key}", raw.files, meta, complete=False)


def _camera(raw: Raw) -> tuple[NDArray[np.float64], bool]:
    """The pinhole matrix (3, 3) and whether the camera is orthographic."""
    camera = SampleMeta.decode(f"{raw.place}: {raw.key}", raw.files["meta.json"]).camera
    return np.asarray(camera.K, np.float64), camera.type == "orthographic"


def _depth(raw: Raw) -> Tensor:
    return torch.from_numpy(decode_depth(raw.key, raw.files["depth.exr"]).astype(np.float32))


def _planes(raw: Raw, name: str, channels: Sequence[str]) -> Planes:
    """An EXR -> the planes of the named channels."""
    planes = decode_exr(raw.files[name], f"{raw.key}.{name}")
    missing = [channel for channel in channels if channel not in planes]
    if missing:
        raise ShardError(
            f"{raw.place}: {raw.key}.{name}: lacks channel {', '.join(missing)}; it has {', '.join(planes)}"
        )
    return [torch.from_numpy(planes[channel].astype(np.float16, copy=False)) for channel in channels]
