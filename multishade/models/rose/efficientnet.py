# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite without its classifier: a photo (B, 3, H, W) -> features at 1/2, 1/4, 1/8, 1/16, 1/32 of its size.

Stages, widths, depths, normalisation and padding are those of TensorFlow's definition (tensorflow/tpu,
models/official/efficientnet/lite/efficientnet_lite_builder.py): inverted residuals with ReLU6, without
squeeze-and-excitation; widths and depths are scaled, except for the stem and the repeats of the first and last stage.
"""

from multishade.extras import require

require("torch", extra="train")

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of TensorFlow: BatchNorm's epsilon, and one less its momentum.
EPSILON, MOMENTUM = 1e-3, 0.01
MEAN, DEVIATION = 127.0, 128.0  # of the photo's values 0..255, each channel alike
STEM_CHANNELS = 32
REDUCTION = 32  # pixels a side of one pixel of the last features


@dataclass(frozen=True)
class Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# name -> (factor on widths, factor on depths)
VARIANTS: Mapping[str, tuple[float, float]] = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}


def scaled_stages(variant: str) -> list[Stage]:
    """Return the stages of a variant.

    Args:
        variant: A key of `VARIANTS`.

    Returns:
        Widths rounded to the nearest multiple of 8, at most 10 per cent down; depths rounded up.
    """
    width, depth = VARIANTS[variant]
    last = len(STAGES) - 1
    return [
        Stage(
            stage.repeats if place in (0, last) else math.ceil(stage.repeats * depth),
            stage.kernel,
            stage.stride,
            stage.expansion,
            _rounded(stage.channels * width),
        )
        for place, stage in enumerate(STAGES)
    ]


class Encoder(nn.Module):
    """The network.

    Args:
        variant: A key of `VARIANTS`.
        frozen_statistics: Whether BatchNorm normalises with its stored statistics in training too. Its weights and
            biases are trained either way.

    Attributes:
        channels: Of the five features, finest first.
    """

    def __init__(self, variant: str, frozen_statistics: bool = True) -> None:
        super().__init__()
        self.frozen_statistics = frozen_statistics
        self.stem = _convolution(3, STEM_CHANNELS, 3, 2)
        blocks: list[nn.Module] = []
        widths, ends = [], []
        before = STEM_CHANNELS
        for stage in scaled_stages(variant):
            if stage.stride == 2:
                widths.append(before)
                ends.append(len(blocks) - 1)
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedResidual(before, stage.channels, stage.kernel, stride, stage.expansion))
                before = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.channels = (*widths, before)
        self._ends = {*ends, len(blocks) - 1}

    def forward(self, photo: Tensor) -> list[Tensor]:
        """Compute the features.

        Args:
            photo: (B, 3, H, W), normalised (`normalised`); H and W are multiples of 32, since the padding of the
                strided convolutions is TensorFlow's "same" for even sizes.

        Returns:
            Five tensors (B, C, H / r, W / r), r = 2, 4, 8, 16, 32.
        """
        hidden = self.stem(photo)
        features = []
        for place, block in enumerate(self.blocks):
            hidden = block(hidden)
            if place in self._ends:
                features.append(hidden)
        return features

    def train(self, mode: bool = True) -> "Encoder":
        """Switch between training and evaluation; statistics that are frozen stay in evaluation."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class InvertedResidual(nn.Module):
    """1 x 1 expansion, depthwise convolution, linear 1 x 1 projection; added to its input if the shapes agree."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = _convolution(inside, wide, 1, 1) if expansion > 1 else None
        self.depthwise = _convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _convolution(wide, outside, 1, 1, active=False)
        self.residual = stride == 1 and inside == outside

    def forward(self, hidden: Tensor) -> Tensor:
        wide = hidden if self.expand is None else self.expand(hidden)
        narrow: Tensor = self.project(self.depthwise(wide))
        return hidden + narrow if self.residual else narrow


class _Convolution(nn.Module):
    """Convolution with TensorFlow's "same" padding for even sizes, BatchNorm, ReLU6."""

    def __init__(
        self, inside: int, outside: int, kernel: int, stride: int, groups: int, active: bool
    ) -> None:
        super().__init__()
        total = kernel - stride
        # TensorFlow puts the odd row and column behind.
        self._uneven = (total // 2, total - total // 2) * 2 if total % 2 else None
        padding = 0 if self._uneven else total // 2
        self.conv = nn.Conv2d(inside, outside, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outside, EPSILON, MOMENTUM)
        self._active = active

    def forward(self, hidden: Tensor) -> Tensor:
        if self._uneven:
            hidden = functional.pad(hidden, self._uneven)
        hidden = self.norm(self.conv(hidden))
        return functional.relu6(hidden) if self._active else hidden


def normalised(photo: Tensor) -> Tensor:
    """Normalise a photo for the encoder.

    Args:
        photo: (B, 1 or 3, H, W), display-encoded, -1 to 1; one channel is repeated.

    Returns:
        (B, 3, H, W), (v - 127) / 128 for v from 0 to 255.
    """
    values = ((photo + 1) * 127.5 - MEAN) / DEVIATION
    return values.expand(-1, 3, -1, -1)


def _convolution(
    inside: int, outside: int, kernel: int, stride: int, groups: int = 1, active: bool = True
) -> _Convolution:
    return _Convolution(inside, outside, kernel, stride, groups, active)


def _rounded(width: float) -> int:
    """The nearest multiple of 8, but not below 90 per cent."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


def initialise(encoder: Encoder) -> None:
    """Set random weights from torch's global generator, as TensorFlow's definition does (He et al. 2015, fan out)."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            with torch.no_grad():
                module.weight.normal_(0, math.sqrt(2 / fan_out))
