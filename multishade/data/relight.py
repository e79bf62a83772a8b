# SPDX-License-Identifier: Apache-2.0
"""One render, many images: images under single lights (a light basis), weights -> the image under all of them.

Light transport is linear, so any combination with weights that are not negative is an image that could have
been rendered. A basis is either the field light_basis.exr (channels L00.R, L00.G, L00.B, L01.R, ..., all at
one exposure) or a sequence of mode `photometric`, whose frames are just that.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multishade.errors import DataError
from multishade.field_files import decode_shading
from multishade.photometry.shading import compose

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
    frames = [name for name in names if _FRAME.fullmatch(name)]
    if frames:
        return frames
    if _SEQUENCE in names:
        return [_SEQUENCE]
    raise DataError(
        f"holds no light basis ({FILE}, or a sequence of mode photometric): render with light_basis: true, or set "
        "relight.share to 0"
    )


def basis_of(key: str, files: Mapping[str, bytes]) -> NDArray[np.float32]:
    """The files of one sample (at least `basis_files`) -> (M, H, W, 3) float32, linear light, one basis light each.

    Raises DataError where the sequence is no basis, ImageFileError or ShardError for a damaged file.
    """
    if FILE in files:
        basis = decode_shading(key, {_SEQUENCE: files[FILE]})
    else:
        basis = decode_shading(key, files)
    if basis is None or basis.ndim != 4:
        raise DataError(
            f"{key}: its sequence holds shading, not images of the object, so it cannot be relit: render with "
            "light_basis: true or shading.mode: photometric"
        )
    return basis


def relight(basis: ArrayLike, weights: ArrayLike, exposure: float = 1.0) -> NDArray[np.float32]:
    """The image under all basis lights at once, each `weights` times as strong as it was rendered, times `exposure`.

    basis: (M, H, W, 3) linear light. weights: (M,) strengths or (M, 3) colours, none negative. Returns (H,
    W, 3) float32.
    """
    strengths = np.asarray(weights, np.float32)
    if not (np.isfinite(strengths).all() and (strengths >= 0).all()):
        raise DataError(f"weights: light cannot be taken away; the least of them is {strengths.min():g}")
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


def exposure_for(image: NDArray[np.float32], mask: NDArray[np.bool_], median: float) -> float:
    """The factor that brings the object's median luminance to `median`, or its highlights to white if that is less.

    image: (H, W, 3) linear light. mask: (H, W). 1 for an object that is wholly black.
    """
    luminance = image[mask] @ _LUMINANCE
    if not luminance.size:
        return 1.0
    middle, bright = np.percentile(luminance, [50, _PERCENTILE])
    if bright <= 0:
        return 1.0
    by_highlight = _HIGHLIGHT / bright
    return float(min(median / middle, by_highlight) if middle > 0 else by_highlight)


def draw_image(
    basis: NDArray[np.float32],
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
    lights: tuple[int, int],
    tint: float,
    median: tuple[float, float],
) -> NDArray[np.float32]:
    """A random lighting of a basis at a random exposure: (H, W, 3) float32, the object's median luminance
    in `median`.
    """
    weights = draw_weights(len(basis), rng, lights, tint)
    target = float(np.exp(rng.uniform(np.log(median[0]), np.log(median[1]))))
    image = relight(basis, weights)
    return image * np.float32(exposure_for(image, mask, target))
