# SPDX-License-Identifier: Apache-2.0
"""`wild`: one photo -> normals, judged by a discriminator ("Normal Map Estimation in the Wild")."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from multishade.config.section import Section
from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.errors import ModelError
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display
from multishade.imaging.panels import normal_legend
from multishade.models.base import Inputs
from multishade.models.wild.discriminator import PatchDiscriminator
from multishade.models.wild.model import Outputs, Wild
from multishade.models.wild.settings import WildSettings
from multishade.training.augment import Augmentation, augment
from multishade.training.config import NotNegative, Positive, TrainConfig
from multishade.training.losses.angular import expected_angle_loss
from multishade.training.losses.wild import feature_error, judged_as, normal_error
from multishade.training.perceptual import Choice, Perceptual, choose_features
from multishade.training.task import Losses, Networks, OptimizerSpec, Parameters, Task
from multishade.training.validation import PANEL, ValidationRow, angular_metrics, thinned

GENERATOR, DISCRIMINATOR = "generator", "discriminator"


class WildObjective(Section):
    """The losses. The weights are the source's."""

    normal: Positive = Field(10.0, description="weight of the squared error of the normals, on the object")
    perceptual: NotNegative = Field(1.0, description="weight of the squared error of their features; 0: none")
    adversarial: NotNegative = Field(
        0.25, description="weight of the discriminator's verdict; 0: there is none"
    )
    features: Choice = Field(
        "auto",
        description="of the perceptual loss: vgg16 (torchvision's checkpoint), lite0 (the extra pretrained), none; "
        "auto: vgg16 if the checkpoint is there, else lite0 if it is installed, else none. The log says which, and the "
        "model's record",
    )
    vgg16: Path | None = Field(
        None,
        description="torchvision's vgg16-397923af.pth; none: hub/checkpoints in torch's folder, TORCH_HOME",
    )
    discriminator_width: int = Field(64, ge=4, le=256, description="channels of its first convolution")
    discriminator_rate: Positive = Field(1.0, description="factor on its learning rate")
    coverage: Positive = Field(
        0.5, description="with that head: of the cross entropy of the predicted coverage"
    )
    error: Positive = Field(
        0.1, description="with that head: of a / e + ln e, a the angle, e the predicted one"
    )


class WildEncoder(Section):
    """The encoder of network lite0."""

    weights: Literal["imagenet", "random"] = Field(
        "imagenet", description="at the start; imagenet needs the extra pretrained"
    )
    rate: float = Field(0.3, gt=0, le=1, description="factor on the encoder's learning rate")


class WildModel(WildSettings):
    """The model's settings and the origin of its weights."""

    pretrained: str | None = Field(None, description="a model's folder to start from; none: new weights")
    encoder: WildEncoder | None = Field(None, description="of network lite0; none: the section's defaults")

    @model_validator(mode="after")
    def _has_an_encoder(self) -> Self:
        if self.encoder is not None and self.network != "lite0":
            raise ValueError(
                f"encoder: network {self.network} has none; leave it out, or set network to lite0"
            )
        return self

    def settings(self) -> WildSettings:
        """Return the model's own settings."""
        return WildSettings.model_validate(self.model_dump(include=set(WildSettings.model_fields)))


class WildConfig(TrainConfig):
    """A training run of `wild`: the network, its data, the losses, the optimiser, and what is written."""

    task: Literal["wild"] = Field("wild", description="what is trained")
    model: WildModel
    augmentation: Augmentation = Field(Augmentation())
    objective: WildObjective = Field(WildObjective())


