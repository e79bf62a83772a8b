# SPDX-License-Identifier: Apache-2.0
"""The losses of `wild`, one number per sample: squared error of the normals, perceptual, adversarial."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def normal_error(normal: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean squared error of unit normals over the object (the source's L_rec).

    Of unit vectors it is 2 (1 - cosine) / 3, the mean over three coordinates.

    Args:
        normal, truth: (B, 3, H, W) unit vectors.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.

    Returns:
        (B,); 0 for a sample without object.
    """
    squared = (normal - truth).square().mean(dim=1, keepdim=True) * mask
    return squared.sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp_min(1)


def feature_error(made: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """Compute the squared difference of features, averaged over the layers (Johnson et al. 2016; L_vgg).

    It is relative to the square of the true features: their scale differs between layers and networks by orders of
    magnitude, and the source, which states a weight of 1, does not state which layers it takes.

    Args:
        made, true: (B, C, h, w) each, layer by layer.

    Returns:
        (B,); 0 for equal features, 1 for made ones of 0.
    """
    layers = []
    for one, other in zip(made, true, strict=True):
        squared = (one.float() - other.float()).square().flatten(1).mean(dim=1)
        layers.append(squared / other.float().square().flatten(1).mean(dim=1).clamp_min(1e-6))
    return torch.stack(layers).mean(dim=0)


def judged_as(logits: Tensor, real: bool) -> Tensor:
    """Compute the binary cross entropy of a discriminator's verdict, averaged over the patches (L_adv).

    Args:
        logits: (B, 1, h, w), positive for real.
        real: What the verdict should be.

    Returns:
        (B,).
    """
    wanted = torch.full_like(logits, float(real))
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return entropy.flatten(1).mean(dim=1)
