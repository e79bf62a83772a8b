# SPDX-License-Identifier: Apache-2.0
"""Training of PS-FCN and IGA-PSN: losses by hand, images made from normals, patches, lights, runs on shards."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from multishade.config.recipes import list_recipes
from multishade.errors import ConfigError, DataError, ModelError
from multishade.models import load_model
from multishade.training import state, tasks
from multishade.training.config import TrainConfig
from multishade.training.losses.stereo import cosine_loss, gradient_loss, staged_loss
from multishade.training.reflectance import Materials, shaded_images
from multishade.training.stereo import (
    choose_images,
    choose_lights,
    cut_patches,
    random_lights,
)
from multishade.training.stereo_config import StereoObjective
from multishade.training.trainer import learning_rate, train
from tests.support.data_shards import write_shards
from tests.support.stereo_samples import lit_sphere, tiny
from tests.support.training_runs import metrics, quiet


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def configured(output: Path, shards: list[Path], task: str = "iga-psn", **sections: Any) -> TrainConfig:
    """A run of a network of width 8 on patches of 16 x 16 pixels."""
    tree: dict[str, Any] = {
        "task": task,
        "name": "test",
        "output": str(output),
        "model": {"width": 8, "size": 16},
        "data": {"train": [str(shards[0])], "val": [str(shards[1])], "workers": 0},
        "objective": {"window": 48, "patches": 4, "lights": [5, 8], "noise": 0.0},
        "optimisation": {"steps": 4, "batch": 2, "learning_rate": 3e-3, "weight_decay": 0},
        "validation": {"every": 4, "samples": 1, "pictures": 1},
        "checkpoints": {"every": 2},
        "logging": {"every": 1, "tensorboard": False},
    }
    for section, values in sections.items():
        tree[section] = {**tree[section], **values}
    return tasks.parse_config(tree)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of spheres of 48 x 48 pixels under nine lights."""
    return write_shards(tmp_path_factory.mktemp("shards"), (3, 1), mode="photometric", size=48)


class TestLosses:
    def test_cosine(self) -> None:
        truth = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
        normal = truth.clone()
        normal[0, :, 0, 0] = torch.tensor([0.0, 0.6, 0.8])
        mask = torch.tensor([[1.0, 1.0], [0.0, 0.0]])[None, None]
        torch.testing.assert_close(cosine_loss(normal, truth, mask), torch.tensor([0.1]))
        assert cosine_loss(normal, truth, mask * 0).tolist() == [0.0]

    def test_gradient_is_of_the_pixel_whose_neighbours_are_all_on_the_object(self) -> None:
        normal = torch.zeros(1, 3, 3, 3)
        normal[0, 2] = 1
        normal[0, :, 1, 2] = torch.tensor([0.6, 0.0, 0.8])
        truth = torch.zeros(1, 3, 3, 3)
        truth[0, 2] = 1
        # Only the centre counts: |0.6 - 0| / 2 + |0.8 - 1| / 2 = 0.4 against 0.
        found = gradient_loss(normal, truth, torch.ones(1, 1, 3, 3))
        torch.testing.assert_close(found, torch.tensor([0.4]))
        mask = torch.ones(1, 1, 3, 3)
        mask[..., 0, 1] = 0
        assert gradient_loss(normal, truth, mask).tolist() == [0.0]

    def test_stages_are_weighted_and_one_output_takes_the_last_weight(self) -> None:
        truth = torch.nn.functional.normalize(torch.randn(2, 3, 5, 5), dim=1)
        mask = torch.ones(2, 1, 5, 5)
        outputs = [torch.nn.functional.normalize(torch.randn(2, 3, 5, 5), dim=1) for _ in range(3)]
        parts = staged_loss(outputs, truth, mask, (0.5, 0.7, 1.0), 1.0, 0.05)
        each = [cosine_loss(n, truth, mask) + 0.05 * gradient_loss(n, truth, mask) for n in outputs]
        torch.testing.assert_close(parts["total"], 0.5 * each[0] + 0.7 * each[1] + each[2])
        torch.testing.assert_close(parts["cosine"], cosine_loss(outputs[2], truth, mask))
        alone = staged_loss(outputs[:1], truth, mask, (0.5, 0.7, 1.0), 1.0, 0.05)
        torch.testing.assert_close(alone["total"], each[0])

    def test_the_angle_itself_can_be_counted(self) -> None:
        turn = torch.tensor([0.1, 0.7])
        truth = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
        normal = torch.stack([turn.sin(), 0 * turn, turn.cos()], dim=1)[..., None, None].expand(2, 3, 4, 4)
        mask = torch.zeros(2, 1, 4, 4)
        mask[..., :2] = 1
        parts = staged_loss([normal], truth, mask, (0.5, 0.7, 1.0), 0.0, 0.0, 2.0)
        torch.testing.assert_close(parts["arc"], turn)
        torch.testing.assert_close(parts["total"], 2 * turn)


