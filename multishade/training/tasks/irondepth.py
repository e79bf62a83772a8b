# SPDX-License-Identifier: Apache-2.0
"""IronDepth: a photo, normals and the camera -> depth. The normals are true ones with errors, or a trained model's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from multishade.config.section import Probability, Section
from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.errors import ModelError
from multishade.imaging import display
from multishade.models.base import Inputs, Model
from multishade.models.bundled import bundled_model
from multishade.models.irondepth.encoders import load_imagenet
from multishade.models.irondepth.model import IronDepth, make_scene, mean_depth
from multishade.models.irondepth.propagation import to_relief, width_at_object
from multishade.models.irondepth.settings import IronDepthSettings
from multishade.models.registry import load_model
from multishade.training.config import NotNegative, TrainConfig
from multishade.training.depth_measures import measured, planes_last
from multishade.training.losses.irondepth import refinement_loss
from multishade.training.normal_maps import predicted, with_errors
from multishade.training.task import Losses, Networks, OptimizerSpec, Parameters, Task
from multishade.training.validation import ValidationRow, thinned


class IronDepthModel(IronDepthSettings):
    """IronDepth's settings and the origin of its weights."""

    pretrained: str | None = Field(
        None,
        description="a model's folder or Hub name to start from; none: random weights but for the encoder's",
    )
    weights: Literal["imagenet", "random"] = Field(
        "imagenet",
        description="of the encoder at the start; imagenet needs the extra pretrained (lite0, lite2) or the Hub (b0 to "
        "b7)",
    )
    statistics: Literal["frozen", "batch"] = Field(
        "frozen", description="of the encoder's BatchNorm in training; random weights need batch"
    )
    encoder_rate: float = Field(0.3, ge=0, le=1, description="factor on the encoder's learning rate")


class IronDepthObjective(Section):
    """The loss, and what the network is given in training."""

    iterations: int = Field(3, ge=0, le=100, description="of the refinement, in training")
    warm: int = Field(
        0,
        ge=0,
        le=100,
        description="most iterations without loss that precede those, in half of the steps; many in prediction then "
        "lead no further away than few",
    )
    decay: float = Field(
        0.8, gt=0, le=1, description="gamma, the weight of an iteration over that of the next"
    )
    normals: str | None = Field(
        None,
        description="a trained model of normals: a folder, a Hub name, or `bundled`; none: the truth with errors alone",
    )
    predicted: Probability = Field(0.5, description="share of samples with that model's normals")
    degraded: NotNegative = Field(
        0.0,
        le=60,
        description="largest mean angle by which those are turned: a model errs less on views that it was trained on "
        "than on others; their confidence falls with it. 0: they are as predicted",
        json_schema_extra={"unit": "degrees"},
    )
    most_degrees: NotNegative = Field(
        25.0, le=60, description="largest mean angle by which true normals are turned"
    )
    given: Probability = Field(
        0.2, description="share of samples that refine a distorted true depth instead of the network's own"
    )
    anchored: Probability = Field(0.2, description="share of samples with depth anchors")
    anchors: tuple[int, int] = Field((1, 100), description="fewest and most anchors of those")


class IronDepthConfig(TrainConfig):
    """A training run of IronDepth: the network, its data, the loss, the optimiser, and what is written."""

    task: Literal["irondepth"] = Field("irondepth", description="what is trained")
    model: IronDepthModel
    objective: IronDepthObjective = Field(IronDepthObjective())


