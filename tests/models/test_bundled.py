# SPDX-License-Identifier: Apache-2.0
"""The bundled model: it loads, fits, records how it was made, and sees more than a constant and a sphere do."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from multishade.cli import main
from multishade.errors import ModelError
from multishade.evaluation.methods.learned import paper_photographs
from multishade.evaluation.methods.named import named_method
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import diligent, shards
from multishade.evaluation.run import angular_errors
from multishade.inference.framing import frame
from multishade.inference.photo import linear_photo
from multishade.models.bundled import bundled_model
from multishade.models.rose import RoSE
from multishade.models.rose.runtime import OnnxRoSE
from multishade.shards.record import DatasetRecord, open_dataset
from multishade.training import export
from multishade.training.tasks.rose import RoseConfig
from tests.support.rose_samples import LitSpheres, sphere_batch, tiny_model
from tests.support.synthetic import make_sample, write_synthetic_shard

pytestmark = pytest.mark.usefixtures("one_process")

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "configs" / "demo.yaml"


def mean_errors(target: BenchmarkObject, name: str) -> list[float]:
    """Of each of a method's predictions, degrees; a pixel without a normal counts as a right angle."""
    made = named_method(name)(target)
    errors = (np.nan_to_num(angular_errors(one.normal, target), nan=90.0) for one in made)
    return [float(error[target.scored].mean()) for error in errors]


class TestBundledModel:
    def test_half_precision_on_disk_and_single_in_use(self) -> None:
        (weights,) = bundled_model().rglob("*.safetensors")
        assert weights.stat().st_size <= 32_000_000
        with safe_open(weights, "pt") as tensors:
            kinds = {str(tensors.get_tensor(name).dtype) for name in tensors.keys()}
        assert kinds == {"torch.float16", "torch.int64"}  # BatchNorm counts its batches
        model = RoSE.from_pretrained(bundled_model())
        assert {value.dtype for value in model.unet.parameters()} == {torch.float32}
        assert (model.settings.process, model.settings.target) == ("one_step", "shading")

    def test_the_network_for_onnxruntime_is_that_of_the_weights(self, shared_dir: Path) -> None:
        model, runtime = RoSE.from_pretrained(bundled_model()), OnnxRoSE.from_pretrained(bundled_model())
        assert (bundled_model() / "model.onnx").stat().st_size <= 32_000_000
        (cat,) = diligent.read(shared_dir / "benchmarks" / "diligent" / "catPNG")
        for index, name in list(paper_photographs(cat))[:2]:
            seen = frame(linear_photo(cat.input(index), cat.mask, name), model.settings.size)
            photo = np.moveaxis(seen.pixels, 2, 0)[None].copy()
            with torch.no_grad():
                expected = model.one_step(torch.from_numpy(photo))
            found = runtime.outputs(photo)
            assert expected.coverage is not None and expected.error is not None
            for value, other in (
                (expected.frames, found["frames"]),
                (expected.coverage.sigmoid(), found["coverage"]),
                (expected.error.exp(), found["error"]),
            ):
                np.testing.assert_allclose(other, value.numpy(), atol=1e-3, rtol=0)


@pytest.mark.blender
def test_unseen_objects_beyond_the_baselines_in_a_second_each(tmp_path: Path) -> None:
    small = ["split=test", "shards.count=1", "shards.groups=3", "views.count=1", "camera.width=128"]
    small += ["camera.height=128", "shading.stored=false", "lights.environment.count=1"]
    sets = [f"--set={one}" for one in small]
    folder = tmp_path / "shards"
    assert main(["render", str(DEMO), *sets, "-o", str(folder), "--shards", "0", "--workers", "1"]) == 0
    found: dict[str, list[float]] = {"rose": [], "constant": [], "sphere": []}
    for target in shards.read(folder):
        for name, errors in found.items():
            errors.append(float(np.mean(mean_errors(target, name))))
    means = {name: float(np.mean(errors)) for name, errors in found.items()}
    assert means["rose"] < 0.85 * means["constant"], means
    assert means["rose"] < 0.85 * means["sphere"], means


