# SPDX-License-Identifier: Apache-2.0
"""Lights near the object: directions and distances that differ from pixel to pixel are taken into account."""

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.camera import central_intrinsics, focal_of_view, pixel_grid
from multishade.geometry.lights import hemisphere
from multishade.photometry.near_light import PointLights, solve_near
from multishade.photometry.solvers.methods import solve

SHAPE = (60, 72)
DISTANCE = 300.0  # mm from the camera to the foot of the dome
CAMERA = central_intrinsics(72, 60, focal_of_view(24, 72))


def surface(perspective: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and mask of a wavy dome some 100 mm wide."""
    if perspective:
        x, y = pixel_grid(SHAPE, CAMERA)
    else:
        row, column = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
        x, y = (column - 36) * 1.5 / DISTANCE, (30 - row) * 1.5 / DISTANCE
    # z = f(X, Y): found along each ray by iteration, since X = x depth.
    depth = np.full(SHAPE, DISTANCE)
    for _ in range(60):
        scale = depth if perspective else DISTANCE
        depth = DISTANCE - height(x * scale, y * scale)
    scale = depth if perspective else DISTANCE
    px, py = x * scale, y * scale
    step = 1e-3
    slope_x = (height(px + step, py) - height(px - step, py)) / (2 * step)
    slope_y = (height(px, py + step) - height(px, py - step)) / (2 * step)
    normal = np.stack([-slope_x, -slope_y, np.ones(SHAPE)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    mask = np.hypot(px / 48, py / 40) < 1
    return np.stack([px, py, -depth if perspective else DISTANCE - depth], axis=2), normal, mask


def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 12 * np.exp(-(x**2 + y**2) / 1200) + 1.5 * np.sin(x / 9) * np.cos(y / 11)


def lights(perspective: bool) -> np.ndarray:
    """(16, 3) some 150 mm from the middle of the object."""
    return 150 * hemisphere(16, 30) + [0, 0, -DISTANCE if perspective else 0]


def photograph(points: np.ndarray, normal: np.ndarray, mask: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Lambert under isotropic points of light: a max(0, n . l) / r^2."""
    toward = positions[:, None, None] - points
    distance = np.linalg.norm(toward, axis=3, keepdims=True)
    shading = np.maximum(np.einsum("khwi,hwi->khw", toward / distance, normal), 0)
    albedo = 0.5 + 0.2 * np.sin(points[..., 0] / 5)
    return (shading * albedo * (150 / distance[..., 0]) ** 2 * mask).astype(np.float32)


@pytest.mark.parametrize("perspective", [True, False])
def test_a_near_scene_is_solved_where_far_lights_fail(perspective: bool) -> None:
    points, normal, mask = surface(perspective)
    positions = lights(perspective)
    images = photograph(points, normal, mask, positions)
    camera = CAMERA if perspective else None
    # The mean distance is measured; without a camera, positions are from the mean plane.
    middle = float(points[..., 2][mask].mean())
    placed = positions if perspective else positions - [0, 0, middle]
    near = solve_near(
        images, PointLights(placed), mask, camera, -middle, pixel_size=1.5, integrator="poisson"
    )
    far = solve(images, near.directions, mask, method="robust")
    error = angular_error_degrees(near.solution.normal, normal)[mask]
    wrong = angular_error_degrees(far.normal, normal)[mask]
    assert np.nanmean(error) < 0.6 < 5 < np.nanmean(wrong)
    assert near.change_degrees < 0.05
    # The surface is in the lights' unit, up to what the mean depth is.
    found = near.depth[mask] - np.nanmean(near.depth[mask])
    true = -points[..., 2][mask] + points[..., 2][mask].mean()
    assert np.nanmax(np.abs(found - true)) < 1.0  # mm, of 15
    assert near.solution.confidence[mask].mean() > 0.8


def test_highlights_are_weighted_down() -> None:
    points, normal, mask = surface(True)
    positions = lights(True)
    images = photograph(points, normal, mask, positions)
    rng = np.random.default_rng(2)
    images[rng.random(images.shape) < 0.05] *= 2.5
    distance = -float(points[..., 2][mask].mean())
    near = solve_near(images, PointLights(positions), mask, CAMERA, distance, integrator="poisson")
    assert np.nanmean(angular_error_degrees(near.solution.normal, normal)[mask]) < 1.0


def test_colour_images_give_an_albedo_of_colour() -> None:
    points, normal, mask = surface(True)
    positions = lights(True)
    grey = photograph(points, normal, mask, positions)
    images = grey[..., None] * np.array([1, 0.5, 0.25], np.float32)
    near = solve_near(images, PointLights(positions), mask, CAMERA, DISTANCE, integrator="poisson")
    colour = near.solution.albedo[mask].mean(axis=0)
    assert colour / colour[0] == pytest.approx([1, 0.5, 0.25], rel=0.01)


def test_what_is_missing_is_named() -> None:
    images = np.ones((4, 8, 8), np.float32)
    mask = np.ones((8, 8), bool)
    with pytest.raises(SolveError, match="2 lights; a normal needs at least 3"):
        solve_near(images[:2], PointLights(np.ones((2, 3))), mask, None)
    with pytest.raises(SolveError, match="4 images but 5 light positions"):
        solve_near(images, PointLights(np.ones((5, 3))), mask, None)
    with pytest.raises(SolveError, match=r"mean distance from the camera.*--distance"):
        solve_near(images, PointLights(np.ones((4, 3))), mask, CAMERA)
