# SPDX-License-Identifier: Apache-2.0
"""True normals -> images under known lights, in materials that are drawn at random: more of both than shards can hold.

A material is a diffuse part and a microfacet part (GGX, Smith's masking, Schlick's Fresnel), non-metallic or metallic;
two of them are mixed by a smooth random map. Seen along the view axis. Shadows of other things are drawn as half planes
with soft edges; light from elsewhere is a small constant part of the albedo.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MIXED = 0.4  # share of patches with two materials
SHADOWED = 0.15  # share of images with a cast shadow
AMBIENT = 0.06  # most of the constant light, of the albedo


@dataclass(frozen=True)
class Materials:
    """How materials are drawn.

    Attributes:
        metallic: Share of them.
        matt: Share without a microfacet part.
        roughness: Least and most, the square root of GGX's alpha.
    """

    metallic: float = 0.3
    matt: float = 0.0
    roughness: tuple[float, float] = (0.2, 0.9)


def shaded_images(
    normal: Tensor,
    mask: Tensor,
    directions: Tensor,
    rng: torch.Generator,
    materials: Materials = Materials(),
) -> Tensor:
    """Shade normals under lights of irradiance pi, each sample in a material of its own.

    Args:
        normal: (N, 3, H, W) unit vectors, camera frame.
        mask: (N, 1, H, W), 1 on the object.
        directions: (N, K, 3) unit vectors towards the lights, camera frame.
        rng: Draws materials and shadows; on the CPU, whatever the device of the normals.
        materials: How they are drawn.

    Returns:
        (N, K, 3, H, W) linear light, 0 off the mask.
    """
    device = normal.device
    count, lights = directions.shape[:2]
    size = normal.shape[2:]
    facing = torch.einsum("nkc,nchw->nkhw", directions, normal)
    lit = facing.clamp_min(0)
    halfway = functional.normalize(directions + torch.tensor([0.0, 0.0, 1.0], device=device), dim=2)
    peak = torch.einsum("nkc,nchw->nkhw", halfway, normal).clamp(0, 1)
    grazing = (1 - halfway[..., 2]).clamp(0, 1)[..., None, None] ** 5  # v . h = l . h
    seen = normal[:, 2:3].clamp(0.05, 1)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return (low + (high - low) * torch.rand(count, *shape, generator=rng)).to(device)

    def material() -> Tensor:
        metallic = uniform(0, 1, 1, 1, 1) < materials.metallic
        colour = uniform(0.05, 0.95, 3, 1, 1)
        grey = colour.mean(dim=1, keepdim=True)
        colour = grey + uniform(0, 1, 1, 1, 1) * (colour - grey)
        alpha = uniform(*materials.roughness, 1, 1, 1).square()
        spread = peak.square() * (alpha.square() - 1) + 1
        distribution = alpha.square() / (math.pi * spread.square())
        masking = _smith(lit.clamp_min(1e-3), alpha) * _smith(seen, alpha)
        lobe = math.pi * distribution * masking / (4 * seen) * (facing > 0)
        base = torch.where(
            metallic, 0.3 + 0.7 * colour, uniform(0.02, 0.08, 1, 1, 1) * uniform(0, 2, 1, 1, 1)
        )
        diffuse = torch.where(metallic, 0.0, colour)
        fresnel = base.unsqueeze(1) + (1 - base.unsqueeze(1)) * grazing.unsqueeze(2)
        ambient = uniform(0, AMBIENT, 1, 1, 1) * (diffuse + base)
        if materials.matt:
            matt = uniform(0, 1, 1, 1, 1) < materials.matt
            diffuse, lobe = torch.where(matt, colour, diffuse), torch.where(matt, 0.0, lobe)
        return diffuse.unsqueeze(1) * lit.unsqueeze(2) + fresnel * lobe.unsqueeze(2) + ambient.unsqueeze(1)

    images = material()
    if bool((torch.rand(1, generator=rng) < MIXED).item()):
        share = torch.sigmoid(12 * _smooth(uniform(-0.5, 0.5, 1, 4, 4), size))
        images = images + share.unsqueeze(1) * (material() - images)
    images = images * _shadows(directions, size, rng).unsqueeze(2)
    return images * mask.unsqueeze(1)


def _smith(cosine: Tensor, alpha: Tensor) -> Tensor:
    """Share of microfacets that are not hidden from a direction (Smith, GGX)."""
    squared = alpha.square()
    return 2 * cosine / (cosine + (squared + (1 - squared) * cosine.square()).sqrt())


def _smooth(values: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(values, size=tuple(size), mode="bicubic", align_corners=False)


def _shadows(directions: Tensor, size: torch.Size, rng: torch.Generator) -> Tensor:
    """(N, K, H, W), 1 without a shadow: on some images the side away from the light is dark from a random line on."""
    count, lights = directions.shape[:2]
    device = directions.device
    rows, columns = (torch.linspace(-1, 1, steps, device=device) for steps in size)
    towards = functional.normalize(directions[..., :2] + 1e-4, dim=2)
    along = towards[..., 0, None, None] * columns - towards[..., 1, None, None] * rows[:, None]
    line = (2 * torch.rand(count, lights, 1, 1, generator=rng) - 1.6).to(device)
    dark = (torch.rand(count, lights, 1, 1, generator=rng) < SHADOWED).to(device)
    light = torch.sigmoid(20 * (along - line))
    return torch.where(dark, light, 1.0)
