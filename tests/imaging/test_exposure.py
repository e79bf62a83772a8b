# SPDX-License-Identifier: Apache-2.0
"""An exposure brings the median to its target unless highlights, or the limit of the factor, come first."""

import numpy as np
import pytest

from multishade.imaging.exposure import exposure_to_median


def test_the_median_reaches_its_target() -> None:
    luminance = np.linspace(0.01, 0.03, 101)
    assert exposure_to_median(luminance, 0.2) == pytest.approx(0.2 / 0.02)


def test_highlights_end_the_exposure_at_their_percentile() -> None:
    luminance = np.array([0.01] * 90 + [0.5] * 10)
    assert exposure_to_median(luminance, 0.2) == pytest.approx(1 / 0.5)
    assert exposure_to_median(luminance, 0.2, highlight=0.8) == pytest.approx(0.8 / 0.5)
    assert exposure_to_median(luminance, 0.2, highlight_percentile=85) == pytest.approx(0.2 / 0.01)


def test_the_limit_ends_the_exposure_of_what_is_hardly_lit() -> None:
    assert exposure_to_median(np.full(50, 1e-6), 0.2, limit=64) == 64
    mostly_black = np.array([0.0] * 60 + [1e-5] * 40)
    assert exposure_to_median(mostly_black, 0.2, limit=64) == 64


@pytest.mark.parametrize("luminance", [np.zeros(16), np.zeros(0)])
def test_nothing_to_expose_keeps_its_factor(luminance: np.ndarray) -> None:
    assert exposure_to_median(luminance, 0.2) == 1
