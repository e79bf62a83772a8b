# SPDX-License-Identifier: Apache-2.0
"""One render, many images: images under single lights (a light basis), weights -> the image under all of them.

Light transport is linear, so any combination with weights that are not negative is an image that could have
been rendered. A basis is either the field light_basis.exr (channels L00.R, L00.G, L00.B, L01.R, ..., all at
one exposure) or a sequence of mode `photometric`, whose frames are just that.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from multishade.errors import DataError
from multishade.imaging.codecs import decode_exr
from multishade.photometry.shading import compose
from multishade.shards.fields import decode_image

FILE = "light_basis.exr"
_SEQUENCE = "shading.exr"
_FRAME = re.compile(r"light_[0-9]+\.png")
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec.709
_HIGHLIGHT, _PERCENTILE = (
    1.0,
    95.0,
)  # luminance that this percentile of the object may reach, as the generator has it


def basis_files(names: Sequence[str]) -> list[str]:
    """Names of a sample's files -> those that hold its light basis. Raises DataError where there is none."""
    if FILE in names:
        return [FILE]
    frames = sorted(name for name in names if _FRAME.fullmatch(name))
    if frames:
        return frames
    if _SEQUENCE in names:
        return [_SEQUENCE]
    raise DataError(
        f"holds no light basis ({FILE}, or a sequence of mode photometric): render with light_basis: true, or set "
        "relight.share to 0"
    )


class LightBasis:
    """The files of one sample (at least `basis_files`) -> its images under one light each, (3, H, W), when asked for.

    Raises DataError where the sequence is no basis, ImageFileError or ShardError for a damaged file.
    """

    def __init__(self, key: str, files: Mapping[str, bytes]) -> None:
        self._key, self._files = key, files
        self._names = basis_files(list(files))
        self._planes: dict[str, NDArray[np.floating]] = {}
        if not _FRAME.fullmatch(self._names[0]):
            self._planes = decode_exr(files[self._names[0]], f"{key}.{self._names[0]}")
            if any(not name.endswith((".R", ".G", ".B")) for name in self._planes):
                raise DataError(
                    f"{key}: its sequence holds shading, not images of the object, so it cannot be relit: render with "
                    "light_basis: true or shading.mode: photometric"
                )
            self._names = sorted({name.removesuffix(name[-2:]) for name in self._planes})

    def __len__(self) -> int:
        """M, the number of lights."""
        return len(self._names)

    def frame(self, light: int) -> Tensor:
        """(3, H, W) float32 linear light, not negative."""
        name = self._names[light]
        if self._planes:
            planes = [torch.from_numpy(self._planes[f"{name}.{channel}"]) for channel in "RGB"]
            return torch.stack(planes).float().clamp_min_(0)
        return torch.from_numpy(decode_image(self._key, name, self._files[name])).permute(2, 0, 1)

    def relit(self, weights: NDArray[np.floating]) -> Tensor:
        """(3, H, W) float32: `relight` of the whole basis; only lights whose colour is not 0 are looked at."""
        _require_light(weights)
        lit = np.flatnonzero(weights.any(axis=1))
        image = torch.zeros(())
        for light in lit:
            colour = torch.tensor(weights[light], dtype=torch.float32).view(3, 1, 1)
            image = image + self.frame(int(light)) * colour
        return image if len(lit) else self.frame(0) * 0

    def images(self) -> NDArray[np.float32]:
        """All of them, (M, H, W, 3) float32."""
        return np.stack([self.frame(light).permute(1, 2, 0).numpy() for light in range(len(self))])


def relight(basis: ArrayLike, weights: ArrayLike, exposure: float = 1.0) -> NDArray[np.float32]:
    """The image under all basis lights at once, each `weights` times as strong as it was rendered, times `exposure`.

    basis: (M, H, W, 3) linear light. weights: (M,) strengths or (M, 3) colours, none negative. Returns (H, W, 3)
    float32. Raises DataError for light that is taken away, and exposures that are not above 0.
    """
    strengths = np.asarray(weights, np.float32)
    _require_light(strengths)
    if not (np.isfinite(exposure) and exposure > 0):
        raise DataError(f"exposure: {exposure:g}; expected a factor above 0")
    return compose(basis, strengths * np.float32(exposure))


def draw_weights(
    count: int, rng: np.random.Generator, lights: tuple[int, int] = (1, 4), tint: float = 0.15
) -> NDArray[np.float32]:
    """Colours of `count` basis lights, (M, 3) float32: between `lights` of them are on, the rest are 0.

    Strengths are uniform in stops over a factor of eight; each colour strays from white by `tint` (standard
    deviation of the logarithm, per channel), at equal luminance.
    """
    lit = min(int(rng.integers(lights[0], lights[1], endpoint=True)), count)
    weights = np.zeros((count, 3), np.float32)
    chosen = rng.choice(count, lit, replace=False)
    colours = np.exp(rng.normal(0, tint, (lit, 3)))
    colours /= (colours @ _LUMINANCE)[:, None]
    weights[chosen] = colours * np.exp2(rng.uniform(-1.5, 1.5, (lit, 1)))
    return weights


def exposure_for(luminance: NDArray[np.floating], median: float) -> float:
    """The factor that brings an object's median luminance to `median`, or its highlights to white if that is less.

    luminance: (N,) of its pixels, linear. 1 for an object that is wholly black.
    """
    if not luminance.size:
        return 1.0
    middle, bright = np.percentile(luminance, [50, _PERCENTILE])
    if bright <= 0:
        return 1.0
    by_highlight = _HIGHLIGHT / bright
    return float(min(median / middle, by_highlight) if middle > 0 else by_highlight)


def draw_image(
    basis: LightBasis,
    mask: Tensor,
    rng: np.random.Generator,
    lights: tuple[int, int],
    tint: float,
    median: tuple[float, float],
) -> Tensor:
    """A random lighting of a basis at a random exposure: (3, H, W) float32.

    The object's median luminance lies in `median`, unless highlights would clip. mask: (H, W) bool.
    """
    weights = draw_weights(len(basis), rng, lights, tint)
    target = float(np.exp(rng.uniform(np.log(median[0]), np.log(median[1]))))
    image = basis.relit(weights)
    luminance = (image[:, mask] * torch.from_numpy(_LUMINANCE)[:, None]).sum(dim=0)
    return image * exposure_for(luminance.numpy(), target)


def _require_light(weights: NDArray[np.floating]) -> None:
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise DataError(f"weights: light cannot be taken away; the least of them is {weights.min():g}")
