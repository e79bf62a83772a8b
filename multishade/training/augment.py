# SPDX-License-Identifier: Apache-2.0
"""Augmentation of a batch on the device that trains: quarter turns, mirror images, gamma, hue, saturation, brightness.

It comes after that of the loader (`data.geometric`, `data.photometric`), which knows no colours. Turns and mirrors turn
the normals with their pixels.
"""

import math

import torch
from pydantic import Field
from torch import Tensor

from multishade.config.section import PositiveRange, Probability, Section
from multishade.imaging.color import REC709_LUMINANCE


class Augmentation(Section):
    """Changes of image and normals, drawn for each sample. The defaults change nothing."""

    quarter_turns: bool = Field(
        False, description="turn by 0, 90, 180 or 270 degrees, counter-clockwise as it is seen"
    )
    mirror: Probability = Field(0.0, description="share of samples with left and right exchanged")
    gamma: PositiveRange = Field((1.0, 1.0), description="exponent of the display values")
    hue_degrees: float = Field(0.0, ge=0, le=180, description="largest turn of the colours about grey")
    saturation: PositiveRange = Field((1.0, 1.0), description="factor on the distance from grey")
    brightness: PositiveRange = Field((1.0, 1.0), description="factor on the display values")

    @property
    def plain(self) -> bool:
        """Whether nothing changes."""
        return self == Augmentation()


def augment(
    image: Tensor, normal: Tensor, mask: Tensor, options: Augmentation, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn, mirror and recolour each sample.

    Args:
        image: (B, 3, H, H) display-encoded, 0 to 1.
        normal: (B, 3, H, H) unit vectors, camera frame; 0 off the object.
        mask: (B, 1, H, H).
        options: What is done.
        rng: On the CPU. Each sample takes the same numbers whatever is done.

    Returns:
        The three, changed.
    """
    if options.plain:
        return image, normal, mask
    count = len(image)
    turn, mirror, gamma, hue, saturation, brightness = torch.rand(6, count, generator=rng)
    turns = (4 * turn).long().clamp_max(3) if options.quarter_turns else torch.zeros(count, dtype=torch.long)
    mirrored = mirror < options.mirror
    image = recolour(
        image,
        _between(options.gamma, gamma),
        math.radians(options.hue_degrees) * (2 * hue - 1),
        _between(options.saturation, saturation),
        _between(options.brightness, brightness),
    )
    return (
        _moved(image, turns, mirrored),
        _turned(_moved(normal, turns, mirrored), turns, mirrored),
        _moved(mask, turns, mirrored),
    )


def recolour(image: Tensor, gamma: Tensor, hue: Tensor, saturation: Tensor, brightness: Tensor) -> Tensor:
    """Change display values (B, 3, H, W) by numbers (B,) each, in this order; hue in radians about the grey axis."""
    shape = (-1, 1, 1, 1)
    gamma, saturation, brightness = (
        value.to(image).reshape(shape) for value in (gamma, saturation, brightness)
    )
    image = image.clamp(0, 1) ** gamma
    # Rodrigues' formula about (1, 1, 1) / sqrt(3).
    cosine, sine = hue.cos().to(image), hue.sin().to(image)
    axis = torch.ones(3, 3, device=image.device) / 3
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=image.device) / math.sqrt(3)
    eye = torch.eye(3, device=image.device)
    turns = (
        cosine[:, None, None] * eye + sine[:, None, None] * cross + (1 - cosine)[:, None, None] * axis
    ).to(image)
    image = torch.einsum("bij,bjhw->bihw", turns, image)
    grey = torch.einsum("c,bchw->bhw", torch.tensor(REC709_LUMINANCE.tolist()).to(image), image)[:, None]
    return ((grey + saturation * (image - grey)) * brightness).clamp(0, 1)


def _moved(planes: Tensor, turns: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror the pixels of each sample, then turn them."""
    flags = mirrored.to(planes.device).reshape(-1, 1, 1, 1)
    planes = torch.where(flags, planes.flip(-1), planes)
    moved = torch.empty_like(planes)
    for count in range(4):
        chosen = (turns == count).nonzero()[:, 0].to(planes.device)
        moved[chosen] = torch.rot90(planes[chosen], count, dims=(2, 3))
    return moved


def _turned(normal: Tensor, turns: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror the vectors of each sample, then turn them as their pixels."""
    x, y, z = normal.unbind(1)
    x = torch.where(mirrored.to(x.device).reshape(-1, 1, 1), -x, x)
    # Whole numbers, so that vectors keep their digits.
    cosine, sine = (
        torch.tensor(values, dtype=normal.dtype)[turns].to(normal.device).reshape(-1, 1, 1)
        for values in ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 0.0, -1.0))
    )
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], dim=1)


def _between(limits: tuple[float, float], share: Tensor) -> Tensor:
    return limits[0] + share * (limits[1] - limits[0])
