# SPDX-License-Identifier: Apache-2.0
"""IGA-PSN: two extractors, attention across them, max-fused streams, a regressor; the model around it."""

from typing import ClassVar

import torch
from torch import Tensor

from multishade.models.iga_psn.attention import Attention
from multishade.models.iga_psn.regressor import Regressor
from multishade.models.iga_psn.settings import IgaPsnSettings
from multishade.models.ps_fcn.layers import extractor, initialise, strengthen
from multishade.models.ps_fcn.least_squares import CHANNELS
from multishade.models.ps_fcn.model import StereoModel
from multishade.models.ps_fcn.network import StereoNetwork
from multishade.models.ps_fcn.observations import gradient_image
from multishade.models.ps_fcn.settings import StereoSettings


class IgaPsnNetwork(StereoNetwork):
    """Features of images and of gradient images gate each other; they are fused gated and as they are."""

    def __init__(self, settings: IgaPsnSettings) -> None:
        super().__init__()
        self.gradient, self.fusion = settings.gradient, settings.fusion
        self.base, self.compress = settings.base, settings.compress
        width = settings.width
        self.images = extractor(6, width)
        self.gradients = extractor(6, width)
        if self.fusion != "none":
            self.attention = Attention(2 * width)
        streams = 2 if self.fusion == "none" else 4
        known = 0 if self.base == "none" else CHANNELS
        self.regressor = Regressor(streams * 2 * width, width, settings.regressor == "hourglass", known)
        for part in (self.images, self.gradients, self.regressor):
            initialise(part)
        self.regressor.begin_equal()
        if known:
            self.regressor.begin_small()
        for branch in (self.images, self.gradients):
            strengthen(branch)

    def features(self, images: Tensor, lights: Tensor) -> Tensor:
        plain = self.images(torch.cat([images, lights], dim=1))
        steep = self.gradients(torch.cat([gradient_image(images, self.gradient), lights], dim=1))
        return torch.cat([*self.gated(plain, steep), plain, steep], dim=1)

    def gated(self, plain: Tensor, steep: Tensor) -> tuple[Tensor, ...]:
        """Gate features of the images and of the gradient images, (N, C, H, W) both: those of the gradients first."""
        if self.fusion == "none":
            return ()
        if self.fusion == "self":
            return self.attention.own(steep), self.attention.own(plain)
        return self.attention.cross(steep, plain), self.attention.cross(plain, steep)

    def seen_by_extractors(self, images: Tensor) -> Tensor:
        return images if self.compress == 1 else images.sign() * images.abs() ** self.compress

    def regress(self, fused: Tensor, known: Tensor | None = None) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.regressor(fused, known)
        return outputs


class IGAPSN(StereoModel[IgaPsnSettings]):
    """IGA-PSN (Wang et al., PRICAI 2024)."""

    name: ClassVar[str] = "iga-psn"
    settings_type: ClassVar[type[StereoSettings]] = IgaPsnSettings

    @staticmethod
    def build(settings: IgaPsnSettings) -> StereoNetwork:
        return IgaPsnNetwork(settings)
