# SPDX-License-Identifier: Apache-2.0
"""Intervals of shares and means: a small set raises no alarm, a large one does."""

import numpy as np
import pytest

from multishade.stats.check import LEVEL, between, mean_interval, share_interval, times


def test_one_failure_in_a_small_set_says_little_and_in_a_large_share_much() -> None:
    bound = 0.02
    assert share_interval(1 / 4, 4)[0] <= bound
    assert share_interval(250 / 1000, 1000)[0] > bound
    assert share_interval(0.0, 4) == (0.0, pytest.approx(1 - ((1 - LEVEL) / 2) ** (1 / 4)))
    assert share_interval(1.0, 4)[1] == 1.0


def test_intervals_of_shares_hold_the_probability_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    for probability, cases in ((0.02, 12), (0.3, 40)):
        counts = rng.binomial(cases, probability, 4000)
        missed = 0
        for count, number in zip(*np.unique(counts, return_counts=True), strict=True):
            low, high = share_interval(count / cases, cases)
            missed += 0 if low <= probability <= high else int(number)
        assert missed / 4000 <= 3 * (1 - LEVEL)


def test_intervals_of_means_hold_the_mean_as_often_as_they_say() -> None:
    values = np.random.default_rng(1).normal(0.7, 0.1, (4000, 5))
    held = [low <= 0.7 <= high for low, high in map(mean_interval, values)]
    assert 1 - np.mean(held) <= 3 * (1 - LEVEL)


def test_one_group_bounds_nothing() -> None:
    assert mean_interval([0.9]) == (-np.inf, np.inf)
    assert between(mean_interval([0.9])) == "too few groups for an interval"


@pytest.mark.parametrize(
    ("count", "most", "text"),
    [(1, None, "once"), (2, None, "twice"), (3, None, "3 times"), (1, 1, "once"), (1, 3, "once to 3 times")],
)
def test_wording(count: int, most: int | None, text: str) -> None:
    assert times(count, most) == text
