# SPDX-License-Identifier: Apache-2.0
"""IronDepth: propagation against planes and spheres, both kinds of camera; the network; its folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from multishade.errors import ModelError
from multishade.models import load_model
from multishade.models.base import Inputs
from multishade.models.irondepth.encoders import build_encoder
from multishade.models.irondepth.network import build_grid
from multishade.models.irondepth.propagation import (
    carried,
    cell_relief,
    neighbours,
    pixel_coordinates,
    slopes,
    to_depth,
    to_relief,
    width_at_object,
)
from multishade.models.irondepth.settings import IronDepthSettings
from tests.support.depth_scenes import (
    KINDS,
    Kind,
    plane_inputs,
    relief_of,
    scene_of,
    sphere_inputs,
    tiny,
)


class TestPropagation:
    def test_it_is_the_papers_ratio_for_a_perspective_camera(self) -> None:
        """d_i = d_j (n . r_j) / (n . r_i), by hand: n = (0.6, 0, 0.8), from x = 0 to x = 0.5, d_j = 2."""
        # n . r_j = -0.8 and n . r_i = 0.6 x 0.5 - 0.8 = -0.5: d_i = 2 x 0.8 / 0.5 = 3.2.
        unit, distance, flat = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0), torch.tensor(False)
        normal = torch.tensor([0.6, 0.0, 0.8]).view(1, 3, 1, 1)
        source, target = torch.zeros(1, 2, 1, 1), torch.tensor([0.5, 0.0]).view(1, 2, 1, 1)
        moved = carried(torch.zeros(1, 1, 1, 1), slopes(normal, source, target, unit)[:, None], unit)
        assert float(to_depth(moved, distance, unit, flat)) == pytest.approx(3.2)

    def test_it_is_additive_for_an_orthographic_camera(self) -> None:
        """d_i = d_j + (n_x dx + n_y dy) / n_z, by hand: 0.6 x 0.5 / 0.8 = 0.375 widths of the image."""
        normal = torch.tensor([0.6, 0.0, 0.8]).view(1, 3, 1, 1)
        source, target = torch.zeros(1, 2, 1, 1), torch.tensor([0.5, 0.0]).view(1, 2, 1, 1)
        zero = torch.zeros(1, 1, 1, 1)
        moved = carried(zero + 0.1, slopes(normal, source, target, zero)[:, None], zero)
        assert float(moved) == pytest.approx(0.475)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("both", [False, True])
    def test_one_step_from_a_wrong_depth_is_on_the_plane(self, kind: Kind, both: bool) -> None:
        inputs = plane_inputs(kind)
        true, grid = relief_of(inputs), build_grid(scene_of(inputs), 1, both)
        wrong = true.clone()
        wrong[..., 10, 12] += 0.3
        candidates = carried(neighbours(wrong, 5)[:, 0], grid.slopes, scene_of(inputs).q)
        others = ~grid.closed
        others[:, 12] = False  # the pixel itself
        mean = (candidates * others).sum(dim=1) / others.sum(dim=1)
        assert float((mean - true[:, 0])[0, 10, 12].abs()) < 1e-5
        # And every candidate that comes from another pixel than the wrong one is the plane's.
        right = carried(neighbours(true, 5)[:, 0], grid.slopes, scene_of(inputs).q)
        torch.testing.assert_close(
            torch.where(grid.closed, true, right), true.expand_as(right), atol=1e-5, rtol=0
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_on_a_sphere_it_converges_from_a_flat_start(self, kind: Kind) -> None:
        inputs = sphere_inputs(kind)
        true, scene = relief_of(inputs), scene_of(inputs)
        assert inputs.mask is not None
        grid = build_grid(scene, 1, True)
        torch.testing.assert_close(
            torch.where(grid.closed, true, carried(neighbours(true, 5)[:, 0], grid.slopes, scene.q))
            * inputs.mask,
            true.expand(-1, 25, -1, -1) * inputs.mask,
            atol=1e-5,
            rtol=0,
        )
        relief, errors = torch.zeros_like(true), []
        inside = inputs.mask > 0
        for _ in range(200):
            candidates = carried(neighbours(relief, 5)[:, 0], grid.slopes, scene.q)
            relief = (candidates * ~grid.closed).sum(dim=1, keepdim=True) / (~grid.closed).sum(dim=1)[:, None]
            relief = (relief - relief[inside].mean()) * inputs.mask
            errors.append(float((relief - true)[inside].abs().mean()))
        assert errors[0] < 0.9 * float(true[inside].abs().mean())
        assert all(after < before + 1e-6 for before, after in zip(errors, errors[1:], strict=False))
        assert errors[-1] < 1e-4

    @pytest.mark.parametrize("kind", KINDS)
    def test_relief_and_depth_are_each_others_inverse(self, kind: Kind) -> None:
        inputs = sphere_inputs(kind)
        assert inputs.intrinsics is not None and inputs.orthographic is not None and inputs.depth is not None
        unit, flat = width_at_object(inputs.intrinsics, 32), inputs.orthographic.view(1, 1, 1, 1)
        distance = torch.full((1, 1, 1, 1), 1.4)
        relief = to_relief(inputs.depth, distance, unit, flat)
        torch.testing.assert_close(to_depth(relief, distance, unit, flat), inputs.depth)

    def test_coordinates_are_those_of_the_pinhole(self) -> None:
        matrix = torch.tensor([[[20.0, 0, 3.0], [0, 40.0, 2.0], [0, 0, 1]]])
        found = pixel_coordinates(matrix, 4, 8) * width_at_object(matrix, 8)
        assert found[0, :, 1, 6].tolist() == pytest.approx([(6.5 - 3) / 20, (2 - 1.5) / 40])

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_cell_of_a_plane_lies_on_it(self, kind: Kind) -> None:
        inputs = plane_inputs(kind)
        assert inputs.mask is not None
        mask = inputs.mask.clone()
        mask[..., :3, :] = 0  # cells that are object in part
        scene = replace(scene_of(inputs), mask=mask)
        coarse = cell_relief(relief_of(inputs), mask, 4, scene.q)
        grid = build_grid(scene, 4, False)
        moved = carried(neighbours(coarse, 5)[:, 0], grid.slopes, scene.q)
        torch.testing.assert_close(
            torch.where(grid.closed, coarse, moved), coarse.expand_as(moved), atol=1e-5, rtol=0
        )


class TestNetwork:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("stride", "plane"), [(4, "both"), (8, "neighbour")])
    def test_a_plane_stays_a_plane_whatever_the_weights(self, kind: Kind, stride: int, plane: str) -> None:
        """Refinement and upsampling choose between candidates that all lie on the plane."""
        model = tiny(stride=stride, plane=plane, decoder=(16,) * {4: 3, 8: 2}[stride])
        inputs = plane_inputs(kind)
        true = inputs.depth
        assert true is not None
        for depth in model.refinements(inputs, 4):
            mean = depth.mean()
            same = depth * (true.mean() / mean) if kind == "perspective" else depth + (true.mean() - mean)
            torch.testing.assert_close(same, true, atol=2e-5, rtol=0)

    def test_the_loss_of_an_iteration_does_not_reach_the_depth_before_it(self) -> None:
        network = tiny().network
        scene = scene_of(sphere_inputs("perspective"))
        network(scene, 2)[-1].sum().backward()
        assert all(each.grad is None for each in network.depth.parameters())
        assert network.gru.gates.weight.grad is not None
        assert float(network.gru.gates.weight.grad.abs().sum()) > 0
        network(scene, 2)[0].square().sum().backward()
        assert all(each.grad is not None for each in network.depth.parameters())

    def test_warm_iterations_are_iterations_without_gradient(self) -> None:
        network, scene = tiny(plane="both").network, scene_of(sphere_inputs("perspective"))
        warmed = network(scene, 1, warm=2)
        torch.testing.assert_close(warmed[-1], network(scene, 3)[-1])
        warmed[-1].sum().backward()
        assert all(each.grad is None for each in network.depth.parameters())
        assert network.gru.proposal.weight.grad is not None

    @pytest.mark.parametrize("kind", KINDS)
    def test_anchors_stay_and_bring_the_scale(self, kind: Kind) -> None:
        inputs = sphere_inputs(kind)
        depth = inputs.depth
        assert depth is not None
        anchors = torch.zeros_like(depth)
        anchors[..., ::3, ::3] = ((depth + 0.7) * (depth > 0))[..., ::3, ::3]
        for made in tiny().refinements(replace(inputs, depth=None, anchors=anchors), 3):
            torch.testing.assert_close(made[anchors > 0], anchors[anchors > 0])
            assert abs(float(made[made > 0].mean()) - float(depth[depth > 0].mean()) - 0.7) < 0.1

    def test_neighbours_off_the_object_are_not_taken(self) -> None:
        model, inputs = tiny(), sphere_inputs("perspective")
        assert inputs.mask is not None and inputs.depth is not None
        normal = inputs.normal
        assert normal is not None
        beside = torch.where(inputs.mask > 0, normal, torch.tensor([0.9, 0.3, 0.3]).view(1, 3, 1, 1))
        one, other = (model.refinements(replace(inputs, normal=each), 2)[-1] for each in (normal, beside))
        torch.testing.assert_close(one, other)
        assert torch.equal(one > 0, inputs.mask > 0)

    def test_any_size_is_taken(self) -> None:
        inputs = sphere_inputs("perspective", size=44)
        made = tiny().predict(replace(inputs, depth=None), iterations=2)
        assert made.depth is not None and made.mask is not None
        assert made.depth.shape == made.mask.shape == (1, 1, 44, 44)
        assert abs(float(made.depth[made.mask].mean()) - 1) < 0.1

    def test_without_a_camera_or_with_maps_of_another_size(self) -> None:
        inputs = sphere_inputs("perspective")
        with pytest.raises(ModelError, match="needs the input 'intrinsics'"):
            tiny().predict(replace(inputs, intrinsics=None))
        with pytest.raises(ModelError, match=r"depth of shape \(1, 1, 8, 8\); expected \(1, 1, 32, 32\)"):
            tiny().predict(replace(inputs, depth=torch.ones(1, 1, 8, 8)))
        with pytest.raises(ModelError, match="normal of shape"):
            tiny().predict(
                Inputs(image=torch.rand(1, 3, 8, 8), normal=torch.rand(1, 3, 4, 4), intrinsics=torch.eye(3))
            )

    def test_the_encoders_of_transformers(self) -> None:
        encoder = build_encoder("b0")
        made = encoder.eval()(torch.rand(1, 3, 64, 96))
        assert [tuple(each.shape[2:]) for each in made] == [(64 >> n, 96 >> n)[:2] for n in range(1, 6)]
        assert tuple(each.shape[1] for each in made) == encoder.channels == (16, 24, 40, 112, 320)

    def test_settings_that_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match="with stride 4 it has 3 levels"):
            IronDepthSettings(stride=4)


class TestFolder:
    def test_a_model_is_what_was_saved(self, tmp_path: Path) -> None:
        model, inputs = tiny(plane="both"), sphere_inputs("perspective")
        model.save_pretrained(tmp_path)
        loaded: Any = load_model(tmp_path)
        assert (loaded.name, loaded.settings) == ("irondepth", model.settings)
        assert torch.equal(loaded.predict(inputs).depth, model.predict(inputs).depth)

    def test_half_precision_on_disk(self, tmp_path: Path) -> None:
        model, inputs = tiny(), replace(sphere_inputs("perspective"), depth=None)
        model.save_pretrained(tmp_path, dtype=torch.float16)
        near, exact = load_model(tmp_path).predict(inputs).depth, model.predict(inputs).depth
        assert near is not None and exact is not None
        assert 0 < np.abs((near - exact).numpy()).max() < 0.02

    def test_weights_of_other_settings_are_named(self, tmp_path: Path) -> None:
        tiny().save_pretrained(tmp_path)
        path = tmp_path / "irondepth.json"
        path.write_text(path.read_text().replace('"hidden": 8', '"hidden": 16'))
        with pytest.raises(ModelError, match=r"do not fit irondepth of these settings: choose"):
            load_model(tmp_path)
