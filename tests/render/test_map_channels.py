# SPDX-License-Identifier: Apache-2.0
"""A map that is a channel of a packed image, or inverted, renders as the same map in a file of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from multishade.config import models
from multishade.protocol.scene import Group, Light, Sequence, View
from multishade.render.blender import BlenderProcess, render_views
from multishade.render.stopwatch import Stopwatch
from tests.support.scenes import ANY_FILE, camera, mesh_source, settings

pytestmark = pytest.mark.blender
LIGHT = Light("image_parallel", "parallel", direction=(0.3, 0.4, 0.866), strength=3.0, size=1.0)


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    rng = np.random.default_rng(3)
    planes = rng.integers(20, 230, (3, 8, 8), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    for name, plane in zip(("metallic", "roughness", "ao"), planes, strict=True):
        Image.fromarray(plane).save(folder / f"{name}.png")
    Image.fromarray(255 - planes[1]).save(folder / "smoothness.png")
    Image.fromarray(np.moveaxis(planes, 0, 2)).save(folder / "mrao.png")
    Image.fromarray(np.full((32, 32, 3), 150, np.uint8)).save(folder / "color.png")
    return folder


def rendered(
    blender: BlenderProcess, folder: Path, projection: str, names: dict[str, str], **more: Any
) -> np.ndarray:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    spec = {
        "source": "maps",
        "kind": "non-metallic",
        "maps": {name: str(folder / file) for name, file in names.items()},
        "normal_convention": "opengl",
        "projection": projection,
        "repeats": 1.0,
        "height_scale": 0.02,
        **more,
    }
    view = View("s0-g0-v0", 5, camera("perspective"), (LIGHT,), Sequence("lambert", ((0.0, 0.0, 1.0),)))
    group = Group("s0-g0", mesh_source(mesh, folder, 180.0), spec, (view,))
    (found,) = render_views(blender, group, settings(samples=2), Stopwatch())
    return found.images["image_parallel"]


@pytest.mark.parametrize("projection", ["box", "uv"])
def test_channels_and_inversion_give_the_same_picture(
    blender: BlenderProcess, folder: Path, projection: str
) -> None:
    files = {name: f"{name}.png" for name in ("roughness", "metallic", "ao")}
    own = rendered(blender, folder, projection, {"base_color": "color.png", **files})
    channels = {"metallic": "R", "roughness": "G", "ao": "B"}
    packed = rendered(
        blender,
        folder,
        projection,
        {"base_color": "color.png", **dict.fromkeys(files, "mrao.png")},
        channels=channels,
    )
    smooth = {"base_color": "color.png", **files, "roughness": "smoothness.png"}
    inverted = rendered(blender, folder, projection, smooth, inverted=["roughness"])
    ignored = rendered(blender, folder, projection, smooth)
    assert own.max() > 0.1
    np.testing.assert_allclose(packed, own, atol=2e-3)
    np.testing.assert_allclose(inverted, own, atol=2e-3)
    if projection == "box":  # the ball has no UVs: one texel of each map
        assert np.abs(ignored - own).max() > 0.02
