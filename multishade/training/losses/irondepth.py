# SPDX-License-Identifier: Apache-2.0
"""Refined depth against the truth, one number per sample."""

from collections.abc import Sequence

import torch
from torch import Tensor


def refinement_loss(
    reliefs: Sequence[Tensor], truth: Tensor, mask: Tensor, decay: float
) -> dict[str, Tensor]:
    """Compute the weighted sum of the absolute errors of all iterations (equation 4 of IronDepth).

    Args:
        reliefs: (B, 1, H, W) each, the initial one first.
        truth: (B, 1, H, W).
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.
        decay: gamma: the weight of a relief is this to the power of the number of those after it.

    Returns:
        "total", and the mean absolute errors of the first and the last relief, "initial" and "refined"; (B,) each, in
        widths of the image; 0 for a sample without object.
    """
    area = mask.sum(dim=(1, 2, 3)).clamp_min(1)
    errors = [((relief - truth).abs() * mask).sum(dim=(1, 2, 3)) / area for relief in reliefs]
    total = torch.zeros_like(errors[0])
    for place, error in enumerate(errors):
        total = total + decay ** (len(errors) - 1 - place) * error
    return {"total": total, "initial": errors[0], "refined": errors[-1]}
