# SPDX-License-Identifier: Apache-2.0
"""Fused features -> normals: a preprocessing that doubles the size, and two stacked hourglasses, each with an output.

The paper speaks of two transposed convolutions in the preprocessing; features of half the size need one, as in its
public code.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.models.ps_fcn.layers import conv, deconv, head

SMALL = 0.2  # factor on the heads' initial weights, if the outputs correct a base
BESIDE = 0.1  # factor on what an hourglass adds to its input at first


class Hourglass(nn.Module):
    """Down to half and a quarter of the size and up again, with a shortcut at each size; ends at unit length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down_half = conv(width, 2 * width, stride=2)
        self.at_half = conv(2 * width, 2 * width)
        self.down_quarter = conv(2 * width, 4 * width, stride=2)
        self.at_quarter = conv(4 * width, 4 * width)
        self.up_half = deconv(4 * width, 2 * width)
        self.up_full = deconv(2 * width, width)
        self.skip_full = conv(width, width, kernel=1)
        self.skip_half = conv(2 * width, 2 * width, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape, of unit length over the channels; H and W are multiples of 4."""
        half = self.at_half(self.down_half(features))
        quarter = self.at_quarter(self.down_quarter(half))
        raised = self.up_full(self.up_half(quarter) + self.skip_half(half))
        return functional.normalize(raised + self.skip_full(features), dim=1)


class Regressor(nn.Module):
    """(B, channels, H / 2, W / 2) -> one normal map of any length, or three with hourglasses: (B, 3, H, W).

    known: channels (B, known, H, W) of a base that are given with the features: averaged at the start, and as they are
    before the last convolution of the preprocessing.
    """

    def __init__(self, channels: int, width: int, hourglass: bool, known: int = 0) -> None:
        super().__init__()
        self.preprocessing = nn.Sequential(
            conv(channels + known, 4 * width),
            conv(4 * width, 2 * width),
            conv(2 * width, 2 * width),
            deconv(2 * width, width),
            conv(width + known, width),
        )
        stages = 2 if hourglass else 0
        self.hourglasses = nn.ModuleList(Hourglass(width) for _ in range(stages))
        self.heads = nn.ModuleList(head(width) for _ in range(1 + stages))

    @torch.no_grad()
    def begin_equal(self) -> None:
        """Change random weights so that hourglasses pass their input on and all outputs begin as the first.

        The features of such deep networks begin as nearly one direction for all normals: outputs that begin behind
        random hourglasses are constant for thousands of steps.
        """
        for hourglass in self.hourglasses:
            passed, added = (
                hourglass.get_parameter("skip_full.0.weight"),
                hourglass.get_parameter("up_full.0.weight"),
            )
            nn.init.dirac_(passed)
            added.mul_(BESIDE)
        for each in self.heads[1:]:
            each.get_parameter("weight").copy_(self.heads[0].get_parameter("weight"))

    @torch.no_grad()
    def begin_small(self) -> None:
        """Change random weights so that the outputs begin as small corrections."""
        for each in self.heads:
            each.get_parameter("weight").mul_(SMALL)

    def forward(self, fused: Tensor, known: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run the regressor."""
        if known is None:
            features = [self.preprocessing(fused)]
        else:
            averaged = functional.avg_pool2d(known, 2).to(fused.dtype)
            raised = self.preprocessing[:-1](torch.cat([fused, averaged], dim=1))
            features = [self.preprocessing[-1](torch.cat([raised, known.to(raised.dtype)], dim=1))]
        for hourglass in self.hourglasses:
            features.append(hourglass(features[-1]))
        return tuple(each(seen) for each, seen in zip(self.heads, features, strict=True))
