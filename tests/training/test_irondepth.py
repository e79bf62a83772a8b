# SPDX-License-Identifier: Apache-2.0
"""Training of IronDepth: losses by hand, normals with errors, runs on shards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from multishade.errors import ModelError, MultiShadeError
from multishade.geometry.angles import angular_error_degrees
from multishade.models import load_model
from multishade.models.bundled import FOLDER
from multishade.models.irondepth.settings import IronDepthSettings
from multishade.models.rose.settings import RoseSettings
from multishade.shards.marker import commit_marker
from multishade.shards.sample import FieldFormat, encode_sample
from multishade.shards.tar import write_tar
from multishade.training import state, tasks
from multishade.training.config import TrainConfig
from multishade.training.losses.irondepth import refinement_loss
from multishade.training.normal_maps import lit_least_squares, with_errors
from multishade.training.tasks.irondepth import IronDepthObjective, distorted, sample_anchors
from multishade.training.trainer import train
from tests.support.data_shards import write_shards
from tests.support.depth_scenes import relief_of, sphere_inputs, tiny
from tests.support.synthetic import make_sample
from tests.support.training_runs import metrics, quiet


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def configured(output: Path, shards: list[Path], **sections: Any) -> TrainConfig:
    """A run of a small network on 32 x 32 pixels."""
    tree: dict[str, Any] = {
        "task": "irondepth",
        "name": "test",
        "output": str(output),
        "model": {
            "size": 32,
            "stride": 4,
            "decoder": [16, 16, 16],
            "features": 8,
            "hidden": 8,
            "plane": "both",
            "weights": "random",
            "statistics": "batch",
            "encoder_rate": 1.0,
            "iterations": 6,
        },
        "data": {"train": [str(shards[0])], "val": [str(shards[1])], "workers": 0},
        "objective": {},
        "optimisation": {"steps": 4, "batch": 2, "learning_rate": 2e-3},
        "validation": {"every": 4, "samples": 1, "pictures": 1},
        "checkpoints": {"every": 2},
        "logging": {"every": 1, "tensorboard": False},
    }
    for section, values in sections.items():
        tree[section] = {**tree[section], **values}
    return tasks.parse_config(tree)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of spheres of 32 x 32 pixels."""
    return write_shards(tmp_path_factory.mktemp("shards"), (4, 1), size=32)


class TestLosses:
    def test_by_hand(self) -> None:
        truth, mask = torch.zeros(1, 1, 2, 2), torch.tensor([[1.0, 1.0], [0.0, 0.0]])[None, None]
        reliefs = [torch.full((1, 1, 2, 2), value) for value in (0.4, -0.2, 0.1)]
        reliefs[2][..., 1, :] = 9.0  # off the mask
        parts = refinement_loss(reliefs, truth, mask, 0.5)
        torch.testing.assert_close(parts["total"], torch.tensor([0.25 * 0.4 + 0.5 * 0.2 + 0.1]))
        torch.testing.assert_close(parts["initial"], torch.tensor([0.4]))
        torch.testing.assert_close(parts["refined"], torch.tensor([0.1]))


class TestInputs:
    def test_normals_with_errors_and_a_confidence_that_tells_of_them(self) -> None:
        inputs = sphere_inputs("orthographic", size=64)
        assert inputs.normal is not None and inputs.mask is not None
        normal, mask = inputs.normal.repeat(32, 1, 1, 1), inputs.mask.repeat(32, 1, 1, 1)
        made, trust = with_errors(normal, mask, 25.0, rng())
        inside = (mask[:, 0] > 0).numpy()
        lengths = made.norm(dim=1)[mask[:, 0] > 0]
        torch.testing.assert_close(lengths, torch.ones_like(lengths))
        assert not made[(mask == 0).expand_as(made)].any()
        errors = np.array(
            [
                angular_error_degrees(np.moveaxis(one.numpy(), 0, 2), np.moveaxis(true.numpy(), 0, 2))[
                    where
                ].mean()
                for one, true, where in zip(made, normal, inside, strict=True)
            ]
        )
        guessed = np.array(
            [float(1 - one[where].mean()) * 90 for one, where in zip(trust[:, 0], inside, strict=True)]
        )
        assert errors.min() < 0.1
        assert 12 < errors.max() < 45
        assert np.corrcoef(errors, guessed)[0, 1] > 0.7

    def test_shading_is_solved_as_it_was_made(self) -> None:
        inputs = sphere_inputs("orthographic")
        assert inputs.normal is not None and inputs.mask is not None
        lights = torch.from_numpy(RoseSettings().directions.astype(np.float32))
        frames = torch.einsum("kc,bchw->bkhw", lights, inputs.normal).clamp_min(0)
        found = lit_least_squares(frames, lights)
        cosine = (found * inputs.normal).sum(dim=1)[inputs.mask[:, 0] > 0]
        assert float(cosine.min()) > 0.999

    def test_anchors_are_true_and_as_many_as_wanted(self) -> None:
        inputs = sphere_inputs("perspective", size=64)
        assert inputs.mask is not None
        true, mask = relief_of(inputs).repeat(40, 1, 1, 1), inputs.mask.repeat(40, 1, 1, 1)
        options = IronDepthObjective(anchored=0.5, anchors=(20, 20))
        found = sample_anchors(true, mask, options, rng())
        assert found is not None
        given = torch.isfinite(found)
        assert torch.equal(found[given], true[given])
        assert not (given & (mask == 0)).any()
        counts = given.sum(dim=(1, 2, 3))
        assert 10 < int((counts > 0).sum()) < 30
        assert 17 < float(counts[counts > 0].float().mean()) < 23
        assert sample_anchors(true, mask, IronDepthObjective(anchored=0), rng()) is None

    def test_distorted_depth_is_given_to_some(self) -> None:
        inputs = sphere_inputs("perspective")
        assert inputs.mask is not None
        true, mask = relief_of(inputs).repeat(2, 1, 1, 1), inputs.mask.repeat(2, 1, 1, 1)
        made = distorted(true, mask, torch.tensor([True, False]), rng())
        assert torch.isnan(made[1]).all()
        assert torch.isfinite(made[0]).all()
        assert abs(float(made[0].sum() / mask[0].sum())) < 1e-5
        assert float((made[0] - true[0]).abs().max()) > 0.01


