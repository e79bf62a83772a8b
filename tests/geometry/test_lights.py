# SPDX-License-Identifier: Apache-2.0
"""Lights: where they stand, how they spread, what their files may hold and what a bad line is answered with."""

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.lights import (
    hemisphere,
    read_directions,
    read_intensities,
    ring,
    spiral,
    unit_directions,
)


def test_ring_starts_above_and_goes_clockwise_at_its_elevation():
    lights = ring(4, elevation_degrees=30.0)
    across, up = np.cos(np.radians(30)), np.sin(np.radians(30))
    expected = [[0, across, up], [across, 0, up], [0, -across, up], [-across, 0, up]]
    np.testing.assert_allclose(lights, expected, atol=1e-15)
    assert ring(9).dtype == np.float64 and ring(9).shape == (9, 3)


@pytest.mark.parametrize("make", [ring, spiral, hemisphere])
def test_lights_are_unit_vectors_on_the_cameras_side(make):
    lights = make(25)
    np.testing.assert_allclose(np.linalg.norm(lights, axis=1), 1, atol=1e-14)
    assert (lights[:, 2] > 0).all()


def test_spiral_is_one_path_down_to_its_lowest_elevation():
    lights = spiral(200, min_elevation_degrees=20.0)
    heights = lights[:, 2]
    assert (np.diff(heights) < 0).all()
    assert heights[-1] == pytest.approx(np.sin(np.radians(20)), abs=0.01)
    steps = np.degrees(np.arccos(np.einsum("ki,ki->k", lights[1:], lights[:-1])))
    assert steps.max() < 15


def test_hemisphere_covers_equal_solid_angles():
    """sin(elevation) is uniform for equal areas, and lights balance around the axis."""
    fixed = hemisphere(2000, min_elevation_degrees=10.0)
    drawn = hemisphere(20000, min_elevation_degrees=10.0, rng=np.random.default_rng(5))
    lowest = np.sin(np.radians(10))
    for lights in (fixed, drawn):
        assert lights[:, 2].min() >= lowest - 1e-12
        assert lights[:, 2].mean() == pytest.approx((1 + lowest) / 2, abs=0.01)
        assert np.abs(lights[:, :2].mean(axis=0)).max() < 0.01
    np.testing.assert_array_equal(fixed, hemisphere(2000, min_elevation_degrees=10.0))


def test_fixed_hemisphere_has_no_crowds_and_no_gaps():
    lights = hemisphere(100)
    cosine = lights @ lights.T - 2 * np.eye(100)
    nearest = np.degrees(np.arccos(cosine.max(axis=1)))
    # 100 equal caps over a hemisphere are 8.1 degrees in radius.
    assert nearest.min() > 8 and nearest.max() < 16


def test_directions_are_read_with_spaces_tabs_commas_and_comments(tmp_path):
    path = tmp_path / "light.txt"
    path.write_text("# x y z\n0 0 1\n\n0.6,0,0.8\r\n\t0 -0.6000 0.8001 \n")
    lights = read_directions(path)
    np.testing.assert_allclose(lights, [[0, 0, 1], [0.6, 0, 0.8], [0, -0.6, 0.8]], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(lights, axis=1), 1, atol=1e-15)


def test_intensities_are_rgb_rows_or_single_numbers(tmp_path):
    path = tmp_path / "light_intensities.txt"
    path.write_text("1.2909 1.5776 2.1336\n1.4631 1.7925 2.4682\n")
    assert read_intensities(path).shape == (2, 3)
    path.write_text("1.5\n2.5\n")
    np.testing.assert_array_equal(read_intensities(path), [1.5, 2.5])


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("0 0 1\n0 1\n", ":2:", "2 numbers"),
        ("0 0 1\n\n0 zero 1\n", ":3:", "zero"),
        ("0 0 1\n3 4 12\n", ":2:", "length 13"),
        ("0 0 nan\n", ":1:", "not finite"),
        ("\n# nothing\n", ": ", "no lights"),
    ],
)
def test_a_bad_direction_names_its_file_and_line(tmp_path, text, place, reason):
    path = tmp_path / "light_directions.txt"
    path.write_text(text)
    with pytest.raises(SolveError) as caught:
        read_directions(path)
    assert f"{path}{place}" in str(caught.value) and reason in str(caught.value)


def test_a_bad_intensity_names_its_file_and_line(tmp_path):
    path = tmp_path / "light_intensities.txt"
    path.write_text("1 1 1\n1 0 1\n")
    with pytest.raises(SolveError, match=r":2: an intensity of 0"):
        read_intensities(path)
    path.write_text("1 1 1\n1\n")
    with pytest.raises(SolveError, match=r":2: 1 numbers; expected 3"):
        read_intensities(path)
    with pytest.raises(SolveError, match="cannot be read"):
        read_intensities(tmp_path / "absent.txt")


def test_a_light_that_is_not_a_direction_is_named():
    lights = ring(5)
    lights[3] *= 2
    with pytest.raises(SolveError, match="light 3 has length 2"):
        unit_directions(lights)
    lights[3] = np.nan
    with pytest.raises(SolveError, match="light 3"):
        unit_directions(lights)


def test_impossible_counts_and_elevations_are_refused():
    with pytest.raises(SolveError, match="count"):
        ring(0)
    with pytest.raises(SolveError, match="min_elevation_degrees"):
        hemisphere(5, min_elevation_degrees=90)
