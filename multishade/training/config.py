# SPDX-License-Identifier: Apache-2.0
"""The settings of a training run that all tasks share, each with its unit, range and default.

A task adds the sections `model` and `objective` in a class of its own, derived from `TrainConfig`:
`multishade/training/tasks/`. Paths are relative to the current folder.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from multishade.config.section import Probability, Section
from multishade.data.settings import Clay, Geometric, Photometric, Relight
from multishade.data.settings import Data as DataSettings
from multishade.models.base import ModelSettings

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Data(Section):
    """Which shards, and the augmentation of their images in training. Validation images are not augmented."""

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
    cache: float = Field(
        0.0,
        ge=0,
        description="most memory in which each of those keeps decoded files for the next epoch; 0: none",
        json_schema_extra={"unit": "GiB"},
    )

    def settings(self, size: int, grey: bool, training: bool) -> DataSettings:
        """Return the settings of `multishade.data.Loader`.

        Args:
            size: Pixels a side of the images.
            grey: Whether the input image is the mean of the channels.
            training: Whether for training (augmented) or for validation.
        """
        common: dict[str, Any] = {"images": self.images, "grey": grey, "shading": self.shading}
        if training:
            return DataSettings(
                shards=self.train,
                geometric=self.geometric.model_copy(update={"size": size}),
                photometric=self.photometric,
                relight=self.relight,
                clay=self.clay,
                run=self.run,
                cache=self.cache,
                **common,
            )
        plain = Geometric(size=size, frame=self.geometric.frame, margin=self.geometric.margin)
        return DataSettings(shards=self.val, geometric=plain, **common)


class Optimisation(Section):
    """AdamW. A step is one update: `batch` samples on each process, `accumulation` times."""

    steps: int = Field(80_000, ge=1, description="updates of the whole run")
    batch: int = Field(
        16, ge=1, description="samples of each process at once", json_schema_extra={"unit": "samples"}
    )
    accumulation: int = Field(1, ge=1, description="batches whose gradients are summed to one update")
    learning_rate: Positive = Field(1e-5, description="after the warm-up")
    betas: tuple[Probability, Probability] = Field(
        (0.9, 0.999), description="decay of the means of the gradient and of its square"
    )
    weight_decay: NotNegative = Field(0.01, description="of AdamW")
    warmup: int = Field(
        0, ge=0, description="linear rise of the learning rate", json_schema_extra={"unit": "steps"}
    )
    decay: Literal["constant", "cosine", "halving"] = Field(
        "constant",
        description="of the learning rate; cosine: to 0 at the end; halving: to half after each sixth of the steps",
    )
    clip: Positive = Field(1.0, description="largest norm of the gradient")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the running mean of weights; 0: none")
    precision: Literal["no", "fp16", "bf16"] = Field(
        "no", description="mixed precision; no: float32 throughout"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass: less memory, more time"
    )
    trainable: Literal["all", "first_conv_attention", "lora"] = Field(
        "all", description="weights of the network that change"
    )
    lora_rank: int = Field(16, ge=1, description="rank of the matrices that trainable: lora adds")


class Weighting(Section):
    """How the losses of a batch's samples are combined: see `multishade.training.weighting`."""

    kind: Literal["fixed", "instance"] = Field("fixed", description="the mean, or learned weights")
    temperature: Positive = Field(1.0, description="instance: of the softmax over a batch's scores")
    kl: NotNegative = Field(0.1, description="instance: weight of the divergence from uniform weights")
    learning_rate: Positive = Field(1e-3, description="instance: of the scores")


class Validation(Section):
    """How often the model is measured on the validation shards, and on how much."""

    every: int = Field(1000, ge=1, description="interval", json_schema_extra={"unit": "steps"})
    samples: int = Field(64, ge=1, description="images of the val shards")
    solver: str = Field("relu", description="of multishade.photometry.solvers.methods")
    pictures: int = Field(4, ge=0, description="images that are pictured")


class Checkpoints(Section):
    """How often the state of the run is saved, from which `--resume` goes on."""

    every: int = Field(1000, ge=1, description="interval", json_schema_extra={"unit": "steps"})
    keep: int = Field(2, ge=1, description="number of checkpoints that are kept, the latest")


class Logging(Section):
    """How often losses are written, and where."""

    every: int = Field(10, ge=1, description="interval", json_schema_extra={"unit": "steps"})
    tensorboard: bool = Field(True, description="write files for TensorBoard")
    wandb: bool = Field(False, description="needs wandb, which is not installed by default")


class Hub(Section):
    """Upload of the finished model to the Hugging Face Hub."""

    repository: str | None = Field(None, description="push the finished model to this name on the Hub")
    private: bool = Field(True, description="whether a new repository is private")


class TrainConfig(Section):
    """A run. Tasks derive from it; `multishade.training.tasks.load_config` reads the class that `task` names."""

    task: str = Field("rose", description="what is trained: a name of multishade.training.tasks")
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="of the run, and of its default folder")
    seed: int = Field(0, ge=0, lt=2**31, description="of everything that is random")
    output: Path | None = Field(None, description="folder of the run; default out/train/NAME")
    model: ModelSettings
    data: Data
    objective: Section = Section()
    optimisation: Optimisation = Optimisation()
    weighting: Weighting = Weighting()
    validation: Validation = Validation()
    checkpoints: Checkpoints = Checkpoints()
    logging: Logging = Logging()
    hub: Hub = Hub()

    @property
    def folder(self) -> Path:
        return self.output or Path("out") / "train" / self.name


class Origin(Section):
    """Base of the `model` section of models whose weights are random (`preset`) or loaded (`pretrained`)."""

    preset: str | None = Field(None, description="a small network with random weights, by name")
    pretrained: str | None = Field(None, description="a folder or Hub name")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.preset is None) == (self.pretrained is None):
            raise ValueError("give either preset (random weights) or pretrained (a folder or Hub name)")
        return self
