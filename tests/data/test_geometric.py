# SPDX-License-Identifier: Apache-2.0
"""Crop, scale, rotation and mirror, held against a sphere, which looks the same however its picture is turned."""

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.geometric import (
    Window,
    mirrored_lights,
    sample_window,
    warp_light,
    warp_normal,
    warp_shading,
)
from multishade.data.settings import Geometric
from multishade.errors import DataError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import ring, spiral
from multishade.photometry.differentiable import lambert as lambert_of
from multishade.photometry.shading import lambert
from tests.support.synthetic import bumped, camera_matrix, cast_sphere, make_sample

SIZE = 64


def sphere(size: int = SIZE, bump: float = 0.0) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Mask and normals (H, W, 3) of an orthographic sphere."""
    mask, normal, _ = cast_sphere("orthographic", size, camera_matrix("orthographic", size))
    return mask, bumped(normal, bump).astype(np.float32)


def warped(
    mask: NDArray[np.bool_], normal: NDArray[np.float32], window: Window
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    turned, inside = warp_normal(
        torch.from_numpy(normal.transpose(2, 0, 1).copy()), torch.from_numpy(mask), window
    )
    return inside.numpy(), turned.numpy().transpose(1, 2, 0)


def window(angle: float = 0.0, mirrored: bool = False, side: float = SIZE, size: int = SIZE) -> Window:
    return Window((SIZE / 2, SIZE / 2), side, np.radians(angle), mirrored, size)


def errors(
    mask: NDArray[np.bool_], normal: NDArray[np.float32], truth: tuple[NDArray, NDArray]
) -> NDArray[np.floating]:  # type: ignore[type-arg]
    both = mask & truth[0]
    assert np.count_nonzero(mask ^ truth[0]) <= 0.05 * np.count_nonzero(truth[0])
    return angular_error_degrees(normal[both], truth[1][both])


@pytest.mark.parametrize(("angle", "mirrored"), list(product([0, 17, 45, 90, 133, -160], [False, True])))
def test_a_turned_or_mirrored_sphere_is_the_same_sphere(angle: float, mirrored: bool) -> None:
    """Pixels and vectors must turn together, and the right way: one without the other is degrees off."""
    truth = sphere()
    inside, normal = warped(*truth, window(angle, mirrored))
    error = errors(inside, normal, truth)
    assert error.mean() < 0.3 and np.percentile(error, 95) < 1.5
    np.testing.assert_allclose(np.linalg.norm(normal[inside], axis=1), 1, atol=1e-5)
    assert not normal[~inside].any()


def test_quarter_turns_and_mirrors_move_pixels_exactly() -> None:
    mask, normal = sphere(bump=0.1)
    for quarter in range(1, 4):
        inside, turned = warped(mask, normal, window(90 * quarter))
        expected = np.rot90(normal, quarter)  # counter-clockwise, as seen
        for _ in range(quarter):
            expected = np.stack([-expected[..., 1], expected[..., 0], expected[..., 2]], axis=-1)
        np.testing.assert_array_equal(inside, np.rot90(mask, quarter))
        np.testing.assert_allclose(turned, expected, atol=1e-5)
    inside, turned = warped(mask, normal, window(mirrored=True))
    np.testing.assert_allclose(turned, normal[:, ::-1] * [-1, 1, 1], atol=1e-5)


@pytest.mark.parametrize(("angle", "mirrored"), [(30, False), (75, True)])
def test_light_and_normals_move_together(angle: float, mirrored: bool) -> None:
    """A picture lit from somewhere, turned, is the turned surface lit from the turned direction."""
    mask, normal = sphere(bump=0.05)
    light = np.array([[0.48, 0.6, 0.64]])
    view = window(angle, mirrored)
    picture = warp_light(torch.from_numpy(lambert(normal, light)), view)[0].numpy()
    inside, turned = warped(mask, normal, view)
    moved = light.copy()
    moved[:, :2] = light[:, :2] @ view.turn.T
    difference = np.abs(picture - lambert(turned, moved)[0])[inside]
    assert difference.mean() < 0.01
    wrong = np.abs(picture - lambert(turned, light)[0])[inside]
    assert wrong.mean() > 10 * difference.mean()


def test_shading_is_recomputed_since_the_lights_stay_with_the_camera() -> None:
    """The topmost light brightens what is on top, whichever way the picture is turned."""
    truth = sphere()
    inside, normal = warped(*truth, window(120))
    difference = np.abs(lambert(normal, ring(9)) - lambert(truth[1], ring(9)))[:, inside & truth[0]]
    assert difference.max() < 0.1 and difference.mean() < 0.005


@pytest.mark.parametrize("side", [32.0, 48.0, 64.0])
def test_a_magnified_sphere_is_a_larger_sphere(side: float) -> None:
    magnified = 1.08 * side / SIZE
    mask, normal = warped(*sphere(), window(side=side))
    matrix = np.array([[SIZE / magnified, 0, SIZE / 2], [0, SIZE / magnified, SIZE / 2], [0, 0, 1]])
    true_mask, true_normal, _ = cast_sphere("orthographic", SIZE, matrix)
    error = errors(mask, normal, (true_mask, true_normal))
    assert error.mean() < 0.5


@pytest.mark.parametrize("size", [16, 32, 40])
def test_a_shrunk_sphere_is_the_same_sphere_with_fewer_pixels(size: int) -> None:
    mask, normal = warped(*sphere(), window(size=size))
    error = errors(mask, normal, sphere(size))
    assert error.mean() < 1.5


def test_shrinking_keeps_the_light_and_averages_bump() -> None:
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.random((2, SIZE, SIZE), dtype=np.float32))
    small = warp_light(noise, window(size=16))
    assert torch.allclose(small.mean(dim=(1, 2)), noise.mean(dim=(1, 2)), atol=1e-3)
    assert small.std() < noise.std() / 3
    mask, normal = sphere(bump=0.3)
    _, fine = warped(mask, normal, window(size=16))
    _, smooth = warped(*sphere(), window(size=16))
    inside = warped(mask, normal, window(size=16))[0]
    nearest = normal[2::4, 2::4]
    assert (
        angular_error_degrees(fine[inside], smooth[inside]).mean()
        < angular_error_degrees(nearest[inside], smooth[inside]).mean()
    )


def test_creases_keep_their_two_normals() -> None:
    """A roof seen from above: nothing between its two slopes may come up, however it is turned or magnified."""
    normal = np.zeros((SIZE, SIZE, 3), np.float32)
    normal[:, : SIZE // 2], normal[:, SIZE // 2 :] = [-0.8, 0, 0.6], [0.8, 0, 0.6]
    for view in (window(33), window(side=40.0), window(10, side=23.0)):
        inside, turned = warped(np.ones((SIZE, SIZE), bool), normal, view)
        slopes = np.array([[-0.8, 0, 0.6], [0.8, 0, 0.6]])
        slopes[:, :2] = slopes[:, :2] @ view.turn.T
        distance = np.abs(turned[inside][:, None] - slopes).max(axis=2).min(axis=1)
        assert distance.max() < 1e-4


def test_what_lies_beyond_the_image_is_empty() -> None:
    mask, normal = np.ones((SIZE, SIZE), bool), np.tile(np.float32([0, 0, 1]), (SIZE, SIZE, 1))
    inside, turned = warped(mask, normal, window(45, side=SIZE))
    assert not inside[0, 0] and inside[32, 32] and not turned[0, 0].any()


def test_windows_stay_within_the_settings_and_about_the_object() -> None:
    mask = np.zeros((60, 100), bool)
    mask[10:30, 70:80] = True
    settings = Geometric(
        size=32, frame="object", margin=1.2, scale=(0.5, 2), shift=0.1, rotation_degrees=(-20, 40), mirror=0.5
    )
    drawn = [sample_window(mask, settings, np.random.default_rng(seed)) for seed in range(300)]
    sides = np.array([each.side for each in drawn])
    assert sides.min() >= 12 and sides.max() <= 48
    assert np.median(sides) == pytest.approx(24, rel=0.1)  # even in the logarithm
    centres = np.array([each.centre for each in drawn])
    assert (np.abs(centres - [75, 20]) <= 0.1 * sides[:, None] + 1e-9).all()
    angles = np.degrees([each.angle for each in drawn])
    assert -20 <= angles.min() < -15 and 35 < angles.max() <= 40
    assert 100 < sum(each.mirrored for each in drawn) < 200
    whole = sample_window(mask, Geometric(), np.random.default_rng(0))
    assert whole.side == 100 and whole.centre == (50, 30) and whole.size == 100
    square = sample_window(np.ones((48, 48), bool), Geometric(), np.random.default_rng(0))
    assert square.keeps(48, 48) and not square.keeps(60, 100)


def test_an_object_that_fills_little_of_a_wide_image_is_framed() -> None:
    sample = make_sample(size=48)
    wide = np.pad(sample.mask, ((0, 0), (30, 90)))
    normal = np.pad(sample.normal, ((0, 0), (30, 90), (0, 0)))
    view = sample_window(wide, Geometric(size=48, frame="object", margin=1), np.random.default_rng(0))
    inside, _ = warped(wide, normal, view)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert (rows[0], rows[-1]) == (columns[0], columns[-1]) == (0, 47)


def test_stored_shading_is_magnified_and_mirrored_with_its_frames() -> None:
    mask, normal = sphere()
    stored = torch.from_numpy(lambert(normal, ring(9)))
    mirrored = warp_shading(stored, torch.from_numpy(mask), window(mirrored=True), ring(9))
    np.testing.assert_allclose(mirrored, lambert(normal[:, ::-1] * [-1, 1, 1], ring(9)), atol=1e-5)
    larger = warp_shading(stored, torch.from_numpy(mask), window(side=40.0), ring(9))
    inside, magnified = warped(mask, normal, window(side=40.0))
    assert np.abs(larger.numpy() - lambert(magnified, ring(9), inside)).mean() < 0.01
    with pytest.raises(DataError, match="mirror image of a light is not among the lights"):
        mirrored_lights(spiral(9))
    partner = mirrored_lights(ring(8))
    np.testing.assert_array_equal(partner, [0, 7, 6, 5, 4, 3, 2, 1])


def test_batches_compute_the_same_shading_as_the_reference() -> None:
    mask, normal = sphere(bump=0.1)
    tensor: Tensor = torch.from_numpy(normal)
    np.testing.assert_allclose(
        lambert_of(tensor, torch.from_numpy(ring(9)).float()), lambert(normal, ring(9)), atol=1e-6
    )


class TestFarSamples:
    MASK = np.zeros((60, 60), bool)
    MASK[20:40, 20:40] = True
    NEAR = Geometric(frame="object", scale=(0.9, 1.1), shift=0.05, rotation_degrees=(-20, 20), mirror=0.5)

    def windows(self, settings: Geometric) -> list[Window]:
        return [sample_window(self.MASK, settings, np.random.default_rng(seed)) for seed in range(300)]

    def test_their_share_sees_the_object_smaller_and_farther_from_the_middle(self) -> None:
        far = self.NEAR.model_copy(update={"far": 0.3, "far_scale": (0.3, 0.6), "far_shift": 0.3})
        changed = [
            window
            for window, near in zip(self.windows(far), self.windows(self.NEAR), strict=True)
            if window != near
        ]
        assert 0.2 < len(changed) / 300 < 0.4
        assert all(20 * 1.15 / 0.6 <= window.side <= 20 * 1.15 / 0.3 for window in changed)
        assert max(abs(window.centre[0] - 30) / window.side for window in changed) > 0.25

    def test_without_far_samples_their_settings_change_nothing(self) -> None:
        other = self.NEAR.model_copy(update={"far_scale": (0.1, 0.2), "far_shift": 0.5})
        assert self.windows(other) == self.windows(self.NEAR)
