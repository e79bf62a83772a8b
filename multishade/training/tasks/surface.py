# SPDX-License-Identifier: Apache-2.0
"""The surface network: one photo -> normals, relief, or both, supervised by what it predicts."""

from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from multishade.config.section import Section
from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display
from multishade.models.base import Inputs
from multishade.models.surface.model import (
    Surface,
    centred,
    masked_mean,
    relief_of_depth,
    seen_by,
)
from multishade.models.surface.settings import SurfaceSettings
from multishade.training.config import NotNegative, TrainConfig
from multishade.training.task import Losses, Networks, Task
from multishade.training.validation import ValidationRow, angular_metrics, thinned


class SurfaceObjective(Section):
    """The losses. A head that the model lacks has none."""

    normal: NotNegative = Field(1.0, description="weight of 1 - cosine of the angle to the true normal")
    depth: NotNegative = Field(
        2.0, description="weight of the absolute error of the relief, in image sides, means subtracted"
    )


class SurfaceConfig(TrainConfig):
    """A training run of the surface network."""

    task: Literal["surface"] = Field("surface", description="what is trained")
    model: SurfaceSettings
    objective: SurfaceObjective = Field(SurfaceObjective())


class SurfaceTask(Task[SurfaceConfig, Surface]):
    settings_type = SurfaceConfig
    fields = (
        *(FieldSpec("image"), FieldSpec("normal"), FieldSpec("mask")),
        *(FieldSpec("depth"), FieldSpec("intrinsics")),
    )

    def build(self) -> Surface:
        return Surface(self.config.model)

    def losses(
        self, model: Surface, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        options, mask = self.config.objective, batch.mask
        normal, relief = networks["network"](seen_by(batch.image, mask))
        parts: dict[str, Tensor] = {}
        total = torch.zeros(len(batch), device=mask.device)
        if normal is not None:
            cosine = (normal * batch.normal).sum(dim=1, keepdim=True)
            parts["normal"] = masked_mean(1 - cosine, mask)
            total = total + options.normal * parts["normal"]
        if relief is not None:
            parts["depth"] = masked_mean((centred(relief, mask) - true_relief(batch)).abs(), mask)
            total = total + options.depth * parts["depth"]
        return Losses(total, parts)

    def validate(self, model: Surface, batch: Batch, pictures: int) -> list[ValidationRow]:
        answer = model.predict(Inputs(image=batch.image, mask=batch.mask))
        assert answer.normal is not None
        truth = true_relief(batch)
        made = None if answer.depth is None else centred(-answer.depth, batch.mask)
        rows = []
        for place, key in enumerate(batch.keys):
            normal, true, photo = (_last(each[place]) for each in (answer.normal, batch.normal, batch.image))
            mask = _last(batch.mask[place])[..., 0] > 0.5
            error = angular_error_degrees(normal, true)
            metrics = angular_metrics(error, mask)
            one = slice(place, place + 1)
            metrics["flat_relief"] = float(masked_mean(truth[one].abs(), batch.mask[one]))
            if made is not None:
                wrong = (made[one] - truth[one]).abs()
                metrics["relief_error"] = float(masked_mean(wrong, batch.mask[one]))
            panels: tuple[tuple[str, display.Picture], ...] = ()
            if place < pictures:
                panels = (
                    ("photo", display.grey_to_rgb(photo.mean(axis=2))),
                    ("normals", display.normal_to_rgb(normal, mask)),
                    ("true", display.normal_to_rgb(true, mask)),
                    ("error", display.error_to_rgb(np.nan_to_num(error, nan=90.0), mask)),
                )
            rows.append(ValidationRow(str(key), metrics, thinned(true, mask), panels))
        return rows


def true_relief(batch: Batch) -> Tensor:
    """Return the relief (B, 1, H, W) of a batch's depth."""
    return relief_of_depth(batch.depth, batch.mask, batch.intrinsics, batch.orthographic)


def _last(planes: Tensor) -> Any:
    return np.moveaxis(planes.cpu().numpy(), 0, 2)
