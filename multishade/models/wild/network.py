# SPDX-License-Identifier: Apache-2.0
"""The networks of `wild`: a photo (B, 3, H, W) in -1..1 -> three numbers a pixel, and one for each head.

The source is a two-page abstract without code. It states the blocks, their number, kernel, normalisation and skip
connections; widths are those of Pix2Pix (Isola et al. 2017), on which it is based.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.models.rose.backbone import BackboneNetwork
from multishade.models.rose.efficientnet import REDUCTION, initialise
from multishade.models.rose.imagenet import load_imagenet
from multishade.models.wild.settings import WildSettings

LEAK = 0.2
DEVIATION = 0.02  # of the initial weights
WIDTHS = (1, 2, 4, 8)  # of the encoder's blocks, times the network's width
DECODER = (160, 112, 64, 40, 24)  # channels of the decoder of RoSE's preset lite0


class _Convolution(nn.Module):
    """A 4 x 4 convolution and batch normalisation. stride 1 keeps the size, stride 2 halves it.

    An even kernel has no centre: at stride 1 the odd row and column is before or behind (`early`), so that two of them
    in a row shift nothing.
    """

    def __init__(self, before: int, after: int, stride: int = 1, early: bool = False) -> None:
        super().__init__()
        self._padding = (1, 1, 1, 1) if stride == 2 else (2, 1, 2, 1) if early else (1, 2, 1, 2)
        self.conv = nn.Conv2d(before, after, 4, stride, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.norm(self.conv(functional.pad(hidden, self._padding)))
        return answer


class Block(nn.Module):
    """Twice convolution, batch normalisation and leaky ReLU, with a residual connection (He et al. 2016)."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _Convolution(before, after, stride, early=True)
        self.second = _Convolution(after, after)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and before == after
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, hidden: Tensor) -> Tensor:
        inner = self.second(functional.leaky_relu(self.first(hidden), LEAK))
        return functional.leaky_relu(inner + self.shortcut(hidden), LEAK)


class PaperNetwork(nn.Module):
    """Four blocks that halve the size, four that double it with skip connections, and one more before the output.

    Args:
        outputs: Numbers a pixel.
        width: Channels of the first block.
    """

    reduction = 2 ** len(WIDTHS)

    def __init__(self, outputs: int, width: int) -> None:
        super().__init__()
        channels = [width * factor for factor in WIDTHS]
        self.down = nn.ModuleList(
            Block(before, after, stride=2) for before, after in zip((3, *channels), channels, strict=False)
        )
        up = []
        before = channels[-1]
        for skip in (*reversed(channels[:-1]), 0):
            # What comes up from below has the channels of the skip connection that it meets next.
            after = skip or width
            up.append(Block(before, after))
            before = after + skip
        self.up = nn.ModuleList(up)
        self.extra = Block(before, width)
        self.out = nn.Conv2d(width, outputs, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=DEVIATION)
        _begin_frontal(self.out)

    def forward(self, photo: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, outputs, H, W); H and W are multiples of 16."""
        skips, hidden = [], photo
        for block in self.down:
            hidden = block(hidden)
            skips.append(hidden)
        skips.pop()
        for block in self.up:
            # Bilinear: transposed convolutions leave a checker pattern in the normals.
            hidden = block(
                functional.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=False)
            )
            if skips:
                hidden = torch.cat([hidden, skips.pop()], dim=1)
        answer: Tensor = self.out(self.extra(hidden))
        return answer


class LiteNetwork(nn.Module):
    """An EfficientNet-Lite0 encoder and a light decoder: RoSE's network of the preset `lite0`, with other outputs.

    Its encoder has random weights until `load_encoder` replaces them.

    Args:
        outputs: Numbers a pixel.
    """

    reduction = REDUCTION

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.backbone = BackboneNetwork(
            in_channels=3, out_channels=outputs, decoder_channels=DECODER, statistics="batch"
        )
        initialise(self.backbone.encoder)
        _begin_frontal(self.backbone.conv_out)

    def load_encoder(self) -> dict[str, str]:
        """Take the encoder's weights of ImageNet, whose statistics stay as they are. Returns their origin.

        Raises:
            MissingPackageError, ModelError: If the package that holds them is missing or damaged.
        """
        origin = load_imagenet(self.backbone.encoder, "lite0")
        self.freeze_statistics()
        return origin

    def freeze_statistics(self) -> None:
        """Normalise with the encoder's stored statistics in training, too."""
        self.backbone.set_statistics("frozen")

    def forward(self, photo: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, outputs, H, W); H and W are multiples of 32."""
        answer: Tensor = self.backbone(photo, return_dict=False)[0]
        return answer


WildNetwork = PaperNetwork | LiteNetwork


def build(settings: WildSettings) -> WildNetwork:
    """Make the network of these settings, with random weights from torch's global generator."""
    outputs = 3 + len(settings.heads)
    return PaperNetwork(outputs, settings.width) if settings.network == "paper" else LiteNetwork(outputs)


@torch.no_grad()
def _begin_frontal(out: nn.Conv2d) -> None:
    """Let all normals begin near the view axis: those near no direction at all turn wildly with every step."""
    assert out.bias is not None
    out.bias.zero_()
    out.bias[2] = 1.0
