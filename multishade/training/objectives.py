# SPDX-License-Identifier: Apache-2.0
"""A batch -> the loss of each of its samples: diffusion (v), or one step of the network (shading, or normal directly).

Losses stay apart by sample, so that a loss that is not a number can be traced to its sample.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multishade.data.batches import Batch
from multishade.errors import TrainingError
from multishade.models.rose.model import Network, RoSE
from multishade.models.rose.sampling import one_step as one_call
from multishade.models.rose.schedule import velocity_of
from multishade.photometry import differentiable
from multishade.training.config import Objective

LIT = 0.05  # shading above which a light counts as lit; least squares over those is exact for true shading


@dataclass(frozen=True)
class Losses:
    """total: (B,), what is minimised. parts: its ingredients, (B,) each, for the log."""

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


Loss = Callable[[RoSE, Network, Batch, Objective, torch.Generator], Losses]


def objective_of(model: RoSE) -> Loss:
    """The loss of the process that the model is for."""
    return diffusion if model.settings.process == "diffusion" else one_step


def diffusion(
    model: RoSE, network: Network, batch: Batch, options: Objective, draws: torch.Generator
) -> Losses:
    """Squared error of v, averaged over the latents: the EDM-weighted loss on x0 (see `schedule.velocity_of`).

    Each sample has its own noise level. Some samples lose their photo, so that guidance has something to start from.
    """
    image, target = batch.image, target_of(model, batch)
    size = len(image)

    def normal(*shape: int) -> Tensor:
        # On the CPU: the same numbers on every device, and after every resume.
        return torch.randn(*shape, generator=draws).to(image.device)

    sigma = (options.sigma_mean + options.sigma_deviation * normal(size)).exp()
    dropped = torch.rand(size, generator=draws).to(image.device) < options.photo_dropout
    condition = model.encode_photos(image, normal(*model.photo_shape(size, *image.shape[2:])))
    clean = model.encode_target(target)
    noise = normal(*clean.shape)
    noisy = clean + noise * sigma.reshape(-1, 1, 1, 1, 1)
    velocity = model.velocity(noisy, sigma, condition.without_photo(dropped), network)
    error = (velocity.float() - velocity_of(clean, noise, sigma)).square()
    return Losses(error.flatten(1).mean(dim=1))


def one_step(
    model: RoSE, network: Network, batch: Batch, options: Objective, draws: torch.Generator
) -> Losses:
    """Squared error of the shading (or of the normal) and the angle between solved and true normal, in radians."""
    image, target = batch.image, target_of(model, batch)
    condition = model.encode_photos(image)
    shape = model.latent_shape(len(image), *image.shape[2:])

    def velocity(noisy: Tensor, sigma: Tensor, told: Any) -> Tensor:
        return model.velocity(noisy, sigma, told, network)

    made = model.decode(one_call(velocity, condition, shape, model.schedule)).float()
    mask = batch.mask
    weight = mask + options.background_weight * (1 - mask)
    squared = (made - target).square().mean(dim=1, keepdim=True)
    pixel = (squared * weight).flatten(1).sum(dim=1) / weight.flatten(1).sum(dim=1).clamp_min(1e-6)
    total, parts = options.pixel_weight * pixel, {"pixel": pixel}
    if options.angular_weight > 0:
        angle = _angle(model, made, batch.normal, mask, options.angular_pixels, draws)
        total, parts = total + options.angular_weight * angle, {**parts, "angle": angle}
    return Losses(total, parts)


def _angle(
    model: RoSE, made: Tensor, truth: Tensor, mask: Tensor, pixels: int, draws: torch.Generator
) -> Tensor:
    """(B,) mean angle over `pixels` random pixels of each image that are on the object; 0 where none is.

    Solving every pixel of every image would cost as much as the network.
    """
    batch, channels = made.shape[:2]
    here = torch.randint(made[0, 0].numel(), (pixels,), generator=draws).to(made.device)
    chosen = made.flatten(2)[..., here]
    if model.settings.target == "shading":
        directions = torch.from_numpy(model.settings.directions).to(made.device)
        # Shadow that is not quite 0 must not count as lit: fitting it alone makes 4 degrees of error.
        lit = torch.where(chosen > LIT, chosen, 0.0)
        normal, _ = differentiable.solve_ols_masked(lit.unsqueeze(2), directions)
        normal = normal[:, 0].movedim(-1, 1)
    else:
        normal = chosen
    true = truth.flatten(2)[..., here]
    # As atan2, whose slope is finite where the arc cosine's is not; the root's is, too, with a little under it.
    sine = torch.linalg.cross(normal, true, dim=1).square().sum(dim=1).add(1e-12).sqrt()
    cosine = (normal * true).sum(dim=1)
    inside = mask.flatten(2)[:, 0, here] * (normal.detach().abs().sum(dim=1) > 0)
    return (torch.atan2(sine, cosine) * inside).sum(dim=1) / inside.sum(dim=1).clamp_min(1)


def target_of(model: RoSE, batch: Batch) -> Tensor:
    """The truth that the model is to make. Raises TrainingError, naming samples, where it is of other lights."""
    if model.settings.target == "normal":
        return batch.normal
    ours, theirs = model.settings.directions, batch.directions.cpu().double().numpy()
    if len(theirs) != len(ours):
        raise TrainingError(
            f"{_some(batch.keys)}: shading under K = {len(theirs)} lights, but the model is for K = {len(ours)}: "
            f"set model.lights to {len(theirs)}, or take shards of that K"
        )
    if np.abs(theirs - ours).max() > 1e-3:
        raise TrainingError(
            f"{_some(batch.keys)}: shading under other lights than the model's ring at "
            f"{model.settings.elevation_degrees:g} degrees: set model.elevation_degrees, or take other shards"
        )
    return batch.shading


def require_finite(losses: Losses, batch: Batch, step: int) -> None:
    """Raises TrainingError that names the samples whose loss is not a number."""
    wrong = ~torch.isfinite(losses.total.detach())
    if not bool(wrong.any()):
        return
    keys = [key for key, bad in zip(batch.keys, wrong.tolist(), strict=True) if bad]
    cause = (
        "every sample of the batch: the weights have diverged; lower optimisation.learning_rate, or use bf16"
        if len(keys) == len(wrong) and len(keys) > 1
        else "look at these samples with multishade-inspect"
    )
    raise TrainingError(f"step {step}: the loss is not a number for {', '.join(keys)} ({cause})")


def _some(keys: Any) -> str:
    shown = [str(key) for key in list(keys)[:3]]
    return ", ".join(shown) + (" ..." if len(keys) > 3 else "")
