# SPDX-License-Identifier: Apache-2.0
"""A photo -> K frames as channels: an EfficientNet-Lite encoder, a decoder of 3 x 3 convolutions with skip connections.

It is called as diffusers' `UNet2DModel` is and stored in diffusers' format, so that it stands in the place of the plain
UNets; config.json records the origin of the encoder's weights. No diffusion: it takes no noisy latents.
"""

from multishade.extras import require

require("torch", "diffusers", extra="train")

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from multishade.errors import ModelError
from multishade.models.rose.efficientnet import REDUCTION, VARIANTS, Encoder, normalised

Statistics = Literal["frozen", "batch"]
LEVELS = 5


@dataclass
class BackboneOutput:
    """sample: (B, out_channels, H, W)."""

    sample: Tensor


class BackboneNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both define config_name, alike
    """The network.

    Args:
        in_channels: 1 (grey, repeated for the encoder) or 3 (RGB).
        out_channels: Frames times the channels of one.
        variant: Of the encoder, a key of `efficientnet.VARIANTS`.
        decoder_channels: At 1/16, 1/8, 1/4, 1/2 and all of the photo's size.
        groups: Of the decoder's GroupNorm.
        statistics: Of the encoder's BatchNorm in training: "frozen", as stored, or "batch", the batch's, which update
            the stored ones.
        origin: Where the encoder's weights came from; None if they were random.

    Raises:
        ModelError: If a value is out of range.
    """

    reduction = REDUCTION
    # Activations cannot be computed again; the trainer reports it.
    enable_gradient_checkpointing = None  # type: ignore[assignment]

    @register_to_config
    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 9,
        variant: str = "lite0",
        decoder_channels: tuple[int, ...] = (160, 112, 64, 40, 24),
        groups: int = 8,
        statistics: str = "frozen",
        origin: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ModelError(f"encoder {variant!r}: expected one of {', '.join(VARIANTS)}")
        if in_channels not in (1, 3):
            raise ModelError(f"in_channels {in_channels}: expected 1 (grey) or 3 (RGB)")
        if len(decoder_channels) != LEVELS or any(width % groups or width < 1 for width in decoder_channels):
            raise ModelError(
                f"decoder channels {list(decoder_channels)}: expected {LEVELS} multiples of {groups}"
            )
        self.encoder = Encoder(variant)
        self.set_statistics(cast(Statistics, statistics))
        *skips, deepest = self.encoder.channels
        levels = []
        before = deepest
        for width, skip in zip(decoder_channels, (*reversed(skips), in_channels), strict=True):
            levels.append(DecoderLevel(before, skip, width, groups))
            before = width
        self.decoder = nn.ModuleList(levels)
        self.conv_out = nn.Conv2d(before, out_channels, 3, padding=1)

    def forward(
        self, sample: Tensor, timestep: Tensor | float | int = 0, return_dict: bool = True
    ) -> BackboneOutput | tuple[Tensor]:
        """Run the network.

        Args:
            sample: (B, in_channels, H, W), the photo in -1..1; H and W are multiples of 32.
            timestep: Not used; there is one step.
            return_dict: Whether the answer has a name or is in a tuple, as in diffusers.

        Returns:
            (B, out_channels, H, W).
        """
        skips = [sample, *self.encoder(normalised(sample))]
        hidden = skips.pop()
        for level in self.decoder:
            hidden = level(hidden, skips.pop())
        hidden = self.conv_out(hidden)
        return BackboneOutput(hidden) if return_dict else (hidden,)

    def set_statistics(self, statistics: Statistics) -> None:
        """Choose the statistics of the encoder's BatchNorm in training. Raises ModelError for another word."""
        if statistics not in ("frozen", "batch"):
            raise ModelError(f"statistics {statistics!r}: expected 'frozen' or 'batch'")
        self.register_to_config(statistics=statistics)
        self.encoder.frozen_statistics = statistics == "frozen"
        self.encoder.train(self.training)


class DecoderLevel(nn.Module):
    """Enlarge twofold, append the skip connection, two 3 x 3 convolutions, each with GroupNorm and SiLU."""

    def __init__(self, before: int, skip: int, width: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before + skip, width, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, width)

    def forward(self, hidden: Tensor, skip: Tensor) -> Tensor:
        # Bilinear: transposed convolutions and nearest neighbours leave a checker pattern in the normals.
        large = functional.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=False)
        hidden = torch.cat([large, skip], dim=1)
        hidden = functional.silu(self.norm1(self.conv1(hidden)))
        return functional.silu(self.norm2(self.conv2(hidden)))
