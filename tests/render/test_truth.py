# SPDX-License-Identifier: Apache-2.0
"""Ground truth through the whole path: what Blender renders of a sphere, planes and a cube is what geometry says.

Rendered normals, depth and masks are compared with analytic ones, Cycles' shading with max(0, n.l).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from multishade.config import models
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.camera import intrinsics
from multishade.photometry.shading import lambert
from multishade.protocol.scene import Camera, Group, Light, ObjectSource, Sequence, View
from multishade.render.blender import BlenderProcess, RenderedView, render_views
from multishade.render.stopwatch import Stopwatch
from tests.support.scenes import ANY_FILE, DISTANCE, OBLIQUE, SIZE, camera, mesh_source, settings

pytestmark = pytest.mark.blender
Array = NDArray[np.float64]

RADIUS = 0.5
LIGHT = (0.3, 0.4, math.sqrt(1 - 0.25))


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


def render(
    blender: BlenderProcess,
    source: ObjectSource,
    seen_by: Camera,
    lights: tuple[Light, ...] = (),
    mode: str = "cast",
    **changes: object,
) -> RenderedView:
    view = View("s000000-g0000-v0", 11, seen_by, lights, Sequence(mode, (LIGHT, (0.0, 0.0, 1.0))))  # type: ignore[arg-type]
    group = Group("s000000-g0000", source, {"source": "own"}, (view,))
    (rendered,) = render_views(blender, group, settings(**changes), Stopwatch())  # type: ignore[arg-type]
    return rendered


def rays(seen_by: Camera) -> tuple[Array, Array]:
    """Origins and directions (H, W, 3) of the rays through pixel centres, in the camera's frame, from meta's K."""
    (fx, _, cx), (_, fy, cy), _ = intrinsics(seen_by)
    u, v = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    x, y = (u - cx) / fx, (cy - v) / fy
    if seen_by.type == "orthographic":
        origins = np.stack([x, y, np.zeros_like(x)], axis=-1)
        return origins, np.broadcast_to([0.0, 0.0, -1.0], origins.shape)
    directions = np.stack([x, y, -np.ones_like(x)], axis=-1)
    return np.zeros_like(directions), directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def analytic_sphere(seen_by: Camera) -> tuple[NDArray[np.bool_], Array, Array]:
    """Mask, normal and depth of the sphere of radius 0.5 about the point `DISTANCE` before the camera."""
    origins, directions = rays(seen_by)
    to_centre = origins - (0.0, 0.0, -DISTANCE)
    b = (to_centre * directions).sum(axis=-1)
    discriminant = b * b - (to_centre**2).sum(axis=-1) + RADIUS**2
    hit = discriminant > 0
    points = origins + (-b - np.sqrt(np.maximum(discriminant, 0)))[..., None] * directions
    return hit, (points - (0.0, 0.0, -DISTANCE)) / RADIUS, -points[..., 2]


def rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels within one pixel of the silhouette, on either side."""
    padded = np.pad(mask, 1)
    windows = [padded[i : i + SIZE, j : j + SIZE] for i in range(3) for j in range(3)]
    return np.any(windows, axis=0) & ~np.all(windows, axis=0)


@pytest.fixture(scope="module", params=["perspective", "orthographic"])
def sphere(
    request: pytest.FixtureRequest, blender: BlenderProcess, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Camera, RenderedView]:
    folder = tmp_path_factory.mktemp("sphere")
    mesh = trimesh.creation.uv_sphere(radius=3.0, count=[256, 256])
    mesh.apply_translation((5, -2, 1))  # to be undone by the normalisation
    seen_by = camera(request.param)
    lights = (
        Light("image_parallel", "parallel", direction=LIGHT, strength=math.pi),
        Light("image_point", "point", position=(0.4, 0.6, 2.0 - DISTANCE), strength=2.0),
    )
    return seen_by, render(blender, mesh_source(mesh, folder, 180.0), seen_by, lights, samples=16)


def test_sphere_normals_depth_and_mask(sphere: tuple[Camera, RenderedView]) -> None:
    seen_by, rendered = sphere
    hit, normal, depth = analytic_sphere(seen_by)
    assert not (hit ^ rendered.mask)[~rim(hit)].any()
    both = hit & rendered.mask
    assert angular_error_degrees(rendered.normal[both], normal[both]).mean() < 0.05
    inside = both & ~rim(hit)
    assert np.abs(rendered.depth - depth)[inside].max() < 1e-3 * DISTANCE
    assert np.isinf(rendered.depth[~rendered.mask]).all()
    assert (rendered.normal[~rendered.mask] == 0).all()
    assert np.allclose(rendered.normal, rendered.normal_geometry, atol=1e-5)


