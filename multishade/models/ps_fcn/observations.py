# SPDX-License-Identifier: Apache-2.0
"""Images of one thing under several lights -> what the networks see: normalised images, gradient images."""

import torch
from torch import Tensor
from torch.nn import functional

from multishade.models.ps_fcn.settings import REFERENCE_IMAGES


def normalised(images: Tensor, mask: Tensor) -> Tensor:
    """Divide each pixel by its norm over the images, channel by channel (equation 2 of IGA-PSN).

    The result is multiplied by the root of K / 32, as in the public code of PS-FCN, so that its scale does not depend
    on the number of images.

    Args:
        images: (B, K, 3, H, W) linear light, divided by the lights' intensities.
        mask: (B, 1, H, W), not 0 on the object.

    Returns:
        (B, K, 3, H, W), 0 off the mask and where all images are 0.
    """
    # In float64, image by image: the sum does not depend on their order, nor the memory on their number.
    squared = torch.zeros_like(images[:, 0], dtype=torch.float64)
    for image in images.unbind(1):
        squared += image.double().square()
    usable = (squared > 0) & (mask != 0)
    scale = (images.shape[1] / REFERENCE_IMAGES) ** 0.5
    factor = torch.where(usable, scale * torch.where(usable, squared, 1.0).rsqrt(), 0.0)
    return images * factor.to(images).unsqueeze(1)


def differences(values: Tensor) -> tuple[Tensor, Tensor]:
    """Compute central differences, half of what lies between the neighbours; 0 lies beyond the border.

    Args:
        values: (..., H, W).

    Returns:
        Along the rows and along the columns, (..., H, W) each.
    """
    wide = functional.pad(values, (1, 1))
    high = functional.pad(values, (0, 0, 1, 1))
    return (wide[..., 2:] - wide[..., :-2]) / 2, (high[..., 2:, :] - high[..., :-2, :]) / 2


def gradient_image(images: Tensor, kind: str = "absolute") -> Tensor:
    """Compute the gradient images, channel by channel.

    Args:
        images: (..., H, W).
        kind: "absolute": |d/dx| + |d/dy| (equation 3 of IGA-PSN). "squared": 2 ((d/dx)^2 + (d/dy)^2) (its public code).

    Returns:
        (..., H, W), 0 or more.
    """
    across, down = differences(images)
    if kind == "absolute":
        return across.abs() + down.abs()
    return 2 * (across.square() + down.square())
