# SPDX-License-Identifier: Apache-2.0
"""Pix2Pix's discriminator: a photo and its normals -> for each patch of 70 x 70 pixels, whether they are real."""

import torch
from torch import Tensor, nn

LEAK = 0.2
DEVIATION = 0.02  # of the initial weights


class PatchDiscriminator(nn.Module):
    """The 70 x 70 PatchGAN (Isola et al. 2017): C64-C128-C256-C512 of 4 x 4 convolutions, and one of one channel.

    Batch normalisation keeps no statistics: it judges in training alone, and always the batch at hand.

    Args:
        channels: Of photo and normals together.
        width: Channels of the first convolution.
    """

    def __init__(self, channels: int = 6, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(LEAK)]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            layers += [
                nn.Conv2d(width * factor, 2 * width * factor, 4, stride, 1, bias=False),
                nn.BatchNorm2d(2 * width * factor, track_running_stats=False),
                nn.LeakyReLU(LEAK),
            ]
        layers.append(nn.Conv2d(8 * width, 1, 4, 1, 1))
        self.layers = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=DEVIATION)

    def forward(self, photo: Tensor, normal: Tensor) -> Tensor:
        """(B, 3, H, W) twice, in -1..1 -> logits (B, 1, H / 8 - 2, W / 8 - 2), positive for real normals."""
        answer: Tensor = self.layers(torch.cat([photo, normal], dim=1))
        return answer
