# SPDX-License-Identifier: Apache-2.0
"""PSNR is that of display values inside the mask, and of errors it is the textbook's."""

import numpy as np
import pytest

from multishade.imaging.color import linear_to_srgb, srgb_to_linear
from multishade.imaging.quality import MAX_PSNR, error_to_psnr, mean_squared, psnr, psnr_to_error


def test_psnr_is_of_display_values_inside_the_mask() -> None:
    shown = np.full((4, 5, 3), 0.5, np.float32)
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    off = shown + np.float32(0.1)
    off[~mask] = 0
    assert psnr(srgb_to_linear(off), srgb_to_linear(shown), mask) == pytest.approx(20, abs=1e-3)
    assert psnr(srgb_to_linear(shown), srgb_to_linear(shown), mask) == MAX_PSNR


def test_what_is_beyond_white_is_shown_as_white() -> None:
    mask = np.ones((2, 2), bool)
    assert psnr(np.full((2, 2, 3), 9.0), np.full((2, 2, 3), 1.5), mask) == MAX_PSNR


def test_decibels_and_errors_are_inverse() -> None:
    assert error_to_psnr(1e-2) == pytest.approx(20)
    assert error_to_psnr(0.0, smallest_error=1e-10) == pytest.approx(100)
    assert error_to_psnr(psnr_to_error(38.0)) == pytest.approx(38)


def test_squares_are_summed_in_float64() -> None:
    difference = np.full(2**25, 2.0**-6, np.float32)
    assert mean_squared(difference) == 2.0**-12
    assert linear_to_srgb(np.zeros(1)).dtype == np.float32