def test_cast_shading_is_lambert_where_nothing_is_shadowed(sphere: tuple[Camera, RenderedView]) -> None:
    _, rendered = sphere
    assert rendered.sequence is not None
    expected = lambert(rendered.normal, np.array([LIGHT, (0, 0, 1)]), rendered.mask)
    error = np.abs(rendered.sequence - expected)
    # Where light grazes, the facets of the mesh shadow one another: that is the terminator.
    assert error[expected > 0.02].max() < 1e-4
    assert error.max() < 0.02


def test_sampled_white_sphere_under_a_parallel_light_is_the_cosine(
    blender: BlenderProcess, tmp_path: Path
) -> None:
    """Not the one-sample clay but Cycles' own path tracing, with a diffuse white material, against max(0, n.l)."""
    mesh = trimesh.creation.uv_sphere(radius=1.0, count=[256, 256])
    mesh.visual = trimesh.visual.TextureVisuals()
    text = trimesh.exchange.obj.export_obj(mesh, include_normals=True, include_texture=False)
    (tmp_path / "white.mtl").write_text("newmtl white\nKd 1 1 1\nKs 0 0 0\nillum 1\n")
    (tmp_path / "white.obj").write_text("mtllib white.mtl\nusemtl white\n" + text)
    seen_by = camera("perspective")
    view = View(
        "s000000-g0000-v0",
        3,
        seen_by,
        (Light("image_parallel", "parallel", direction=LIGHT, strength=math.pi),),
        Sequence("lambert", (LIGHT,)),
    )
    source = ObjectSource("file", str(tmp_path / "white.obj"))
    group = Group("s000000-g0000", source, {"source": "own"}, (view,))
    (rendered,) = render_views(blender, group, settings(samples=64, filter_width=0.01), Stopwatch())
    expected = lambert(rendered.normal, np.array([LIGHT]), rendered.mask)[0]
    off_terminator = rendered.mask & ~rim(rendered.mask) & (expected > 0.05)
    error = np.abs(rendered.images["image_parallel"] - expected[..., None])[off_terminator]
    assert error.max() < 1 / 255


def test_point_light_falls_off_from_its_position(sphere: tuple[Camera, RenderedView]) -> None:
    """Strength is the irradiance at the object's centre: E(p) = strength (d0 / d)^2 cos, radiance = albedo E / pi."""
    seen_by, rendered = sphere
    if seen_by.type == "orthographic":
        pytest.skip("one projection is enough for the light's falloff")
    _, normal, depth = analytic_sphere(seen_by)
    _, directions = rays(seen_by)
    points = directions * (depth / -directions[..., 2])[..., None]
    position = np.array((0.4, 0.6, 2.0 - DISTANCE))
    to_light = position - points
    distance = np.linalg.norm(to_light, axis=-1)
    cosine = (normal * to_light).sum(axis=-1) / distance
    from_centre = np.linalg.norm(position - (0, 0, -DISTANCE))
    irradiance = 2.0 * (from_centre / distance) ** 2 * np.maximum(cosine, 0)
    lit = rendered.mask & ~rim(rendered.mask) & (cosine > 0.5)
    ratio = rendered.images["image_point"][..., 1][lit] / irradiance[lit]
    # The plain material is not white and has some gloss; what must hold is the falloff, so the ratio is even.
    assert np.percentile(ratio, 90) / np.percentile(ratio, 10) < 1.25


