# SPDX-License-Identifier: Apache-2.0
"""`multishade models`: what is shipped and what its record states; a model of `wild` from training to that list."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from multishade.cli import main
from multishade.errors import ModelError
from multishade.evaluation.methods.named import named_method
from multishade.models import bundled, load_model
from multishade.models.wild.model import Wild
from multishade.models.wild.settings import WildSettings
from multishade.shards.record import DatasetRecord, open_dataset
from multishade.training import export
from multishade.training.tasks.wild import WildConfig
from multishade.training.trainer import train
from tests.support.synthetic import make_sample, write_synthetic_shard

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps on spheres, with shards of a recorded data set."""
    root = tmp_path_factory.mktemp("run")
    for name, number in (("seen", 0), ("unseen", 1)):
        folder = root / name
        folder.mkdir()
        open_dataset(folder, DatasetRecord({"name": name}, {"objects/0": "0" * 64}, {}))
        samples = [make_sample(f"s{number:06d}-g0000-v{view}", size=32) for view in range(2)]
        write_synthetic_shard(folder / f"multishade-{number:06d}.tar", samples)
    config = {
        "name": "test",
        "output": str(root / "run"),
        "model": {"network": "paper", "width": 8, "size": 32, "heads": ["coverage"]},
        "data": {"train": [str(root / "seen")], "val": [str(root / "unseen")], "workers": 0},
        "objective": {"features": "none", "discriminator_width": 4},
        "optimisation": {"steps": 2, "batch": 2, "learning_rate": 1e-3},
        "validation": {"every": 1, "samples": 2, "pictures": 0},
        "logging": {"every": 1, "tensorboard": False},
    }
    train(WildConfig.model_validate({"task": "wild", **config}), report=lambda text: None)
    return root / "run"


@pytest.fixture
def exported(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run's model in the place of the bundled one."""
    monkeypatch.setattr(bundled, "FOLDERS", {**bundled.FOLDERS, "wild": tmp_path / "weights" / "wild"})
    monkeypatch.setattr(export, "FOLDERS", bundled.FOLDERS)
    return export.export(run)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["models", "--json"]) == 0
    return {model["name"]: model for model in json.loads(capsys.readouterr().out)}


class TestList:
    def test_the_bundled_rose_is_stated_from_its_record(self, capsys: pytest.CaptureFixture[str]) -> None:
        record = json.loads((bundled.FOLDER / "made.json").read_text())
        last = record["runs"][-1]["validation"][-1]
        found = listed(capsys)["rose"]
        assert found["errors"]["mean_angle"] == last["val/mean_angle"]
        assert found["steps"] == sum(each["steps"] for each in record["runs"])
        run = record["runs"][-1]
        places = [place.removeprefix("data/") for place in run["config"]["data"]["train"]]
        samples = [each["samples"] for each in run["data"]["train"]]
        assert found["data"] == dict(zip(places, samples, strict=True))
        assert found["licence"] == "Apache-2.0"
        assert main(["models"]) == 0
        table = capsys.readouterr().out
        assert f"{last['val/mean_angle']:.2f}" in table
        assert bundled.TRAINING_DATA in table

    def test_training_data_are_stated_by_the_record_or_else_by_the_readme(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bundled, "FOLDERS", {"wild": tmp_path})
        (tmp_path / "wild.json").write_text('{"size": 64}')
        assert listed(capsys)["wild"]["training_data"].startswith("see README.md")
        (tmp_path / "README.md").write_text(
            "# A\n\nIt was trained on renders\nof cubes, and of these meshes:\n\n|a|\n"
        )
        expected = "renders of cubes, and of meshes that README.md beside the weights lists"
        assert listed(capsys)["wild"]["training_data"] == expected
        (tmp_path / "made.json").write_text('{"training_data": "spheres", "runs": []}')
        assert listed(capsys)["wild"]["training_data"] == "spheres"

    def test_a_model_that_is_not_installed_has_a_remedy(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bundled, "FOLDERS", {"wild": tmp_path})
        found = listed(capsys)["wild"]
        assert not found["installed"]
        assert found["errors"] is None
        assert main(["models"]) == 0
        assert "wild: not installed; give another" in capsys.readouterr().out


class TestExport:
    def test_weights_record_and_readme(
        self, exported: Path, run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert sorted(path.name for path in exported.iterdir()) == [
            "README.md",
            "generator",
            "made.json",
            "wild.json",
        ]
        with safe_open(exported / "generator" / "model.safetensors", "pt") as tensors:
            kinds = {str(tensors.get_tensor(name).dtype) for name in tensors.keys()}
        assert kinds == {"torch.float16", "torch.int64"}  # batch normalisation counts its batches
        record = json.loads((exported / "made.json").read_text())
        (made,) = record["runs"]
        assert [row["step"] for row in made["training"]] == [1, 2]
        assert record["origin"]["perceptual"]["features"] == "none"
        last = made["validation"][-1]
        readme = (exported / "README.md").read_text()
        assert f"mean angular error {last['val/mean_angle']:.2f} degrees" in readme
        assert "On its 2 validation samples" in readme
        found = listed(capsys)["wild"]
        assert found["installed"]
        assert found["data"] == {"seen": 2}
        assert found["errors"]["constant_angle"] == last["val/constant_angle"]
        assert found["training_data"] == record["training_data"]
        assert "2 samples of seen (objects)" in record["training_data"]

    def test_it_loads_by_its_name_and_by_its_folder(self, exported: Path) -> None:
        by_name, by_folder = load_model("wild"), load_model(exported)
        assert isinstance(by_name, Wild) and isinstance(by_folder, Wild)
        for one, other in zip(
            by_name.network.state_dict().values(), by_folder.network.state_dict().values(), strict=True
        ):
            assert torch.equal(one, other)

    def test_infer_and_evaluate_take_it(
        self, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        photo = tmp_path / "photo.png"
        Image.fromarray(np.full((40, 48, 3), 120, np.uint8)).save(photo)
        out = tmp_path / "out"
        assert main(["infer", str(photo), "--model", "wild", "-o", str(out), "--integrate", "none"]) == 0
        assert list(out.glob("normal*.png"))
        assert "bundled: wild" in "".join(path.read_text() for path in out.glob("*.json"))
        write_synthetic_shard(tmp_path / "a.tar", [make_sample(size=48)])
        command = ["evaluate", "wild", "--on", f"shards:{tmp_path}/a.tar", "--no-maps", "-o"]
        assert main([*command, str(tmp_path / "measured")]) == 0
        rows = (tmp_path / "measured" / "results.csv").read_text().splitlines()
        assert len(rows) == 1 + 4  # the sample has four images


class TestWithoutWeights:
    @pytest.fixture(autouse=True)
    def nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundled, "FOLDERS", {**bundled.FOLDERS, "wild": tmp_path / "none"})

    def test_the_error_names_the_remedy(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["infer", str(tmp_path / "photo.png"), "--model", "wild"]) == 2
        said = capsys.readouterr().err
        assert "not installed" in said
        assert "multishade train wild-tiny" in said
        with pytest.raises(ModelError, match=r"evaluate: wild:FOLDER"):
            named_method("wild")

    def test_a_folder_of_another_model_is_named(self, tmp_path: Path) -> None:
        Wild(WildSettings(width=8, size=32)).save_pretrained(tmp_path / "model")
        with pytest.raises(ModelError, match=f"holds a model of wild; write wild:{tmp_path}"):
            named_method(f"rose:{tmp_path}/model")
