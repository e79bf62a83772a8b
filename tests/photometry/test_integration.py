# SPDX-License-Identifier: Apache-2.0
"""Normals integrate back into their surface: planes, spheres, steps, holes, pieces, priors, and a real cat."""

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.imaging.read import read_stored
from multishade.photometry.integration import methods
from multishade.photometry.integration.methods import integrate, mesh_from_depth

both_methods = pytest.mark.parametrize("method", ["poisson", "bilateral"])


def intrinsics(size, focal=1.1):
    return np.array([[focal * size, 0, size / 2], [0, focal * size, size / 2], [0, 0, 1]])


def rays_of(size, camera):
    centre = np.arange(size) + 0.5
    columns, rows = np.meshgrid(centre, centre)
    x = (columns - camera[0, 2]) / camera[0, 0]
    y = -(rows - camera[1, 2]) / camera[1, 1]
    return np.stack([x, y, -np.ones_like(x)], axis=2)


def sphere_cap(size, reach=0.95):
    """Orthographic: normals, mask and depth (pixels) of the part of a sphere within `reach` of its radius."""
    along = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(along, -along)
    mask = x * x + y * y < reach**2
    z = np.sqrt(np.where(mask, 1 - x * x - y * y, 0))
    return np.stack([x, y, z], axis=2) * mask[..., None], mask, np.where(mask, -z * size / 2, np.nan)


def ball_in_perspective(size):
    """Normals, mask, depth and intrinsics of a sphere of radius 0.5 at distance 1.6."""
    camera = intrinsics(size)
    rays = rays_of(size, camera)
    centre = np.array([0.05, -0.02, -1.6])
    square, product = np.sum(rays**2, axis=2), rays @ centre
    under_root = product**2 - square * (centre @ centre - 0.25)
    depth = (product - np.sqrt(np.maximum(under_root, 0))) / square
    normal = (depth[..., None] * rays - centre) / 0.5
    toward = -np.einsum("hwi,hwi->hw", normal, rays) / np.sqrt(square)
    mask = (under_root > 0) & (toward > 0.2)
    return normal * mask[..., None], mask, depth, camera


def split_ramp(size, slope=0.5):
    """A floor whose right half rises away from its middle: a step along the centre line that grows from nothing."""
    along = np.arange(size) + 0.5 - size / 2
    x, y = np.meshgrid(along, -along)
    rises = (x > 0) & (np.abs(y) > size / 8)
    depth = np.where(rises, slope * (np.abs(y) - size / 8), 0)
    normal = np.stack([0 * y, np.where(rises, slope * np.sign(y), 0), np.ones_like(y)], axis=2)
    return normal / np.linalg.norm(normal, axis=2, keepdims=True), depth


def misfit(found, true, mask, factor):
    """Mean absolute depth error after the best offset (orthographic) or factor (perspective)."""
    a, b = found[mask], true[mask]
    return np.abs(a * np.median(b / a) - b).mean() if factor else np.abs(a - b - np.median(a - b)).mean()


@both_methods
@pytest.mark.parametrize("perspective", [False, True])
def test_a_slanted_plane_is_exact(method, perspective):
    size = 24
    normal = np.array([0.3, -0.5, 0.7]) / np.linalg.norm([0.3, -0.5, 0.7])
    field = np.broadcast_to(normal, (size, size, 3))
    if perspective:
        camera = intrinsics(size)
        true = -1 / (rays_of(size, camera) @ normal)
        found = integrate(field, camera=camera, method=method).depth
        np.testing.assert_allclose(found / true, np.mean(found / true), rtol=1e-5)
        assert np.exp(np.log(found).mean()) == pytest.approx(1)
    else:
        step = np.arange(size)
        # Rows run down, so +1 row is -1 in y.
        true = (normal[0] * step[None, :] - normal[1] * step[:, None]) / normal[2] * 0.25
        found = integrate(field, method=method, pixel_size=0.25).depth
        np.testing.assert_allclose(found - found.mean(), true - true.mean(), atol=1e-4)
        assert found.mean() == pytest.approx(0, abs=1e-9)


