# SPDX-License-Identifier: Apache-2.0
"""Symmetries of every solver: turned worlds, dimmed lights, shuffled images, half floats change what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import hemisphere
from multishade.photometry.shading import lambert
from multishade.photometry.solvers.methods import METHODS, solve

SIZE = 6
seeds = st.integers(min_value=0, max_value=2**32 - 1)
every_method = pytest.mark.parametrize("method", METHODS)


def scene(seed):
    """Normals that face the camera, an albedo, and 12 to 24 lights above 20 degrees: (H, W, 3), (H, W), (K, 3)."""
    draw = np.random.default_rng(seed)
    normal = draw.standard_normal((SIZE, SIZE, 3))
    normal[..., 2] = np.abs(normal[..., 2]) + 0.3
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    albedo = draw.uniform(0.2, 1.0, (SIZE, SIZE))
    return normal, albedo, hemisphere(int(draw.integers(12, 25)), 20, rng=draw)


def images_of(normal, albedo, lights, noise=0.0, seed=0):
    shading = lambert(normal, lights) * albedo.astype(np.float32)
    shading += np.float32(noise) * np.random.default_rng(seed).standard_normal(
        shading.shape, dtype=np.float32
    )
    return np.maximum(shading, 0)


def rotation(seed):
    matrix, upper = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    matrix *= np.sign(np.diag(upper))
    return matrix * np.linalg.det(matrix)


def agree(first, second, both, limit):
    """Half the pixels within `limit` degrees, nine tenths within ten times that; the rest may have close lights."""
    angles = angular_error_degrees(first[both], second[both])
    return angles.size == 0 or (np.median(angles) < limit and np.percentile(angles, 90) < 10 * limit)


@every_method
@settings(max_examples=25, deadline=None)
@given(seed=seeds, turn=seeds)
def test_rotating_lights_and_normals_together_changes_nothing(method, seed, turn):
    normal, albedo, lights = scene(seed)
    matrix = rotation(turn)
    images = images_of(normal, albedo, lights, noise=0.01, seed=seed)
    before = solve(images, lights, method=method)
    after = solve(images, lights @ matrix.T, method=method)
    assert (before.determined == after.determined).mean() > 0.95
    both = before.determined & after.determined
    assert agree(before.normal @ matrix.T, after.normal, both, 0.02)
    assert np.percentile(np.abs(after.albedo[both] / before.albedo[both] - 1), 90) < 1e-3


@every_method
@settings(max_examples=25, deadline=None)
@given(seed=seeds, scale=st.floats(min_value=1e-3, max_value=1e4))
def test_scaling_intensity_changes_the_albedo_only(method, seed, scale):
    normal, albedo, lights = scene(seed)
    images = images_of(normal, albedo, lights, noise=0.01, seed=seed)
    before = solve(images, lights, method=method)
    after = solve(images * np.float32(scale), lights, method=method)
    np.testing.assert_array_equal(before.determined, after.determined)
    good = before.determined
    assert agree(before.normal, after.normal, good, 0.01)
    assert np.percentile(np.abs(after.albedo[good] / (scale * before.albedo[good]) - 1), 90) < 1e-3
    assert np.percentile(np.abs(after.confidence[good] - before.confidence[good]), 90) < 1e-3


@every_method
@settings(max_examples=25, deadline=None)
@given(seed=seeds, order=seeds)
def test_permuting_the_lights_changes_nothing(method, seed, order):
    normal, albedo, lights = scene(seed)
    images = images_of(normal, albedo, lights, noise=0.01, seed=seed)
    shuffled = np.random.default_rng(order).permutation(len(lights))
    before = solve(images, lights, method=method)
    after = solve(images[shuffled], lights[shuffled], method=method)
    np.testing.assert_array_equal(before.determined, after.determined)
    assert agree(before.normal, after.normal, before.determined, 0.01)


@every_method
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_half_floats_survive(method, seed):
    normal, albedo, lights = scene(seed)
    images = images_of(normal, albedo, lights)
    single = solve(images, lights, method=method)
    half = solve(images.astype(np.float16), lights, method=method)
    both = single.determined & half.determined
    assert (single.determined == half.determined).mean() > 0.9
    # Half floats are good to 1 in 2048, 0.03 degrees; a pixel with few close lights multiplies that.
    assert np.median(angular_error_degrees(single.normal[both], half.normal[both])) < 0.1
    np.testing.assert_allclose(np.median(half.albedo[both] / single.albedo[both]), 1, atol=2e-3)


@pytest.mark.parametrize("method", ["ols_masked", "thresholded", "relu", "robust"])
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_what_is_determined_is_recovered(method, seed):
    """Any normals, albedo and lights without noise: right, but for the ridge where lights are close."""
    normal, albedo, lights = scene(seed)
    solution = solve(images_of(normal, albedo, lights), lights, method=method)
    good = solution.determined
    assert good.mean() > 0.5
    assert np.percentile(angular_error_degrees(solution.normal[good], normal[good]), 75) < 0.01
    np.testing.assert_allclose(np.median(solution.albedo[good] / albedo[good]), 1, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(seed=seeds, grown=st.floats(min_value=1e-3, max_value=1e3))
def test_an_angle_has_no_order_and_no_length(seed, grown):
    a, b = np.random.default_rng(seed).standard_normal((2, 5, 3))
    angle = angular_error_degrees(a, b)
    np.testing.assert_allclose(angle, angular_error_degrees(b, a), atol=1e-9)
    np.testing.assert_allclose(angle, angular_error_degrees(grown * a, b), atol=1e-9)
    np.testing.assert_allclose(180 - angle, angular_error_degrees(-a, b), atol=1e-9)
