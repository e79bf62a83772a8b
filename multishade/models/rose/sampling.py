# SPDX-License-Identifier: Apache-2.0
"""Photo -> latents of the sequence: Euler steps from noise with guidance by frame, or one call of the network."""

from multishade.extras import require

require("torch", extra="train")

from collections.abc import Callable

import torch
from torch import Tensor

from multishade.models.rose.conditioning import Condition
from multishade.models.rose.schedule import NoiseSchedule, denoised, euler_step, triangle
from multishade.models.rose.settings import Sampling

# noisy (B, F, C, h, w), noise level (B,), condition -> v (B, F, C, h, w)
Velocity = Callable[[Tensor, Tensor, Condition], Tensor]


def guidance_scales(sampling: Sampling, frames: int) -> Tensor:
    """(F,) how far each frame is taken beyond the estimate without the photo; 1 is that with the photo, no further."""
    if sampling.guidance == "triangle":
        return triangle(frames, sampling.min_guidance, sampling.max_guidance)
    return torch.full((frames,), sampling.max_guidance)


@torch.no_grad()
def sample(
    velocity: Velocity, condition: Condition, noise: Tensor, schedule: NoiseSchedule, sampling: Sampling
) -> Tensor:
    """Clean latents (B, F, C, h, w), float32.

    noise: (B, F, C, h, w), standard normal. Each step calls the network once for the photo and, if guidance is
    above 1 for some frame, once without it, as one batch: v = v0 + g (v1 - v0).
    """
    batch, frames = noise.shape[:2]
    scales = guidance_scales(sampling, frames).to(noise)
    guided = bool((scales != 1).any())
    both = condition.without_photo().twice(condition) if guided else condition
    scales = scales.reshape(1, frames, 1, 1, 1)
    sigmas = schedule.sigmas(sampling.steps).to(noise.device)
    latents = noise.float() * schedule.initial_scale
    for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
        levels = sigma.expand(batch)
        if guided:
            answers = velocity(torch.cat([latents, latents]), sigma.expand(2 * batch), both)
            without, photo = answers.float().chunk(2)
            estimate = without + scales * (photo - without)
        else:
            estimate = velocity(latents, levels, condition).float()
        latents = euler_step(latents, denoised(estimate, latents, levels), sigma, following)
    return latents


def one_step(
    velocity: Velocity, condition: Condition, shape: tuple[int, ...], schedule: NoiseSchedule
) -> Tensor:
    """Latents of one call at the highest noise level, from zeros in place of noise: deterministic, differentiable.

    shape: (B, F, C, h, w). Since c_skip is 2e-6 there, x0 is all but -v (Garcia et al. 2024, fine-tuning image
    diffusion models end to end).
    """
    latents = torch.zeros(shape, dtype=condition.latents.dtype, device=condition.latents.device)
    levels = torch.full((shape[0],), schedule.sigma_max, device=latents.device)
    return denoised(velocity(latents, levels, condition).float(), latents, levels)
