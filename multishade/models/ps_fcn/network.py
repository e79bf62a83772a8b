# SPDX-License-Identifier: Apache-2.0
"""Observations and lights -> normals. Images go through one by one or in parts; their maximum is kept, so that memory
does not grow with their number.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.models.ps_fcn.layers import conv, deconv, extractor, head, initialise, strengthen
from multishade.models.ps_fcn.least_squares import fits
from multishade.models.ps_fcn.observations import gradient_image
from multishade.models.ps_fcn.settings import PsFcnSettings

MULTIPLE = 4  # the networks halve the size twice


class StereoNetwork(nn.Module, ABC):
    """A network whose features are fused over the images by their maximum: any number of images, in any order.

    Attributes:
        base: What the outputs are added to; see `IgaPsnSettings`.
    """

    base: str = "none"

    @abstractmethod
    def features(self, images: Tensor, lights: Tensor) -> Tensor:
        """Compute the features of N images, each by itself.

        Args:
            images: (N, 3, H, W) as the network sees them; H and W are multiples of 4.
            lights: (N, 3, H, W), the direction of the light at every pixel.

        Returns:
            (N, C, H / 2, W / 2).
        """

    @abstractmethod
    def regress(self, fused: Tensor, known: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute normals of any length, the best last: (B, C, H / 2, W / 2) -> (B, 3, H, W) each.

        known: (B, 8, H, W) of `least_squares.fits`, for a network with `base`.
        """

    def seen_by_extractors(self, images: Tensor) -> Tensor:
        """Make of observations what `features` takes."""
        return images

    def forward(
        self, observations: Tensor, directions: Tensor, part: int | None = None
    ) -> tuple[Tensor, ...]:
        """Run the network.

        Args:
            observations: (B, K, 3, H, W): what `observations.normalised` returns, or linear light.
            directions: (B, K, 3) unit vectors towards the lights, camera frame.
            part: How many images of each go through at once; None: all, which training needs.

        Returns:
            One map or more, (B, 3, H, W) float32 unit vectors, the best last.
        """
        count, images, _, height, width = observations.shape
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        known: Tensor | None = None
        if self.base != "none":
            start_normal, known = fits(observations, directions)
            known = functional.pad(known, padding).to(next(self.parameters()).dtype)
        fused: Tensor | None = None
        for start in range(0, images, part or images):
            chosen = slice(start, start + (part or images))
            seen = self.seen_by_extractors(functional.pad(observations[:, chosen].flatten(0, 1), padding))
            lights = directions[:, chosen].flatten(0, 1)[..., None, None].expand(-1, -1, *seen.shape[2:])
            maximum = self.features(seen, lights.to(seen)).unflatten(0, (count, -1)).amax(dim=1)
            fused = maximum if fused is None else torch.maximum(fused, maximum)
        assert fused is not None
        corrections = [each.float()[..., :height, :width] for each in self.regress(fused, known)]
        if known is not None:
            corrections = [start_normal + each for each in corrections]
        return tuple(functional.normalize(normal, dim=1) for normal in corrections)


class PsFcnNetwork(StereoNetwork):
    """PS-FCN: one extractor, one regressor."""

    def __init__(self, settings: PsFcnSettings) -> None:
        super().__init__()
        self.inputs, self.gradient = settings.inputs, settings.gradient
        width = settings.width
        self.extractor = extractor(9 if self.inputs == "both" else 6, width)
        self.regressor = nn.Sequential(
            conv(2 * width, 2 * width), conv(2 * width, 2 * width), deconv(2 * width, width), head(width)
        )
        initialise(self)
        strengthen(self.extractor)

    def features(self, images: Tensor, lights: Tensor) -> Tensor:
        if self.inputs == "images":
            seen = [images, lights]
        else:
            gradients = gradient_image(images, self.gradient)
            seen = [gradients, lights] if self.inputs == "gradients" else [images, gradients, lights]
        features: Tensor = self.extractor(torch.cat(seen, dim=1))
        return features

    def regress(self, fused: Tensor, known: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.regressor(fused),)