class TestImagesFromNormals:
    def made(self, seed: int = 0, count: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        inputs, normal = lit_sphere(size=24)
        assert inputs.mask is not None
        normal, mask = normal.repeat(count, 1, 1, 1), inputs.mask.repeat(count, 1, 1, 1)
        directions = random_lights(count, 5, StereoObjective(), rng(seed))
        return shaded_images(normal, mask, directions, rng(seed)), normal, mask, directions

    def test_they_are_light_on_the_object_and_nothing_beside_it(self) -> None:
        images, _, mask, _ = self.made()
        assert images.shape == (6, 5, 3, 24, 24)
        assert torch.isfinite(images).all()
        assert (images >= 0).all()
        assert not images[(mask == 0).unsqueeze(1).expand_as(images)].any()

    def test_they_are_bright_where_the_light_falls_and_dim_where_it_does_not(self) -> None:
        images, normal, mask, directions = self.made(count=40)
        facing = torch.einsum("nkc,nchw->nkhw", directions, normal)
        inside = (mask > 0).expand_as(facing)
        grey = images.mean(dim=2)
        assert grey[inside & (facing > 0.5)].mean() > 5 * grey[inside & (facing < 0)].mean()

    def test_they_follow_from_the_generator(self) -> None:
        assert torch.equal(self.made(3)[0], self.made(3)[0])
        assert not torch.equal(self.made(3)[0], self.made(4)[0])

    def test_materials_without_highlight_are_what_least_squares_assumes(self) -> None:
        inputs, normal = lit_sphere(size=24)
        assert inputs.mask is not None
        directions = random_lights(1, 8, StereoObjective(), rng(2))
        for matt in (0.0, 1.0):
            images = shaded_images(normal, inputs.mask, directions, rng(2), Materials(1.0, matt))
            facing = torch.einsum("nkc,nchw->nkhw", directions, normal).clamp_min(0).unsqueeze(2)
            # One constant a pixel and channel for the ambient light and one for the albedo, of those not in shadow.
            lit = (facing > 0.2) & (inputs.mask > 0).unsqueeze(1)
            ratio = torch.where(lit, images / facing, torch.nan)
            spread = ratio.nan_to_num(0).amax(dim=1) / ratio.nan_to_num(1e9).amin(dim=1).clamp_min(1e-6)
            shown = spread[inputs.mask.expand(-1, 3, -1, -1) > 0]
            assert (float(shown.median()) < 1.6) == bool(matt)

    def test_materials_are_not_matt(self) -> None:
        """Least squares, which is exact for matt surfaces, errs by degrees on them."""
        from multishade.geometry.angles import angular_error_degrees
        from multishade.photometry.solvers import methods

        images, normal, mask, directions = self.made(count=4)
        errors = []
        for one in range(4):
            solved = methods.solve(
                images[one].permute(0, 2, 3, 1).numpy(),
                directions[one].double().numpy(),
                mask[one, 0].numpy() > 0,
                method="ols",
            )
            error = angular_error_degrees(solved.normal, normal[one].permute(1, 2, 0).numpy())
            errors.append(float(np.nanmean(error[mask[one, 0].numpy() > 0])))
        assert max(errors) > 5


class TestLightsAndPatches:
    def test_random_lights_lie_in_the_cone(self) -> None:
        options = StereoObjective(cone=1.0, cone_cosine=(0.8, 0.8))
        lights = random_lights(20, 50, options, rng())
        torch.testing.assert_close(lights.norm(dim=2), torch.ones(20, 50))
        assert (lights[..., 2] >= 0.8).all()
        assert abs(float(lights[..., 2].mean()) - 0.9) < 0.01  # uniform in solid angle
        everywhere = random_lights(20, 50, StereoObjective(cone=0.0), rng())
        assert everywhere[..., 2].min() < 0.05

    def test_stored_lights_of_the_cone_come_first_and_then_the_nearest(self) -> None:
        z = torch.tensor([0.1, 0.95, 0.5, 0.9, 0.7])
        directions = torch.stack([(1 - z**2).sqrt(), torch.zeros(5), z], dim=1)[None]
        images = torch.arange(5.0).view(1, 5, 1, 1, 1).expand(1, 5, 3, 4, 4)
        options = StereoObjective(cone=1.0, cone_cosine=(0.85, 0.85), lights=(3, 3))
        chosen, lights = choose_lights(images, directions, options, rng())
        assert sorted(chosen[0, :, 0, 0, 0].tolist()) == [1, 3, 4]
        torch.testing.assert_close(lights[0, :, 2], z[chosen[0, :, 0, 0, 0].long()])

    def test_patches_lie_on_the_object(self, tmp_path: Path) -> None:
        batch = self.batch(tmp_path)
        patches = cut_patches(batch, 5, 16, rng())
        assert patches["images"].shape == (10, 9, 3, 16, 16)
        assert patches["directions"].shape == (10, 9, 3)
        assert (patches["mask"].mean(dim=(1, 2, 3)) > 0.15).all()
        lit = torch.einsum("nkc,nchw->nkhw", patches["directions"], patches["normal"]).clamp_min(0)
        shading = patches["images"][:, :, 0] / 0.8  # the sample's tint
        inside = (patches["mask"] > 0).expand_as(lit)
        assert (shading[inside] - lit[inside]).abs().mean() < 0.02

    def test_a_share_of_the_images_is_made(self, tmp_path: Path) -> None:
        patches = cut_patches(self.batch(tmp_path), 2, 16, rng())
        stored, _ = choose_images(patches, StereoObjective(shaded=0, lights=(4, 4)), rng(1))
        some, _ = choose_images(patches, StereoObjective(shaded=0.5, lights=(4, 4)), rng(1))
        same = (stored == some).flatten(1).all(dim=1)
        assert 0 < int(same.sum()) < len(same)

    @staticmethod
    def batch(folder: Path) -> Any:
        from multishade.data.fields import FieldSpec
        from multishade.data.loader import Loader
        from tests.support.data_shards import data

        paths = write_shards(folder, (2,), mode="photometric", size=48)
        names = (FieldSpec("images"), FieldSpec("normal"), FieldSpec("mask"))
        return next(iter(Loader(data(*paths), None, fields=names, batch_size=2)))


class TestRuns:
    @pytest.mark.parametrize("task", ["ps-fcn", "iga-psn"])
    def test_the_error_falls_far_below_that_of_a_constant(
        self, task: str, shards: list[Path], tmp_path: Path
    ) -> None:
        run = configured(
            tmp_path,
            shards,
            task,
            model={"width": 16},
            optimisation={"steps": 40, "batch": 3, "learning_rate": 2e-3, "warmup": 15, "decay": "cosine"},
            validation={"every": 40},
            objective={"shaded": 0.0, "cone": 0.0},
        )
        finished = train(run, report=quiet)
        assert metrics(tmp_path, "val/mean_angle")[-1] < 0.7 * metrics(tmp_path, "val/constant_angle")[-1]
        assert metrics(tmp_path, "val/ols_angle")[-1] < 20
        assert load_model(finished).name == task
        assert list((tmp_path / "validation").glob("*.png"))

    def test_a_killed_run_makes_the_steps_that_it_would_have_made(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        train(configured(tmp_path / "whole", shards), report=quiet)

        def stop(step: int, values: Any) -> None:
            if step == 3:
                raise KeyboardInterrupt

        killed = configured(tmp_path / "killed", shards)
        with pytest.raises(KeyboardInterrupt):
            train(killed, report=quiet, on_step=stop)
        train(killed, resume=True, report=quiet)
        whole, resumed = (
            load_model(state.listed(tmp_path / name)[-1]).networks()["network"].state_dict()
            for name in ("whole", "killed")
        )
        for name, value in whole.items():
            assert torch.equal(resumed[name], value), name

    def test_shards_without_sequences_serve_if_all_images_are_made(self, tmp_path: Path) -> None:
        paths = write_shards(tmp_path / "shards", (2, 1), size=48)
        train(configured(tmp_path / "run", paths, objective={"shaded": 1.0}), report=quiet)
        with pytest.raises(DataError, match="of mode lambert, not photometric: render with"):
            train(configured(tmp_path / "other", paths), report=quiet)

    def test_a_model_is_trained_further(self, shards: list[Path], tmp_path: Path) -> None:
        tiny("iga-psn").save_pretrained(tmp_path / "first")
        source = {"pretrained": str(tmp_path / "first")}
        train(configured(tmp_path / "run", shards, model=source), report=quiet)
        wrong = configured(tmp_path / "other", shards, model={**source, "fusion": "self"})
        with pytest.raises(
            ModelError, match="has fusion = cross, the configuration has self: set model.fusion"
        ):
            train(wrong, report=quiet)


class TestConfigurations:
    @pytest.mark.parametrize(
        ("objective", "message"),
        [
            ({"angle": 0, "gradient": 0}, "there is no loss"),
            ({"lights": [8, 4]}, r"lights is \[fewest, most\]"),
            ({"cone_cosine": [0.5, 1.0]}, r"cone_cosine is \[low, high\]"),
            ({"window": 8}, "objective.window is smaller than model.size"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, objective: dict[str, Any], message: str, shards: list[Path], tmp_path: Path
    ) -> None:
        with pytest.raises((ConfigError, ValueError), match=message):
            configured(tmp_path, shards, objective=objective)

    def test_every_row_of_the_papers_ablation_is_a_recipe(self) -> None:
        rows: dict[str, Any] = {
            recipe.name.removeprefix("train/"): tasks.load_config(recipe.path)
            for recipe in list_recipes()
            if recipe.name.startswith(("train/iga-psn-ablation-", "train/ps-fcn"))
        }
        rows["iga-psn"] = tasks.load_config("iga-psn")
        made = {}
        for name, config in rows.items():
            network = tasks.task_class(config.task)(config).build().networks()["network"]
            losses = (config.objective.angle > 0, config.objective.gradient > 0)
            shapes = tuple(sorted((key, tuple(value.shape)) for key, value in network.state_dict().items()))
            made[name] = (shapes, losses)
            assert config.objective.shaded == 0, name
            assert config.model.width == 64, name
        expected = {"ps-fcn", "iga-psn", "iga-psn-ablation-cbam"}
        assert made.keys() == expected | {f"iga-psn-ablation-{row}" for row in range(1, 7)}
        assert made["iga-psn-ablation-4"][0] == made["iga-psn-ablation-5"][0] == made["iga-psn-ablation-6"][0]
        assert [made[f"iga-psn-ablation-{row}"][1] for row in (4, 5, 6)] == [
            (True, False),
            (False, True),
            (True, True),
        ]

    def test_the_rate_is_halved_five_times(self) -> None:
        options: Any = tasks.load_config("iga-psn").optimisation
        halved = options.model_copy(update={"steps": 60, "warmup": 0, "learning_rate": 32.0})
        rates = [learning_rate(halved, step) for step in range(60)]
        assert rates[::10] == [32.0, 16.0, 8.0, 4.0, 2.0, 1.0]
        assert rates[9] == 32.0
