# SPDX-License-Identifier: Apache-2.0
"""Materials in Blender: their structure, their looks in numbers, and normals that agree with the heights under them.

One child process renders everything (`material_renders.py`); the tests read what it wrote.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from multishade.geometry.angles import angular_error_degrees
from multishade.procedural import materials

pytestmark = pytest.mark.blender

SIDES = ("x+", "x-", "y+", "y-", "z+", "z-")
REPEATS, HEIGHT_SCALE = 1.5, 0.05  # as in material_renders.py
TEXELS = 256
GREY = 0.5  # display-encoded


def write_maps(folder: Path) -> None:
    """A relief without any symmetry, as heights and as normals of both conventions; stripes; a checker; bad files."""
    folder.mkdir()
    u, v = (
        (np.arange(TEXELS) + 0.5) / TEXELS,
        (np.arange(TEXELS)[::-1, None] + 0.5) / TEXELS,
    )  # row 0 is the top
    a, b = 2 * np.pi * u, 2 * np.pi * v
    height = 0.5 + 0.2 * np.sin(a + 0.4) + 0.15 * np.sin(2 * b + 1.1) + 0.1 * np.cos(a - 3 * b)
    rise = 2 * np.pi * HEIGHT_SCALE * REPEATS
    along_u = rise * (0.2 * np.cos(a + 0.4) - 0.1 * np.sin(a - 3 * b))
    along_v = rise * (0.3 * np.cos(2 * b + 1.1) + 0.3 * np.sin(a - 3 * b))
    normal = np.stack([-along_u, -along_v, np.ones_like(height)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    for name, green in (("opengl", 1), ("directx", -1)):
        iio.imwrite(folder / f"{name}.png", np.uint8(np.rint(127.5 * (normal * (1, green, 1) + 1))))
    write_exr(folder / "height.exr", np.repeat(height[..., None], 3, axis=-1))
    grey = np.full((64, 64, 3), round(255 * GREY), np.uint8)
    for name in ("grey.png", "mid.png", "mid.jpg", "mid.webp"):
        iio.imwrite(folder / name, grey)
    Image.fromarray(np.full((64, 64), round(65535 * GREY), np.uint16)).save(folder / "mid.16bit.png")
    write_exr(folder / "mid.exr", np.full((64, 64, 3), decoded(GREY)))
    checker = np.uint8(255 * ((np.indices((64, 64)) // 16).sum(axis=0) % 2))
    iio.imwrite(folder / "checker.png", np.repeat(checker[..., None], 3, axis=-1))
    stripes = np.repeat(
        np.uint8([[[230, 40, 40]], [[40, 230, 40]], [[40, 40, 230]], [[90, 90, 90]]]), 16, axis=0
    )
    iio.imwrite(folder / "stripes_wide.png", np.repeat(stripes, 128, axis=1))
    iio.imwrite(folder / "stripes_square.png", np.tile(np.repeat(stripes, 128, axis=1), (2, 1, 1)))
    (folder / "torn.png").write_bytes((folder / "grey.png").read_bytes()[:40])


def write_exr(path: Path, values: np.ndarray) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": np.ascontiguousarray(values, np.float32)}).write(str(path))


def decoded(value: float) -> float:
    return ((value + 0.055) / 1.055) ** 2.4


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("materials")
    write_maps(folder / "maps")
    script = Path(__file__).resolve().parents[1] / "support" / "material_renders.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert child.returncode == 0, child.stdout[-2000:] + child.stderr[-4000:]
    with np.load(folder / "results.npz") as arrays:
        return dict(arrays), json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def arrays(results: tuple[dict[str, np.ndarray], dict[str, Any]]) -> dict[str, np.ndarray]:
    return results[0]


@pytest.fixture(scope="module")
def facts(results: tuple[dict[str, np.ndarray], dict[str, Any]]) -> dict[str, Any]:
    return results[1]


def errors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles in degrees where both hit the object."""
    hit = (np.linalg.norm(first, axis=-1) > 0.9) & (np.linalg.norm(second, axis=-1) > 0.9)
    assert hit.sum() > 200
    return angular_error_degrees(first[hit], second[hit])


@pytest.mark.parametrize("family", materials.FAMILIES)
def test_a_built_in_material_is_one_principled_shader_with_all_relief_in_its_normal(
    facts: dict[str, Any], family: str
) -> None:
    for seed in (1, 2):
        assert facts[f"structure {family} {seed}"] == {
            "principled shaders": 1,
            "other shaders": 0,
            "surface is principled": True,
            "displaced": False,
            "normal linked": True,
            "coat normal is normal": True,
            "alpha": None,
            "emission": 0.0,
        }


@pytest.mark.parametrize("family", materials.FAMILIES)
def test_nothing_is_black_and_nothing_glows(arrays: dict[str, np.ndarray], family: str) -> None:
    """Under a sun of irradiance 3 and a grey world of radiance 0.5 a white diffuse ball has radiance 1.5 at most."""
    for seed in (1, 2):
        image = arrays[f"image {family} {seed}"]
        radiance = image[image[..., 3] > 0.99][:, :3].mean(axis=-1)
        assert np.isfinite(image).all()
        assert 0.015 < np.median(radiance) < 1.2
        assert np.percentile(radiance, 5) > 0.002


