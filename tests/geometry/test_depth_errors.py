# SPDX-License-Identifier: Apache-2.0
"""Errors of depth by hand; normals of a depth map by principal components; planar faces."""

import numpy as np
import pytest

from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.camera import Projection
from multishade.geometry.depth import depth_to_points, pca_normals
from multishade.geometry.depth_errors import align_depth, depth_errors, planar_regions, planarity
from tests.support.synthetic import camera_matrix, cast_sphere

KINDS: tuple[Projection, ...] = ("perspective", "orthographic")
INSIDE = np.array([[True, True, False]])


def test_errors_by_hand() -> None:
    found = depth_errors(np.array([[2.0, 3.0, 99.0]]), np.array([[1.0, 4.0, 1.0]]), INSIDE)
    assert found["abs_rel"] == pytest.approx((1 / 1 + 1 / 4) / 2)
    assert found["rmse"] == pytest.approx(1.0)
    assert found["log10"] == pytest.approx((np.log10(2) + np.log10(4 / 3)) / 2)
    # Ratios 2 and 4/3; the limits are 1.25, 1.5625 and 1.953.
    assert [found[f"delta{place}"] for place in (1, 2, 3)] == [0.0, 0.5, 0.5]
    assert all(
        np.isnan(value) for value in depth_errors(np.ones((1, 3)), np.ones((1, 3)), ~INSIDE & INSIDE).values()
    )


def test_depth_gets_the_true_mean() -> None:
    depth, truth = np.array([[1.0, 3.0, 9.0]]), np.array([[3.0, 5.0, 0.0]])
    np.testing.assert_allclose(align_depth(depth, truth, INSIDE, "perspective")[INSIDE], [2, 6])
    np.testing.assert_allclose(align_depth(depth, truth, INSIDE, "orthographic")[INSIDE], [3, 5])


@pytest.mark.parametrize("kind", KINDS)
def test_the_normals_of_a_sphere(kind: Projection) -> None:
    matrix = camera_matrix(kind, 96)
    mask, normal, depth = cast_sphere(kind, 96, matrix)
    found = pca_normals(depth_to_points(depth, matrix, kind), mask, kind)
    assert np.isnan(found[~mask]).all()
    error = angular_error_degrees(found, normal)
    assert error[mask & (normal[..., 2] > 0.8)].max() < 2
    np.testing.assert_allclose(np.linalg.norm(found[mask], axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_normals_of_a_plane_are_exact(kind: Projection) -> None:
    matrix = camera_matrix(kind, 32)
    normal = np.array([0.5, -0.4, np.sqrt(1 - 0.41)])
    points = depth_to_points(np.ones((32, 32)), matrix, kind)
    along = points @ normal if kind == "perspective" else None
    depth = -1.5 / along if along is not None else 1.5 + (points[..., :2] @ normal[:2]) / normal[2]
    found = pca_normals(depth_to_points(depth, matrix, kind), np.ones((32, 32), bool), kind)
    np.testing.assert_allclose(found, np.broadcast_to(normal, found.shape), atol=1e-6)


def test_a_lonely_pixel_has_no_normal() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert np.isnan(pca_normals(np.ones((9, 9, 3)), mask, "perspective")).all()


def test_planar_faces_are_found_and_measured() -> None:
    """A roof: two planes that meet in a ridge. The prediction bends one and turns the other by 5 degrees."""
    row, column = np.mgrid[:20, :40].astype(float)
    height = np.where(column < 20, 0.5 * column, 0.5 * (39 - column))
    points = np.stack([column, -row, height - 100], axis=-1)
    slope = np.where(column < 20, -0.5, 0.5)
    normal = np.stack([slope, np.zeros_like(slope), np.ones_like(slope)], axis=-1) / np.sqrt(1.25)
    mask = np.ones(column.shape, bool)
    left, right = sorted(planar_regions(points, normal, mask), key=lambda region: np.nonzero(region)[1].min())
    assert left[:, :20].all() and not left[:, 20:].any()
    assert right[:, 20:].all() and not right[:, :20].any()
    wrong = points.copy()
    wrong[..., 2] += np.where(left, 0.1 * (-1.0) ** row, 0)
    turned = np.degrees(np.arctan(0.5)) - 5
    wrong[..., 2] = np.where(right, np.tan(np.radians(turned)) * (39 - column) - 100, wrong[..., 2])
    flat, angle = planarity(wrong, points, left)
    assert flat == pytest.approx(0.1 / np.sqrt(1.25), rel=0.05)
    assert angle < 0.1
    flat, angle = planarity(wrong, points, right)
    assert flat < 1e-6
    assert angle == pytest.approx(5)
    assert planar_regions(*_ball()) == []


def _ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = camera_matrix("perspective", 48)
    mask, normal, depth = cast_sphere("perspective", 48, matrix)
    return np.nan_to_num(depth_to_points(np.where(mask, depth, 1.0), matrix, "perspective")), normal, mask
