# SPDX-License-Identifier: Apache-2.0
"""What an IronDepth model is: its encoder, the size of its grid, and how depth is propagated."""

from typing import Literal, Self

from pydantic import Field, model_validator

from multishade.models.base import ModelSettings

REDUCTION = 32  # pixels a side of one pixel of the encoder's last features
EncoderName = Literal["lite0", "lite2", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"]


class IronDepthSettings(ModelSettings):
    """Settings of IronDepth. The paper's model: encoder b5, stride 8, plane neighbour."""

    size: int = Field(128, ge=32, le=4096, multiple_of=32, description="pixels a side of its images, 32 n")
    encoder: EncoderName = Field(
        "lite0",
        description="EfficientNet-Lite (lite0, lite2), or EfficientNet (b0 to b7) of the package transformers",
    )
    stride: Literal[4, 8] = Field(
        8, description="pixels a side of one cell of the grid in which depth is refined"
    )
    decoder: tuple[int, ...] = Field(
        (128, 96),
        description="channels of the decoder at 1/16, 1/8 and, with stride 4, 1/4 of the image; multiples of 8",
    )
    features: int = Field(64, ge=8, le=512, description="channels of the context feature")
    hidden: int = Field(64, ge=8, le=512, description="channels of the recurrent state")
    plane: Literal["neighbour", "both"] = Field(
        "neighbour",
        description="the plane along which depth is propagated has the neighbour's normal (the paper), or the mean of "
        "the normals at both ends, which is exact on spheres, too",
    )
    iterations: int = Field(20, ge=0, le=1000, description="of the refinement, in prediction")

    @model_validator(mode="after")
    def _levels(self) -> Self:
        levels = {4: 3, 8: 2}[self.stride]
        if len(self.decoder) != levels or any(width < 8 or width % 8 for width in self.decoder):
            raise ValueError(
                f"decoder {list(self.decoder)}: with stride {self.stride} it has {levels} levels, multiples of 8"
            )
        return self
