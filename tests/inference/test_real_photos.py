# SPDX-License-Identifier: Apache-2.0
"""Files of real photos by the bundled model: each opens in readers that are not ours, and all agree."""

import json
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import skimage.data
import trimesh
from PIL import Image

from multishade.cli import main
from multishade.geometry.angles import angular_error_degrees


@pytest.fixture(scope="module", params=["DiLiGenT's cat with its mask", "a cup before a table"])
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    options: list[str] = []
    if request.param == "a cup before a table":
        photo = folder / "cup.jpg"
        Image.fromarray(skimage.data.coffee()).resize((300, 200)).save(photo, quality=95)
    else:
        shared: Path = request.getfixturevalue("shared_dir")
        photo = shared / "benchmarks" / "diligent" / "catPNG" / "021.png"
        options = ["--mask", str(photo.with_name("mask.png"))]
    assert main(["infer", str(photo), "-o", str(folder / "out"), *options]) == 0
    return folder / "out"


def normals(out: Path) -> np.ndarray:
    """(H, W, 3) of normal.exr by OpenEXR."""
    with OpenEXR.File(str(out / "normal.exr"), separate_channels=True) as file:
        channels = file.channels()
        return np.stack([channels[name].pixels for name in "XYZ"], axis=2)


def test_every_file_opens_in_a_reader_of_its_own(out: Path) -> None:
    files = json.loads((out / "conventions.json").read_text(encoding="utf-8"))["files"]
    assert set(files) | {"conventions.json"} == {path.name for path in out.iterdir()}
    height, width = normals(out).shape[:2]
    for name in files:
        path = out / name
        if path.suffix in (".png", ".gif") and name not in ("overview.png", "shading.gif"):
            assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[:2] == (height, width)
            with Image.open(path) as image:
                image.load()
                assert image.size == (width, height)
        elif path.suffix in (".png", ".gif"):
            with Image.open(path) as image:
                image.load()
        elif path.suffix in (".glb", ".ply"):
            meshes = trimesh.load_scene(path, process=False).geometry.values()
            assert sum(len(mesh.faces) for mesh in meshes) > 100
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        else:
            assert path.suffix in (".exr", ".html"), name


def test_normals_agree_to_the_rounding_of_their_codes(out: Path) -> None:
    exact = normals(out)
    given = (exact != 0).any(axis=2)
    assert np.abs(np.linalg.norm(exact[given], axis=1) - 1).max() < 1e-5
    coded, flipped = (
        cv2.imread(str(out / f"normal_{kind}.png"), -1)[..., ::-1].astype(int) for kind in ("gl", "dx")
    )
    assert np.abs(2 * coded / 65535 - 1 - exact)[given].max() <= 1.01 / 65535
    assert np.array_equal(flipped, np.where([False, True, False], 65535 - coded, coded))
    mask = cv2.imread(str(out / "mask.png"), -1) == 255
    assert 0.05 < mask.mean() < 0.95
    assert not (given & ~mask).any() and (given & mask).sum() > 0.99 * mask.sum()


def test_the_surface_has_the_normals_of_the_map(out: Path) -> None:
    """At the vertices to 2 degrees, and the triangles' own planes follow them."""
    (mesh,) = trimesh.load_scene(out / "surface.glb", process=False).geometry.values()
    exact = normals(out)
    height, width = exact.shape[:2]
    # glTF's texture coordinates begin at the top left; trimesh turns v over.
    u, v = (mesh.visual.uv * (width, height)).T
    column, row = u.astype(int).clip(0, width - 1), (height - v).astype(int).clip(0, height - 1)
    given = (exact[row, column] != 0).any(axis=1)
    assert given.mean() > 0.95
    error = angular_error_degrees(mesh.vertex_normals[given], exact[row, column][given])
    assert np.median(error) < 2
    middle = mesh.faces[:, 0]
    planes = angular_error_degrees(mesh.face_normals, mesh.vertex_normals[middle])
    assert np.median(planes) < 10
