# SPDX-License-Identifier: Apache-2.0
"""Noise levels, preconditioning and Euler steps are diffusers' own; the loss on v is EDM's weighted loss on x0."""

import pytest
import torch
from diffusers import EDMEulerScheduler

from multishade.models.rose.schedule import (
    NoiseSchedule,
    denoised,
    euler_step,
    scale_input,
    time_of,
    triangle,
    velocity_of,
)
from tests.support.rose_samples import scheduler


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(4, 9, 4, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("steps", [1, 2, 25])
def test_levels_are_the_published_ones(steps: int) -> None:
    reference = scheduler()
    reference.set_timesteps(steps)
    schedule = NoiseSchedule()
    torch.testing.assert_close(schedule.sigmas(steps), reference.sigmas, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        time_of(schedule.sigmas(steps)[:-1]), reference.timesteps, rtol=1e-5, atol=1e-6
    )
    assert schedule.initial_scale == pytest.approx(float(reference.init_noise_sigma), rel=1e-6)


def test_every_step_is_the_schedulers_own(latents: torch.Tensor) -> None:
    reference = scheduler()
    reference.set_timesteps(5)
    sigmas = NoiseSchedule().sigmas(5)
    noisy = latents * NoiseSchedule().initial_scale
    for step, time in enumerate(reference.timesteps):
        sigma = sigmas[step].expand(len(latents))
        velocity = torch.randn(latents.shape, generator=torch.Generator().manual_seed(step))
        torch.testing.assert_close(scale_input(noisy, sigma), reference.scale_model_input(noisy, time))
        made = reference.step(velocity, time, noisy)
        clean = denoised(velocity, noisy, sigma)
        torch.testing.assert_close(clean, made.pred_original_sample, rtol=1e-5, atol=1e-4)
        noisy = euler_step(noisy, clean, sigmas[step], sigmas[step + 1])
        torch.testing.assert_close(noisy, made.prev_sample, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("level", [0.002, 0.1, 1.0, 30.0, 700.0])
def test_preconditioning_is_edms_for_data_of_unit_variance(latents: torch.Tensor, level: float) -> None:
    reference = EDMEulerScheduler(sigma_data=1.0, prediction_type="v_prediction")
    sigma = torch.full((len(latents),), level)
    velocity = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(scale_input(latents, sigma), reference.precondition_inputs(latents, level))
    torch.testing.assert_close(
        denoised(velocity, latents, sigma),
        reference.precondition_outputs(latents, velocity, torch.tensor(level)),
    )
    torch.testing.assert_close(time_of(sigma)[0], reference.precondition_noise(torch.tensor(level)))


def test_true_velocity_gives_the_clean_latents_back_at_every_samples_own_level(latents: torch.Tensor) -> None:
    clean = latents.double()
    noise = torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    sigma = torch.tensor([0.002, 0.5, 20.0, 700.0], dtype=torch.float64)
    noisy = clean + noise * sigma.reshape(-1, 1, 1, 1, 1)
    torch.testing.assert_close(
        denoised(velocity_of(clean, noise, sigma), noisy, sigma), clean, rtol=1e-8, atol=1e-8
    )


def test_loss_on_v_is_the_weighted_loss_on_x0(latents: torch.Tensor) -> None:
    clean = latents.double()
    generator = torch.Generator().manual_seed(3)
    noise, answer = (torch.randn(clean.shape, dtype=torch.float64, generator=generator) for _ in range(2))
    sigma = torch.tensor([0.01, 0.5, 2.0, 50.0], dtype=torch.float64)
    noisy = clean + noise * sigma.reshape(-1, 1, 1, 1, 1)
    error = (denoised(answer, noisy, sigma) - clean).square().flatten(1).mean(1)
    weighted = (sigma**2 + 1) / sigma**2 * error
    plain = (answer - velocity_of(clean, noise, sigma)).square().flatten(1).mean(1)
    torch.testing.assert_close(plain, weighted, rtol=1e-8, atol=0)


def test_triangle_rises_and_falls_once_round_the_ring() -> None:
    expected = [1.375, 1.75, 2.125, 2.5, 2.2, 1.9, 1.6, 1.3, 1.0]
    torch.testing.assert_close(triangle(9, 1.0, 2.5), torch.tensor(expected))
    assert [len(triangle(frames, 1, 2.5)) for frames in (1, 6, 12)] == [1, 6, 12]