class WildTask(Task[WildConfig, Wild]):
    settings_type = WildConfig
    fields = (FieldSpec("image"), FieldSpec("normal"), FieldSpec("mask"))

    _discriminator: PatchDiscriminator | None = None
    _perceptual: Perceptual

    def build(self) -> Wild:
        """Make the model, or load the one that the configuration starts from, which must be of the same settings."""
        options, objective = self.config.model, self.config.objective
        if options.pretrained is None:
            model = Wild(options.settings())
            if options.network == "lite0" and (options.encoder or WildEncoder()).weights == "imagenet":
                model.load_encoder()
        else:
            model = Wild.from_pretrained(options.pretrained)
            _require_agreement(options.pretrained, model.settings, options.settings())
            model.settings = options.settings()
        if objective.adversarial > 0:
            self._discriminator = PatchDiscriminator(width=objective.discriminator_width)
        self._perceptual = choose_features(objective.features, objective.perceptual, objective.vgg16)
        model.record = {"encoder": None, **model.record, "perceptual": dict(self._perceptual.record)}
        return model

    def remarks(self) -> tuple[str, ...]:
        return (self._perceptual.remark,)

    def found(self) -> Mapping[str, Any]:
        return {"perceptual": dict(self._perceptual.record)}

    def networks(self, model: Wild) -> dict[str, nn.Module]:
        judge = {} if self._discriminator is None else {DISCRIMINATOR: self._discriminator}
        return {**model.networks(), **judge}

    def optimizers(self, parameters: Parameters) -> list[OptimizerSpec]:
        """Return the discriminator's optimizer, whose turn is the first, and the generator's; or that alone."""
        rate = (self.config.model.encoder or WildEncoder()).rate
        judge = {name: value for name, value in parameters.items() if name.startswith(f"{DISCRIMINATOR}.")}
        made = {name: value for name, value in parameters.items() if name not in judge}
        factors = {name: rate for name in made if "backbone.encoder." in name}
        generator = OptimizerSpec(GENERATOR, made, factors=factors)
        if not judge:
            return [generator]
        return [
            OptimizerSpec(DISCRIMINATOR, judge, rate=self.config.objective.discriminator_rate),
            generator,
        ]

    def losses(
        self, model: Wild, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        image, truth, mask = augment(batch.image, batch.normal, batch.mask, self.config.augmentation, rng)
        if optimizer == DISCRIMINATOR:
            with torch.no_grad():
                made = model.outputs(image, networks[GENERATOR]).normal * mask
            judge = networks[DISCRIMINATOR]
            seen = image * 2 - 1
            real, false = judged_as(judge(seen, truth), True), judged_as(judge(seen, made), False)
            return Losses((real + false) / 2, {"real": real, "made": false})
        return self._generator_losses(model.outputs(image, networks[GENERATOR]), networks, image, truth, mask)

    def _generator_losses(
        self, outputs: Outputs, networks: Networks, image: Tensor, truth: Tensor, mask: Tensor
    ) -> Losses:
        options = self.config.objective
        # What is predicted off the object is free: the source's photos have nothing there, and so does the truth.
        normal = outputs.normal * mask
        parts = {"normal": normal_error(outputs.normal, truth, mask)}
        total = options.normal * parts["normal"]
        if self._perceptual.network is not None:
            parts["perceptual"] = self._features(normal, truth)
            total = total + options.perceptual * parts["perceptual"]
        if options.adversarial > 0:
            parts["adversarial"] = judged_as(networks[DISCRIMINATOR](image * 2 - 1, normal), True)
            total = total + options.adversarial * parts["adversarial"]
        if outputs.coverage is not None:
            entropy = functional.binary_cross_entropy_with_logits(outputs.coverage, mask, reduction="none")
            parts["coverage"] = entropy.flatten(1).mean(dim=1)
            total = total + options.coverage * parts["coverage"]
        if outputs.error is not None:
            parts["error"] = expected_angle_loss(
                outputs.error.flatten(1), outputs.normal.flatten(2), truth.flatten(2), mask.flatten(1)
            )
            total = total + options.error * parts["error"]
        return Losses(total, parts)

    def _features(self, normal: Tensor, truth: Tensor) -> Tensor:
        """(B,) the error of the features, computed in the precision of the networks that are trained."""
        network = self._perceptual.network
        assert network is not None
        network.to(normal.device)
        kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(self.config.optimisation.precision)
        with torch.autocast(normal.device.type, dtype=kind, enabled=kind is not None):
            made = network(normal)
            with torch.no_grad():
                true = network(truth)
        return feature_error(made, true)

    def validate(self, model: Wild, batch: Batch, pictures: int) -> list[ValidationRow]:
        made = model.predict(Inputs(image=batch.image, mask=batch.mask)).normal
        assert made is not None
        return [
            _row(
                str(key),
                batch.image[place],
                made[place],
                batch.normal[place],
                batch.mask[place, 0],
                place < pictures,
            )
            for place, key in enumerate(batch.keys)
        ]


def _require_agreement(source: str, theirs: WildSettings, ours: WildSettings) -> None:
    """Size and mirror may differ: they change no weight."""
    for name in ("network", "heads", *(("width",) if ours.network == "paper" else ())):
        if getattr(theirs, name) != getattr(ours, name):
            raise ModelError(
                f"{source}: has {name} = {getattr(theirs, name)}, the configuration has {getattr(ours, name)}: set "
                f"model.{name} to {getattr(theirs, name)}, or start from another model"
            )


def _row(
    key: str, image: Tensor, normal: Tensor, true: Tensor, inside: Tensor, pictured: bool
) -> ValidationRow:
    made, truth, photo = (np.moveaxis(value.float().cpu().numpy(), 0, 2) for value in (normal, true, image))
    mask = inside.cpu().numpy() > 0.5
    error = angular_error_degrees(made, truth)
    panels: tuple[tuple[str, display.Picture], ...] = ()
    if pictured:
        panels = (
            ("photo", display.grey_to_rgb(photo.mean(axis=2))),
            ("normals", display.normal_to_rgb(made, mask)),
            ("true", display.normal_to_rgb(truth, mask)),
            ("", normal_legend(PANEL)),
            ("error", display.error_to_rgb(np.nan_to_num(error, nan=90.0), mask)),
        )
    return ValidationRow(key, angular_metrics(error, mask), thinned(truth, mask), panels)
