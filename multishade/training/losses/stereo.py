# SPDX-License-Identifier: Apache-2.0
"""Normal maps of a photometric-stereo network against the truth: cosine and gradient losses, one number per patch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from multishade.models.ps_fcn.observations import differences
from multishade.training.losses.angular import mean_angle


def cosine_loss(normal: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean of 1 - n . t over the object (L_A of IGA-PSN's equation 7).

    Args:
        normal, truth: (B, 3, H, W) unit vectors.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.

    Returns:
        (B,); 0 for a patch without object.
    """
    return _mean(1 - (normal * truth).sum(dim=1, keepdim=True), mask)


def gradient_loss(normal: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean difference between the gradients of two normal maps (L_G of IGA-PSN's equations 7 and 8).

    The gradient of a map is one number a pixel: the sum of the absolute central differences of its three coordinates.
    Pixels count whose four neighbours are on the object.

    Args:
        normal, truth: (B, 3, H, W) unit vectors.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.

    Returns:
        (B,); 0 for a patch without such pixels.
    """
    wide, high = functional.pad(mask, (1, 1)), functional.pad(mask, (0, 0, 1, 1))
    inside = mask * wide[..., 2:] * wide[..., :-2] * high[..., 2:, :] * high[..., :-2, :]
    return _mean((_steepness(normal) - _steepness(truth)).abs(), inside)


def staged_loss(
    outputs: Sequence[Tensor],
    truth: Tensor,
    mask: Tensor,
    weights: Sequence[float],
    angle: float,
    gradient: float,
    arc: float = 0.0,
) -> dict[str, Tensor]:
    """Sum the losses of all outputs of a network.

    Args:
        outputs: (B, 3, H, W) unit vectors each, the best last.
        truth, mask: As `cosine_loss`.
        weights: Of the stages. A network with fewer outputs takes the last ones.
        angle, gradient: Weights of the two losses.
        arc: Weight of the mean angle, in radians.

    Returns:
        "total", and the "cosine" and "gradient" losses of the last output, and its mean angle "arc" if it has a weight;
        (B,) each.
    """
    total = torch.zeros(len(truth), device=truth.device)
    cosine = steep = radians = total
    for normal, weight in zip(outputs, weights[-len(outputs) :], strict=True):
        cosine, steep = cosine_loss(normal, truth, mask), gradient_loss(normal, truth, mask)
        total = total + weight * (angle * cosine + gradient * steep)
        if arc:
            radians = mean_angle(normal.flatten(2), truth.flatten(2), mask[:, 0].flatten(1))
            total = total + weight * arc * radians
    return {"total": total, "cosine": cosine, "gradient": steep, **({"arc": radians} if arc else {})}


def _steepness(normal: Tensor) -> Tensor:
    across, down = differences(normal)
    return across.abs().sum(dim=1, keepdim=True) + down.abs().sum(dim=1, keepdim=True)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp_min(1)
