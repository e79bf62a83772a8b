# SPDX-License-Identifier: Apache-2.0
"""The parts of built-in objects against geometry: rings, sweeps, sheets, level sets, removal of slivers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifold3d import Manifold

from multishade.errors import AssetError
from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.isosurface import grid_axes, mesh_field
from multishade.procedural.objects.mesh import (
    altitudes,
    edge_angles,
    face_normals,
    object_mesh,
    problems,
    signed_volume,
    unmatched_edges,
    vertex_normals,
)
from multishade.procedural.objects.moulding import Profile
from multishade.procedural.objects.noise import fibonacci_sphere, sample_gradient_noise
from multishade.procedural.objects.revolution import revolve
from multishade.procedural.objects.sheet import thickened
from multishade.procedural.objects.slivers import THIN, remove_slivers
from multishade.procedural.objects.solids import ball, placed, solid, subtract, triangles, upright
from multishade.procedural.objects.superquadric import closed_superellipse, ellipsoid, toroid
from multishade.procedural.objects.surface import ring_faces, sphere_points, split_quads, spread
from multishade.procedural.objects.tube import frames, reach, resampled, sweep_closed, sweep_open, tangents

CIRCLE = np.linspace(0, 2 * np.pi, 400, endpoint=False)
RING = np.stack([np.cos(CIRCLE), np.sin(CIRCLE), np.zeros(400)], axis=1)
TREFOIL = np.stack(
    [
        np.sin(CIRCLE) + 2 * np.sin(2 * CIRCLE),
        np.cos(CIRCLE) - 2 * np.cos(2 * CIRCLE),
        -np.sin(3 * CIRCLE),
    ],
    axis=1,
)


def tetrahedron() -> tuple[np.ndarray, np.ndarray]:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    return vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    assert unmatched_edges(faces) == 0
    return signed_volume(vertices[faces])


# The mesh and its checks


def test_a_sound_mesh_is_centred_scaled_and_stripped_of_unused_vertices():
    vertices, faces = tetrahedron()
    mesh = object_mesh(np.concatenate([vertices * 30, [[500, 0, 0]]]), faces, 0.0)
    assert len(mesh.vertices) == 4 and mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32
    half_diagonal = np.linalg.norm(np.ptp(mesh.vertices, axis=0)) / 2
    assert half_diagonal == pytest.approx(1, abs=1e-6)
    assert np.abs(mesh.vertices.max(axis=0) + mesh.vertices.min(axis=0)).max() < 1e-6


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda v, f: (v, f[:, ::-1]), "point inward"),
        (lambda v, f: (v, np.concatenate([f, f[:1]])), "not shared by exactly two faces"),
        (lambda v, f: (np.where(v == 1, np.nan, v), f), "not finite"),
        (lambda v, f: (v, np.concatenate([f[:3], f[3:, ::-1]])), "not shared by exactly two faces"),
    ],
)
def test_an_unsound_mesh_is_refused_in_words(spoil, complaint):
    with pytest.raises(AssetError, match=complaint):
        object_mesh(*spoil(*tetrahedron()), 0.0)


def test_an_open_mesh_and_a_sliver_are_refused():
    vertices, quads = sphere_points(4)
    faces = split_quads(vertices, quads)
    with pytest.raises(AssetError, match="not shared by exactly two faces"):
        object_mesh(vertices, faces[1:], 0.0)
    squashed = vertices.copy()
    squashed[faces[0, 0]] = (vertices[faces[0, 1]] + vertices[faces[0, 2]]) / 2
    with pytest.raises(AssetError, match="degenerate"):
        object_mesh(squashed, faces, 0.0)


def test_the_angles_at_the_edges_of_a_cube_are_right():
    cube = Manifold.cube((1, 1, 1)).to_mesh64()
    angles = edge_angles(np.asarray(cube.vert_properties), np.asarray(cube.tri_verts).astype(np.int64))
    assert np.allclose(np.sort(angles), [0] * 6 + [90] * 12)


# Topology


@given(st.lists(st.integers(3, 40), min_size=1, max_size=6))
def test_rings_of_any_counts_between_two_poles_close_and_face_outward(counts):
    counts = [1, *counts, 1]
    heights = np.linspace(-1, 1, len(counts))
    points = []
    for count, z in zip(counts, heights, strict=True):
        angle = 2 * np.pi * np.arange(count) / count
        r = 0 if count == 1 else np.sqrt(1.2 - z * z)
        points.append(np.stack([r * np.cos(angle), r * np.sin(angle), np.full(count, z)], axis=1))
    vertices, faces = np.concatenate(points), ring_faces(counts)
    assert unmatched_edges(faces) == 0
    normals = face_normals(vertices, faces)
    assert (np.einsum("ij,ij->i", normals, vertices[faces].mean(axis=1)) > 0).all()


def test_a_cube_sphere_has_no_pole_and_even_faces():
    vertices, quads = sphere_points(24)
    faces = split_quads(vertices, quads)
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi, rel=5e-3)
    assert np.bincount(faces.ravel()).max() <= 8
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert area.max() / area.min() < 2


@given(st.lists(st.floats(0.01, 10), min_size=5, max_size=40), st.integers(2, 30))
def test_spread_positions_increase_and_reach_both_ends(density, count):
    at = spread(np.array(density), count)
    assert at[0] == 0 and at[-1] == pytest.approx(1) and (np.diff(at) > 0).all()


# Slivers


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_slivers_are_removed_and_the_surface_stays(seed):
    rng = np.random.default_rng(seed)
    tool = placed(ball(0.7, 40), sample_rotation(rng), rng.uniform(-0.4, 0.4, 3))
    raw = subtract(ball(1.0, 48), [tool]).to_mesh64()
    vertices, faces = np.asarray(raw.vert_properties), np.asarray(raw.tri_verts).astype(np.int64)
    before = volume(vertices, faces)
    after_vertices, after_faces = remove_slivers(vertices, faces)
    assert volume(after_vertices, after_faces) == pytest.approx(before, rel=1e-5)
    thin_before = np.count_nonzero(altitudes(vertices[faces]) < THIN)
    thin_after = np.count_nonzero(altitudes(after_vertices[after_faces]) < THIN)
    assert thin_after <= thin_before
    object_mesh(after_vertices, after_faces, 0.0)


def test_a_planted_needle_and_a_planted_cap_are_removed():
    vertices, quads = sphere_points(8)
    faces = split_quads(vertices, quads)
    a, b, c = faces[10]
    for weights in ((1 - 2e-6, 1e-6, 1e-6), (0.5, 0.5 - 1e-9, 1e-9)):
        point = weights[0] * vertices[a] + weights[1] * vertices[b] + weights[2] * vertices[c]
        fan = np.array([[a, b, len(vertices)], [b, c, len(vertices)], [c, a, len(vertices)]])
        spoilt = np.concatenate([np.delete(faces, 10, axis=0), fan])
        with pytest.raises(AssetError, match="degenerate"):
            object_mesh(np.concatenate([vertices, [point]]), spoilt, 0.0)
        object_mesh(*remove_slivers(np.concatenate([vertices, [point]]), spoilt), 0.0)


# Shapes with known geometry


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 0.5, 2)])
def test_a_superellipsoid_of_exponents_one_is_an_ellipsoid(size):
    vertices, faces = ellipsoid(1.0, 1.0, np.array(size, float), 48)
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * np.prod(size), rel=2e-3)


@given(st.floats(0.1, 2.4), st.floats(0.1, 2.4))
@settings(max_examples=12, deadline=None)
def test_superellipsoids_satisfy_their_equation_and_are_closed(e1, e2):
    vertices, faces = ellipsoid(e1, e2, np.ones(3), 24)
    x, y, z = np.abs(vertices.T)
    value = (x ** (2 / e2) + y ** (2 / e2)) ** (e2 / e1) + z ** (2 / e1)
    assert np.allclose(value, 1, atol=1e-6)
    assert volume(vertices, faces) > 0


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_round_toroid_is_a_torus_however_it_is_twisted(quarter_turns):
    circle = closed_superellipse(1.0, 64)
    vertices, faces = toroid(circle, closed_superellipse(1.0, 160), 1.0, (0.3, 0.3), quarter_turns)
    assert volume(vertices, faces) == pytest.approx(2 * np.pi**2 * 0.3**2, rel=6e-3)
    assert edge_angles(vertices, faces).max() < 12  # a seam would show as a sharp edge


def test_a_turned_cone_and_cylinder_have_their_volumes():
    cone, faces, _ = revolve(Profile(0.0, 0.0).line(1.0, 0.0).line(0.0, 2.0))
    assert volume(cone, faces) == pytest.approx(2 * np.pi / 3, rel=2e-3)
    drum, faces, uv = revolve(Profile(0.0, 0.0).line(1.0, 0.0).line(1.0, 2.0).line(0.0, 2.0))
    assert volume(drum, faces) == pytest.approx(2 * np.pi, rel=2e-3)
    assert np.ptp(uv[:, :, 0], axis=1).max() < 0.5  # no face runs back across the whole texture


@pytest.mark.parametrize("path", [RING, TREFOIL], ids=["circle", "trefoil"])
def test_frames_are_right_handed_and_close_without_a_seam(path):
    first, second = frames(path, True)
    along = tangents(path, True)
    frame = np.stack([first, second, along], axis=-1)
    assert np.allclose(np.einsum("nij,nik->njk", frame, frame), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(frame), 1)
    step = np.linalg.norm(np.roll(first, -1, axis=0) - first, axis=1)
    assert step[-1] < 1.5 * np.median(step) + 0.02


def test_a_swept_ring_is_a_torus_and_a_straight_sweep_a_capsule():
    angle = 2 * np.pi * np.arange(64) / 64
    vertices, quads = sweep_closed(RING, 0.25 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert volume(vertices, split_quads(vertices, quads)) == pytest.approx(2 * np.pi**2 * 0.25**2, rel=3e-3)
    line = np.linspace([0, 0, 0], [0, 0, 2], 20)
    vertices, faces = sweep_open(line, np.full(20, 0.5), 64)
    assert volume(vertices, faces) == pytest.approx(np.pi * 0.25 * 2 + 4 / 3 * np.pi * 0.125, rel=1e-2)


def test_the_reach_of_a_path_is_its_bend_or_half_the_gap_between_its_passes():
    assert reach(RING) == pytest.approx(1, rel=1e-2)
    narrow = resampled(RING * (1, 0.05, 1), 400, True, 0.0)
    assert reach(narrow) < 0.06
    line = np.linspace(0, 1, 200)
    coil = np.stack([np.cos(20 * line), np.sin(20 * line), 0.9 * line], axis=1)
    gap = 0.9 / 20 * 2 * np.pi
    assert reach(resampled(coil, 600, False, 0.0), closed=False) == pytest.approx(gap / 2, rel=0.05)


def test_a_thickened_sheet_holds_its_area_times_its_thickness():
    u, v = np.meshgrid(np.linspace(0, 3, 60), np.linspace(0, 2, 40))
    vertices, faces, uv = thickened(np.stack([u, v, 0 * u], axis=-1), 0.1)
    hem = np.pi / 8 * 0.1**2 * 10  # half a disc along the border
    assert volume(vertices, faces) == pytest.approx(6 * 0.1 + hem, rel=5e-3)
    assert uv.min() == 0 and uv.max() <= 2 and uv.shape == (len(faces), 3, 2)
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 200, endpoint=False), np.linspace(0, 1, 30))
    tube = np.stack([np.cos(angle), np.sin(angle), height], axis=-1)
    vertices, faces, uv = thickened(tube, 0.1, wrap=True)
    assert volume(vertices, faces) == pytest.approx(2 * np.pi * 0.1 + np.pi / 8 * 0.01 * 4 * np.pi, rel=3e-3)
    assert np.ptp(uv[:, :, 0], axis=1).max() < 0.5 * uv[:, :, 0].max()


def test_a_level_set_lies_on_its_surface_and_its_normals_on_the_gradient():
    centre, radius = np.array([0.1, -0.05, 0.02]), 0.8

    def field(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points - centre, axis=1) - radius

    low = np.full(3, -1.1)
    axes, spacing = grid_axes(low, -low, 40)
    values = field(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    vertices, faces = mesh_field(field, values.reshape([len(a) for a in axes]), low, spacing)
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * radius**3, rel=5e-3)
    assert np.abs(field(vertices)).max() < 1e-5
    cosine = np.einsum("ij,ij->i", vertex_normals(vertices, faces), (vertices - centre) / radius)
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 2.5
    assert np.median(edge_angles(vertices, faces)) < 3


def test_gradient_noise_is_smooth_bounded_and_zero_on_its_lattice(rng):
    noise = sample_gradient_noise(rng)
    assert np.allclose(noise(rng.integers(-9, 9, (50, 3)).astype(float)), 0)
    points = rng.uniform(-300, 300, (4000, 3))
    values = noise(points)
    assert np.abs(values).max() < 1.7 and values.std() > 0.2
    assert np.abs(noise(points + 1e-4) - values).max() < 2e-3


def test_directions_and_rotations_are_what_they_say(rng):
    points = fibonacci_sphere(200)
    assert np.allclose(np.linalg.norm(points, axis=1), 1) and np.abs(points.mean(axis=0)).max() < 0.02
    for rotation in (sample_rotation(rng), upright(np.array([0.3, -2.0, 0.1]))):
        assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) == pytest.approx(1)


def test_solids_refuse_open_surfaces_and_empty_results():
    vertices, faces = tetrahedron()
    with pytest.raises(AssetError, match="not a closed solid"):
        solid(vertices, faces[:3])
    with pytest.raises(AssetError, match="left nothing"):
        triangles(subtract(ball(1.0, 24), [ball(2.0, 24)]))


def test_problems_of_a_mesh_without_flaw_are_none():
    vertices, quads = sphere_points(6)
    assert problems(object_mesh(vertices, split_quads(vertices, quads), 180.0)) == []
