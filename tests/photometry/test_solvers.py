# SPDX-License-Identifier: Apache-2.0
"""Solvers against physics: exact where the model holds, honest where nothing is determined, clear about bad input."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import hemisphere, ring
from multishade.photometry.shading import lambert
from multishade.photometry.solvers import closed_form
from multishade.photometry.solvers.methods import METHODS, solve

EXACT_WITH_SHADOW = ["ols_masked", "thresholded", "relu", "robust"]


def sphere(size):
    """Normals (H, W, 3) of a sphere that fills the frame, seen orthographically, and its mask."""
    along = np.linspace(-1, 1, size)
    x, y = np.meshgrid(along, -along)
    inside = x * x + y * y < 1
    z = np.sqrt(np.where(inside, 1 - x * x - y * y, 0))
    return np.where(inside[..., None], np.stack([x, y, z], axis=2), 0).astype(np.float32), inside


def error(solution, normal, mask):
    return angular_error_degrees(solution.normal[mask], normal[mask])


@pytest.mark.parametrize("method", EXACT_WITH_SHADOW)
def test_lambertian_shading_gives_back_its_normals(method):
    normal, mask = sphere(64)
    solution = solve(lambert(normal, ring(9), mask), ring(9), mask, method)
    assert solution.determined[mask].all() and not solution.determined[~mask].any()
    assert error(solution, normal, mask).max() < 0.01
    np.testing.assert_allclose(solution.albedo[mask], 1, atol=1e-3)
    assert solution.residual.max() < 1e-4
    assert not solution.normal[~mask].any() and not solution.albedo[~mask].any()
    assert solution.normal.dtype == np.float32 and solution.normal.shape == (64, 64, 3)


def test_the_literal_formula_is_exact_only_where_every_light_is_lit():
    normal, mask = sphere(64)
    shading = lambert(normal, ring(9), mask)
    solution = solve(shading, ring(9), mask, "ols")
    lit = mask & (shading > 0).all(axis=0)
    assert error(solution, normal, lit).max() < 0.001
    shadowed = error(solution, normal, mask & ~lit)
    assert np.median(shadowed) > 5
    expected = np.einsum("ik,khw->hwi", np.linalg.pinv(ring(9)), shading.astype(float))
    np.testing.assert_allclose(solution.albedo[mask], np.linalg.norm(expected, axis=2)[mask], rtol=1e-5)


# The table of noise in the project's notes: sphere, K = 9, sigma 0 to 0.05; measured on a 128-pixel sphere.
NOISE_TABLE = {
    0.00: (4.79, 0.00, 0.00, 0.00, 0.00),
    0.01: (5.14, 4.08, 0.83, 0.60, 0.57),
    0.02: (5.51, 4.55, 2.75, 1.29, 1.16),
    0.05: (6.68, 6.10, 5.69, 4.70, 2.95),
}


@pytest.mark.parametrize("sigma", NOISE_TABLE)
def test_the_noise_table_is_reproduced(sigma):
    normal, mask = sphere(128)
    noise = np.random.default_rng(1).standard_normal((9, 128, 128), dtype=np.float32)
    shading = np.maximum(lambert(normal, ring(9), mask) + np.float32(sigma) * noise, 0)
    columns = [
        solve(shading, ring(9), mask, "ols"),
        solve(shading, ring(9), mask, "ols_masked"),
        solve(shading, ring(9), mask, "thresholded", tau=0.02, relative_to="absolute"),
        solve(shading, ring(9), mask, "thresholded", tau=0.05, relative_to="absolute"),
        solve(shading, ring(9), mask, "relu"),
    ]
    measured = [error(column, normal, mask).mean() for column in columns]
    np.testing.assert_allclose(measured, NOISE_TABLE[sigma], atol=0.03, rtol=0.02)


def test_relu_needs_no_lucky_start():
    normal, mask = sphere(64)
    noise = np.random.default_rng(2).standard_normal((9, 64, 64), dtype=np.float32)
    shading = np.maximum(lambert(normal, ring(9), mask) + np.float32(0.02) * noise, 0)
    errors = [
        error(solve(shading, ring(9), mask, "relu", start_tau=tau), normal, mask).mean()
        for tau in (0.02, 0.2)
    ]
    assert errors[0] == pytest.approx(errors[1], abs=0.03)


def test_relu_lowers_the_misfit_it_is_named_after():
    normal, mask = sphere(48)
    noise = np.random.default_rng(3).standard_normal((9, 48, 48), dtype=np.float32)
    shading = np.maximum(lambert(normal, ring(9), mask) + np.float32(0.05) * noise, 0)

    def misfit(solution):
        predicted = lambert(solution.normal, ring(9)) * solution.albedo
        return np.sum((predicted - shading)[:, mask] ** 2, axis=0)

    start, end = (
        misfit(solve(shading, ring(9), mask, "thresholded")),
        misfit(solve(shading, ring(9), mask, "relu")),
    )
    assert (end <= start + 1e-5).all() and end.mean() < 0.9 * start.mean()


def test_robust_ignores_highlights_and_cast_shadows():
    normal, mask = sphere(48)
    lights = hemisphere(40, 25)
    shading = lambert(normal, lights, mask)
    draw = np.random.default_rng(4)
    shading[draw.random(shading.shape) < 0.1] *= 0
    shading[draw.random(shading.shape) < 0.1] *= 4
    robust = error(solve(shading, lights, mask, "robust"), normal, mask)
    squares = error(solve(shading, lights, mask, "ols_masked"), normal, mask)
    assert robust.mean() < 0.5 and squares.mean() > 8
    sparse = error(solve(shading, lights, mask, "robust", exponent=0.5), normal, mask)
    assert sparse.mean() < robust.mean()


def test_confidence_falls_with_noise_and_with_close_lights():
    normal, mask = sphere(48)
    noise = np.random.default_rng(5).standard_normal((12, 48, 48), dtype=np.float32)

    def mean_confidence(sigma, elevation):
        lights = ring(12, elevation)
        shading = np.maximum(lambert(normal, lights, mask) + np.float32(sigma) * noise, 0)
        return solve(shading, lights, mask).confidence[mask].mean()

    assert 0.95 < mean_confidence(0.0, 45) <= 1
    assert mean_confidence(0.0, 45) > mean_confidence(0.02, 45) > mean_confidence(0.2, 45)
    assert mean_confidence(0.05, 45) > mean_confidence(0.05, 80)


def test_confidence_predicts_the_error_it_names():
    """Where it says 0.5, five degrees are predicted: the measured errors of a plane under noise agree within half."""
    lights = hemisphere(20, 60)
    normal = np.broadcast_to(np.array([0, 0, 1], np.float32), (64, 64, 3))
    noise = np.random.default_rng(6).standard_normal((20, 64, 64), dtype=np.float32)
    solution = solve(lambert(normal, lights) + np.float32(0.1) * noise, lights, method="ols")
    predicted = 5 * np.sqrt(1 / solution.confidence - 1)
    measured = angular_error_degrees(solution.normal, normal)
    assert np.sqrt(np.mean(measured**2)) == pytest.approx(np.sqrt(np.mean(predicted**2)), rel=0.5)


@pytest.mark.parametrize("method", METHODS)
def test_pixels_that_nothing_determines_are_marked_and_not_guessed(method):
    lights = ring(9)
    normal = np.tile(np.array([0, 0, 1], np.float32), (2, 3, 1))
    shading = lambert(normal, lights)
    shading[:, 0, 0] = 0  # dark
    shading[2:, 0, 1] = 0  # two lit
    shading[1:, 0, 2] = 0  # one lit
    solution = solve(shading, lights, method=method)
    np.testing.assert_array_equal(solution.determined, [[False] * 3, [True] * 3])
    for field in (solution.normal, solution.albedo, solution.residual, solution.confidence):
        assert not field[0].any()
    assert error(solution, normal, np.array([[False] * 3, [True] * 3])).max() < 0.01


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rounding", [15, 4])
def test_lights_in_one_plane_determine_nothing(method, rounding):
    """Also when their directions were written with four decimals, as light files have them."""
    elevation = np.radians([25, 40, 60, 75, 90, 110, 140])
    lights = np.round(
        np.stack([0.6 * np.cos(elevation), 0.8 * np.cos(elevation), np.sin(elevation)], axis=1), rounding
    )
    normal, mask = sphere(16)
    solution = solve(lambert(normal, lights, mask), lights, mask, method)
    assert not solution.determined.any() and not solution.normal.any()


@pytest.mark.parametrize("method", METHODS)
def test_three_close_lights_are_enough(method):
    """Two degrees apart: float32 alone would lose it."""
    spread = np.radians(2)
    lights = np.array(
        [[np.sin(spread) * np.cos(a), np.sin(spread) * np.sin(a), np.cos(spread)] for a in (0, 2.1, 4.2)]
    )
    normal, mask = sphere(32)
    near_axis = mask & (normal[..., 2] > 0.5)
    shading = np.einsum("hwi,ki->khw", normal.astype(float), lights)
    solution = solve(shading, lights, near_axis, method)
    assert solution.determined[near_axis].all()
    assert error(solution, normal, near_axis).max() < 0.05


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.uint16, np.uint8])
def test_every_type_of_image_is_read(method, kind):
    normal, mask = sphere(24)
    lights = hemisphere(12, 65)
    mask &= normal[..., 2] > 0.6
    shading = 0.8 * lambert(normal, lights, mask)
    if kind in (np.uint8, np.uint16):
        shading = np.round(shading * np.iinfo(kind).max)
    solution = solve(shading.astype(kind), lights, mask, method)
    assert solution.determined[mask].all()
    assert error(solution, normal, mask).mean() < (1.5 if kind is np.uint8 else 0.2)
    np.testing.assert_allclose(solution.albedo[mask], 0.8, atol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_colour_images_give_one_normal_and_a_coloured_albedo(method):
    normal, mask = sphere(24)
    lights = hemisphere(15, 60)
    mask &= normal[..., 2] > 0.7
    paint = np.array([0.9, 0.5, 0.1], np.float32)
    bulbs = np.random.default_rng(7).uniform(0.5, 2, (15, 3))
    images = lambert(normal, lights, mask)[..., None] * paint * bulbs[:, None, None, :]
    for grey in ("luminance", "mean"):
        solution = solve(images, lights, mask, method, light_intensities=bulbs, grey=grey)
        assert error(solution, normal, mask).max() < 0.01
        np.testing.assert_allclose(solution.albedo[mask], np.broadcast_to(paint, (mask.sum(), 3)), rtol=1e-3)
    uncorrected = solve(images, lights, mask, method)
    assert error(uncorrected, normal, mask).mean() > 1


def test_grey_images_are_divided_by_one_intensity_a_light():
    normal, mask = sphere(16)
    strengths = np.linspace(0.5, 2, 9)
    images = lambert(normal, ring(9), mask) * strengths[:, None, None]
    assert error(solve(images, ring(9), mask, light_intensities=strengths), normal, mask).max() < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_images_larger_than_a_block_and_scattered_masks(method, monkeypatch):
    """The seams of blocks and threads leave no trace."""
    monkeypatch.setattr(closed_form, "BLOCK", 700)
    normal, mask = sphere(80)
    mask &= np.random.default_rng(8).random((80, 80)) < 0.3
    shading = lambert(normal, ring(9), mask)
    whole = solve(shading, ring(9), mask, method, workers=1)
    threaded = solve(shading, ring(9), mask, method, workers=3)
    np.testing.assert_array_equal(whole.normal, threaded.normal)
    assert (whole.determined == mask).all()
    if method != "ols":
        assert error(whole, normal, mask).max() < 0.01


def test_an_empty_mask_gives_an_empty_answer():
    solution = solve(np.ones((9, 4, 5), np.float32), ring(9), np.zeros((4, 5), bool))
    assert not solution.determined.any()


@pytest.mark.parametrize("method", METHODS)
def test_nan_inside_the_mask_is_named_and_outside_is_harmless(method):
    normal, mask = sphere(16)
    shading = lambert(normal, ring(9), mask)
    shading[:, ~mask] = np.nan
    assert error(solve(shading, ring(9), mask, method), normal, mask).mean() < 6
    shading[4, 7, 8] = np.nan
    with pytest.raises(SolveError, match="light 4 at row 7, column 8"):
        solve(shading, ring(9), mask, method)
    shading[4, 7, 8] = np.inf
    with pytest.raises(SolveError, match="light 4 at row 7, column 8"):
        solve(shading, ring(9), mask, method)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "svd"}, "choose from ols, ols_masked, thresholded, relu, robust"),
        ({"tau": 0.1}, "tau: ols_masked has no such option"),
        ({"directions": ring(8)}, "9 images but 8 light directions"),
        ({"directions": ring(9) * 2}, "light 0 has length 2"),
        ({"directions": ring(9)[:, :2]}, r"expected \(K, 3\)"),
        ({"mask": np.ones((3, 3))}, "mask: expected"),
        ({"intensities": np.ones((9, 16))}, "intensities: expected"),
        ({"intensities": np.ones((9, 4, 5), np.int32)}, "int32"),
        ({"intensities": np.ones((2, 4, 5)), "directions": ring(2)}, "at least 3 lights"),
        ({"light_intensities": np.ones(4)}, "light_intensities: expected"),
        ({"light_intensities": np.zeros(9)}, "must be positive"),
        ({"light_intensities": np.ones((9, 3))}, "images are grey"),
        ({"grey": "green"}, "grey: 'green'"),
        ({"method": "thresholded", "tau": 1.5}, "tau: 1.5"),
        ({"method": "thresholded", "relative_to": "sky"}, "relative_to: 'sky'"),
        ({"method": "robust", "exponent": 2.0}, "exponent: 2"),
        ({"method": "robust", "shadow": 1.0}, "shadow: 1"),
        ({"method": "relu", "max_iterations": 0}, "max_iterations: 0"),
    ],
)
def test_wrong_input_is_named(change, message):
    arguments = {"intensities": np.ones((9, 4, 5), np.float32), "directions": ring(9)} | change
    with pytest.raises(SolveError, match=message):
        solve(**arguments)


@pytest.mark.parametrize("count", [3, 4, 9, 14])
def test_the_compiled_solver_agrees_with_the_numpy_one(count, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(closed_form, "BLOCK", 1024)
    normal, mask = sphere(64)
    mask[10:20] = False
    lights = ring(count)
    noise = np.random.default_rng(9).standard_normal((count, 64, 64), dtype=np.float32)
    shading = np.maximum(lambert(normal, lights, mask) + np.float32(0.02) * noise, 0)
    shading[:, 40, 40] = 0
    options = ({}, {"method": "thresholded"}, {"method": "thresholded", "relative_to": "image"})
    for images in (shading, shading.astype(np.float16), np.round(shading * 50000).astype(np.uint16)):
        for option in options:
            for workers in (1, 3):
                compiled = solve(images, lights, mask, compiled=True, workers=workers, **option)
                reference = solve(images, lights, mask, compiled=False, **option)
                np.testing.assert_array_equal(compiled.determined, reference.determined)
                for field in ("normal", "albedo", "residual", "confidence"):
                    np.testing.assert_allclose(
                        getattr(compiled, field), getattr(reference, field), atol=2e-3, rtol=2e-3
                    )
                difference = angular_error_degrees(compiled.normal, reference.normal)[reference.determined]
                assert difference.mean() < 0.001


def test_the_compiled_solver_names_nan_and_refines_close_lights(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(closed_form, "BLOCK", 512)
    normal, mask = sphere(32)
    shading = lambert(normal, ring(9), mask)
    shading[:, ~mask] = np.nan
    assert error(solve(shading, ring(9), mask, compiled=True), normal, mask).max() < 0.01
    shading[3, 9, 12] = np.nan
    with pytest.raises(SolveError, match="light 3 at row 9, column 12"):
        solve(shading, ring(9), mask, compiled=True)
    angles = (0, 2.1, 4.2)
    close = np.array([[0.03 * np.cos(a), 0.03 * np.sin(a), np.sqrt(1 - 0.03**2)] for a in angles])
    facing = mask & (normal[..., 2] > 0.5)
    shading = np.einsum("hwi,ki->khw", normal, close).astype(np.float32)
    agreed = solve(shading, close, facing, compiled=True), solve(shading, close, facing, compiled=False)
    assert agreed[0].determined[facing].all()
    assert angular_error_degrees(agreed[0].normal[facing], agreed[1].normal[facing]).max() < 0.01


def test_asking_for_the_compiled_solver_without_numba_is_an_error(monkeypatch):
    monkeypatch.setattr(closed_form.importlib, "util", SimpleNamespace(find_spec=lambda name: None))
    with pytest.raises(SolveError, match="numba is not installed"):
        solve(np.ones((9, 4, 5), np.float32), ring(9), compiled=True)
    solve(np.ones((9, 4, 5), np.float32), ring(9))


def test_float32_stays_close_to_float64_on_a_whole_image():
    """The published arithmetic in float64, batched, against whichever solver large images get."""
    normal, mask = sphere(280)
    noise = np.random.default_rng(10).standard_normal((9, 280, 280), dtype=np.float32)
    shading = np.maximum(lambert(normal, ring(9), mask) + np.float32(0.02) * noise, 0)
    flat = shading[:, mask].astype(np.float64)
    weights = (flat > 0).astype(np.float64)
    matrix = np.einsum("kn,ki,kj->nij", weights, ring(9), ring(9), optimize=True) + 1e-6 * np.eye(3)
    exact = np.linalg.solve(matrix, ((weights * flat).T @ ring(9))[..., None])[..., 0]
    fast = importlib.util.find_spec("numba") is not None
    for compiled in (False, True) if fast else (False,):
        solution = solve(shading, ring(9), mask, compiled=compiled)
        good = solution.determined[mask]
        assert good.mean() > 0.999
        assert angular_error_degrees(solution.normal[mask], exact)[good].mean() < 0.01