class IronDepthTask(Task[IronDepthConfig, IronDepth]):
    settings_type = IronDepthConfig
    fields = tuple(FieldSpec(name) for name in ("image", "normal", "mask", "depth", "intrinsics"))

    def __init__(self, config: IronDepthConfig) -> None:
        super().__init__(config)
        source = config.objective.normals
        self._normals: Model | None = None
        if source is not None and config.objective.predicted > 0:
            self._normals = load_model(bundled_model() if source == "bundled" else source)

    def build(self) -> IronDepth:
        """Make the model, or load the one that the configuration starts from, which must be of the same settings."""
        options = self.config.model
        settings = IronDepthSettings.model_validate(
            options.model_dump(include=set(IronDepthSettings.model_fields))
        )
        if options.statistics == "frozen" and options.weights == "random" and options.pretrained is None:
            raise ModelError(
                "model.statistics: frozen, but random weights have no statistics yet: set it to batch"
            )
        if options.pretrained is not None:
            model = IronDepth.from_pretrained(options.pretrained)
            _require_same(options.pretrained, model.settings, settings)
        else:
            model = IronDepth(settings)
            if options.weights == "imagenet":
                load_imagenet(model.network.encoder, settings.encoder)
        model.network.encoder.set_frozen(options.statistics == "frozen")
        return model

    def optimizers(self, parameters: Parameters) -> list[OptimizerSpec]:
        """Return one optimizer; the encoder learns more slowly."""
        rate = self.config.model.encoder_rate
        factors = {name: rate for name in parameters if name.startswith("encoder.")}
        return [OptimizerSpec("all", parameters, factors=factors)]

    def losses(
        self, model: IronDepth, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        options = self.config.objective
        normal, confidence = self._choose_normals(batch, rng)
        truth = true_relief(batch)
        inputs = Inputs(image=batch.image, confidence=confidence, orthographic=batch.orthographic)
        scene = make_scene(inputs, normal, batch.mask, batch.intrinsics, batch.image.device)
        scene = replace(scene, anchors=sample_anchors(truth, batch.mask, options, rng))
        share = torch.rand(len(batch), generator=rng)
        given = (share < options.given).to(batch.mask.device)
        if options.given > 0:
            scene = replace(scene, initial=distorted(truth, batch.mask, given, rng))
        drawn = int(torch.randint(1, options.warm + 1, (1,), generator=rng)) if options.warm else 0
        warm = drawn if float(torch.rand(1, generator=rng)) < 0.5 else 0
        reliefs = networks["network"](scene, options.iterations, warm)
        parts = refinement_loss(reliefs, truth, batch.mask, options.decay)
        return Losses(parts.pop("total"), parts)

    def validate(self, model: IronDepth, batch: Batch, pictures: int) -> list[ValidationRow]:
        """Measure whole images with true normals and, if there is a model of normals, with its own."""
        found = {"": measured(model, batch, batch.normal, batch.mask)}
        if self._normals is not None:
            found["predicted_"] = measured(model, batch, *predicted(self._normals, batch.image, batch.mask))
        rows = []
        for place, key in enumerate(batch.keys):
            metrics = {
                prefix + name: value
                for prefix, each in found.items()
                for name, value in each[place][0].items()
            }
            normals = planes_last(batch.normal[place])
            mask = batch.mask[place, 0].cpu().numpy() > 0.5
            panels: tuple[tuple[str, display.Picture], ...] = ()
            if place < pictures:
                panels = (("image", display.grey_to_rgb(batch.image[place].mean(dim=0).cpu().numpy())),)
                for prefix, each in found.items():
                    panels += tuple(
                        (prefix.replace("_", " ") + name, one) for name, one in each[place][1].items()
                    )
            rows.append(ValidationRow(str(key), metrics, thinned(normals, mask), panels))
        return rows

    def _choose_normals(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        options = self.config.objective
        normal, confidence = with_errors(batch.normal, batch.mask, options.most_degrees, rng)
        if self._normals is None:
            return normal, confidence
        chosen = (torch.rand(len(batch), generator=rng) < options.predicted).nonzero()[:, 0].to(normal.device)
        if len(chosen):
            made, trust = predicted(self._normals, batch.image[chosen], batch.mask[chosen])
            if options.degraded:
                made, kept = with_errors(made.float(), batch.mask[chosen], options.degraded, rng)
                trust = (trust + kept - 1).clamp(0, 1) * batch.mask[chosen]
            normal[chosen], confidence[chosen] = made.to(normal), trust.to(confidence)
        return normal, confidence


def true_relief(batch: Batch) -> Tensor:
    """Return the relief (B, 1, H, W) of a batch's depth, 0 off the mask."""
    unit = width_at_object(batch.intrinsics, batch.mask.shape[-1])
    orthographic = batch.orthographic.view(-1, 1, 1, 1)
    distance = mean_depth(batch.depth, batch.mask)
    return to_relief(batch.depth, distance, unit, orthographic) * batch.mask


def sample_anchors(
    truth: Tensor, mask: Tensor, options: IronDepthObjective, rng: torch.Generator
) -> Tensor | None:
    """Choose pixels of the object whose relief is given; None if no sample is to have any.

    Args:
        truth: (B, 1, H, W) relief.
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.
        options: How often, and how many.
        rng: Makes the choice.

    Returns:
        (B, 1, H, W), NaN where none is given.
    """
    if options.anchored == 0:
        return None
    fewest, most = np.log(options.anchors)
    has, how_many = torch.rand(2, len(truth), generator=rng)
    count = torch.exp(fewest + (most - fewest) * how_many) * (has < options.anchored)
    share = count.to(mask.device) / mask.sum(dim=(1, 2, 3)).clamp_min(1)
    picked = torch.rand(mask.shape, generator=rng).to(mask.device) < share.view(-1, 1, 1, 1)
    return torch.where(picked & (mask > 0), truth, torch.nan)


def distorted(truth: Tensor, mask: Tensor, given: Tensor, rng: torch.Generator) -> Tensor:
    """Distort true relief as other methods' depth is: flattened or stretched, tilted, with smooth bumps.

    Args:
        truth: (B, 1, H, W) relief.
        mask: (B, 1, H, W).
        given: (B,) bool, the samples to be refined from it.
        rng: Makes the choice.

    Returns:
        (B, 1, H, W) of mean 0 on the object; NaN for samples that are not `given`.
    """
    count, _, height, width = truth.shape
    scale = torch.exp(0.5 * torch.randn(count, 1, 1, 1, generator=rng)).to(truth.device)
    bumps = torch.zeros_like(truth)
    for grid, size in ((2, 0.06), (4, 0.03), (16, 0.01)):
        noise = size * torch.randn(count, 1, grid, grid, generator=rng).to(truth.device)
        bumps = bumps + functional.interpolate(
            noise, size=(height, width), mode="bilinear", align_corners=True
        )
    moved = scale * truth + bumps
    moved = (moved - mean_depth(moved, mask)) * mask
    return torch.where(given.view(-1, 1, 1, 1), moved, torch.nan)


def _require_same(source: str, theirs: IronDepthSettings, ours: IronDepthSettings) -> None:
    found: Mapping[str, Any] = theirs.model_dump()
    for name, value in ours.model_dump(exclude={"size", "iterations"}).items():
        if found[name] != value:
            raise ModelError(
                f"{source}: has {name} = {found[name]}, the configuration has {value}: set model.{name} to "
                f"{found[name]}, or start from another model"
            )
