# SPDX-License-Identifier: Apache-2.0
"""Values that are no measurements (clipped) are left out, pixel by pixel and light by light, by every method."""

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import ring
from multishade.photometry.shading import lambert
from multishade.photometry.solvers.methods import METHODS, solve
from multishade.photometry.solvers.observations import used_channels


def clipped_ball() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Normals, mask, images of albedo 1.4 clipped at 1, directions."""
    row, column = np.mgrid[:40, :40] + 0.5
    x, y = (column - 20) / 18, (20 - row) / 18
    mask = x**2 + y**2 < 0.6
    normal = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], axis=2) * mask[..., None]
    lights = np.concatenate([ring(8, 40.0), ring(8, 60.0)])
    return normal, mask, np.minimum(1.4 * lambert(normal, lights, mask), 1).astype(np.float32), lights


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_clipped_values_are_left_out(method: str, colour: bool) -> None:
    normal, mask, images, lights = clipped_ball()
    measured = images < 1
    stack = (
        np.repeat(images[..., None], 3, axis=3) * np.array([1, 0.5, 0.25], np.float32) if colour else images
    )
    error = {}
    for name, given in (("all", None), ("measured", measured)):
        found = solve(stack, lights, mask, method=method, measured=given)
        inside = mask & found.determined
        assert inside.sum() > 0.99 * mask.sum()
        error[name] = angular_error_degrees(found.normal, normal)[inside].mean()
        if name == "measured" and method != "ols":
            albedo = found.albedo[inside].reshape(inside.sum(), -1)[:, 0]
            assert np.median(albedo) == pytest.approx(1.4 if colour else found.albedo[inside].max(), rel=0.02)
    assert error["all"] > 0.5
    # `ols` still takes shadows for measurements, as its formula has it.
    assert error["measured"] < (0.05 if method != "ols" else 0.9 * error["all"])


def test_measurements_everywhere_change_no_bit() -> None:
    _, mask, images, lights = clipped_ball()
    for method in METHODS:
        plain = solve(images, lights, mask, method=method)
        same = solve(images, lights, mask, method=method, measured=np.ones(images.shape, bool))
        assert np.array_equal(plain.normal, same.normal) and np.array_equal(plain.confidence, same.confidence)


def test_the_compiled_solver_leaves_them_out_too() -> None:
    normal, mask, images, lights = clipped_ball()
    tiled = np.tile(images, (1, 7, 7))
    found = solve(tiled, lights, np.tile(mask, (7, 7)), measured=tiled < 1, compiled=True)
    error = angular_error_degrees(found.normal, np.tile(normal, (7, 7, 1)))
    assert error[found.determined].mean() < 0.05


def test_a_wrong_shape_is_named() -> None:
    _, mask, images, lights = clipped_ball()
    with pytest.raises(SolveError, match=r"measured: expected \(16, 40, 40\) bool"):
        solve(images, lights, mask, measured=np.ones((40, 40), bool))


@pytest.mark.parametrize("method", METHODS)
def test_a_channel_that_is_clipped_takes_no_light_from_the_others(method: str) -> None:
    normal, mask, images, lights = clipped_ball()
    unclipped = 1.4 * lambert(normal, lights, mask).astype(np.float32)
    colour = unclipped[..., None] * np.array([1.5, 0.6, 0.4], np.float32)
    stored = np.minimum(colour, 1)
    measured = stored < 1
    assert (~measured[..., 0])[:, mask].mean() > 0.3 and measured[..., 1:].all()
    found = solve(stored, lights, mask, method=method, measured=measured)
    green = solve(unclipped, lights, mask, method=method)
    assert np.array_equal(found.determined, green.determined)
    error = angular_error_degrees(found.normal, green.normal)[mask & found.determined]
    assert error.max() < 0.1  # as from images of green and blue alone, which are never clipped
    if method != "ols":
        ratio = np.median(found.albedo[mask & found.determined], axis=0)
        assert ratio / ratio[1] == pytest.approx([2.5, 1, 2 / 3], rel=0.02)


def test_the_channels_that_leave_the_most_lights_are_used() -> None:
    measured = np.ones((12, 5, 3), bool)
    measured[:1, 1, 1] = False  # one light is not worth a channel
    measured[:6, 2, 0] = False
    measured[:6, 3] = False
    measured[:8, 4, :2] = False
    chosen = used_channels(measured)
    assert chosen.tolist() == [[True] * 3, [True] * 3, [False, True, True], [True] * 3, [False, False, True]]
