# SPDX-License-Identifier: Apache-2.0
"""Intrinsics, rays, depth and points agree with the pinhole equations of `CONVENTIONS`."""

import numpy as np
import pytest

from multishade.geometry.camera import crop_intrinsics, intrinsics, pixel_grid, view_directions
from multishade.geometry.depth import depth_to_points, points_to_normals
from multishade.protocol import scene

POSE = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))


def _camera(kind: str, width: int, height: int) -> scene.Camera:
    return scene.Camera(kind, width, height, POSE, focal_mm=35.0, sensor_mm=32.0, orthographic_scale=1.4)  # type: ignore[arg-type]


def test_the_sensor_spans_the_longer_side() -> None:
    assert intrinsics(_camera("perspective", 640, 480)) == [[700.0, 0, 320.0], [0, 700.0, 240.0], [0, 0, 1.0]]
    found = np.array(intrinsics(_camera("orthographic", 480, 700)))
    np.testing.assert_allclose(found, [[500.0, 0, 240.0], [0, 500.0, 350.0], [0, 0, 1.0]])


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_points_project_back_to_the_centres_of_their_pixels(kind, rng) -> None:
    k = np.array(intrinsics(_camera(kind, 13, 9)))
    depth = rng.uniform(1, 2, (9, 13))
    points = depth_to_points(depth, k, kind)
    np.testing.assert_array_equal(-points[..., 2], depth)
    scale = depth if kind == "perspective" else 1.0
    v, u = np.mgrid[:9, :13] + 0.5
    np.testing.assert_allclose(k[0, 2] + k[0, 0] * points[..., 0] / scale, u, atol=1e-9)
    np.testing.assert_allclose(k[1, 2] - k[1, 1] * points[..., 1] / scale, v, atol=1e-9)


def test_view_directions_point_from_the_surface_to_the_camera(rng) -> None:
    k = intrinsics(_camera("perspective", 8, 6))
    points = depth_to_points(rng.uniform(1, 2, (6, 8)), k, "perspective")
    expected = -points / np.linalg.norm(points, axis=-1, keepdims=True)
    np.testing.assert_allclose(view_directions((6, 8), k, "perspective"), expected, atol=1e-12)
    assert (view_directions((6, 8), k, "orthographic") == [0, 0, 1]).all()


def test_a_crop_sees_the_same_rays() -> None:
    k = intrinsics(_camera("perspective", 20, 16))
    window = (slice(3, 9), slice(5, 17))
    x, y = pixel_grid((16, 20), k)
    cropped_x, cropped_y = pixel_grid((6, 12), crop_intrinsics(k, window))
    np.testing.assert_allclose(cropped_x, x[window], atol=1e-12)
    np.testing.assert_allclose(cropped_y, y[window], atol=1e-12)
    whole = (slice(None), slice(None))
    np.testing.assert_array_equal(crop_intrinsics(k, whole), k)


def test_a_plane_has_its_own_normal() -> None:
    k = intrinsics(_camera("perspective", 24, 24))
    normal = np.array([0.3, -0.2, 0.9]) / np.linalg.norm([0.3, -0.2, 0.9])
    rays = depth_to_points(np.ones((24, 24)), k, "perspective")
    depth = -2 * normal[2] / (rays @ normal)
    found, reliable = points_to_normals(depth_to_points(depth, k, "perspective"), np.ones((24, 24), bool))
    assert reliable[1:-1, 1:-1].all() and not reliable[0].any()
    np.testing.assert_allclose(found[reliable], np.broadcast_to(normal, (22 * 22, 3)), atol=1e-9)
