# SPDX-License-Identifier: Apache-2.0
"""Normals with their confidence for a network to be trained on: the truth with errors, or a trained model's."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from multishade.models.base import Inputs, Model
from multishade.models.rose.model import RoSE

BLURS = (1, 1, 5, 9, 17)  # sides of the squares over which normals are averaged, pixels at 128 x 128
GRIDS = (4, 8, 16, 32)  # points a side of the noise, coarse to fine
EXPECTED_OVER = 15  # pixels a side of the square over which an error is expected
RIGHT_ANGLE = math.pi / 2
LIT = 0.03  # least shading of a frame that counts


def with_errors(
    normal: Tensor, mask: Tensor, most_degrees: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Give true normals errors as a network makes them: blurred, and turned by smooth fields, each sample by its own.

    Args:
        normal: (B, 3, H, W) unit vectors; 0 off the mask.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.
        most_degrees: Largest of the mean angles by which a sample's normals are turned; a fifth is left as it is.
        rng: On the CPU, makes all choices.

    Returns:
        Unit normals, 0 off the mask, and their confidence (B, 1, H, W): 1 less the share of a right angle that the
        error is about here, which is not known exactly.
    """
    count, _, height, width = normal.shape
    device = normal.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=rng).to(device)

    def smooth(values: Tensor) -> Tensor:
        return functional.interpolate(values, size=(height, width), mode="bilinear", align_corners=True)

    exact = torch.rand(count, generator=rng) < 0.2
    level = math.radians(most_degrees) * uniform(count, 1, 1, 1) * ~exact.to(device).view(-1, 1, 1, 1)
    local = level * smooth(2 * uniform(count, 1, 4, 4))
    field = torch.zeros_like(normal)
    total = torch.full_like(level, 1e-6)
    for grid in GRIDS:
        noise = torch.randn(count, 3, grid, grid, generator=rng).to(device)
        weight = uniform(count, 1, 1, 1)
        field = field + weight * smooth(noise)
        total = total + weight.square()
    # Bilinear interpolation leaves about 4/9 of the variance; of a plane's Gaussian the mean length is 1.25.
    field = field / (total * 4 / 9).sqrt() / 1.25
    blur = torch.randint(len(BLURS), (count,), generator=rng).tolist()
    sides = [1 if bool(exact[place]) else BLURS[each] for place, each in enumerate(blur)]
    blurred = torch.stack([_box(normal[place][None], side)[0] for place, side in enumerate(sides)])
    start = functional.normalize(torch.where(blurred.norm(dim=1, keepdim=True) > 0.1, blurred, normal), dim=1)
    tangent = field - (field * start).sum(dim=1, keepdim=True) * start
    turned = functional.normalize(start + torch.tan(local.clamp_max(1.2)) * tangent, dim=1) * mask
    error = torch.acos((turned * normal).sum(dim=1, keepdim=True).clamp(-1, 1)) * mask
    expected = _box(error, EXPECTED_OVER) / _box(mask, EXPECTED_OVER).clamp_min(1e-3)
    guessed = expected * torch.exp(0.3 * torch.randn(count, 1, 1, 1, generator=rng).to(device))
    return turned, (1 - guessed / RIGHT_ANGLE).clamp(0, 1) * mask


def predicted(model: Model, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Predict normals with a trained model, quickly: on the images' device, without a solver of numpy.

    Args:
        model: Of normals of a photo.
        image: (B, 3, H, W) display-encoded, 0 to 1.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.

    Returns:
        Unit normals, 0 off the mask, and confidence (B, 1, H, W).
    """
    model.to(image.device)
    with torch.no_grad():
        fast = isinstance(model, RoSE) and (model.settings.process, model.settings.target) == (
            "one_step",
            "shading",
        )
        if fast:
            outputs = model.one_step(image)  # type: ignore[attr-defined]
            directions = torch.as_tensor(model.settings.directions, dtype=torch.float32)  # type: ignore[attr-defined]
            normal = lit_least_squares(outputs.frames.float(), directions.to(image.device))
            confidence = torch.ones_like(mask)
            if outputs.error is not None:
                confidence = (1 - outputs.error.float().exp() / RIGHT_ANGLE).clamp(0, 1)
            return normal * mask, confidence * mask
        made: Any = model.predict(Inputs(image=image, mask=mask))
        confidence = torch.ones_like(mask) if made.confidence is None else made.confidence.to(mask)
        return functional.normalize(made.normal.to(mask), dim=1) * mask, confidence * mask


def lit_least_squares(frames: Tensor, directions: Tensor) -> Tensor:
    """Solve shading for normals by least squares over the frames in which a pixel is lit.

    Args:
        frames: (B, K, H, W), about max(0, n . l_k).
        directions: (K, 3) unit vectors to the lights.

    Returns:
        (B, 3, H, W) unit vectors; towards the camera where fewer than three frames are lit.
    """
    lit = (frames > LIT).float()
    # (B, H, W, 3, 3) and (B, H, W, 3), summed light by light: in float32 whatever the precision of products is.
    outer = directions[:, :, None] * directions[:, None, :]
    square = sum(lit[:, k, ..., None, None] * outer[k] for k in range(len(directions)))
    right = sum((lit * frames)[:, k, ..., None] * directions[k] for k in range(len(directions)))
    assert isinstance(square, Tensor) and isinstance(right, Tensor)
    damped = square + 1e-3 * torch.eye(3, device=frames.device)
    found = torch.linalg.solve(damped, right).permute(0, 3, 1, 2)
    ahead = torch.zeros_like(found)
    ahead[:, 2] = 1
    return functional.normalize(torch.where(lit.sum(dim=1, keepdim=True) >= 3, found, ahead), dim=1)


def _box(planes: Tensor, side: int) -> Tensor:
    """The mean over squares; beyond the edges 0."""
    return functional.avg_pool2d(planes, side, stride=1, padding=side // 2) if side > 1 else planes
