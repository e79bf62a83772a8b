# SPDX-License-Identifier: Apache-2.0
"""`camera.fit: outline`: each view's outline spans the share of the frame that is asked for, and K says how."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from multishade.config import Config, fingerprint_fields, load_config, models
from multishade.errors import AssetError, ConfigError
from multishade.geometry.camera import intrinsics
from multishade.geometry.depth import depth_to_points
from multishade.inspect.run import inspect_shards
from multishade.protocol.scene import Camera, Framing, Group, Sequence, View
from multishade.render.blender import BlenderProcess, RenderedView, render_views
from multishade.render.plan import make_plan
from multishade.render.replay import compare
from multishade.render.run import render
from multishade.render.stopwatch import Stopwatch
from multishade.shards.dataset import Dataset
from tests.support.scenes import ANY_FILE, OBLIQUE, SIZE, camera, mesh_source, settings

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
ROD = (0.2, 0.3, 1.0)  # sides of a box, before its bounding sphere gets radius 0.5
FRONT = np.array(
    [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
)  # looks along +y: the rod stands upright


def config(*overrides: str) -> Config:
    return load_config(DEMO, overrides)


def test_off_it_is_absent_from_the_fingerprint_and_from_the_plan() -> None:
    assert not {"fit", "fill"} & set(fingerprint_fields(config())["camera"])
    assert fingerprint_fields(config("camera.fit=outline"))["camera"]["fill"] == 0.9
    assert make_plan(config()).group(0, 0).views[0].camera.fill is None
    chosen = make_plan(config("camera.fit=outline", "camera.fill=0.7")).group(0, 0).views[0].camera
    assert chosen.fill == 0.7
    assert replace(chosen, fill=None) == make_plan(config()).group(0, 0).views[0].camera


def test_a_fill_without_an_outline_is_refused() -> None:
    with pytest.raises(ConfigError, match="give fit: outline with it"):
        config("camera.fill=0.7")


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_a_framing_scales_the_image_and_moves_the_principal_point_the_other_way(kind: str) -> None:
    before = np.array(intrinsics(camera(kind)))
    after = np.array(intrinsics(camera(kind).framed(Framing(1.5, (0.25, 0.5)))))
    assert after[0, 0] == pytest.approx(1.5 * before[0, 0])
    assert after[0, 2] - before[0, 2] == -0.25 * SIZE  # the frame moved right: its content moved left
    assert after[1, 2] - before[1, 2] == 0.5 * SIZE  # and down


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


def seen(blender: BlenderProcess, folder: Path, by: Camera, sides: tuple[float, ...] = ROD) -> RenderedView:
    source = mesh_source(trimesh.creation.box(sides), folder, 0)
    view = View("s000000-g0000-v0", 11, by, (), Sequence("lambert", ((0.0, 0.0, 1.0),)))
    group = Group("s000000-g0000", source, {"source": "own"}, (view,))
    (rendered,) = render_views(blender, group, settings(), Stopwatch())
    return rendered


def margins(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Empty columns left and right of the outline, empty rows above and below it."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    return (
        np.array([columns.min(), width - 1 - columns.max()]),
        np.array([rows.min(), height - 1 - rows.max()]),
    )


@pytest.mark.blender
class TestRendered:
    @pytest.mark.parametrize("kind", ["perspective", "orthographic"])
    @pytest.mark.parametrize("rotation", [OBLIQUE, FRONT], ids=["oblique", "upright"])
    def test_the_outline_spans_what_is_asked_for_and_the_truth_fits_k(
        self, blender: BlenderProcess, tmp_path: Path, kind: str, rotation: np.ndarray
    ) -> None:
        asked = replace(camera(kind, rotation), width=96, height=64, fill=0.8)
        rendered = seen(blender, tmp_path, asked)
        across, upward = margins(rendered.mask)
        assert np.ptp(across) <= 1 and np.ptp(upward) <= 1, "centred"
        spanned = max(1 - across.sum() / 96, 1 - upward.sum() / 64)
        assert spanned == pytest.approx(0.8, abs=2 / 64)
        used = rendered.view.camera
        assert used.fill is None and intrinsics(used)[0][0] != intrinsics(asked)[0][0]
        points = depth_to_points(rendered.depth, intrinsics(used), kind)[rendered.mask]
        pose = np.asarray(used.camera_to_world)
        world = points @ pose[:3, :3].T + pose[:3, 3]
        half = np.array(ROD) / np.linalg.norm(ROD) / 2  # of the box with a bounding sphere of radius 0.5
        assert np.abs(np.abs(world) - half).min(axis=1).max() < 1e-3, "every point lies on a face"
        assert (np.abs(world) < half + 1e-3).all()

    def test_a_needle_from_its_end_is_not_magnified_without_bound(
        self, blender: BlenderProcess, tmp_path: Path
    ) -> None:
        end = replace(camera("orthographic", np.eye(3)), fill=0.9)
        rendered = seen(blender, tmp_path, end, (0.02, 0.02, 1.0))
        assert intrinsics(rendered.view.camera)[0][0] == pytest.approx(8 * intrinsics(end)[0][0])

    def test_an_object_that_reaches_the_camera_is_named(
        self, blender: BlenderProcess, tmp_path: Path
    ) -> None:
        inside = camera("perspective", np.eye(3))
        pose = np.array(inside.camera_to_world)
        pose[:3, 3] *= 0.2
        inside = replace(inside, camera_to_world=tuple(map(tuple, pose.tolist())), fill=0.9)
        with pytest.raises(AssetError, match="reaches the camera; increase camera.distance"):
            seen(blender, tmp_path, inside)


@pytest.mark.blender
def test_a_data_set_of_outlines_is_sound_and_replayed_byte_for_byte(tmp_path: Path) -> None:
    small = [
        "camera={width: 48, height: 48, fit: outline}",
        "views={count: 1, canonical: []}",
        "shards.groups=1",
        "lights.environment.count=0",
        "render.samples={parallel: 4, point: 4, environment: 4, shading: 4}",
        "exposure.min_visible=0",
    ]
    plan = make_plan(config(*small))
    render(plan, tmp_path, [0])
    assert inspect_shards([str(tmp_path / "multishade-000000.tar")]).summary["sound"]
    (sample,) = Dataset(tmp_path).values()
    empty = min(margin.sum() for margin in margins(sample.mask))
    assert empty == pytest.approx(48 * 0.1, abs=2)
    camera_planned = plan.group(0, 0).views[0].camera
    assert sample.info.camera.camera_to_world == camera_planned.camera_to_world
    assert sample.info.camera.K[0][0] > intrinsics(camera_planned)[0][0]
    assert compare(tmp_path, sample.key, 1) == []
