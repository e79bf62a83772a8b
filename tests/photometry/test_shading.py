# SPDX-License-Identifier: Apache-2.0
"""Shading follows from normals exactly, light adds up, and float32 angles are good to a thousandth of a degree."""

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import ring
from multishade.photometry.shading import lambert, relight


def test_lambert_is_the_cosine_and_never_negative(rng):
    normal = rng.standard_normal((12, 10, 3))
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    lights = ring(7)
    shading = lambert(normal, lights)
    expected = np.maximum(0, np.einsum("hwi,ki->khw", normal, lights))
    assert shading.dtype == np.float32 and shading.shape == (7, 12, 10)
    np.testing.assert_allclose(shading, expected, atol=1e-6)
    assert (shading[expected == 0] == 0).all()


def test_lambert_is_zero_off_the_mask(rng):
    normal = np.zeros((4, 5, 3))
    normal[..., 2] = 1
    mask = np.zeros((4, 5), np.uint8)
    mask[1, 2] = 255
    shading = lambert(normal, ring(9), mask)
    np.testing.assert_allclose(shading[:, 1, 2], np.sin(np.pi / 4), rtol=1e-6)
    assert np.count_nonzero(shading) == 9


def test_a_frontal_plane_is_equally_bright_under_the_whole_ring():
    normal = np.broadcast_to([0.0, 0.0, 1.0], (3, 3, 3))
    np.testing.assert_allclose(lambert(normal, ring(9, 30.0)), 0.5, rtol=1e-6)


def test_composition_is_linear_in_light(rng):
    basis = rng.random((3, 4, 5, 3), dtype=np.float32)
    strengths = np.array([0.5, 2.0, 0.0])
    np.testing.assert_allclose(relight(basis, strengths), 0.5 * basis[0] + 2 * basis[1], rtol=1e-6)
    colours = rng.random((3, 3))
    expected = sum(basis[m] * colours[m] for m in range(3))
    np.testing.assert_allclose(relight(basis, colours), expected, rtol=1e-5)
    np.testing.assert_allclose(
        relight(basis, strengths), relight(basis, np.repeat(strengths[:, None], 3, axis=1)), rtol=1e-6
    )


def test_wrong_shapes_are_named(rng):
    with pytest.raises(SolveError, match="normal"):
        lambert(np.zeros((4, 5)), ring(3))
    with pytest.raises(SolveError, match="mask"):
        lambert(np.zeros((4, 5, 3)), ring(3), np.ones((5, 4)))
    with pytest.raises(SolveError, match="weights"):
        relight(np.zeros((3, 4, 5, 3)), np.ones(4))


@pytest.mark.parametrize("degrees", [0.0, 0.001, 0.1, 1.0, 45.0, 90.0, 179.0, 180.0])
def test_angles_are_resolved_in_float32(degrees):
    angle = np.radians(degrees)
    a = np.array([0.0, 0.0, 1.0], np.float32)
    b = np.array([np.sin(angle), 0.0, np.cos(angle)], np.float32)
    measured = angular_error_degrees(a, b)
    assert measured.dtype == np.float32
    assert measured == pytest.approx(degrees, abs=2e-5)


def test_angles_keep_their_sign_ignore_length_and_refuse_zero_vectors():
    assert angular_error_degrees([0, 0, 1.0], [0, 0, -3.0]) == 180
    assert angular_error_degrees([0, 5.0, 0], [1.0, 0, 0]) == pytest.approx(90)
    assert np.isnan(angular_error_degrees([0, 0, 0.0], [0, 0, 1.0]))
    assert angular_error_degrees(np.ones((4, 5, 3)), np.ones(3)).shape == (4, 5)
