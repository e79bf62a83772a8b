# SPDX-License-Identifier: Apache-2.0
"""Negative and broken radiance is repaired, measured, and left alone where there is none."""

import numpy as np
import pytest

from multishade.imaging.repair import MOST_BROKEN, repair_radiance


def sky(height: int = 64) -> np.ndarray:
    ramp = np.linspace(1, 2, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(ramp, (height, 2 * height, 3)).copy()


def test_a_sound_map_is_returned_as_it_is() -> None:
    image = sky()
    repaired, found = repair_radiance(image)
    assert repaired is image and (found.negative_share, found.broken) == (0.0, 0)


def test_what_lossy_compression_leaves_is_no_reason_for_a_copy() -> None:
    image = sky()
    image[5, 5] = -0.01
    assert repair_radiance(image)[0] is image


def test_a_ring_about_the_sun_is_set_to_zero_and_its_share_is_by_solid_angle() -> None:
    image = np.ones((64, 128, 3), np.float32)
    image[32, 64], image[30:35, 60] = 100, -4
    repaired, found = repair_radiance(image)
    assert repaired.min() == 0 and repaired[32, 64, 0] == 100
    # Energy of the whole sphere is 4 pi; a pixel at the equator has pi / 64 squared of it.
    pixel = (np.pi / 64) ** 2
    assert found.negative_share == pytest.approx(5 * 4 * pixel / (4 * np.pi + (99 - 5) * pixel), rel=0.01)


def test_single_broken_pixels_become_the_mean_of_their_neighbours() -> None:
    image = sky()
    image[10, 20], image[63, 127, 1], image[0, 0] = np.nan, -np.inf, np.nan
    repaired, found = repair_radiance(image)
    assert found.broken == 3 and np.isfinite(repaired).all()
    np.testing.assert_allclose(repaired[10, 20], sky()[10, 20], rtol=1e-5)
    np.testing.assert_allclose(repaired[0, 0], sky()[0, 0], rtol=0.01)


def test_an_overflown_sun_stays_as_bright_as_its_rim() -> None:
    image = sky(128).astype(np.float16)
    image[40:45, 40:45] = 60000
    image[41:44, 41:44] = np.inf
    repaired, found = repair_radiance(image)
    assert found.broken == 9 and repaired.dtype == np.float16
    assert (repaired[41:44, 41:44] == 60000).all()


def test_too_many_broken_pixels_are_left_for_the_caller_to_refuse() -> None:
    image = sky()
    image[:3] = np.nan
    repaired, found = repair_radiance(image)
    assert repaired is image and found.broken > MOST_BROKEN * 64 * 128