def test_a_lamp_before_the_camera_lights_and_is_not_seen(blender: BlenderProcess, tmp_path: Path) -> None:
    mesh = trimesh.creation.uv_sphere(radius=1.0, count=[64, 64])
    # Beside the sphere as the camera sees it, and large: a disc of some 20 pixels.
    lamp = Light("image_point", "point", position=(0.24, 0.0, -0.6), strength=3.0, size=0.03)
    rendered = render(blender, mesh_source(mesh, tmp_path, 180.0), camera("perspective"), (lamp,), crop=False)
    off = ~rendered.mask & ~rim(rendered.mask)
    assert rendered.images["image_point"][rendered.mask].max() > 0.1
    assert not rendered.images["image_point"][off].any() and not rendered.alpha[off].any()


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
@pytest.mark.parametrize("tilt_degrees", [0.0, 25.0, 60.0])
def test_tilted_plane(blender: BlenderProcess, tmp_path: Path, kind: str, tilt_degrees: float) -> None:
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) / (2 * math.sqrt(2))
    tilt = math.radians(tilt_degrees)
    turn = np.array([[math.cos(tilt), 0, math.sin(tilt)], [0, 1, 0], [-math.sin(tilt), 0, math.cos(tilt)]])
    mesh = trimesh.Trimesh(corners @ turn.T, [[0, 1, 2], [0, 2, 3]], process=False)
    seen_by = camera(kind, np.eye(3))
    rendered = render(blender, mesh_source(mesh, tmp_path, 0.0), seen_by)
    normal = turn[:, 2]
    assert angular_error_degrees(rendered.normal[rendered.mask], normal).mean() < 0.05
    origins, directions = rays(seen_by)
    along = ((np.array((0, 0, -DISTANCE)) - origins) @ normal) / (directions @ normal)
    points = origins + along[..., None] * directions
    local = (points - (0, 0, -DISTANCE)) @ turn
    hit = (np.abs(local[..., :2]) < 1 / (2 * math.sqrt(2))).all(axis=-1)
    assert not (hit ^ rendered.mask)[~rim(hit)].any()
    inside = hit & rendered.mask
    assert np.abs(rendered.depth + points[..., 2])[inside].max() < 1e-3 * DISTANCE


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_cube_has_its_six_normals(blender: BlenderProcess, tmp_path: Path, kind: str) -> None:
    seen_by = camera(kind)
    rendered = render(blender, mesh_source(trimesh.creation.box(), tmp_path, 0.0), seen_by)
    faces = np.concatenate([np.eye(3), -np.eye(3)]) @ OBLIQUE  # world normals in the camera's frame
    cosines = rendered.normal[rendered.mask] @ faces.T
    nearest = faces[cosines.argmax(axis=1)]
    assert angular_error_degrees(rendered.normal[rendered.mask], nearest).mean() < 0.05
    assert len(np.unique(cosines.argmax(axis=1))) >= 2
    # Convex, so nothing is shadowed by another part: cast shading is attached shadow alone.
    assert rendered.sequence is not None
    expected = lambert(rendered.normal, np.array([LIGHT, (0, 0, 1)]), rendered.mask)
    assert np.abs(rendered.sequence - expected).max() < 1e-4


def test_cast_shadow_falls_where_geometry_says(blender: BlenderProcess, tmp_path: Path) -> None:
    """A small square hovers over a large one; light from the right throws its shadow to the left."""

    def square(half: float, height: float) -> trimesh.Trimesh:
        corners = np.array(
            [[-half, -half, height], [half, -half, height], [half, half, height], [-half, half, height]]
        )
        return trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)

    mesh = trimesh.util.concatenate([square(0.34, 0.0), square(0.05, 0.1)])
    rendered = render(blender, mesh_source(mesh, tmp_path, 0.0), camera("orthographic", np.eye(3)))
    scale = 0.5 / np.linalg.norm([0.34, 0.34, 0.05])  # what the normalisation makes of the mesh
    assert rendered.sequence is not None
    shaded = rendered.sequence[0] < 0.5 * LIGHT[2]
    rows, columns = np.nonzero(shaded & rendered.mask)
    (fx, _, cx), (_, fy, cy), _ = intrinsics(camera("orthographic", np.eye(3)))
    shift = np.array(LIGHT[:2]) / LIGHT[2] * 0.1  # of a point's shadow, against the light
    centre_x, centre_y = (columns.mean() + 0.5 - cx) / fx / scale, (cy - rows.mean() - 0.5) / fy / scale
    hidden = 0.05  # half of the hovering square hides a part of its own shadow from the camera
    assert centre_x == pytest.approx(-shift[0], abs=hidden) and centre_x < 0
    assert centre_y == pytest.approx(-shift[1], abs=hidden) and centre_y < 0


def test_crop_changes_where_is_rendered_and_nothing_else(blender: BlenderProcess, tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    source = mesh_source(mesh, tmp_path, 180.0)
    light = (Light("image_parallel", "parallel", direction=LIGHT, strength=3.0),)
    cropped, whole = (
        render(blender, source, camera("perspective"), light, mode="lambert", samples=256, crop=crop)
        for crop in (True, False)
    )
    difference = np.abs(cropped.images["image_parallel"] - whole.images["image_parallel"])
    assert difference.max() < 0.05 and difference.mean() < 1e-3
    assert np.abs(cropped.alpha - whole.alpha).max() < 0.1
