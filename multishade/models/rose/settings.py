# SPDX-License-Identifier: Apache-2.0
"""What a RoSE model is trained to do and how it is run: `rose.json` beside its weights, `model` in a configuration."""

from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator

from multishade.config.section import Section
from multishade.errors import ModelError
from multishade.geometry import lights
from multishade.models.base import ModelSettings, describe

FILE_NAME = "rose.json"
Head = Literal["coverage", "error"]


class Sampling(Section):
    """How diffusion is run, in validation and afterwards. The defaults are the paper's."""

    steps: int = Field(25, ge=1, le=1000, description="Euler steps")
    guidance: Literal["triangle", "constant"] = Field(
        "triangle", description="scale per frame: a triangle between the two scales, or max_guidance for all"
    )
    min_guidance: float = Field(1.0, ge=0, description="scale of the triangle's ends")
    max_guidance: float = Field(2.5, ge=0, description="largest scale; 1: no guidance, which halves the work")
    noise_augmentation: float = Field(
        1e-5, ge=0, description="standard deviation of noise on the photo (-1..1)"
    )

    mirror: bool = Field(
        False, description="one step: run the network on the mirrored photo, too, and average"
    )

    def replaced(self, **values: Any) -> Self:
        """Return a copy with other values. Raises ModelError if one is out of range."""
        try:
            return type(self).model_validate({**self.model_dump(), **values})
        except ValidationError as error:
            raise ModelError(describe(error)) from error


class RoseSettings(ModelSettings):
    """One model. The defaults are the published model's."""

    lights: int = Field(9, ge=3, le=256, description="K, on a ring; a normal needs three")
    elevation_degrees: float = Field(
        45.0, gt=0, lt=90, description="of the ring's lights above the image plane"
    )
    process: Literal["diffusion", "one_step"] = Field(
        "diffusion", description="sampled from noise, or one call of the network"
    )
    target: Literal["shading", "normal"] = Field(
        "shading", description="K shading frames, or one normal map, predicted directly"
    )
    photo: Literal["grey", "rgb"] = Field("grey", description="the mean of the channels, or all three")
    light_angles: Literal["constant", "lights"] = Field(
        "constant",
        description="the network's input for a frame's light: none (its position in the sequence, as in the "
        "paper), or its angles, where SV3D has the camera's",
    )
    size: int = Field(576, ge=8, le=4096, description="pixels a side of the images that it is trained at")
    base: str | None = Field(None, description="where VAE, CLIP and scheduler are, if not with the UNet")
    sampling: Sampling = Sampling()
    heads: tuple[Head, ...] = Field(
        (),
        description="what a one-step network with the frames as channels predicts beside them: coverage (the object's, "
        "so that a photo needs no mask) and error (the expected angular error of the normal, its confidence)",
    )

    @field_validator("heads")
    @classmethod
    def _each_once(cls, value: tuple[Head, ...]) -> tuple[Head, ...]:
        if len(set(value)) != len(value):
            raise ValueError("heads: each may be given once")
        return tuple(name for name in get_args(Head) if name in value)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads, without heads and mirror if they are off, as in files older than these."""
        content = super().as_json()
        if not self.heads:
            del content["heads"]
        if not self.sampling.mirror:
            del content["sampling"]["mirror"]
        return content

    @property
    def directions(self) -> NDArray[np.float64]:
        """(K, 3) unit vectors towards the lights, camera frame."""
        return lights.ring(self.lights, self.elevation_degrees)

    @property
    def mirrored_frames(self) -> list[int]:
        """For each frame the number of the frame under the mirror image (x reversed) of its light."""
        return [-number % self.frames for number in range(self.frames)]

    @property
    def frames(self) -> int:
        """Frames of the sequence that the network makes: K shadings, or one normal map."""
        return self.lights if self.target == "shading" else 1
