# SPDX-License-Identifier: Apache-2.0
"""Each bundled model: half precision, small, with the record of the recipes in the repository and its licences."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from multishade.geometry.angles import angular_error_degrees
from multishade.models import load_model
from multishade.models.base import Inputs
from multishade.models.bundled import FOLDERS, bundled_model
from multishade.photometry.solvers.methods import solve
from multishade.training import export
from multishade.training.config import TrainConfig
from multishade.training.reflectance import shaded_images
from multishade.training.tasks import load_config, parse_config

RECIPES = Path(__file__).resolve().parents[2] / "configs" / "train"
pytestmark = pytest.mark.usefixtures("one_process")
each_model = pytest.mark.parametrize("name", FOLDERS)


def settings(config: TrainConfig) -> dict[str, object]:
    return config.model_dump(exclude={"output"})


@each_model
def test_the_record_is_of_the_recipes_that_lie_in_the_repository(name: str) -> None:
    runs = json.loads((bundled_model(name) / export.RECORD).read_text())["runs"]
    assert runs
    for run in runs:
        made = parse_config(run["config"])
        here = load_config(RECIPES / f"{made.name}.yaml")
        assert settings(made) == settings(here)
        assert run["steps"] == here.optimisation.steps
        for use in ("train", "val"):
            assert {data["config"]["split"] for data in run["data"][use]} == {use}
            assert all(data["shards"] for data in run["data"][use])


@each_model
def test_the_weights_are_half_floats_finite_and_small(name: str) -> None:
    (weights,) = bundled_model(name).rglob("*.safetensors")
    assert weights.stat().st_size <= export.LARGEST_BYTES.get(name, export.LARGEST_OF_OTHERS)
    with safe_open(weights, "pt") as tensors:
        values = [tensors.get_tensor(key) for key in tensors.keys()]
    assert {value.dtype for value in values} <= {torch.float16, torch.int64}  # BatchNorm counts its batches
    assert all(bool(torch.isfinite(value).all()) for value in values)
    for network in load_model(bundled_model(name)).networks().values():
        assert {value.dtype for value in network.parameters()} == {torch.float32}


@each_model
def test_the_files_name_no_place_on_the_machine_that_made_them_and_state_the_licences(name: str) -> None:
    folder = bundled_model(name)
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".md"):
            assert not any(word in path.read_text() for word in ("/home", "/work", "/tmp", "/root")), path
    read = (folder / "README.md").read_text()
    assert "under Apache-2.0" in " ".join(read.split()) and "CC-BY-4.0" in read


def test_photometric_stereo_of_a_metal_ball_is_better_than_least_squares() -> None:
    rng = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.linspace(1.2, -1.2, 64), torch.linspace(-1.2, 1.2, 64), indexing="ij")
    mask = (x * x + y * y < 0.98).float()[None, None]
    normal = torch.stack([x, y, (1 - x * x - y * y).clamp_min(1e-4).sqrt()])[None] * mask
    z = 0.3 + 0.7 * torch.rand(1, 32, generator=rng)
    azimuth = 2 * torch.pi * torch.rand(1, 32, generator=rng)
    across = (1 - z * z).sqrt()
    lights = torch.stack([across * azimuth.cos(), across * azimuth.sin(), z], dim=2)
    errors: dict[str, list[float]] = {"network": [], "ols": []}
    truth, inside = np.moveaxis(normal[0].numpy(), 0, 2), mask[0, 0].numpy() > 0.5
    model = load_model(bundled_model("iga-psn"))
    for _ in range(6):  # random materials, three in ten of them metallic
        images = shaded_images(normal, mask, lights, rng)
        found = model.predict(Inputs(images=images, directions=lights, mask=mask)).normal
        assert found is not None
        photographs = np.moveaxis(images[0].numpy(), 1, 3)
        solved = solve(photographs, lights[0].numpy().astype(np.float64), inside, method="ols").normal
        made = np.moveaxis(found[0].numpy(), 0, 2)
        for key, one in (("network", made), ("ols", solved)):
            errors[key].append(float(np.nanmean(angular_error_degrees(one, truth)[inside])))
    assert np.mean(errors["network"]) < 0.75 * np.mean(errors["ols"]), errors
