# SPDX-License-Identifier: Apache-2.0
"""What a surface network is: `surface.json` beside its weights, `model` in a configuration."""

from typing import Literal

from pydantic import Field

from multishade.models.base import ModelSettings

FACTOR = 8  # sizes are multiples of it: the network halves three times


class SurfaceSettings(ModelSettings):
    """Settings of the surface network."""

    size: int = Field(
        64,
        ge=16,
        le=1024,
        multiple_of=FACTOR,
        description="pixels a side of the images that it is trained at",
    )
    width: int = Field(24, ge=8, le=128, multiple_of=8, description="channels at full size")
    heads: Literal["normal", "depth", "both"] = Field(
        "both",
        description="what it predicts and is trained on; with depth, normals are the slope of the relief",
    )