@pytest.mark.parametrize("family", materials.FAMILIES)
def test_relief_is_there_and_does_not_hang_on_the_resolution(
    arrays: dict[str, np.ndarray], family: str
) -> None:
    fine, coarse = arrays[f"fine {family}"], arrays[f"coarse {family}"]
    assert 0.3 < errors(fine, arrays["smooth"]).mean() < 25
    difference = errors(fine[1::3, 1::3], coarse)  # a pixel of 64 and every third of 192 have the same centre
    assert difference.mean() < 1.5
    assert np.median(difference) < 0.7


@pytest.mark.parametrize("side", SIDES)
def test_box_projected_relief_agrees_with_a_bump_of_its_height(
    arrays: dict[str, np.ndarray], side: str
) -> None:
    """On each side of a cube: normal maps of both conventions, and the height map, against Cycles' own box and bump."""
    flat = np.broadcast_to(np.eye(3)["xyz".index(side[0])] * (1 if side[1] == "+" else -1), (64, 64, 3))
    assert errors(arrays[f"bump {side}"], flat).mean() > 6
    for source in ("opengl", "directx", "height"):
        assert errors(arrays[f"{source} {side}"], arrays[f"bump {side}"]).mean() < 0.4
    assert errors(arrays[f"opengl {side}"], arrays[f"directx {side}"]).max() < 0.01


def test_box_projected_relief_agrees_with_a_bump_where_projections_blend(
    arrays: dict[str, np.ndarray],
) -> None:
    difference = errors(arrays["opengl ball"], arrays["bump ball"])
    assert np.median(difference) < 0.4
    assert np.percentile(difference, 99) < 1.0


@pytest.mark.parametrize("convention", ["opengl", "directx"])
def test_box_projection_agrees_with_tangents_from_uvs(arrays: dict[str, np.ndarray], convention: str) -> None:
    by_uv, by_box = arrays[f"uv {convention}"], arrays[f"box {convention}"]
    assert errors(by_uv, np.broadcast_to((0.0, 0.0, 1.0), by_uv.shape)).mean() > 6
    assert errors(by_uv, by_box).mean() < 0.01
    assert errors(by_uv, arrays["uv height"]).mean() < 2.0  # the height is differenced over a (large) pixel


def test_the_closed_form_of_a_bowl_is_its_bump(arrays: dict[str, np.ndarray]) -> None:
    difference = errors(arrays["bowls exact"], arrays["bowls bumped"])
    assert np.median(difference) < 0.4
    assert np.percentile(difference, 95) < 1.5


def test_a_map_that_is_not_square_keeps_its_proportions(arrays: dict[str, np.ndarray]) -> None:
    """Twice as wide as high, it shows what its copy, doubled to a square by hand, shows."""
    wide, square = arrays["stripes_wide.png"], arrays["stripes_square.png"]
    assert square[..., :3].std() > 0.05
    assert np.abs(wide - square).mean() < 0.002


def test_opacity_makes_crisp_holes(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    assert facts["structure holed"]["alpha"] == "GREATER_THAN"
    alpha, whole = arrays["holed"][..., 3], arrays["whole"][..., 3]
    assert set(np.unique(alpha)) == {0.0, 1.0}
    assert 0.4 < alpha.sum() / whole.sum() < 0.6


@pytest.mark.parametrize("repeats", [1, 40])
@pytest.mark.parametrize("file", ["mid.jpg", "mid.webp", "mid.exr", "mid.16bit.png"])
def test_every_format_gives_the_same_colour(arrays: dict[str, np.ndarray], repeats: int, file: str) -> None:
    expected, image = arrays["1 mid.png"], arrays[f"{repeats} {file}"]
    inside = expected[..., 3] > 0.99
    np.testing.assert_allclose(image[inside][:, :3].mean(), expected[inside][:, :3].mean(), rtol=0.02)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "MapUnusable: .*nowhere.png: no such map"),
        ("torn", "MapUnusable: .*torn.png: not an image"),
        ("unknown map", "ValueError: map set: unknown maps gloss; there are: base_color, "),
        ("convention", "ValueError: map set: normal_convention 'vulkan' is not one of opengl, directx"),
        ("repeats", "ValueError: map set: repeats 0.0 is not above 0"),
        ("source", "ValueError: material 'wrong': source 'scanned' is neither 'builtin' nor 'maps'"),
        (
            "family",
            "ValueError: built-in material family 'velvet' does not exist; there are: metal_brushed, ",
        ),
    ],
)
def test_what_cannot_be_built_is_named(facts: dict[str, Any], name: str, message: str) -> None:
    assert re.match(message, facts[f"error {name}"]), facts[f"error {name}"]
