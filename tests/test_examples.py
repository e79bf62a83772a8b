# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are printed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.imports import REPOSITORY
from tests.support.synthetic import make_sample, write_synthetic_shard


@pytest.mark.blender
def test_quickstart_recovers_the_normals_of_a_rendered_object(tmp_path: Path) -> None:
    script = REPOSITORY / "examples" / "quickstart.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "data")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    error = re.search(r"mean angular error (\d+\.\d+) degrees", done.stdout)
    assert error is not None and float(error[1]) < 1
    assert (tmp_path / "data" / "surface.ply").stat().st_size > 10_000


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_javascript_reader_agrees_with_ours(tmp_path: Path) -> None:
    sample = make_sample("s000000-g0000-v0", size=37)
    write_synthetic_shard(tmp_path / "multishade-000000.tar", [sample])
    command = ["node", str(REPOSITORY / "examples" / "reader.mjs"), str(tmp_path), sample.key]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["object"] == "sphere" and found["size"] == [37, 37]
    assert found["normal"] == pytest.approx(sample.normal[18, 18].tolist(), abs=1e-3)
    assert found["pixels"] == np.count_nonzero(sample.mask)
    assert found["nearest"] == pytest.approx(float(sample.depth.min()), rel=1e-6)


def results(folder: Path) -> Path:
    """What `infer` writes of a grey ball."""
    from dataclasses import replace

    from multishade.inference.results import results_of_prediction
    from multishade.inference.write import write_results
    from tests.support.spheres import sphere_prediction

    ball = sphere_prediction(60, 80, 26)
    pixels = np.full((60, 80, 3), 0.6, np.float32)
    write_results(
        folder, results_of_prediction(replace(ball, photo=replace(ball.photo, pixels=pixels)), "poisson")
    )
    return folder


@pytest.mark.blender
def test_the_scene_for_blender_is_lit_from_the_upper_left(tmp_path: Path) -> None:
    from PIL import Image

    script = REPOSITORY / "examples" / "blender" / "lit_scene.py"
    command = [sys.executable, str(script), str(results(tmp_path / "ball")), str(tmp_path / "lit.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "lit.png") as image:
        shown = np.asarray(image.convert("RGBA"), float)
    inside = shown[..., 3] > 250
    rows, columns = np.nonzero(inside)
    middle = rows.mean(), columns.mean()
    assert middle == pytest.approx((255.5, 255.5), abs=12)  # upright in the middle, facing the camera
    light = shown[..., :3].mean(axis=2)
    row, column = np.mgrid[:512, :512]
    upper_left = inside & (row < middle[0] - 40) & (column < middle[1] - 40)
    lower_right = inside & (row > middle[0] + 40) & (column > middle[1] + 40)
    assert light[upper_left].mean() > 2 * light[lower_right].mean()


def test_the_node_for_comfyui_gives_images_and_masks(tmp_path: Path) -> None:
    import importlib.util

    import torch

    from tests.support.rose_samples import tiny_model

    tiny_model().save_pretrained(tmp_path / "model")
    path = REPOSITORY / "examples" / "comfyui" / "multishade_node.py"
    spec = importlib.util.spec_from_file_location("multishade_node", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    node = module.NODE_CLASS_MAPPINGS["MultiShadeNormals"]()
    kinds = node.INPUT_TYPES()["required"]["green"][0]
    image, mask = torch.rand(2, 24, 30, 3), torch.ones(1, 24, 30)
    up, trust = node.run(image, kinds[0], str(tmp_path / "model"), mask)
    down, _ = node.run(image, kinds[1], str(tmp_path / "model"), mask)
    assert up.shape == (2, 24, 30, 3) and trust.shape == (2, 24, 30)
    assert torch.allclose(down[..., 1], 1 - up[..., 1], atol=1e-6) and torch.equal(down[..., 0], up[..., 0])
    without, _ = node.run(image, kinds[0], str(tmp_path / "model"))
    # What "Load Image" gives for a picture without alpha.
    empty, _ = node.run(image, kinds[0], str(tmp_path / "model"), torch.zeros(1, 64, 64))
    assert torch.equal(empty, without)
    with pytest.raises(ValueError, match=r"a mask of \(64, 64\) for an image of \(24, 30\)"):
        node.run(image, kinds[0], str(tmp_path / "model"), torch.ones(1, 64, 64))


def test_the_onnx_example_needs_nothing_of_ours(tmp_path: Path) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    from PIL import Image

    from multishade.geometry.angles import angular_error_degrees
    from multishade.inference.predict import infer
    from multishade.models.rose.export import export_onnx
    from tests.support.rose_samples import tiny_model

    script = REPOSITORY / "examples" / "onnx" / "normals.py"
    assert "import multishade" not in script.read_text() and "from multishade" not in script.read_text()
    model = tiny_model()
    model.save_pretrained(tmp_path / "model")
    export_onnx(model, tmp_path / "model" / "model.onnx")
    side = model.settings.size
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    command = [sys.executable, str(script), str(tmp_path / "model"), "photo.png", "normal.png"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "normal.png") as image:
        found = np.asarray(image, float) / 127.5 - 1
    ours = infer(
        pixels.astype(np.float32) / 255, model, np.ones((side, side), bool), crop=False, solver="ols"
    )
    assert np.nanmedian(angular_error_degrees(found, ours.normal)) < 1