def test_depth_grows_away_from_the_camera():
    """A floor that faces up and toward the camera recedes toward the top of the image; a ball bulges toward us."""
    floor = np.broadcast_to([0, np.sqrt(0.5), np.sqrt(0.5)], (8, 8, 3))
    assert (np.diff(integrate(floor).depth, axis=0) < 0).all()
    assert (np.diff(integrate(floor, camera=intrinsics(8, 3.0)).depth, axis=0) < 0).all()
    wall_facing_right = np.broadcast_to([np.sqrt(0.5), 0, np.sqrt(0.5)], (8, 8, 3))
    assert (np.diff(integrate(wall_facing_right).depth, axis=1) > 0).all()
    normal, mask, _ = sphere_cap(24)
    depth = integrate(normal, mask).depth
    assert np.unravel_index(np.nanargmin(depth), depth.shape) in {(11, 11), (11, 12), (12, 11), (12, 12)}


@both_methods
@pytest.mark.parametrize("size", [32, 96])
def test_a_sphere_cap_comes_back(method, size):
    normal, mask, true = sphere_cap(size)
    found = integrate(normal, mask, method=method)
    assert np.isnan(found.depth[~mask]).all() and np.isfinite(found.depth[mask]).all()
    # Exact for least squares (the chord of two points on a sphere is square to the sum of their normals).
    assert misfit(found.depth, true, mask, factor=False) < (1e-6 if method == "poisson" else 0.05)


@both_methods
def test_a_ball_in_perspective_comes_back(method):
    normal, mask, true, camera = ball_in_perspective(96)
    found = integrate(normal, mask, camera, method)
    assert misfit(found.depth, true, mask, factor=True) < (1e-6 if method == "poisson" else 1e-3)


def test_bilateral_keeps_the_step_that_poisson_smears():
    normal, true = split_ramp(64)
    everywhere = np.ones_like(true, bool)
    smooth = integrate(normal).depth
    stepped = integrate(normal, method="bilateral")
    assert misfit(smooth, true, everywhere, factor=False) > 2
    assert misfit(stepped.depth, true, everywhere, factor=False) < 0.8
    # At the far end of the step, where it is tallest.
    height = true[2, -1] - true[2, 0]
    assert height > 10
    across = stepped.depth[2, 33] - stepped.depth[2, 30]
    assert across > 0.8 * height
    assert smooth[2, 33] - smooth[2, 30] < 0.3 * height


def test_coarse_to_fine_finds_the_same_jump_in_fewer_rounds(monkeypatch):
    monkeypatch.setattr(methods, "COARSEST", 48)
    normal, true = split_ramp(128)
    everywhere = np.ones_like(true, bool)
    slow = integrate(normal, method="bilateral", coarse_to_fine=False)
    quick = integrate(normal, method="bilateral")
    assert quick.iterations < 0.7 * slow.iterations
    assert misfit(quick.depth, true, everywhere, factor=False) < 0.5
    np.testing.assert_allclose(
        misfit(quick.depth, true, everywhere, factor=False),
        misfit(slow.depth, true, everywhere, factor=False),
        rtol=0.1,
    )
    camera = intrinsics(128)
    field, mask, depth, camera = ball_in_perspective(128)
    assert misfit(integrate(field, mask, camera, "bilateral").depth, depth, mask, factor=True) < 1e-3


def test_a_bridge_that_the_coarse_image_misses_joins_what_it_joins(monkeypatch):
    """Two squares of one plane, joined by one row of pixels that every second row leaves out."""
    monkeypatch.setattr(methods, "COARSEST", 12)
    mask = np.ones((40, 41), bool)
    mask[:, 19:24] = False
    mask[15, 19:24] = True
    plane = np.broadcast_to(np.array([0.4, 0.2, 0.9]) / np.linalg.norm([0.4, 0.2, 0.9]), (40, 41, 3))
    found = integrate(plane, mask, method="bilateral")
    rows, columns = np.nonzero(mask)
    true = np.full(mask.shape, np.nan)
    true[mask] = (0.4 * columns - 0.2 * rows) / 0.9
    assert found.component.max() == 1
    assert misfit(found.depth, true, mask, factor=False) < 1e-5


def test_holes_are_gone_around_and_not_filled():
    normal, mask, true = sphere_cap(48)
    mask[20:30, 15:25] = False
    normal[10, 20:26] = np.nan
    normal[40, 22:28] = 0
    found = integrate(normal, mask)
    seen = mask.copy()
    seen[10, 20:26] = seen[40, 22:28] = False
    np.testing.assert_array_equal(np.isfinite(found.depth), seen)
    assert misfit(found.depth, true, seen, factor=False) < 1e-6


