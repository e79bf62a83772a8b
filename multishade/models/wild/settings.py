# SPDX-License-Identifier: Apache-2.0
"""What a `wild` model is: its network, and what it predicts beside the normals."""

from typing import Literal, get_args

from pydantic import Field, field_validator

from multishade.models.base import ModelSettings
from multishade.models.rose.settings import Head

Network = Literal["paper", "lite0"]


class WildSettings(ModelSettings):
    """Settings of `wild`. The defaults are the source's."""

    size: int = Field(
        128, ge=32, le=4096, multiple_of=32, description="pixels a side of the images that it is trained at"
    )
    network: Network = Field(
        "paper",
        description="paper: four residual blocks down and four up, random weights; lite0: an EfficientNet-Lite0 "
        "encoder and the decoder of RoSE's preset lite0",
    )
    width: int = Field(
        64, ge=8, le=256, multiple_of=8, description="paper: channels of the first block; all others follow"
    )
    heads: tuple[Head, ...] = Field(
        (),
        description="what is predicted beside the normals: coverage (the object's, so that a photo needs no mask) and "
        "error (the expected angular error of the normal, its confidence)",
    )
    mirror: bool = Field(
        False, description="prediction: run the network on the mirrored photo, too, and average"
    )

    @field_validator("heads")
    @classmethod
    def _each_once(cls, value: tuple[Head, ...]) -> tuple[Head, ...]:
        if len(set(value)) != len(value):
            raise ValueError("heads: each may be given once")
        return tuple(name for name in get_args(Head) if name in value)
