# SPDX-License-Identifier: Apache-2.0
"""The lights of a photographed ball: chrome by its highlight, matt by its shading, found by itself or by its mask."""

from pathlib import Path

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import hemisphere
from multishade.photometry.balls import Circle, circle_of_mask, find_circle, lights_of_ball

SHAPE = (150, 200)
BALL = Circle(61.3, 82.6, 37.4)
LIGHTS = hemisphere(12, 25)


def matt(noise: float = 0.0, glossy: float = 0.0) -> np.ndarray:
    """(K, H, W, 3) a ball of colour, its edge antialiased by 4 x 4 samples, on a dark floor with a grey block."""
    fine = Circle(BALL.u * 4, BALL.v * 4, BALL.radius * 4)
    normal = fine.normals((SHAPE[0] * 4, SHAPE[1] * 4))
    inside = fine.inside(normal.shape[:2])
    rng = np.random.default_rng(5)
    images = []
    for light in LIGHTS:
        shading = np.maximum(normal @ light, 0)
        half = (light + [0, 0, 1]) / np.linalg.norm(light + [0, 0, 1])
        shine = glossy * np.maximum(normal @ half, 0) ** 60
        value = np.where(inside[..., None], shading[..., None] * [0.6, 0.5, 0.4] + shine[..., None], 0.02)
        value = value.reshape(SHAPE[0], 4, SHAPE[1], 4, 3).mean(axis=(1, 3))
        value[30:120, 140:190] = 0.2 * light[2]
        images.append(value + noise * rng.standard_normal(value.shape))
    return np.maximum(np.array(images), 0).astype(np.float32)


def chrome(spot_degrees: float = 3.0) -> np.ndarray:
    """(K, H, W) a mirror ball: a lamp of that radius as it is reflected, over a dim room."""
    fine = Circle(BALL.u * 8, BALL.v * 8, BALL.radius * 8)
    normal = fine.normals((SHAPE[0] * 8, SHAPE[1] * 8))
    inside = fine.inside(normal.shape[:2])
    seen = 2 * normal[..., 2:] * normal - [0, 0, 1]
    images = []
    for light in LIGHTS:
        lamp = seen @ light > np.cos(np.radians(spot_degrees))
        room = 0.05 + 0.04 * np.sin(9 * seen[..., 0])
        value = np.where(inside, np.where(lamp, 1.0, room), 0.01)
        images.append(value.reshape(SHAPE[0], 8, SHAPE[1], 8).mean(axis=(1, 3)))
    return np.array(images, np.float32)


def worst(found: np.ndarray) -> float:
    return float(angular_error_degrees(found, LIGHTS).max())


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_matt_ball_gives_directions_to_half_a_degree_and_intensities(noise: float) -> None:
    strengths = np.linspace(0.7, 1.3, len(LIGHTS))
    images = matt(noise) * strengths[:, None, None, None].astype(np.float32)
    found = lights_of_ball(images, BALL, "matte")
    assert worst(found.directions) < (0.1 if noise == 0 else 0.5)
    assert found.strengths == pytest.approx(np.repeat(strengths[:, None], 3, axis=1), rel=0.02)


def test_a_glossy_spot_on_a_matt_ball_is_left_out() -> None:
    assert worst(lights_of_ball(matt(0.002, glossy=0.8), BALL, "matte").directions) < 0.5


def test_clipped_pixels_of_a_matt_ball_are_left_out() -> None:
    images = matt() * 1.6
    measured = images.max(axis=3) < 0.7
    found = lights_of_ball(np.minimum(images, 0.7), BALL, "matte", measured)
    assert worst(found.directions) < 0.2


@pytest.mark.parametrize("spot", [2.0, 3.0, 8.0])
def test_a_chrome_ball_gives_directions_to_half_a_degree(spot: float) -> None:
    found = lights_of_ball(chrome(spot), BALL, "chrome")
    assert worst(found.directions) < 0.5 and found.strengths is None


@pytest.mark.parametrize("kind", ["chrome", "matte"])
def test_the_ball_is_found(kind: str) -> None:
    images = chrome() if kind == "chrome" else matt().mean(axis=3)
    circle = find_circle(images)
    # The rim of a mirror ball is as dark as what is behind it: its mask is more exact than the search.
    pixels, degrees = (0.7, 2.5) if kind == "chrome" else (0.35, 0.7)
    assert (circle.u, circle.v, circle.radius) == pytest.approx((BALL.u, BALL.v, BALL.radius), abs=pixels)
    assert worst(lights_of_ball(images, circle, kind).directions) < degrees


def test_its_mask_gives_the_circle() -> None:
    circle = circle_of_mask(BALL.inside(SHAPE))
    assert (circle.u, circle.v, circle.radius) == pytest.approx((BALL.u, BALL.v, BALL.radius), abs=0.1)


def test_what_is_no_disc_is_refused() -> None:
    block = np.zeros(SHAPE, bool)
    block[20:80, 20:120] = True
    with pytest.raises(SolveError, match=r"m\.png: overlaps a disc by \d\d% only"):
        circle_of_mask(block, "m.png")
    with pytest.raises(SolveError, match="radius of 4"):
        circle_of_mask(Circle(30, 30, 4.2).inside(SHAPE))
    with pytest.raises(SolveError, match="no ball is found .* give its mask with --ball-mask"):
        find_circle(np.random.default_rng(1).random((3, 60, 80)))


def test_a_ball_without_a_light_is_refused_with_its_image() -> None:
    images = chrome()
    images[4] = 0.05
    with pytest.raises(SolveError, match="image 5: the chrome ball shows no highlight"):
        lights_of_ball(images, BALL, "chrome")


def test_a_ball_aside_of_the_axis_of_a_perspective_camera() -> None:
    """The circle's normals are about the line of sight; the lights are turned with it."""
    view = np.array([0.3, -0.2, 0.93])
    view /= np.linalg.norm(view)
    images = matt().mean(axis=3)
    found = lights_of_ball(images, BALL, "matte", view=tuple(view)).directions
    cosines = found @ view
    assert cosines == pytest.approx(LIGHTS[:, 2], abs=0.005)
    assert found @ found.T == pytest.approx(LIGHTS @ LIGHTS.T, abs=0.005)


def test_the_lights_of_a_real_ball(shared_dir: Path) -> None:
    from multishade.evaluation.readers import benchmark
    from multishade.evaluation.readers.ball import with_ball_lights

    target = benchmark.read_folder(shared_dir / "benchmarks" / "diligent" / "ballPNG")
    found = with_ball_lights(target, "matte", shared_dir / "benchmarks" / "diligent" / "ballPNG" / "mask.png")
    error = angular_error_degrees(found.directions, target.directions)
    # It is glossy, and lit by lamps at a finite distance, whose true directions are those of another calibration.
    assert np.median(error) < 2 and error.max() < 5
