# SPDX-License-Identifier: Apache-2.0
"""The surface network: heads, losses by hand, a run that beats the trivial baselines, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from multishade.errors import ModelError
from multishade.models import load_model
from multishade.models.base import Inputs
from multishade.models.surface.model import Surface, normals_of_relief
from multishade.models.surface.settings import SurfaceSettings
from multishade.training import tasks
from multishade.training.config import TrainConfig
from multishade.training.tasks.surface import SurfaceTask, true_relief
from multishade.training.trainer import train
from tests.support.data_shards import write_shards
from tests.support.training_runs import metrics, quiet


def configured(output: Path, shards: list[Path], **sections: Any) -> TrainConfig:
    tree: dict[str, Any] = {
        "task": "surface",
        "name": "test",
        "output": str(output),
        "model": {"width": 8, "size": 32},
        "data": {"train": [str(shards[0])], "val": [str(shards[1])], "workers": 0},
        "optimisation": {"steps": 30, "batch": 4, "learning_rate": 3e-3},
        "validation": {"every": 30, "samples": 2, "pictures": 1},
        "checkpoints": {"every": 30},
        "logging": {"every": 10, "tensorboard": False},
    }
    for section, values in sections.items():
        tree[section] = {**tree[section], **values}
    return tasks.parse_config(tree)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shards(tmp_path_factory.mktemp("shards"), (4, 2), size=48)


@pytest.mark.parametrize(("heads", "channels"), [("normal", 3), ("depth", 1), ("both", 4)])
def test_heads_make_their_channels_and_normals_always_come(heads: Any, channels: int) -> None:
    model = Surface(SurfaceSettings(size=16, width=8, heads=heads))
    assert model.network.last.out_channels == channels
    mask = torch.zeros(2, 1, 16, 24)
    mask[..., 4:12, 4:20] = 1
    made = model.predict(Inputs(image=torch.rand(2, 3, 16, 24), mask=mask))
    assert made.normal is not None
    torch.testing.assert_close(made.normal.norm(dim=1, keepdim=True), mask)
    assert (made.depth is None) == (heads == "normal")


def test_the_normals_of_a_tilted_plane() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    relief = (0.5 * columns - 0.25 * rows) / 8  # rises by 0.5 toward x, and by 0.25 toward y, which is up
    expected = torch.nn.functional.normalize(torch.tensor([-0.5, -0.25, 1.0]), dim=0)
    torch.testing.assert_close(normals_of_relief(relief[None, None])[0, :, 3, 3], expected)


@pytest.mark.parametrize("heads", ["normal", "depth", "both"])
def test_losses_are_those_of_the_heads(heads: str, shards: list[Path], tmp_path: Path) -> None:
    from multishade.data.loader import Loader

    config: Any = configured(tmp_path, shards, model={"heads": heads})
    task = SurfaceTask(config)
    model = task.build()
    batch = next(iter(Loader(task.data(True), None, fields=task.fields, batch_size=2)))
    losses = task.losses(model, model.networks(), batch, "all", torch.Generator())
    assert set(losses.parts) == {"normal": {"normal"}, "depth": {"depth"}, "both": {"normal", "depth"}}[heads]
    weights = {"normal": config.objective.normal, "depth": config.objective.depth}
    torch.testing.assert_close(
        losses.total, sum(weights[name] * value for name, value in losses.parts.items())
    )
    if "depth" in losses.parts:
        with torch.no_grad():
            _, relief = model.network(torch.cat([(2 * batch.image - 1) * batch.mask, batch.mask], dim=1))
        inside = batch.mask[0, 0] > 0
        made, truth = relief[0, 0][inside], true_relief(batch)[0, 0][inside]
        torch.testing.assert_close(losses.parts["depth"][0], (made - made.mean() - truth).abs().mean())


def test_both_heads_beat_a_constant_and_a_plane(shards: list[Path], tmp_path: Path) -> None:
    finished = train(configured(tmp_path, shards, optimisation={"steps": 60}), report=quiet)
    assert metrics(tmp_path, "val/mean_angle")[-1] < 0.7 * metrics(tmp_path, "val/constant_angle")[-1]
    assert metrics(tmp_path, "val/relief_error")[-1] < 0.7 * metrics(tmp_path, "val/flat_relief")[-1]
    assert load_model(finished).name == "surface"


def test_wrong_shapes_and_folders_are_named(tmp_path: Path) -> None:
    model = Surface(SurfaceSettings(size=16, width=8))
    with pytest.raises(ModelError, match=r"\(1, 3, 12, 16\); surface takes .* sides multiples of 8"):
        model.predict(Inputs(image=torch.zeros(1, 3, 12, 16)))
    model.save_pretrained(tmp_path)
    Surface(SurfaceSettings(size=16, width=16)).save_pretrained(tmp_path / "other")
    (tmp_path / "surface.json").write_text((tmp_path / "other" / "surface.json").read_text())
    with pytest.raises(ModelError, match="weights do not fit surface of these settings"):
        load_model(tmp_path)
