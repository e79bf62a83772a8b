# SPDX-License-Identifier: Apache-2.0
"""A box holds exactly the pixels of a mask, widened as far as the image reaches."""

import json

import numpy as np
import pytest

from multishade.geometry.boxes import Box, bounding_box, bounding_square, bounding_window


def _mask(shape: tuple[int, int], box: Box) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[box.window] = True
    return mask


@pytest.mark.parametrize("box", [Box(2, 3, 7, 5), Box(0, 0, 10, 8), Box(9, 7, 10, 8)])
def test_the_box_of_a_filled_box_is_that_box(box: Box) -> None:
    mask = _mask((8, 10), box)
    assert bounding_box(mask) == box
    assert mask[box.window].all() and mask.sum() == box.width * box.height


def test_only_the_outermost_pixels_count() -> None:
    mask = np.zeros((8, 10), bool)
    mask[1, 6] = mask[5, 2] = True
    assert bounding_box(mask) == (2, 1, 7, 6)


def test_a_margin_ends_at_the_border() -> None:
    assert bounding_box(_mask((8, 10), Box(1, 3, 4, 5)), margin=2) == (0, 1, 6, 7)
    assert bounding_box(_mask((8, 10), Box(1, 3, 4, 5)), margin=99) == (0, 0, 10, 8)


def test_an_empty_mask_has_no_box_and_the_window_of_the_whole_image() -> None:
    empty = np.zeros((8, 10), bool)
    assert bounding_box(empty, margin=3) is None and bounding_square(empty) is None
    assert empty[bounding_window(empty)].shape == (8, 10)
    assert bounding_window(_mask((8, 10), Box(2, 3, 7, 5)), margin=1) == (slice(2, 6), slice(1, 8))


def test_a_square_has_the_longer_side_and_the_centre_of_the_box() -> None:
    square = bounding_square(_mask((8, 20), Box(4, 3, 14, 5)))
    assert square == (4, -1, 13, 8)  # a side of 9 pixel distances; centre (9, 4) up to half a pixel
    assert bounding_square(_mask((8, 20), Box(4, 3, 14, 5)), scale=2, padding=3) == (-2, -7, 19, 14)


def test_a_box_is_written_to_json_as_a_list() -> None:
    assert json.dumps({"box": Box(1, 2, 3, 4)}) == '{"box": [1, 2, 3, 4]}'
