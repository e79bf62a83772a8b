# SPDX-License-Identifier: Apache-2.0
"""True normals -> an image of the object in plain paint under a random light: pairs that cost no rendering.

One distant light in front of the object, Lambert's cosine, a highlight (Blinn 1977) and some light from
everywhere. No cast shadow and no texture: it teaches what shading alone shows; the rendered images teach the rest.
"""

import numpy as np
import torch
from torch import Tensor

from multishade.data.settings import Clay
from multishade.imaging.color import REC709_LUMINANCE
from multishade.imaging.exposure import exposure_to_median

_LUMINANCE = torch.tensor(REC709_LUMINANCE)
_LEAST_FRONTAL = 0.2  # of the cosine between light and view: lights up to 78 degrees from the camera


def sample_clay(normal: Tensor, mask: Tensor, settings: Clay, rng: np.random.Generator) -> Tensor:
    """normal: (3, H, W) float32 unit vectors, 0 off the mask (H, W) -> linear light (3, H, W) float32, 0 off the mask.

    The object's median luminance lies in `settings.median`, unless highlights would clip.
    """
    z, turn, median, glossy, strength, sharpness, lifted, fill, top = rng.random(9)
    z = _LEAST_FRONTAL + (1 - _LEAST_FRONTAL) * z
    side, turn = np.sqrt(1 - z * z), 2 * np.pi * turn
    light = torch.tensor([side * np.cos(turn), side * np.sin(turn), z], dtype=torch.float32)
    halfway = light + torch.tensor([0.0, 0.0, 1.0])
    halfway = halfway / halfway.norm()
    # Stronger from one side, as from a sky. Any side of the image: photos are turned in training, too.
    above = torch.tensor([np.cos(2 * np.pi * top), np.sin(2 * np.pi * top), 0.0], dtype=torch.float32)
    paint = torch.from_numpy(np.exp(rng.normal(0, settings.tint, 3)).astype(np.float32))
    flat = normal.flatten(1)
    cosine = (light @ flat).clamp_min_(0)
    light_from_everywhere = settings.ambient * fill * (lifted < 0.5) * (1 + 0.5 * (above @ flat))
    image = paint[:, None] * (cosine + light_from_everywhere)
    if glossy < settings.glossy:
        exponent = float(10 ** (0.7 + 1.6 * sharpness))  # 5 to 200: from satin to lacquer
        image += strength * (halfway @ flat).clamp_min_(0).pow_(exponent) * (cosine > 0)
    image *= mask.flatten()
    low, high = np.log(settings.median)
    luminance = _LUMINANCE @ image[:, mask.flatten()]
    image *= exposure_to_median(luminance.numpy(), float(np.exp(low + median * (high - low))))
    return image.unflatten(1, normal.shape[1:])


def cover(image: Tensor, mask: Tensor, alpha: Tensor) -> Tensor:
    """Weight an image by coverage, as rendered images are, so that its outline goes over into a background.

    image: (3, H, W) float32, 0 off the mask (H, W). alpha: (H, W) coverage, 0 to 1. Pixels that the object touches
    and that are not on the mask have the mean of their neighbours on it.
    """
    inside = mask.float()
    stacked = torch.cat([image, inside[None]])[None]
    around = torch.nn.functional.avg_pool2d(stacked, 3, stride=1, padding=1)[0]
    outside = around[:3] / around[3:].clamp_min(1e-6)
    return torch.where(mask, image, outside) * alpha
