# SPDX-License-Identifier: Apache-2.0
"""What a calibrated photometric-stereo network is: its width, and what it sees of each image."""

from typing import Literal

from pydantic import Field

from multishade.models.base import ModelSettings

REFERENCE_IMAGES = 32  # normalised images have the scale that they have among this many: the papers' number


class StereoSettings(ModelSettings):
    """Settings that PS-FCN and IGA-PSN share."""

    size: int = Field(32, ge=8, le=4096, description="pixels a side of the patches that it is trained on")
    width: int = Field(
        64, ge=8, le=256, multiple_of=8, description="channels of the first convolution; all others follow"
    )
    normalise: bool = Field(
        True,
        description="whether each pixel is divided by its norm over the images, which cancels the albedo",
    )
    gradient: Literal["absolute", "squared"] = Field(
        "absolute",
        description="gradient images: sum of the absolute central differences (the paper of IGA-PSN), or twice the sum "
        "of their squares (its public code)",
    )


class PsFcnSettings(StereoSettings):
    """Settings of PS-FCN. `inputs` other than images are rows of IGA-PSN's ablation."""

    inputs: Literal["images", "gradients", "both"] = Field(
        "images", description="what the extractor sees of each image: itself, its gradient image, or both"
    )
