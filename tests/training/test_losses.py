# SPDX-License-Identifier: Apache-2.0
"""RoSE's losses measure what they claim to, sample by sample."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from multishade.errors import TrainingError
from multishade.photometry import differentiable
from multishade.training.losses import rose as losses_of_rose
from multishade.training.losses.angular import expected_angle_loss
from multishade.training.losses.rose import Objective
from tests.support.rose_samples import (
    FRAMES_NETWORK,
    sphere_batch,
    tiny_model,
)
from tests.support.training_runs import NETWORKS


class TestObjectives:
    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def test_true_shading_costs_nothing(self) -> None:
        model, batch = tiny_model(), sphere_batch(0)
        latents = model.encode_target(batch.shading)

        def perfect(photo: Tensor, time: int, return_dict: bool) -> tuple[Tensor]:
            return (-latents.flatten(1, 2),)

        losses = losses_of_rose.one_step(model, perfect, batch, Objective(), self.generator())
        assert losses.parts["pixel"].max() < 1e-9
        assert torch.rad2deg(losses.parts["angle"]).max() < 0.1

    @pytest.mark.parametrize("target", ["shading", "normal"])
    def test_angle_is_the_solved_normals_mean_error_in_radians(self, target: str) -> None:
        model, batch = tiny_model(target=target), sphere_batch(0)
        options = Objective(angular_pixels=200_000)
        losses = losses_of_rose.one_step(model, model.unet, batch, options, self.generator())
        made = model.generate(batch.image)
        for place in range(2):
            mask = batch.mask[place, 0] > 0
            truth = batch.normal[place].movedim(0, -1)[mask]
            if target == "shading":
                directions = torch.from_numpy(model.settings.directions)
                lit = torch.where(made[place] > losses_of_rose.LIT, made[place], 0.0)
                normal, _ = differentiable.solve_ols_masked(lit.double(), directions)
                normal = normal[mask].float()
            else:
                normal = torch.nn.functional.normalize(made[place].movedim(0, -1)[mask], dim=-1)
            given = normal.abs().sum(-1) > 0
            expected = torch.arccos((normal * truth).sum(-1).clamp(-1, 1))[given].mean()
            assert losses.parts["angle"][place].item() == pytest.approx(float(expected), rel=0.02)

    @pytest.mark.parametrize("target", ["shading", "normal"])
    @pytest.mark.parametrize("network", NETWORKS)
    def test_gradients_reach_the_network_and_are_finite(self, network: str, target: str) -> None:
        model = tiny_model(NETWORKS[network], process="one_step", target=target)
        losses = losses_of_rose.one_step(model, model.unet, sphere_batch(0), Objective(), self.generator())
        losses.total.mean().backward()
        gradients = [p.grad for p in model.unet.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0

    def test_every_sample_has_its_own_noise_level(self) -> None:
        model, seen = tiny_model(FRAMES_NETWORK), []

        def spy(sample: Tensor, time: Tensor, *rest: Any, **options: Any) -> Any:
            seen.append(time)
            return model.unet(sample, time, *rest, **options)

        losses_of_rose.diffusion(model, spy, sphere_batch(0, count=4), Objective(), self.generator())
        assert len(torch.unique(seen[0])) == 4

    def test_photos_are_dropped_whole_and_as_often_as_asked(self) -> None:
        model, seen = tiny_model(FRAMES_NETWORK), []

        def spy(sample: Tensor, *rest: Any, **options: Any) -> Any:
            seen.append(sample[:, 0, 16:].abs().amax(dim=(1, 2, 3)))
            return (torch.zeros_like(sample[:, :, :16]),)

        for share, expected in ((0.0, 8), (1.0, 0)):
            seen.clear()
            options = Objective(photo_dropout=share)
            losses_of_rose.diffusion(model, spy, sphere_batch(0, count=8), options, self.generator())
            assert int((seen[0] > 0).sum()) == expected

    def test_a_network_that_says_nothing_costs_what_v_is_worth(self) -> None:
        """E|v|^2 = (1 + s^2 E|x0|^2) / (1 + s^2), for noise of variance 1."""
        model, batch = tiny_model(FRAMES_NETWORK), sphere_batch(0, count=16)

        def silent(sample: Tensor, *rest: Any, **options: Any) -> Any:
            return (torch.zeros_like(sample[:, :, :16]),)

        options = Objective(sigma_mean=0.0, sigma_deviation=1e-9)
        losses = losses_of_rose.diffusion(model, silent, batch, options, self.generator())
        power = model.encode_target(batch.shading).square().flatten(1).mean(1)
        torch.testing.assert_close(losses.total, (1 + power) / 2, atol=0.1, rtol=0)

    def test_shading_of_another_k(self) -> None:
        with pytest.raises(
            TrainingError, match=r"s000000-g0000-v0, .*K = 6 lights, but the model is for K = 9"
        ):
            losses_of_rose.target_of(tiny_model(), sphere_batch(0, lights=6))

    def test_shading_under_other_lights(self) -> None:
        with pytest.raises(TrainingError, match="other lights than the model's ring at 30 degrees"):
            losses_of_rose.target_of(tiny_model(elevation_degrees=30.0), sphere_batch(0))


class TestExpectedAngle:
    def test_the_loss_is_least_at_the_mean_angle(self) -> None:
        angles = torch.tensor([0.1, 0.2, 0.6, 0.9])
        normal = torch.stack([angles.sin(), torch.zeros(4), angles.cos()])[None]
        truth = torch.tensor([0.0, 0.0, 1.0])[None, :, None].expand(1, 3, 4)
        guesses = torch.linspace(0.2, 0.8, 61)
        losses = [
            float(expected_angle_loss(guess.log().expand(1, 4), normal, truth, torch.ones(1, 4)))
            for guess in guesses
        ]
        assert float(guesses[int(np.argmin(losses))]) == pytest.approx(float(angles.mean()), abs=0.011)

    def test_no_gradient_flows_to_the_normal_and_missing_normals_count_as_90_degrees(self) -> None:
        normal = torch.zeros(1, 3, 5, requires_grad=True)
        error = torch.zeros(1, 5, requires_grad=True)
        loss = expected_angle_loss(error, normal, torch.ones(1, 3, 5), torch.ones(1, 5))
        loss.sum().backward()
        assert normal.grad is None and error.grad is not None
        assert float(loss.detach()) == pytest.approx(np.pi / 2)

    def test_heads_are_trained(self) -> None:
        model = tiny_model(NETWORKS["channels"], process="one_step", heads=("coverage", "error"))
        rng = torch.Generator().manual_seed(0)
        losses = losses_of_rose.one_step(model, model.unet, sphere_batch(0), Objective(), rng)
        assert {"coverage", "error", "angle", "pixel"} == set(losses.parts)
        losses.total.mean().backward()
        gradient = model.unet.conv_out.weight.grad
        assert gradient is not None and (gradient.flatten(1).abs().sum(dim=1) > 0).all()
