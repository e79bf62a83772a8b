# SPDX-License-Identifier: Apache-2.0
"""A tangent-space normal map in, its handedness out: is green up the image (OpenGL) or down (DirectX)?

File names often do not tell. Two tests of the pixels decide, since a normal map is the gradient of a relief h(x,
y), x to the right and y up: n ~ (-dh/dx, -dh/dy, 1) in OpenGL, the second sign turned in DirectX.

- Height: if there is a height map, its gradient down the image has the sign of green in OpenGL. - Curl:
the gradient field (p, q) = (-nx/nz, -ny/nz) of any relief has dp/dy = dq/dx; with the wrong sign of ny the
two sides are opposite. This needs no height map.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multishade.errors import AssetError

Convention = Literal["opengl", "directx"]
Test = Literal["height", "curl"]

LARGEST_SIDE = 1024  # pixels that are tested: more would not change the result
SMOOTHING = 1.0  # pixels: below it lies the noise of JPEG and 8 bits
# Where blades or fibres are finer than a texel, as in grass, their normals are averaged and come out short: a published
# map of grass has a median length of 0.66. Unlike those of an object-space map they still point out of the surface, on
# average along z; and what is short without relief is a plain picture.
SHORTEST, SHORT, LONGEST = 0.3, 0.7, 1.3
INWARD, MOST_INWARD = -0.1, 0.05  # z, share of the texels
LEAST_UPRIGHT = 0.8  # cosine between the mean and z
LEAST_SPREAD = 0.15  # standard deviation of x and y together
# Correlations below these are taken for noise: unrelated maps of 1024 x 1024 pixels with a grain of 10 pixels correlate
# by some 0.01. On eight published maps of known handedness green and height gave 0.77 to 0.98, the curl 0.18 to 0.94 on
# seven; the eighth (planks, all edges along one axis) has no curl to speak of (0.03) and is left to the height.
LEAST_HEIGHT, LEAST_CURL = 0.3, 0.1


def convention_of(
    normal: NDArray[np.float32], height: NDArray[np.float32] | None
) -> tuple[Convention, Test] | None:
    """The convention of a normal map, and the test that decided; None if neither is certain or they disagree.

    normal: (H, W, 3) in [0, 1] as stored. height: (H, W, 1) or None, bright is high; it is used if its size
    is the same. Raises AssetError if `normal` is no tangent-space normal map.
    """
    normal = _crop(normal)
    vectors = normal.astype(np.float64) * 2 - 1
    _check_tangent_space(vectors)
    by_curl = _by_curl(vectors)
    by_height = None
    if height is not None and _crop(height).shape[:2] == normal.shape[:2]:
        by_height = _by_height(vectors, _crop(height)[..., 0].astype(np.float64))
    if by_height is not None:
        return None if by_curl not in (None, by_height) else (by_height, "height")
    return None if by_curl is None else (by_curl, "curl")


def _check_tangent_space(vectors: NDArray[np.float64]) -> None:
    if vectors.shape[2] != 3:
        raise AssetError("its normal map has one channel: it looks like a bump map")
    length = float(np.median(np.linalg.norm(vectors, axis=2)))
    if not SHORTEST <= length <= LONGEST:
        raise _not_tangent_space(f"median length {length:.2f}")
    inward = float(np.mean(vectors[..., 2] < INWARD))
    if inward > MOST_INWARD:
        raise _not_tangent_space(f"{inward:.0%} of it points into the surface: object-space?")
    mean = vectors.mean(axis=(0, 1))
    upright = float(mean[2] / max(np.linalg.norm(mean), 1e-9))
    if upright < LEAST_UPRIGHT:
        raise _not_tangent_space(f"on average it points along ({mean[0]:.2f}, {mean[1]:.2f}, {mean[2]:.2f})")
    spread = float(np.sqrt(vectors[..., :2].var(axis=(0, 1)).sum()))
    if length < SHORT and spread < LEAST_SPREAD:
        raise _not_tangent_space(f"median length {length:.2f} without relief")


def _not_tangent_space(reason: str) -> AssetError:
    return AssetError(f"its normal map is not tangent-space ({reason})")


def _by_height(vectors: NDArray[np.float64], height: NDArray[np.float64]) -> Convention | None:
    smooth = _smooth(height)
    if smooth.std() == 0:
        return None
    right = _correlation(_smooth(vectors[..., 0]), -_step_right(smooth))
    down = _correlation(_smooth(vectors[..., 1]), _step_down(smooth))
    if abs(down) < LEAST_HEIGHT:
        return None
    # Red decides whether bright is high or low; if the relief has no slopes to the right, bright is high as usual.
    inverted = right < -LEAST_HEIGHT
    return "opengl" if (down > 0) != inverted else "directx"


def _by_curl(vectors: NDArray[np.float64]) -> Convention | None:
    up = np.maximum(_smooth(vectors[..., 2]), 0.2)
    p, q = -_smooth(vectors[..., 0]) / up, -_smooth(vectors[..., 1]) / up
    agreement = _correlation(-_step_down(p), _step_right(q))
    if abs(agreement) < LEAST_CURL:
        return None
    return "opengl" if agreement > 0 else "directx"


def _crop(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of an image that is larger than LARGEST_SIDE; shrinking it would average slopes away."""
    top, left = (max(0, (side - LARGEST_SIDE) // 2) for side in image.shape[:2])
    return image[top : top + LARGEST_SIDE, left : left + LARGEST_SIDE]


def _smooth(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(channel, SMOOTHING, mode="wrap")


def _step_right(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    return (channel[1:-1, 2:] - channel[1:-1, :-2]) / 2


def _step_down(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    return (channel[2:, 1:-1] - channel[:-2, 1:-1]) / 2


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's r of two fields, the larger one cut to the inner part that differences leave; 0 if one
    is constant."""
    first, second = (
        field[1:-1, 1:-1] if field.shape > other.shape else field
        for field, other in ((first, second), (second, first))
    )
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0
