# SPDX-License-Identifier: Apache-2.0
"""What a training run is: every setting, its unit, its range and its default. Unknown keys are refused.

Paths are relative to the folder that the command runs in.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from multishade.config.section import Probability, Section
from multishade.data.settings import Clay, Geometric, Photometric, Relight
from multishade.data.settings import Data as DataSettings
from multishade.models.rose.settings import RoseSettings

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Model(RoseSettings):
    """RoSE's settings, and where its weights come from: `preset` (random) or `pretrained` (a folder or Hub name)."""

    preset: str | None = Field(None, description="a name of multishade.models.rose.presets")
    pretrained: str | None = Field(None, description="SVD, SV3D, the published RoSE, or a model of ours")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.preset is None) == (self.pretrained is None):
            raise ValueError("give either preset (random weights) or pretrained (a folder or Hub name)")
        return self

    def settings(self) -> RoseSettings:
        """Return the model's own settings."""
        return RoseSettings.model_validate(self.model_dump(include=set(RoseSettings.model_fields)))


class Data(Section):
    """Which shards, and what becomes of their images in training. Validation sees them as they are, on black."""

    train: tuple[str, ...] = Field(min_length=1, description="tars, folders, globs, braces, URLs")
    val: tuple[str, ...] = Field(min_length=1, description="likewise; other objects than those of train")
    images: tuple[str, ...] = Field(("image_*",), min_length=1, description="fields used as photos")
    geometric: Geometric = Field(Geometric(), description="size is model.size and need not be given")
    photometric: Photometric = Photometric()
    relight: Relight = Relight()
    clay: Clay = Clay()
    shading: Literal["lambert", "cast"] = Field(
        "lambert", description="computed from the normal, or as stored"
    )
    run: int | Literal["shard", "auto"] = Field(
        "auto", description="samples read in a row; see multishade.data"
    )
    workers: int = Field(2, ge=0, description="processes that decode, for each process that trains")

    def settings(self, model: Model, training: bool) -> DataSettings:
        """The same for multishade.data."""
        common: dict[str, Any] = {
            "images": self.images,
            "grey": model.photo == "grey",
            "shading": self.shading,
        }
        if training:
            return DataSettings(
                shards=self.train,
                geometric=self.geometric.model_copy(update={"size": model.size}),
                photometric=self.photometric,
                relight=self.relight,
                clay=self.clay,
                run=self.run,
                **common,
            )
        kept = Geometric(size=model.size, frame=self.geometric.frame, margin=self.geometric.margin)
        return DataSettings(shards=self.val, geometric=kept, **common)


class Objective(Section):
    """The loss. Diffusion: noise level exp(normal(mean, deviation)) a sample, plain loss on v. One step: see below."""

    sigma_mean: float = Field(0.7, description="of ln(noise level); Stable Video Diffusion's")
    sigma_deviation: Positive = 1.6
    photo_dropout: Probability = Field(0.1, description="samples trained without their photo, for guidance")
    pixel_weight: NotNegative = Field(1.0, description="one step: of the squared error of shading or normal")
    angular_weight: NotNegative = Field(0.5, description="one step: of the angle to the true normal, radians")
    background_weight: NotNegative = Field(0.1, description="one step: of a pixel off the object")
    angular_pixels: int = Field(
        4096, ge=1, description="one step: pixels of an image that the angle is taken at, drawn at random"
    )

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if self.pixel_weight + self.angular_weight == 0:
            raise ValueError("pixel_weight and angular_weight are both 0: there is no loss")
        return self


class Optimisation(Section):
    """AdamW. A step is one update: `batch` samples on each process, `accumulation` times."""

    steps: int = Field(80_000, ge=1)
    batch: int = Field(16, ge=1)
    accumulation: int = Field(1, ge=1)
    learning_rate: Positive = 1e-5
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    weight_decay: NotNegative = 0.01
    warmup: int = Field(0, ge=0, description="steps of linear rise of the learning rate")
    decay: Literal["constant", "cosine"] = Field(
        "constant", description="of the learning rate, to 0 at the end"
    )
    clip: Positive = Field(1.0, description="largest norm of the gradient")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the running mean of weights; 0: none")
    precision: Literal["no", "fp16", "bf16"] = "no"
    gradient_checkpointing: bool = False
    trainable: Literal["all", "first_conv_attention", "lora"] = "all"
    lora_rank: int = Field(16, ge=1)


class Validation(Section):
    every: int = Field(1000, ge=1, description="steps")
    samples: int = Field(64, ge=1, description="images of the val shards")
    solver: str = Field("relu", description="of multishade.photometry.solvers.methods")
    pictures: int = Field(4, ge=0, description="images that are drawn")


class Checkpoints(Section):
    every: int = Field(1000, ge=1, description="steps")
    keep: int = Field(2, ge=1, description="the latest so many stay")


class Logging(Section):
    every: int = Field(10, ge=1, description="steps")
    tensorboard: bool = True
    wandb: bool = Field(False, description="needs wandb, which is not installed by default")


class Hub(Section):
    repository: str | None = Field(None, description="push the finished model to this name on the Hub")
    private: bool = True


class TrainConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    seed: int = Field(0, ge=0, lt=2**31)
    output: Path | None = Field(None, description="folder of the run; default out/NAME")
    model: Model
    data: Data
    objective: Objective = Objective()
    optimisation: Optimisation = Optimisation()
    validation: Validation = Validation()
    checkpoints: Checkpoints = Checkpoints()
    logging: Logging = Logging()
    hub: Hub = Hub()

    @property
    def folder(self) -> Path:
        return self.output or Path("out") / self.name
