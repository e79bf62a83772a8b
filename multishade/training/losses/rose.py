# SPDX-License-Identifier: Apache-2.0
"""A batch -> RoSE's losses: diffusion (v), or one step of the network (shading, or normals directly)."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from multishade.config.section import Probability, Section
from multishade.data.batches import Batch
from multishade.errors import TrainingError
from multishade.models.rose.model import Network, RoSE
from multishade.models.rose.schedule import velocity_of
from multishade.photometry import differentiable
from multishade.training.config import NotNegative, Positive
from multishade.training.losses.angular import expected_angle_loss, mean_angle, weighted_squared_error
from multishade.training.task import Losses

LIT = 0.05  # shading above which a light counts as lit; least squares over those is exact for true shading


class Objective(Section):
    """The loss. Diffusion: noise level exp(normal(mean, deviation)) a sample, plain loss on v. One step: see below."""

    sigma_mean: float = Field(0.7, description="of ln(noise level); Stable Video Diffusion's")
    sigma_deviation: Positive = Field(1.6, description="likewise")
    photo_dropout: Probability = Field(0.1, description="samples trained without their photo, for guidance")
    pixel_weight: NotNegative = Field(1.0, description="one step: of the squared error of shading or normal")
    angular_weight: NotNegative = Field(0.5, description="one step: of the angle to the true normal, radians")
    background_weight: NotNegative = Field(0.1, description="one step: of a pixel off the object")
    coverage_weight: Positive = Field(
        0.5, description="with that head: of the cross entropy of the predicted coverage"
    )
    error_weight: Positive = Field(
        0.1, description="with that head: of a / e + ln e, a the angle, e the predicted one"
    )
    angular_pixels: int = Field(
        4096, ge=1, description="one step: random pixels of an image at which the angle is computed"
    )

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if self.pixel_weight + self.angular_weight == 0:
            raise ValueError("pixel_weight and angular_weight are both 0: there is no loss")
        return self


Loss = Callable[[RoSE, Network, Batch, Objective, torch.Generator], Losses]


def loss_of(model: RoSE) -> Loss:
    """Return the loss of the model's process."""
    return diffusion if model.settings.process == "diffusion" else one_step


def diffusion(
    model: RoSE, network: Network, batch: Batch, options: Objective, rng: torch.Generator
) -> Losses:
    """Compute the squared error of v, averaged over the latents: the EDM-weighted loss on x0 (`schedule.velocity_of`).

    Each sample has its own noise level. Some samples lose their photo, to train the unconditional estimate of guidance.
    """
    image, target = batch.image, target_of(model, batch)
    size = len(image)

    def normal(*shape: int) -> Tensor:
        # On the CPU: the same numbers on every device, and after every resume.
        return torch.randn(*shape, generator=rng).to(image.device)

    sigma = (options.sigma_mean + options.sigma_deviation * normal(size)).exp()
    dropped = torch.rand(size, generator=rng).to(image.device) < options.photo_dropout
    condition = model.encode_photos(image, normal(*model.photo_shape(size, *image.shape[2:])))
    clean = model.encode_target(target)
    noise = normal(*clean.shape)
    noisy = clean + noise * sigma.reshape(-1, 1, 1, 1, 1)
    velocity = model.velocity(noisy, sigma, condition.without_photo(dropped), network)
    error = (velocity.float() - velocity_of(clean, noise, sigma)).square()
    return Losses(error.flatten(1).mean(dim=1))


def one_step(model: RoSE, network: Network, batch: Batch, options: Objective, rng: torch.Generator) -> Losses:
    """Compute the squared error of the shading (or of the normal) and the angle of the solved normal, in radians."""
    target = target_of(model, batch)
    outputs = model.one_step(batch.image, network)
    mask = batch.mask
    weight = mask + options.background_weight * (1 - mask)
    pixel = weighted_squared_error(outputs.frames, target, weight)
    total, parts = options.pixel_weight * pixel, {"pixel": pixel}
    if options.angular_weight > 0 or outputs.error is not None:
        # Solving every pixel of every image would cost as much as the network.
        places = torch.randint(mask[0].numel(), (options.angular_pixels,), generator=rng).to(mask.device)
        normal, inside = _normals(model, outputs.frames, places), mask.flatten(2)[:, 0, places]
        truth = batch.normal.flatten(2)[..., places]
        angle = mean_angle(normal, truth, inside)
        total, parts = total + options.angular_weight * angle, {**parts, "angle": angle}
        if outputs.error is not None:
            error = expected_angle_loss(outputs.error.flatten(2)[:, 0, places], normal, truth, inside)
            total, parts = total + options.error_weight * error, {**parts, "error": error}
    if outputs.coverage is not None:
        coverage = functional.binary_cross_entropy_with_logits(outputs.coverage, mask, reduction="none")
        coverage = coverage.flatten(1).mean(dim=1)
        total, parts = total + options.coverage_weight * coverage, {**parts, "coverage": coverage}
    return Losses(total, parts)


def _normals(model: RoSE, generated: Tensor, places: Tensor) -> Tensor:
    """(B, 3, N) normals at the pixels `places` (N,), of any length."""
    values = generated.flatten(2)[..., places]
    if model.settings.target == "shading":
        directions = torch.from_numpy(model.settings.directions).to(generated.device)
        # Shadow that is not quite 0 must not count as lit: fitting it alone makes 4 degrees of error.
        lit = torch.where(values > LIT, values, 0.0)
        normal, _ = differentiable.solve_ols_masked(lit.unsqueeze(2), directions)
        return normal[:, 0].movedim(-1, 1)
    return values


def target_of(model: RoSE, batch: Batch) -> Tensor:
    """Return the truth for the model's target. Raises TrainingError, naming samples, if it is of other lights."""
    if model.settings.target == "normal":
        return batch.normal
    expected, found = model.settings.directions, batch.directions.cpu().double().numpy()
    if len(found) != len(expected):
        raise TrainingError(
            f"{_first(batch.keys)}: shading under K = {len(found)} lights, but the model is for K = {len(expected)}: "
            f"set model.lights to {len(found)}, or take shards of that K"
        )
    if np.abs(found - expected).max() > 1e-3:
        raise TrainingError(
            f"{_first(batch.keys)}: shading under other lights than the model's ring at "
            f"{model.settings.elevation_degrees:g} degrees: set model.elevation_degrees, or take other shards"
        )
    return batch.shading


def _first(keys: Sequence[Any]) -> str:
    return ", ".join(map(str, keys[:3])) + (" ..." if len(keys) > 3 else "")
