# SPDX-License-Identifier: Apache-2.0
"""Angles and squared errors of predicted images against true ones, one number per sample."""

import torch
from torch import Tensor


def mean_angle(normal: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Compute the mean angle between predicted and true normals.

    Args:
        normal: (B, 3, N) of any length.
        truth: (B, 3, N) unit vectors.
        inside: (B, N), 1 for the pixels that count. Pixels whose predicted normal is 0 do not.

    Returns:
        (B,) radians; 0 for a sample without such pixels. Differentiable everywhere: the angle is taken as
        atan2(|n x t|, n . t), whose slope is finite where that of the arc cosine is not.
    """
    counted = inside * (normal.detach().abs().sum(dim=1) > 0)
    return (_angles(normal, truth) * counted).sum(dim=1) / counted.sum(dim=1).clamp_min(1)


def expected_angle_loss(log_angle: Tensor, normal: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Compute the loss of a predicted expected angle: the negative log likelihood of an exponential distribution.

    a / e + ln e, a the angle between the normals and e the predicted one, is least if e is the mean of a over all
    pixels that look alike. No gradient flows to the normal.

    Args:
        log_angle: (B, N), ln e, e in radians.
        normal, truth, inside: As in `mean_angle`. A pixel whose predicted normal is 0 has an angle of 90 degrees.

    Returns:
        (B,); 0 for a sample without pixels on the object.
    """
    with torch.no_grad():
        missing = normal.abs().sum(dim=1) == 0
        angle = torch.where(missing, torch.pi / 2, _angles(normal, truth))
    loss = angle * (-log_angle).exp() + log_angle
    return (loss * inside).sum(dim=1) / inside.sum(dim=1).clamp_min(1)


def _angles(normal: Tensor, truth: Tensor) -> Tensor:
    """(B, 3, N) twice -> (B, N) radians."""
    # The root's slope is finite, too, with a small number under it.
    sine = torch.linalg.cross(normal, truth, dim=1).square().sum(dim=1).add(1e-12).sqrt()
    return torch.atan2(sine, (normal * truth).sum(dim=1))


def weighted_squared_error(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Compute the mean squared error, each pixel weighted.

    Args:
        predicted, truth: (B, C, H, W).
        weight: (B, 1, H, W).

    Returns:
        (B,).
    """
    squared = (predicted - truth).square().mean(dim=1, keepdim=True)
    return (squared * weight).flatten(1).sum(dim=1) / weight.flatten(1).sum(dim=1).clamp_min(1e-6)