class TestRuns:
    def test_the_error_falls_far_below_that_of_a_flat_object(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        run = configured(
            tmp_path,
            shards,
            optimisation={"steps": 30, "batch": 4, "learning_rate": 3e-3, "warmup": 5, "decay": "cosine"},
            validation={"every": 30},
        )
        finished = train(run, report=quiet)
        assert metrics(tmp_path, "val/abs_rel")[-1] < 0.6 * metrics(tmp_path, "val/flat_abs_rel")[-1]
        assert metrics(tmp_path, "val/mean_angle")[-1] < 0.7 * metrics(tmp_path, "val/constant_angle")[-1]
        assert load_model(finished).name == "irondepth"
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

    def test_shards_without_depth_are_refused_by_name(self, shards: list[Path], tmp_path: Path) -> None:
        path = tmp_path / "flat-000000.tar"
        samples = [
            (
                key,
                [
                    file
                    for file in encode_sample(make_sample(key, size=32), FieldFormat())
                    if file[0] != "depth.exr"
                ],
            )
            for key in ("s000000-g0000-v0", "s000000-g0000-v1")
        ]
        commit_marker(path, write_tar(path, samples))
        with pytest.raises(MultiShadeError, match=r"flat-000000\.tar: .*lacks depth\.exr"):
            train(configured(tmp_path / "run", [path, shards[1]]), report=quiet)

    def test_a_model_is_trained_further_with_another_models_normals(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        first = train(configured(tmp_path / "first", shards, optimisation={"steps": 1}), report=quiet)
        source = {"pretrained": str(first), "statistics": "frozen"}
        run = configured(
            tmp_path / "run",
            shards,
            model=source,
            objective={"normals": "bundled", "predicted": 0.7, "degraded": 10.0},
            optimisation={"steps": 2},
            validation={"every": 2},
        )
        train(run, report=quiet)
        assert metrics(tmp_path / "run", "val/predicted_mean_angle")
        wrong = configured(tmp_path / "other", shards, model={**source, "plane": "neighbour"})
        with pytest.raises(
            ModelError, match="has plane = both, the configuration has neighbour: set model.plane"
        ):
            train(wrong, report=quiet)

    def test_random_weights_have_no_statistics_to_freeze(self, shards: list[Path], tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="set it to batch"):
            train(configured(tmp_path, shards, model={"statistics": "frozen"}), report=quiet)


@pytest.mark.parametrize("name", ["irondepth-tiny", "bundled-irondepth"])
def test_the_shipped_recipes_are_of_a_model(name: str) -> None:
    config = tasks.load_config(name)
    assert config.task == "irondepth"
    IronDepthSettings.model_validate(config.model.model_dump(include=set(IronDepthSettings.model_fields)))


def test_the_readme_of_an_exported_model_has_the_figures_of_its_record(tmp_path: Path) -> None:
    from multishade.training.model_readme import depth_readme_of

    model = tiny(plane="both", iterations=6)
    model.save_pretrained(tmp_path, dtype=torch.float16)
    last = {
        "val/abs_rel": 0.03,
        "val/initial_abs_rel": 0.05,
        "val/mean_angle": 12.0,
        "val/initial_mean_angle": 20.0,
    }
    known = json.loads((FOLDER / "made.json").read_text())
    run = {
        "config": {"model": {"weights": "imagenet"}, "objective": {"normals": "bundled"}},
        "data": known["runs"][0]["data"],
        "validation": [{**last, "val/flat_abs_rel": 0.07}],
    }
    text = depth_readme_of(model, tmp_path, {"training_data": "renders", "runs": [run]})
    assert "| true normals: abs rel | 0.05 | 0.03 |" in text
    assert "predicted normals" not in text  # the record has no such figures
    assert "32 x 32 pixels" in text
    assert "refined 6 times in cells of 4 pixels" in text
    assert "| `avocado` | CC0-1.0 |" in text
