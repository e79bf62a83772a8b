# SPDX-License-Identifier: Apache-2.0
"""Pictures show what the arrays say: colours by formula, outlines by mask, tiles where they belong."""

from pathlib import Path

import numpy as np
import pytest

from multishade.imaging import clay, codecs, display, panels, video
from tests.support.synthetic_benchmarks import ball


def test_normals_are_coded_as_half_plus_half() -> None:
    normal = np.array([[[0, 0, 1], [1, 0, 0], [0, -1, 0], [0, 0, 0]]], np.float32)
    found = display.normal_to_rgb(normal)
    assert found[0].tolist() == [[128, 128, 255], [255, 128, 128], [128, 0, 128], [255, 255, 255]]


def test_background_is_where_the_mask_is_not() -> None:
    target = ball()
    found = display.normal_to_rgb(target.normal, target.mask, background=(1, 2, 3))
    assert (found[~target.mask] == (1, 2, 3)).all()


def test_errors_go_from_dark_to_bright_and_missing_ones_stand_out() -> None:
    error = np.array([[0.0, 10, 20, 30, 60, np.nan, 5]])
    mask = np.array([[True] * 6 + [False]])
    found = display.error_to_rgb(error, mask).astype(int)
    brightness = found[0].sum(axis=1)
    assert (np.diff(brightness[:4]) > 0).all()
    assert (found[0, 3] == found[0, 4]).all()
    assert found[0, 5].tolist() == [0, 200, 220] and found[0, 6].tolist() == [255, 255, 255]


def test_radiance_is_shown_through_the_srgb_curve() -> None:
    found = display.radiance_to_rgb(np.array([[0.0, 0.5, 1.0, 2.0]]), white=1.0)
    assert found[0, :, 0].tolist() == [0, 188, 255, 255]


def test_colour_bar_is_as_high_as_asked_and_ends_in_the_scales_colours() -> None:
    bar = panels.colour_bar(200, 30)
    ends = display.error_to_rgb(np.array([[30.0, 0.0]]), np.ones((1, 2), bool))
    assert bar.shape[0] == 200
    assert np.abs(bar[[0, -1], 10].astype(int) - ends[0].astype(int)).max() <= 2


def test_tiles_keep_every_pixel_and_the_rows_apart() -> None:
    red = np.full((10, 20, 3), (255, 0, 0), np.uint8)
    blue = np.full((30, 15, 3), (0, 0, 255), np.uint8)
    found = panels.tile([[red, blue], [None, red]], [["a", "b"], ["", "c"]], ["first", "second"])
    assert (found == (255, 0, 0)).all(axis=2).sum() == 2 * 200
    assert (found == (0, 0, 255)).all(axis=2).sum() == 450
    assert (found[: found.shape[0] // 2] < 128).all(axis=2).any()  # captions are there


def test_a_long_caption_is_cut_and_does_not_run_into_the_next() -> None:
    small = np.zeros((10, 40, 3), np.uint8)
    found = panels.tile([[small, small]], [["a caption much longer than its picture", ""]])
    assert (found[:28, 50:] == 255).all()


@pytest.mark.parametrize("height", [5, 40])
def test_fit_height_keeps_the_aspect(height: int) -> None:
    assert display.fit_height(np.zeros((10, 20, 3), np.uint8), height).shape == (height, 2 * height, 3)


def test_clay_shows_the_near_side_only() -> None:
    """Two walls side by side in the grid, one behind the other in space: the one in front hides the other."""
    row, column = np.mgrid[:60, :120].astype(float)
    mask = np.ones((60, 120), bool)
    mask[:, 59:61] = False
    second = column >= 60
    bright, dark = np.array([-0.45, 0.5, 0.74]), np.array([0.45, -0.5, 0.2])
    normals = np.where(second[..., None], dark, bright) / [[[1.0]]]
    for near, expected in (("bright", 230), ("dark", 80)):
        depth = np.where(second == (near == "dark"), 5.0, -5.0)
        points = np.stack([column % 60, -row, depth], 2)
        found = clay.render_clay(points, normals, mask, 64)
        middle = found[20:40, 20:40, 0]
        assert (middle >= expected).all() if near == "bright" else (middle <= expected).all()


def test_clay_has_no_holes_when_enlarged_and_turned() -> None:
    target = ball(shape=(40, 40))
    row, column = np.mgrid[:40, :40] + 0.5
    depth = -12 * target.normal[..., 2]
    points = np.stack([column, -row, -depth], 2)
    found = clay.render_clay(points, target.normal, target.mask, 200, turn_degrees=20.0)
    drawn = (found < 255).all(axis=2)
    from scipy import ndimage

    assert drawn.mean() > 0.5
    assert (ndimage.binary_fill_holes(drawn) == drawn).mean() > 0.999


def test_files_come_back(tmp_path: Path) -> None:
    from PIL import Image

    frames = [display.grey_to_rgb(np.full((8, 12), level)) for level in (0.0, 0.5, 1.0)]
    display.save(tmp_path / "a.png", frames[1])
    assert np.array_equal(codecs.read_png(tmp_path / "a.png"), frames[1])
    video.write_video(tmp_path / "a.gif", frames, 10)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (3, (12, 8), 0, 100)
