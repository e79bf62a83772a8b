# SPDX-License-Identifier: Apache-2.0
"""Settings of the tasks that train on photometric sequences: losses, and how patches and images are drawn."""

from typing import Self

from pydantic import Field, model_validator

from multishade.config.section import Probability, Section
from multishade.training.config import NotNegative, Positive, TrainConfig


class StereoObjective(Section):
    """The losses, and how patches and lights are drawn from a view."""

    stages: tuple[Positive, Positive, Positive] = Field(
        (0.5, 0.7, 1.0), description="weights of the three outputs; a network with one output takes the last"
    )
    angle: NotNegative = Field(1.0, description="weight of 1 - cosine of the angle to the true normal (L_A)")
    gradient: NotNegative = Field(0.05, description="weight of the difference of the gradients (L_G)")
    arc: NotNegative = Field(
        0.0,
        description="weight of the angle itself, in radians: it counts small errors as the measured mean angle does, "
        "which the cosine hardly sees. 0: none (the papers)",
    )
    window: int = Field(
        64, ge=8, description="pixels a side of what is read of a view", json_schema_extra={"unit": "pixels"}
    )
    patches: int = Field(4, ge=1, description="patches of model.size that are cut out of it")
    lights: tuple[int, int] = Field(
        (8, 16), description="fewest and most images of a patch, drawn for each step"
    )
    cone: Probability = Field(
        0.5, description="share of patches whose lights are taken from a cone about the view axis"
    )
    cone_cosine: tuple[float, float] = Field(
        (0.2, 0.75),
        description="cosine of the cone's half angle, drawn for each patch; wider if it has too few lights",
    )
    shaded: Probability = Field(
        0.5,
        description="share of patches whose images are made from the true normals, in random materials under random "
        "lights; with 1, shards of any kind serve",
    )
    metallic: Probability = Field(0.3, description="share of those materials that are metallic")
    matt: Probability = Field(0.0, description="share of those materials without any highlight")
    roughness: tuple[Positive, Positive] = Field(
        (0.2, 0.9), description="of those materials, sampled uniformly: the root of the alpha of GGX"
    )
    noise: NotNegative = Field(
        0.05, description="width of the uniform noise that is added to the normalised images, as in PS-FCN"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.angle + self.gradient + self.arc == 0:
            raise ValueError("angle, gradient and arc are all 0: there is no loss")
        if self.roughness[0] > self.roughness[1]:
            raise ValueError("roughness is [low, high]")
        if not 3 <= self.lights[0] <= self.lights[1]:
            raise ValueError("lights is [fewest, most], 3 or more")
        if not 0 <= self.cone_cosine[0] <= self.cone_cosine[1] < 1:
            raise ValueError("cone_cosine is [low, high], in [0, 1)")
        return self


class StereoOrigin(Section):
    """Where the weights come from."""

    pretrained: str | None = Field(
        None, description="a model's folder or a published checkpoint to start from; none: random weights"
    )


class StereoConfig(TrainConfig):
    """A training run of a photometric-stereo network."""

    objective: StereoObjective = Field(StereoObjective())

    @model_validator(mode="after")
    def _patches_fit(self) -> Self:
        if self.objective.window < self.model.size:
            raise ValueError("objective.window is smaller than model.size: there is no such patch in it")
        return self
