# SPDX-License-Identifier: Apache-2.0
"""Attention of features over channels and over pixels, by which other features, or they themselves, are gated.

The two gates of CBAM (Woo et al. 2018). IGA-PSN crosses them (equation 4): the images' features are multiplied by M_c
and M_s of the gradients' features, and the reverse, with the same weights of M_c and M_s in both directions.
"""

import torch
from torch import Tensor, nn

REDUCTION = 16  # of the channels, inside the channel attention
KERNEL = 7  # pixels, of the spatial attention


class Attention(nn.Module):
    """Channel attention (a small network on the mean and on the maximum over pixels) and spatial attention (a
    convolution of the maximum and the mean over channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.channel = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.spatial = nn.Conv2d(2, 1, KERNEL, padding=KERNEL // 2)

    def of_channels(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> M_c, (N, C, 1, 1), 0 to 1."""
        scores = self.channel(features.mean(dim=(2, 3))) + self.channel(features.amax(dim=(2, 3)))
        return torch.sigmoid(scores)[..., None, None]

    def of_pixels(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> M_s, (N, 1, H, W), 0 to 1."""
        pooled = torch.cat([features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.spatial(pooled))

    def cross(self, gated: Tensor, gating: Tensor) -> Tensor:
        """Gate features by the attention of others, (N, C, H, W) both."""
        return gated * self.of_channels(gating) * self.of_pixels(gating)

    def own(self, features: Tensor) -> Tensor:
        """Gate features by their own attention, first over channels, then over pixels (CBAM)."""
        refined = features * self.of_channels(features)
        return refined * self.of_pixels(refined)
