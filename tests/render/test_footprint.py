# SPDX-License-Identifier: Apache-2.0
"""Normals averaged over a pixel's footprint, against the true mean of bumps that are known in closed form."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image

from multishade.config import models
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging.codecs import write_exr
from multishade.protocol.scene import Camera, Group, ObjectSource, Sequence, View
from multishade.render.blender import BlenderProcess, RenderedView, footprint, render_views
from multishade.render.stopwatch import Stopwatch
from tests.render.test_truth import LIGHT, RADIUS, analytic_sphere, rim
from tests.support.mesh_members import ball
from tests.support.scenes import ANY_FILE, OBLIQUE, SIZE, camera, mesh_source, settings

Array = NDArray[np.float64]
AMPLITUDE = 0.7  # largest slope of the bumps
DOWN, ACROSS = 4, 16  # samples of a pixel by which the true mean is computed: the waves run across


@pytest.fixture(scope="module")
def child() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


def render(
    child: BlenderProcess,
    source: ObjectSource,
    seen_by: Camera,
    samples: int,
    material: dict | None = None,
    mode: str = "lambert",
) -> RenderedView:
    view = View("s0-g0-v0", 1, seen_by, (), Sequence(mode, (LIGHT,)))  # type: ignore[arg-type]
    group = Group("s0-g0", source, material or {"source": "own"}, (view,))
    (rendered,) = render_views(child, group, settings(1, geometry_samples=samples), Stopwatch())
    return rendered


def waves(folder: Path, periods: int) -> dict:
    """A material whose normal falls to the left and right by turns, `periods` times along u."""
    width = 64 * periods
    slope = AMPLITUDE * np.cos(2 * np.pi * (np.arange(width) + 0.5) / 64)
    normal = np.stack([-slope, 0 * slope, np.ones(width)], axis=-1)
    normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    texels = np.broadcast_to((normal + 1) / 2, (4, width, 3)).astype(np.float32)
    write_exr(folder / "normal.exr", {name: texels[..., i] for i, name in enumerate("RGB")})
    Image.new("RGB", (4, 4), (128, 128, 128)).save(folder / "color.png")
    maps = {"base_color": str(folder / "color.png"), "normal": str(folder / "normal.exr")}
    return {
        "source": "maps",
        "kind": "non-metallic",
        "maps": maps,
        "normal_convention": "opengl",
        "projection": "uv",
        "repeats": 1.0,
        "height_scale": 0.01,
    }


def subpixel_grid() -> tuple[Array, Array]:
    """x and y (4 H, 16 W) in pixels from the centre of the image, to the right and up."""
    across, down = ((np.arange(SIZE * fine) + 0.5) / fine - SIZE / 2 for fine in (ACROSS, DOWN))
    x, y = np.meshgrid(across, -down)
    return x, y


def unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.blender
@pytest.mark.parametrize("periods", [47, 61])
def test_a_plane_of_waves_finer_than_pixels_has_the_mean_normal_of_each(
    child: BlenderProcess, tmp_path: Path, periods: int
) -> None:
    half = RADIUS / math.sqrt(2)
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * half
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)
    np.savez(tmp_path / "m.npz", vertices=corners, faces=[[0, 1, 2], [0, 2, 3]], crease_degrees=0.0, uv=uv)
    source, seen_by = ObjectSource("arrays", str(tmp_path / "m.npz")), camera("orthographic", np.eye(3))
    material = waves(tmp_path, periods)
    pitch = seen_by.orthographic_scale / SIZE
    x, _ = subpixel_grid()
    slope = AMPLITUDE * np.cos(2 * np.pi * periods * (x * pitch / (2 * half) + 0.5))
    points = unit(np.stack([-slope, 0 * slope, np.ones_like(slope)], axis=-1))
    expected = unit(points.reshape(SIZE, DOWN, SIZE, ACROSS, 3).mean(axis=(1, 3)))
    errors = {}
    for samples in (1, 16, 64):
        rendered = render(child, source, seen_by, samples, material)
        inside = rendered.mask & ~rim(rendered.mask)
        errors[samples] = angular_error_degrees(rendered.normal[inside], expected[inside]).mean()
    assert errors[1] > 4
    assert errors[16] < 0.15 * errors[1] and errors[64] < 0.3
    assert np.isin(rendered.normal[~rendered.mask], 0).all()


@pytest.mark.blender
def test_a_ball_of_waves_has_the_mean_normal_of_each_pixel(child: BlenderProcess, tmp_path: Path) -> None:
    periods = 200  # of fewer than three pixels
    shape = ball(256)
    # y is up in the ball, z in the world.
    turned = shape.vertices[:, [0, 2, 1]] * (1, -1, 1)
    arrays = {"vertices": turned, "faces": shape.faces, "uv": shape.uv[shape.faces.ravel()]}
    np.savez(tmp_path / "m.npz", crease_degrees=180.0, **arrays)
    front = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # looks along +y, z up
    seen_by = camera("orthographic", front)
    x, y = (axis * seen_by.orthographic_scale / SIZE / RADIUS for axis in subpixel_grid())
    hit = x**2 + y**2 < 1
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    normal = np.stack([x, y, z], axis=-1)
    # u grows with the angle about the vertical, counter-clockwise from above.
    around = unit(np.stack([z, 0 * z, -x], axis=-1) + 1e-12)
    angle = np.arctan2(x, z)
    slope = AMPLITUDE * np.cos(periods * (angle - np.pi / 2))
    points = unit(normal - slope[..., None] * around)
    whole = hit.reshape(SIZE, DOWN, SIZE, ACROSS).all(axis=(1, 3))
    expected = unit(
        np.where(whole[..., None], points.reshape(SIZE, DOWN, SIZE, ACROSS, 3).mean(axis=(1, 3)), 1.0)
    )
    facing = whole & (np.abs(y.reshape(SIZE, DOWN, SIZE, ACROSS).mean(axis=(1, 3))) < 0.8)
    facing &= z.reshape(SIZE, DOWN, SIZE, ACROSS).mean(axis=(1, 3)) > 0.5
    errors = {}
    for samples in (1, 16, 64):
        rendered = render(
            child, ObjectSource("arrays", str(tmp_path / "m.npz")), seen_by, samples, waves(tmp_path, periods)
        )
        errors[samples] = angular_error_degrees(rendered.normal[facing], expected[facing]).mean()
    assert errors[1] > 4
    assert errors[16] < 0.2 * errors[1] and errors[64] < 0.6


@pytest.mark.blender
@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_a_smooth_sphere_keeps_its_normals_depth_and_mask(
    child: BlenderProcess, tmp_path: Path, kind: str
) -> None:
    source = mesh_source(trimesh.creation.uv_sphere(radius=3.0, count=[256, 256]), tmp_path, 180.0)
    _, normal, _ = analytic_sphere(camera(kind))
    centre, mean = (render(child, source, camera(kind), samples) for samples in (1, 16))
    errors = [
        angular_error_degrees(each.normal[each.mask], normal[each.mask]).mean() for each in (centre, mean)
    ]
    assert errors[1] <= errors[0] + 1e-4
    assert (mean.mask == centre.mask).all() and (mean.depth == centre.depth).all()
    assert (mean.normal_geometry == centre.normal_geometry).all()


@pytest.mark.blender
def test_creases_and_silhouettes_are_not_mixed(child: BlenderProcess, tmp_path: Path) -> None:
    source = mesh_source(trimesh.creation.box(), tmp_path, 0.0)
    rendered = render(child, source, camera("perspective"), 16, mode="cast")
    faces = np.concatenate([np.eye(3), -np.eye(3)]) @ OBLIQUE
    cosines = rendered.normal[rendered.mask] @ faces.T
    assert np.degrees(np.arccos(np.clip(cosines.max(axis=1), -1, 1))).max() < 0.05
    assert rendered.sequence is not None
    shown = np.maximum(0, rendered.normal @ np.array(LIGHT)) * rendered.mask
    assert np.abs(rendered.sequence[0] - shown).max() < 1e-3


@pytest.mark.blender
def test_cast_frames_of_averaged_normals_are_their_cosine_or_shadow(
    child: BlenderProcess, tmp_path: Path
) -> None:
    half = RADIUS / math.sqrt(2)
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * half
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)
    np.savez(tmp_path / "m.npz", vertices=corners, faces=[[0, 1, 2], [0, 2, 3]], crease_degrees=0.0, uv=uv)
    source = ObjectSource("arrays", str(tmp_path / "m.npz"))
    seen_by = camera("orthographic", np.eye(3))
    rendered = render(child, source, seen_by, 16, waves(tmp_path, 47), mode="cast")
    assert rendered.sequence is not None
    cosine = np.maximum(0, rendered.normal @ np.array(LIGHT))
    error = np.abs(rendered.sequence[0] - cosine)[rendered.mask]
    assert error.max() < 1e-5  # a plane throws no shadow


def test_a_pixel_is_lit_where_most_of_what_its_samples_receive_is_lit() -> None:
    normal = np.broadcast_to([0.0, 0.0, 1.0], (4, 2, 3))
    shading = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    lit = footprint.lit_pixels(shading, normal, np.array([0.0, 0.0, 1.0]), np.ones((2, 1, 2, 2), bool))
    assert lit.tolist() == [[True], [False]]
    away = footprint.lit_pixels(shading, normal, np.array([0.0, 0.0, -1.0]), np.ones((2, 1, 2, 2), bool))
    assert not away.any()


def test_samples_of_another_surface_do_not_count() -> None:
    """A wall behind the right half of a pixel, and a roof that turns away in its upper half."""
    matrix, grid = np.array([[100.0, 0, 0.5], [0, 100.0, 0.5], [0, 0, 1]]), 4
    depth = np.full((grid, grid), 1.0)
    depth[:, 2:] = 1.5
    normal = np.broadcast_to([0.0, 0.0, 1.0], (grid, grid, 3)).copy()
    normal[:2, :2] = [0.0, 0.9, math.sqrt(1 - 0.81)]
    up = np.array([[[0.0, 0.0, 1.0]]])
    counted = footprint.same_surface(depth, normal, np.ones((1, 1)), up, matrix, "perspective")
    assert counted.shape == (1, 1, grid, grid)
    assert (counted[0, 0] == np.array([[False] * 4] * 2 + [[True, True, False, False]] * 2)).all()
    detail = np.broadcast_to([0.6, 0.0, 0.8], (grid, grid, 3))
    mean = footprint.mean_normals(detail, normal, up, up, counted)
    np.testing.assert_allclose(mean[0, 0], [0.6, 0.0, 0.8], atol=1e-6)
    nothing = np.zeros_like(counted)
    np.testing.assert_allclose(footprint.mean_normals(detail, normal, up, up, nothing)[0, 0], [0, 0, 1])


def test_the_mean_follows_the_curve_of_the_surface() -> None:
    """Samples without detail give the centre's normal, however the surface bends under the pixel."""
    angles = np.linspace(-0.3, 0.3, 9).reshape(3, 3)
    normal = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=-1)
    centre = np.array([[[0.0, 0.0, 1.0]]])
    mean = footprint.mean_normals(normal, normal, centre, centre, np.ones((1, 1, 3, 3), bool))
    np.testing.assert_allclose(mean[0, 0], [0, 0, 1], atol=1e-7)


def test_a_box_is_divided_into_bands_that_fit() -> None:
    from multishade.geometry.boxes import Box

    parts = footprint.bands(Box(10, 20, 4010, 3020), 8)
    assert parts[0].top == 20 and parts[-1].bottom == 3020
    assert all(first.bottom == second.top for first, second in zip(parts, parts[1:], strict=False))
    assert all(part.width * part.height * 64 <= footprint.MOST_SAMPLES for part in parts)
