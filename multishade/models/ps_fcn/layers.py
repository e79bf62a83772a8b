# SPDX-License-Identifier: Apache-2.0
"""Layers of PS-FCN: convolutions with leaky ReLU, the extractor of one image's features, the regressor of normals."""

import math

import torch
from torch import nn

LEAK = 0.1
AROUND = 0.2  # of the spread of He et al.: initial weights beside the centre of a kernel
OF_IMAGES = 5.0  # factor on the initial weights of images and gradient images


def conv(before: int, after: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Make a convolution that keeps or halves the size, and a leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2), nn.LeakyReLU(LEAK)
    )


def deconv(before: int, after: int) -> nn.Sequential:
    """Make a transposed convolution that doubles the size, and a leaky ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(LEAK)
    )


def head(before: int) -> nn.Conv2d:
    """Make the convolution that ends in the three coordinates of a normal, of any length."""
    return nn.Conv2d(before, 3, 3, padding=1, bias=False)


def extractor(inputs: int, width: int) -> nn.Sequential:
    """Make the extractor that all images share: (N, inputs, H, W) -> (N, 2 width, H / 2, W / 2)."""
    return nn.Sequential(
        conv(inputs, width),
        conv(width, 2 * width, stride=2),
        conv(2 * width, 2 * width),
        conv(2 * width, 4 * width, stride=2),
        conv(4 * width, 4 * width),
        deconv(4 * width, 2 * width),
        conv(2 * width, 2 * width),
    )


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions from torch's global generator; biases are 0.

    The centre of a 3 x 3 kernel is drawn as He et al. (2015) draw a 1 x 1 kernel, the rest is small; a transposed
    convolution begins as bilinear enlargement. Which light is the brightest is known at a pixel alone: from kernels
    that begin as means over their neighbourhood it is learned many times more slowly.
    """
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            bilinear = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
            mixing = torch.randn(module.weight.shape[:2]) * math.sqrt(2 / module.in_channels)
            with torch.no_grad():
                module.weight.copy_(mixing[..., None, None] * bilinear[:, None] * bilinear)
        elif isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=AROUND * math.sqrt(2 / module.weight[0].numel()))
            centre = module.kernel_size[0] // 2
            with torch.no_grad():
                spread = math.sqrt(2 / module.in_channels)
                module.weight[:, :, centre, centre] = torch.randn(module.weight.shape[:2]) * spread
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def strengthen(extractor: nn.Sequential) -> None:
    """Multiply the first convolution's weights of everything but the light, its last three channels.

    Normalised images are smaller numbers than the coordinates of lights.
    """
    for module in extractor.modules():
        if isinstance(module, nn.Conv2d):
            module.weight[:, :-3] *= OF_IMAGES
            return