@pytest.mark.parametrize("perspective", [False, True])
def test_pieces_have_each_their_own_constant(perspective):
    normal, mask, true, camera = ball_in_perspective(64) if perspective else (*sphere_cap(64), None)
    mask[:, 30:33] = False
    mask[2, 50] = True  # one pixel alone
    normal[2, 50] = [0, 0, 1]
    found = integrate(normal, mask, camera)
    assert found.component.max() == 3 and not found.anchored.any()
    for piece in (1, 2, 3):
        here = found.component == piece
        if perspective:
            assert np.log(found.depth[here]).mean() == pytest.approx(0, abs=1e-9)
        else:
            assert found.depth[here].mean() == pytest.approx(0, abs=1e-9)
        if here.sum() > 1:
            assert misfit(found.depth, true, here, factor=perspective) < 1e-5


@both_methods
@pytest.mark.parametrize("perspective", [False, True])
def test_one_known_depth_a_piece_settles_the_constant(method, perspective):
    normal, mask, true, camera = ball_in_perspective(48) if perspective else (*sphere_cap(48), None)
    mask[:, 23:25] = False
    prior = np.full((48, 48), np.nan)
    prior[24, 12] = true[24, 12]
    found = integrate(normal, mask, camera, method, depth_prior=prior)
    np.testing.assert_array_equal(found.anchored, [True, False])
    assert found.depth[24, 12] == pytest.approx(true[24, 12], rel=1e-6)
    left = found.component == 1
    difference = np.abs(found.depth - true)[left].mean()
    assert difference < (1e-5 if method == "poisson" else 0.002 if perspective else 0.1)


def test_a_prior_everywhere_bends_the_far_and_leaves_the_near():
    """Flat normals with a prior that is a step: near the step the normals win, far away the prior does."""
    flat = np.broadcast_to([0.0, 0.0, 1.0], (9, 120, 3))
    prior = np.where(np.arange(120) < 60, 0.0, 10.0) * np.ones((9, 1))
    found = integrate(flat, depth_prior=prior, prior_weight=1e-2).depth[4]
    assert found[0] == pytest.approx(0, abs=0.2) and found[-1] == pytest.approx(10, abs=0.2)
    # The answer of d'' = w (d - prior) is a pair of exponentials of length 1 / sqrt(w) = 10 pixels.
    expected = np.where(
        np.arange(120) < 60,
        5 * np.exp((np.arange(120) - 59.5) / 10),
        10 - 5 * np.exp(-(np.arange(120) - 59.5) / 10),
    )
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_normals_that_face_away_do_not_break_it():
    normal, mask, _ = sphere_cap(32)
    normal[16, 4:8] = [0.9, 0, -0.4]
    normal[20, 20] = [0, 0, -1]
    for method in ("poisson", "bilateral"):
        assert np.isfinite(integrate(normal, mask, method=method).depth[mask]).all()


@both_methods
def test_the_same_input_gives_the_same_bits(method):
    normal, mask, _ = sphere_cap(40)
    normal = normal + 0.05 * np.random.default_rng(13).standard_normal(normal.shape)
    first = integrate(normal, mask, method=method).depth
    # Some multigrid methods draw from NumPy's global state; ours must not.
    np.random.rand(7)  # noqa: NPY002
    np.testing.assert_array_equal(first, integrate(normal, mask, method=method).depth)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal": np.zeros((4, 4, 3))}, "nothing to integrate"),
        ({"normal": np.zeros((4, 4))}, "normal: expected"),
        ({"mask": np.ones((3, 3))}, "mask: expected"),
        ({"method": "fourier"}, "choose from poisson, bilateral"),
        ({"camera": np.zeros((3, 3))}, "camera: expected an invertible"),
        ({"camera": np.eye(4)}, "camera: expected"),
        ({"depth_prior": np.ones((2, 2))}, "depth_prior: expected"),
        ({"camera": np.eye(3), "depth_prior": np.zeros((4, 4))}, "is positive"),
        ({"prior_weight": 0.0}, "must be positive"),
    ],
)
def test_wrong_input_is_named(change, message):
    arguments = {"normal": np.broadcast_to([0.0, 0.0, 1.0], (4, 4, 3))} | change
    with pytest.raises(SolveError, match=message):
        integrate(**arguments)


