# SPDX-License-Identifier: Apache-2.0
"""Noise levels and EDM preconditioning with v-prediction, as Stable Video Diffusion has them; plain tensor functions.

s is the noise level (standard deviation), one number a sample: a noisy latent is x = x0 + s e. The network sees
x / sqrt(s^2 + 1) and t = ln(s) / 4 and predicts v; x0 = c_skip x + c_out v with c_skip = 1 / (s^2 + 1) and
c_out = -s / sqrt(s^2 + 1) (Karras et al. 2022, eq. 7, for data of unit variance; Blattmann et al. 2023).
"""

from multishade.extras import require

require("torch", extra="train")

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NoiseSchedule:
    """Karras et al. 2022, eq. 5: levels from `sigma_max` down to `sigma_min`, evenly spaced in s^(1 / rho), then 0."""

    sigma_min: float = 0.002
    sigma_max: float = 700.0
    rho: float = 7.0

    def sigmas(self, steps: int) -> Tensor:
        """(steps + 1,) float32, falling, the last one 0."""
        ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
        high, low = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        levels = (high + ramp * (low - high)) ** self.rho
        return torch.cat([levels, torch.zeros(1, dtype=torch.float64)]).float()

    @property
    def initial_scale(self) -> float:
        """Standard deviation of the latent that sampling starts from: noise of sigma_max upon data of variance 1."""
        return math.sqrt(self.sigma_max**2 + 1)


def time_of(sigma: Tensor) -> Tensor:
    """The network's input for the noise level: ln(s) / 4."""
    return sigma.log() / 4


def scale_input(noisy: Tensor, sigma: Tensor) -> Tensor:
    """x / sqrt(s^2 + 1): unit variance at every noise level. noisy: (B, ...); sigma: (B,)."""
    return noisy / (_like(sigma, noisy) ** 2 + 1).sqrt()


def denoised(velocity: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
    """x0 = c_skip x + c_out v. velocity, noisy: (B, ...); sigma: (B,)."""
    s = _like(sigma, noisy)
    return noisy / (s**2 + 1) - velocity * s / (s**2 + 1).sqrt()


def velocity_of(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """The v from which `denoised` gives x0 back: (e - s x0) / sqrt(s^2 + 1). clean, noise: (B, ...); sigma: (B,).

    Since x0 enters `denoised` through c_out v alone, |v - v*|^2 = (s^2 + 1) / s^2 |x0 - x0*|^2: the x0 loss with EDM's
    weight is the plain loss on v, which has no factor that overflows in half precision at s near 0.
    """
    s = _like(sigma, clean)
    return (noise - s * clean) / (s**2 + 1).sqrt()


def euler_step(noisy: Tensor, clean: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """One step of the probability flow, from level `sigma` to `following` (scalars), towards the estimate `clean`."""
    return noisy + (noisy - clean) / sigma * (following - sigma)


def triangle(frames: int, low: float, high: float) -> Tensor:
    """Guidance scales (F,) that rise from `low` to `high` in mid-sequence and fall back: SV3D's, first frame left out.

    The sequence is a ring, and the published sampler counts the frame before the first one as the start of the ramp.
    """
    half = frames // 2
    return torch.cat(
        [torch.linspace(low, high, half + 1)[1:], torch.linspace(high, low, frames - half + 1)[1:]]
    )


def _like(sigma: Tensor, values: Tensor) -> Tensor:
    return sigma.to(values).reshape(-1, *[1] * (values.ndim - 1))
