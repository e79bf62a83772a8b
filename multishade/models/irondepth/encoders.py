# SPDX-License-Identifier: Apache-2.0
"""The encoders by name: a photo (B, 3, H, W), 0 to 1 -> features at 1/2, 1/4, 1/8, 1/16, 1/32 of its size."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.extras import require
from multishade.models.hub import load_part
from multishade.models.irondepth.settings import EncoderName
from multishade.models.rose import imagenet
from multishade.models.rose.efficientnet import VARIANTS, Encoder, initialise, normalised

# Name -> factors on widths and depths, and the channels of the last layer (which is not used): Tan and Le 2019, and
# the configurations of the published checkpoints.
SCALES: Mapping[str, tuple[float, float, int]] = {
    "b0": (1.0, 1.0, 1280),
    "b1": (1.0, 1.1, 1280),
    "b2": (1.1, 1.2, 1408),
    "b3": (1.2, 1.4, 1536),
    "b4": (1.4, 1.8, 1792),
    "b5": (1.6, 2.2, 2048),
    "b6": (1.8, 2.6, 2304),
    "b7": (2.0, 3.1, 2560),
}
PUBLISHED = "google/efficientnet-{}"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as EfficientNet was trained


class PhotoEncoder(Protocol):
    """What the decoder needs of an encoder. channels: of the five features, finest first."""

    channels: tuple[int, ...]

    def __call__(self, photo: Tensor) -> list[Tensor]: ...


class LiteEncoder(nn.Module):
    """EfficientNet-Lite, of `multishade.models.rose.efficientnet`."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.body = Encoder(variant)
        self.channels = tuple(self.body.channels)

    def forward(self, photo: Tensor) -> list[Tensor]:
        """(B, 3, H, W), 0 to 1; H and W are multiples of 32."""
        features: list[Tensor] = self.body(normalised(2 * photo - 1))
        return features

    def set_frozen(self, frozen: bool) -> None:
        """Choose whether BatchNorm keeps its stored statistics in training."""
        self.body.frozen_statistics = frozen
        self.body.train(self.training)


class TransformersEncoder(nn.Module):
    """EfficientNet b0 to b7 of the package transformers, without its last convolution and classifier."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, variant: str) -> None:
        super().__init__()
        require("transformers", extra="train")
        from transformers import EfficientNetConfig, EfficientNetModel

        width, depth, last = SCALES[variant]
        model: Any = EfficientNetModel(
            EfficientNetConfig(width_coefficient=width, depth_coefficient=depth, hidden_dim=last)
        )
        self._take(model)
        self._frozen = False
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)
        self.eval()
        with torch.no_grad():
            self.channels = tuple(each.shape[1] for each in self(torch.zeros(1, 3, 64, 64)))
        self.train()

    def _take(self, model: Any) -> None:
        self.embeddings, self.blocks = model.embeddings, model.encoder.blocks

    def forward(self, photo: Tensor) -> list[Tensor]:
        """(B, 3, H, W), 0 to 1; H and W are multiples of 32."""
        hidden = self.embeddings((photo - self.mean) / self.deviation)
        features: list[Tensor] = []
        for block in self.blocks:
            after = block(hidden)
            if after.shape[-1] < hidden.shape[-1]:
                features.append(hidden)
            hidden = after
        return [*features, hidden]

    def set_frozen(self, frozen: bool) -> None:
        """Choose whether BatchNorm keeps its stored statistics in training."""
        self._frozen = frozen
        self.train(self.training)

    def train(self, mode: bool = True) -> "TransformersEncoder":
        """Switch between training and evaluation; statistics that are frozen stay in evaluation."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and self._frozen:
                module.eval()
        return self

    def load_published(self, variant: str) -> None:
        """Load the weights that were published for ImageNet, from the Hugging Face Hub. Raises ModelError."""
        from transformers import EfficientNetModel

        source = PUBLISHED.format(variant)
        self._take(load_part(source, "encoder", EfficientNetModel.from_pretrained))


def build_encoder(name: EncoderName) -> LiteEncoder | TransformersEncoder:
    """Make an encoder with random weights, from torch's global generator."""
    if name not in VARIANTS:
        return TransformersEncoder(name)
    lite = LiteEncoder(name)
    initialise(lite.body)
    return lite


def load_imagenet(encoder: LiteEncoder | TransformersEncoder, name: EncoderName) -> None:
    """Replace the encoder's weights by those learned on ImageNet, and keep its statistics as they are.

    Those of lite0 and lite2 are of the extra `pretrained`, those of b0 to b7 are downloaded from the Hub.

    Raises:
        MissingPackageError: If the extra is not installed.
        ModelError: If the weights cannot be had or do not fit.
    """
    if isinstance(encoder, LiteEncoder):
        imagenet.load_imagenet(encoder.body, name)
    elif name in SCALES:
        encoder.load_published(name)
    else:
        raise ModelError(f"encoder {name!r}: there are {', '.join((*VARIANTS, *SCALES))}")