@pytest.mark.parametrize("perspective", [False, True])
def test_the_mesh_is_the_surface_and_faces_the_camera(perspective):
    normal, mask, true, camera = ball_in_perspective(48) if perspective else (*sphere_cap(48, 0.8), None)
    mesh = mesh_from_depth(true, mask, camera)
    assert len(mesh.vertices) == mask.sum()
    middle = mesh.triangles_center
    toward = -middle if perspective else np.array([0, 0, 1])
    assert (np.einsum("ti,ti->t", mesh.face_normals, np.broadcast_to(toward, middle.shape)) > 0).all()
    centre, radius = ((0.05, -0.02, -1.6), 0.5) if perspective else ((0, 0, 0), 24)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - centre, axis=1), radius, rtol=1e-6)
    outward = (mesh.triangles_center - centre) / radius
    assert np.einsum("ti,ti->t", mesh.face_normals, outward).min() > 0.98


def test_the_mesh_is_cut_at_jumps_and_saved(tmp_path):
    depth = np.zeros((6, 8))
    depth[:, 4:] = 100
    depth[0, 0] = np.nan
    whole, cut = mesh_from_depth(depth), mesh_from_depth(depth, cut_degrees=85)
    assert len(whole.faces) == 2 * 5 * 7 - 1
    assert len(cut.faces) == len(whole.faces) - 2 * 5
    assert len(cut.split(only_watertight=False)) == 2
    import trimesh

    for suffix in ("ply", "glb"):
        path = tmp_path / f"surface.{suffix}"
        cut.export(path)
        again = trimesh.load(path, force="mesh")
        assert len(again.faces) == len(cut.faces)


def test_the_cats_normals_give_its_measured_depth(shared_dir):
    """The same normals that bilateral integration was published with; depth in millimetres, 65 from front to back."""
    folder = shared_dir / "benchmarks" / "integration" / "diligent_cat"
    normal = 2 * read_stored(folder / "normal_map.png").astype(np.float64) / 65535 - 1
    mask = read_stored(folder / "mask.png") > 0
    camera = np.loadtxt(folder / "K.txt")
    true = np.load(folder / "depth_gt.npz")["depth_gt"]
    found = integrate(normal, mask, camera, "bilateral")
    assert found.left_out.sum() < 20
    bilateral = misfit(found.depth, true, mask & ~found.left_out, factor=True)
    poisson = misfit(integrate(normal, mask, camera, "poisson").depth, true, mask, factor=True)
    assert bilateral < 0.15
    assert poisson < 2
    assert bilateral < 0.2 * poisson


def test_pixels_that_are_thrown_far_away_are_left_out():
    # A dome whose normals are known to the rim: there they graze, and steps of dozens of pixels follow from them.
    row, column = np.mgrid[:80, :80] + 0.5
    x, y = (column - 40) / 38, (40 - row) / 38
    inside = x**2 + y**2 < 1
    normal = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], axis=2)
    spoilt = normal.copy()
    for place in ((40, 40), (30, 50), (55, 35)):  # single normals that lie in the image plane
        spoilt[place] = (1, 0, 0.001)
    found = integrate(spoilt, inside, method="bilateral")
    kept = inside & ~found.left_out
    assert 0 < found.left_out.sum() < 0.05 * inside.sum()
    assert np.isnan(found.depth[found.left_out]).all() and (found.component[found.left_out] == 0).all()
    assert np.isfinite(found.depth[kept]).all() and np.ptp(found.depth[kept]) < 1.3 * 38
    every = integrate(spoilt, inside, method="bilateral", leave_out_isolated=False)
    assert not every.left_out.any() and np.isfinite(every.depth[inside]).all()
    assert np.ptp(every.depth[inside]) > np.ptp(found.depth[kept])


def test_a_small_object_of_its_own_is_not_left_out():
    normal = np.zeros((30, 30, 3))
    normal[..., 2] = 1
    mask = np.zeros((30, 30), bool)
    mask[:, :20] = True
    mask[5:7, 25:27] = True
    found = integrate(normal, mask, method="bilateral")
    assert not found.left_out.any() and np.isfinite(found.depth[mask]).all()
