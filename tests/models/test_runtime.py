# SPDX-License-Identifier: Apache-2.0
"""The exported network: the same numbers as torch at any size and batch, in small files, run without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from multishade.cli import main
from multishade.errors import ModelError
from multishade.extras import MissingPackageError
from multishade.inference.predict import infer
from multishade.models import load_model
from multishade.models.base import Inputs
from multishade.models.registry import has_onnx
from multishade.models.rose import RoSE, RoseSettings
from multishade.models.rose.export import OPSET, export_onnx
from multishade.models.rose.presets import build
from multishade.models.rose.runtime import OnnxRoSE
from tests.support.rose_samples import FRAMES_NETWORK, tiny_model
from tests.support.stereo_samples import tiny as tiny_stereo

TOLERANCE = 1e-3


def written(folder: Path, preset: str, **options: Any) -> Path:
    """A model with random weights, as safetensors in half precision and as ONNX."""
    torch.manual_seed(0)
    settings = RoseSettings(**{"size": 32, "process": "one_step", **options})
    weights: dict[str, Any] = {"weights": "random"} if preset.startswith("lite") else {}
    model = RoSE(build(preset, settings, **weights))
    model.save_pretrained(folder, dtype=torch.float16)
    export_onnx(model, folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    heads = ("coverage", "error")
    sampling = {"mirror": True}
    return written(
        tmp_path_factory.mktemp("lite"), "lite0-small", photo="rgb", heads=heads, sampling=sampling
    )


class TestExport:
    @pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (3, 64, 96)])
    def test_the_numbers_are_torchs_at_any_size(
        self, lite: Path, batch: int, height: int, width: int
    ) -> None:
        photos = torch.rand(batch, 3, height, width)
        with torch.no_grad():
            expected = RoSE.from_pretrained(lite).one_step(photos)
        found = OnnxRoSE.from_pretrained(lite).outputs(photos.numpy())
        assert expected.coverage is not None and expected.error is not None
        for name, value in (
            ("frames", expected.frames),
            ("coverage", expected.coverage.sigmoid()),
            ("error", expected.error.exp()),
        ):
            np.testing.assert_allclose(found[name], value.numpy(), atol=TOLERANCE, rtol=TOLERANCE)

    @pytest.mark.parametrize("options", [{}, {"target": "normal"}, {"photo": "rgb", "heads": ("error",)}])
    def test_every_one_step_network_without_a_vae_can_be_exported(
        self, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        folder = written(tmp_path, "channels-tiny", **options)
        photo = torch.rand(1, 3, 32, 32)
        expected = RoSE.from_pretrained(folder).generate(photo)
        found = OnnxRoSE.from_pretrained(folder).outputs(photo.numpy())["frames"]
        np.testing.assert_allclose(found, expected.numpy(), atol=TOLERANCE)

    def test_weights_are_halved_and_the_opset_is_stated(self, lite: Path) -> None:
        stored = (lite / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
        assert (lite / "model.onnx").stat().st_size < 1.1 * stored
        assert onnx.load(lite / "model.onnx").opset_import[0].version == OPSET

    def test_a_sampled_model_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="only one-step models"):
            export_onnx(tiny_model(FRAMES_NETWORK), tmp_path / "model.onnx")


class TestCommand:
    def test_the_exported_folder_is_a_model_that_needs_no_torch(
        self, lite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "exported" / "model.onnx"
        assert main(["export", str(lite), "--onnx", "-o", str(file)]) == 0
        told = capsys.readouterr().out
        assert float(told.split("at most ")[1].split()[0]) < TOLERANCE
        photos: Any = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
        expected = load_model(lite).predict(Inputs(image=torch.from_numpy(photos)))
        found: Any = load_model(file.parent, runtime="onnx").predict(Inputs(image=photos))
        np.testing.assert_allclose(found.shading, expected.shading.numpy(), atol=TOLERANCE)  # type: ignore[union-attr]
        # The same model again is no other model; another one is.
        assert main(["export", str(lite), "--onnx", "-o", str(file)]) == 0
        (file.parent / "rose.json").write_text(json.dumps({"size": 64}), encoding="utf-8")
        assert main(["export", str(lite), "--onnx", "-o", str(file)]) == 2
        assert "is of another model" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["s000000-g0001-v0"], "exports one model"),
            (["other"], "exports one model"),
            (["--as", "png"], "exports one model"),
            (["-o", "folder"], "with --onnx it is the file, such as folder/model.onnx"),
        ],
    )
    def test_options_of_samples_are_refused(
        self,
        lite: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        options: list[str],
        message: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["export", str(lite), "--onnx", *options]) == 2
        assert message in capsys.readouterr().err

    def test_models_that_are_none_of_one_step_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        tiny_model(FRAMES_NETWORK).save_pretrained(tmp_path / "sampled")
        assert main(["export", "sampled", "--onnx"]) == 2
        assert "only one-step models" in capsys.readouterr().err
        tiny_stereo("ps-fcn").save_pretrained(tmp_path / "stereo")
        assert main(["export", "stereo", "--onnx"]) == 2
        assert "a model of ps-fcn" in capsys.readouterr().err


class TestRuntime:
    def test_predictions_agree_with_torchs(self, lite: Path) -> None:
        photos = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
        expected = load_model(lite).predict(Inputs(image=torch.from_numpy(photos)))
        arrays: Any = photos
        found: Any = load_model(lite, runtime="onnx").predict(Inputs(image=arrays))
        for name in ("shading", "coverage", "confidence"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name).numpy(), atol=TOLERANCE)
        assert (found.mask == expected.mask.numpy()).mean() > 0.99  # type: ignore[union-attr]

    def test_infer_takes_it_as_any_model(self, lite: Path) -> None:
        photo = np.random.default_rng(1).random((40, 50, 3)).astype(np.float32)
        mask = np.ones((40, 50), bool)
        found, expected = (infer(photo, load_model(lite, runtime=kind), mask) for kind in ("onnx", "torch"))
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=5 * TOLERANCE)
        assert found.frames is not None and found.frames.shape == (9, 32, 32)

    def test_auto_takes_onnxruntime_unless_an_option_needs_torch(self, lite: Path, tmp_path: Path) -> None:
        assert has_onnx(lite) and not has_onnx(tmp_path)
        assert isinstance(load_model(lite, runtime="auto"), OnnxRoSE)
        assert isinstance(load_model(lite, "cpu", runtime="auto"), RoSE)
        with pytest.raises(ModelError, match="take runtime torch"):
            load_model(lite, "cpu", runtime="onnx")

    def test_a_folder_without_the_network_and_a_damaged_one_are_named(
        self, lite: Path, tmp_path: Path
    ) -> None:
        tiny_model(process="one_step").save_pretrained(tmp_path)
        with pytest.raises(ModelError, match=r"no rose\.json and model\.onnx"):
            load_model(tmp_path, runtime="onnx")
        (tmp_path / "model.onnx").write_bytes(b"no network")
        with pytest.raises(ModelError, match=r"model\.onnx: onnxruntime cannot load it"):
            load_model(tmp_path, runtime="onnx")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"size": 40}, "cannot run it on 40 x 40 pixels"),
            ({"lights": 5}, r"frames of shape \(1, 9, 32, 32\), but its rose\.json states 5"),
            ({"heads": []}, r"makes frames, coverage, error, but its rose\.json states frames"),
        ],
    )
    def test_settings_of_another_network_are_named(
        self, lite: Path, tmp_path: Path, change: dict[str, Any], message: str
    ) -> None:
        shutil.copytree(lite, tmp_path / "model")
        settings = tmp_path / "model" / "rose.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | change))
        with pytest.raises(ModelError, match=message):
            infer(np.zeros((40, 50, 3), np.float32), load_model(tmp_path / "model", runtime="onnx"))

    def test_it_needs_no_torch(self, lite: Path, tmp_path: Path) -> None:
        code = f"""
import sys
import numpy as np
for name in ("torch", "diffusers", "transformers", "huggingface_hub", "safetensors", "accelerate"):
    sys.modules[name] = None
from multishade import infer, load_model
photo = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
print(infer(photo, {str(lite)!r}, np.ones((40, 50))).normal.shape)
from multishade.extras import MissingPackageError
try:
    load_model({str(lite)!r})
except MissingPackageError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        first, second = done.stdout.splitlines()
        assert first == "(40, 50, 3)"
        assert second.endswith("are not installed: pip install 'multishade[train]'")

    def test_without_onnxruntime_the_extra_is_named(
        self, lite: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(MissingPackageError, match=r"pip install 'multishade\[infer\]'"):
            load_model(lite, runtime="onnx")
        assert isinstance(load_model(lite, runtime="auto"), RoSE)
