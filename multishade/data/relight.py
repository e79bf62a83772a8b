# SPDX-License-Identifier: Apache-2.0
"""A light basis and a generator -> an input image under random lights at a random exposure."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.imaging.color import REC709_LUMINANCE
from multishade.imaging.exposure import exposure_to_median
from multishade.shards.light_basis import LightBasis

_STOPS = 1.5  # strengths are uniform in stops, up to this much more or less than rendered


def sample_weights(
    count: int, rng: np.random.Generator, lights: tuple[int, int] = (1, 4), tint: float = 0.15
) -> NDArray[np.float32]:
    """Sample colours of the lights of a basis.

    Strengths are uniform in stops over a factor of eight. Colours deviate from white at equal luminance.

    Args:
        count: M, the lights of the basis.
        rng: Source of the samples.
        lights: The least and the largest number of lights that are on; no more than there are.
        tint: Standard deviation of the logarithm of each channel.

    Returns:
        (M, 3) float32; 0 for lights that are off.
    """
    lit = min(int(rng.integers(lights[0], lights[1], endpoint=True)), count)
    weights = np.zeros((count, 3), np.float32)
    chosen = rng.choice(count, lit, replace=False)
    colours = np.exp(rng.normal(0, tint, (lit, 3)))
    colours /= (colours @ REC709_LUMINANCE)[:, None]
    weights[chosen] = colours * np.exp2(rng.uniform(-_STOPS, _STOPS, (lit, 1)))
    return weights


def sample_image(
    basis: LightBasis,
    mask: Tensor,
    rng: np.random.Generator,
    lights: tuple[int, int],
    tint: float,
    median: tuple[float, float],
) -> Tensor:
    """Sample an image of a light basis.

    Args:
        basis: M images of one object.
        mask: (H, W) bool, where the object is.
        rng: Source of the samples.
        lights: As for `sample_weights`.
        tint: As for `sample_weights`.
        median: The object's median luminance is sampled between these, uniform in stops, unless highlights would clip.

    Returns:
        (3, H, W) float32 linear light.
    """
    weights = sample_weights(len(basis), rng, lights, tint)
    target = float(np.exp(rng.uniform(np.log(median[0]), np.log(median[1]))))
    image = relit(basis, weights)
    luminance = (image[:, mask] * torch.tensor(REC709_LUMINANCE)[:, None]).sum(dim=0)
    return image * exposure_to_median(luminance.numpy(), target)


def relit(basis: LightBasis, weights: NDArray[np.floating]) -> Tensor:
    """Compose the image under several lights, as `photometry.shading.relight` does, from the lights that are on.

    Args:
        basis: M images.
        weights: (M, 3) colours, none negative.

    Returns:
        (3, H, W) float32 linear light.
    """
    image = torch.zeros(())
    lit = np.flatnonzero(weights.any(axis=1))
    for light in lit:
        colour = torch.tensor(weights[light], dtype=torch.float32).view(3, 1, 1)
        image = image + frame(basis, int(light)) * colour
    return image if len(lit) else frame(basis, 0) * 0


def frame(basis: LightBasis, light: int) -> Tensor:
    """Return one image of a basis, (3, H, W) float32 linear light, not negative."""
    planes = [torch.from_numpy(plane) for plane in basis.planes(light)]
    return torch.stack(planes).float().clamp_min_(0)
