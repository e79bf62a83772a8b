# SPDX-License-Identifier: Apache-2.0
"""`multishade depth`: a plane stays the plane whatever the network's weights are; what cannot be is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from multishade.cli import main
from multishade.geometry.camera import central_intrinsics, focal_of_view, pixel_grid
from multishade.imaging import codecs
from tests.support.depth_scenes import TILT, tiny

SHAPE, FOV = (40, 48), 40.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photo.png, mask.png, normal.exr and depth.exr of a tilted plane, and a network with random weights."""
    folder = tmp_path_factory.mktemp("scene")
    x, y = pixel_grid(SHAPE, central_intrinsics(SHAPE[1], SHAPE[0], focal_of_view(FOV, SHAPE[1])))
    normal = TILT + [0, 0, np.sqrt(1 - TILT @ TILT)]
    depth = -2.5 / (normal[0] * x + normal[1] * y - normal[2])
    mask = np.zeros(SHAPE, bool)
    mask[5:35, 8:40] = True
    rng = np.random.default_rng(0)
    codecs.write_png(folder / "photo.png", rng.integers(0, 255, (*SHAPE, 3), dtype=np.uint8))
    codecs.write_png(folder / "mask.png", np.where(mask, np.uint8(255), np.uint8(0)))
    normals = np.where(mask[..., None], normal, 0).astype(np.float32)
    codecs.write_exr(folder / "normal.exr", codecs.split_channels(normals, "XYZ"))
    codecs.write_exr(folder / "depth.exr", {"Z": np.where(mask, depth, np.inf).astype(np.float32)})
    rows = [f"{column + 0.5},{row + 0.5},{depth[row, column]:.6f}" for row, column in ((12, 14), (28, 33))]
    (folder / "points.csv").write_text("u,v,depth\n" + "\n".join(rows) + "\n")
    tiny(plane="both", iterations=3).save_pretrained(folder / "model")
    return folder


def run(scene: Path, out: Path, *options: str) -> int:
    given = ["--mask", str(scene / "mask.png"), "--normals", str(scene / "normal.exr"), "--video", "none"]
    method = f"irondepth:{scene / 'model'}"
    return main(["depth", str(scene / "photo.png"), "-o", str(out), "--method", method, *given, *options])


def test_a_plane_that_is_refined_stays_the_plane(scene: Path, tmp_path: Path) -> None:
    assert run(scene, tmp_path, "--fov-x", str(FOV), "--refine", str(scene / "depth.exr")) == 0
    found = codecs.read_exr(tmp_path / "depth.exr")["Z"]
    true = codecs.read_exr(scene / "depth.exr")["Z"]
    inside = np.isfinite(true) & (found > 0)
    assert inside.sum() > 0.9 * np.isfinite(true).sum()
    assert np.abs(found - true)[inside].max() < 0.02
    assert np.abs(found - true)[inside].mean() < 0.003
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["command"], record["iterations"], record["anchors"]) == ("depth", 3, None)
    assert (tmp_path / "surface.glb").is_file()


def test_anchors_bring_their_scale(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scene, tmp_path, "--fov-x", str(FOV), "--anchors", str(scene / "points.csv")) == 0
    found, true = (codecs.read_exr(folder / "depth.exr")["Z"] for folder in (tmp_path, scene))
    inside = np.isfinite(true) & (found > 0)
    assert abs(found[inside].mean() / true[inside].mean() - 1) < 0.1
    assert abs(found[12, 14] - true[12, 14]) < 0.05
    assert "in units of: that of the given depth" in capsys.readouterr().out


def test_without_a_camera_it_is_orthographic(scene: Path, tmp_path: Path) -> None:
    assert run(scene, tmp_path, "--iterations", "1") == 0
    assert (tmp_path / "height.png").is_file()
    assert not (tmp_path / "depth.exr").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u,v,depth\n1,2\n", r"points\.csv:2: expected u,v,depth with depth above 0, found 1,2"),
        ("1,2,3\nx,2,3\n", r"points\.csv:2: expected u,v,depth, found x,2,3"),
        ("1,2,-3\n", r"points\.csv:1: expected u,v,depth with depth above 0"),
        ("60,2,3\n", r"points\.csv:1: the point lies beyond the photo of 48 x 40 pixels"),
        ("# none\n", r"points\.csv: holds no point"),
        ("1,2,3\n", "none of the 1 anchors lies on the object"),
    ],
)
def test_anchors_that_are_none(
    text: str, message: str, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    path = tmp_path / "points.csv"
    path.write_text(text)
    assert run(scene, tmp_path / "out", "--anchors", str(path)) == 2
    assert re.search(message, capsys.readouterr().err)


def test_what_does_not_fit_is_refused(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codecs.write_exr(tmp_path / "small.exr", {"Z": np.ones((4, 4), np.float32)})
    assert run(scene, tmp_path / "out", "--refine", str(tmp_path / "small.exr")) == 2
    assert "small.exr: depth of 4 x 4 pixels for a photo of 48 x 40" in capsys.readouterr().err
    assert run(scene, tmp_path / "out", "--model", "other") == 2
    assert "--normals and --model exclude each other" in capsys.readouterr().err
    assert main(["depth", str(scene / "photo.png"), "--method", "magic", "-o", str(tmp_path / "out")]) == 2
    assert "--method magic: expected irondepth" in capsys.readouterr().err