def test_a_real_photograph(shared_dir: Path) -> None:
    (cat,) = diligent.read(shared_dir / "benchmarks" / "diligent" / "catPNG")
    errors = mean_errors(cat, "rose")
    assert len(errors) == 10
    assert np.mean(errors) < 0.8 * mean_errors(cat, "sphere")[0]
    assert np.mean(errors) < 0.8 * mean_errors(cat, "constant")[0]


def test_the_command_needs_no_model_to_be_named(tmp_path: Path) -> None:
    from PIL import Image

    batch: LitSpheres = sphere_batch(0, count=1, size=96)
    grey = np.rint(batch.image[0, 0].numpy() * 255).astype(np.uint8)
    mask = (batch.mask[0, 0].numpy() * 255).astype(np.uint8)
    Image.fromarray(np.dstack([grey, grey, grey, mask])).save(tmp_path / "ball.png")
    begun = time.perf_counter()
    assert (
        main(["infer", str(tmp_path / "ball.png"), "-o", str(tmp_path / "out"), "--integrate", "none"]) == 0
    )
    assert time.perf_counter() - begun < 60  # seconds on a machine that is busy with other tests
    assert (tmp_path / "out" / "overview.png").is_file()


class TestExport:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        """Two runs as `multishade train` leaves them, the second of which goes on from the first's model."""
        folder = tmp_path / "shards"
        open_dataset(folder, DatasetRecord({"name": "spheres"}, {"objects/0": "0" * 64}, {}))
        write_synthetic_shard(folder / "a.tar", [make_sample(size=24)])
        model: dict[str, object] = {"preset": "channels-tiny"}
        for name in ("first", "second"):
            run = tmp_path / name
            tiny_model().save_pretrained(run / "model")
            data = {"train": [str(folder)], "val": [str(folder)]}
            options = {"name": name, "model": model, "data": data, "logging": {"every": 20}}
            (run / "config.json").write_text(RoseConfig.model_validate(options).model_dump_json())
            rows = [{"step": n, "train/loss": 1 / n, "seconds": 0.5} for n in (20, 40, 60)]
            checked = {
                "step": 60,
                "val/mean_angle": 20.0,
                "val/median_angle": 18.0,
                "val/constant_angle": 40.0,
            }
            (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, checked]))
            model = {"pretrained": str(run / "model")}
        return run

    def test_weights_record_and_curves(self, run: Path, tmp_path: Path) -> None:
        export.export(run, tmp_path / "exported", tmp_path / "curves.png")
        exported, given = (
            RoSE.from_pretrained(folder).unet.state_dict()
            for folder in (tmp_path / "exported", run / "model")
        )
        for name, value in given.items():
            torch.testing.assert_close(exported[name], value.half().float(), rtol=0, atol=0)
        first, second = json.loads((tmp_path / "exported" / export.RECORD).read_text())["runs"]
        assert (first["config"]["name"], second["config"]["name"]) == ("first", "second")
        assert second["seconds"] == 30
        assert second["validation"][0]["val/mean_angle"] == 20.0
        assert [row["step"] for row in first["training"]] == [20, 40, 60]
        (data,) = second["data"]["train"]
        assert data["config"] == {"name": "spheres"}
        assert list(data["shards"]) == ["a.tar"]
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
        assert "_name_or_path" not in (tmp_path / "exported" / "unet" / "config.json").read_text()

    def test_the_same_run_gives_the_same_bytes(self, run: Path, tmp_path: Path) -> None:
        def bytes_of(name: str) -> dict[str, bytes]:
            folder = export.export(run, tmp_path / name, tmp_path / name / "curves.png")
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}

        assert bytes_of("once") == bytes_of("again")

    def test_a_run_without_a_model_and_weights_that_are_too_large(
        self, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "LARGEST_BYTES", {"rose": 1000})
        with pytest.raises(ModelError, match="MB of weights; a bundled model may have 0.001 MB"):
            export.export(run, tmp_path / "exported")
        shutil.rmtree(run / "model")
        with pytest.raises(ModelError, match="neither a model nor a checkpoint"):
            export.export(run, tmp_path / "exported")
