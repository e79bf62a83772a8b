# SPDX-License-Identifier: Apache-2.0
"""Intervals, p-values and effect sizes: cases worked out by hand, and simulated data against what they claim."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from multishade.errors import EvaluationError
from multishade.evaluation import statistics as s
from multishade.evaluation.coverage import coverage

FEW = dict(resamples=999)


def test_difference_is_b_minus_a(rng: np.random.Generator) -> None:
    found = s.paired_difference([1, 2, 3, 4, 5], [2, 4, 4, 6, 9], rng, **FEW)
    assert (found.objects, found.mean_a, found.mean_b) == (5, 3, 5)
    assert found.difference == pytest.approx(2)
    assert found.low < 2 < found.high


def test_cohens_dz_by_hand() -> None:
    # differences 1, 2, 1, 2, 4: mean 2, sum of squares about it 6, over n - 1 = 4: 1.5
    assert s.cohens_dz([1, 2, 3, 4, 5], [2, 4, 4, 6, 9]) == pytest.approx(2 / np.sqrt(1.5))


def test_cohens_dz_at_its_limits() -> None:
    assert np.isnan(s.cohens_dz([1.0], [2.0]))
    assert s.cohens_dz([1.0, 2.0], [1.0, 2.0]) == 0
    assert s.cohens_dz([1.0, 2.0], [2.0, 3.0]) == np.inf


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=7))
def test_permutation_p_is_the_count_over_all_exchanges(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs).T
    difference = b - a
    observed = difference.sum()
    sums = [np.dot(signs, difference) for signs in itertools.product((1, -1), repeat=len(a))]
    above = np.mean([value >= observed for value in sums])
    below = np.mean([value <= observed for value in sums])
    expected = min(1.0, 2 * min(above, below))
    if np.array_equal(a, b):
        expected = 1.0
    found = s.permutation_p(a, b, np.random.default_rng(0))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("objects", [1, 2, 3, 5, 8, 10])
def test_the_smallest_p_is_reached_when_every_object_agrees(objects: int, rng: np.random.Generator) -> None:
    a = np.zeros(objects)
    b = np.arange(1, objects + 1, dtype=float)
    assert s.permutation_p(a, b, rng) == pytest.approx(s.smallest_p(objects))


def test_exchanging_the_methods_mirrors_everything() -> None:
    a, b = np.array([3.0, 5, 2, 8, 6, 7, 4]), np.array([2.5, 5, 1, 6, 6.5, 5, 3])
    forth = s.paired_difference(a, b, np.random.default_rng(1), **FEW)
    back = s.paired_difference(b, a, np.random.default_rng(1), **FEW)
    assert forth.difference == -back.difference
    assert forth.effect == -back.effect
    assert forth.p == pytest.approx(back.p)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low), abs=0.1)


def test_an_interval_without_spread_is_a_point(rng: np.random.Generator) -> None:
    assert s.paired_interval([1, 2, 3, 4, 5.0], [2, 3, 4, 5, 6.0], rng) == (1, 1)


def test_too_few_objects_have_no_interval(rng: np.random.Generator) -> None:
    assert np.isnan(s.paired_interval([1, 2, 3.0], [3, 2, 7.0], rng)).all()


def test_the_interval_is_scipys_bca(rng: np.random.Generator) -> None:
    a, b = rng.normal(5, 2, 12), rng.normal(4, 2, 12)
    mine = s.paired_interval(a, b, np.random.default_rng(9), widened=False, resamples=1999)
    theirs = stats.bootstrap(
        (b - a,), np.mean, method="BCa", n_resamples=1999, rng=np.random.default_rng(9)
    ).confidence_interval
    assert mine == pytest.approx((theirs.low, theirs.high))


def test_widening_is_hesterbergs_factor() -> None:
    # n = 10: sqrt(10/9) t(0.975, 9) = 1.0541 * 2.2622 = 2.3846, whose normal tails are 0.00855 each
    assert s.widened_level(0.95, 10) == pytest.approx(1 - 2 * 0.00855, abs=2e-5)
    assert s.widened_level(0.95, 100000) == pytest.approx(0.95, abs=1e-4)


def test_corrections_by_hand() -> None:
    p = [0.01, 0.04, 0.03]
    assert s.adjust(p, "bonferroni") == pytest.approx([0.03, 0.12, 0.09])
    # Holm: 0.01 * 3; then 0.03 * 2; then 0.04 * 1, not below the one before
    assert s.adjust(p, "holm") == pytest.approx([0.03, 0.06, 0.06])
    assert s.adjust([], "holm") == []
    with pytest.raises(EvaluationError, match="holm, bonferroni"):
        s.adjust(p, "none")


def test_reweighting_strata_by_hand(rng: np.random.Generator) -> None:
    strata = {
        "metal": ([1.0, 2, 3], [3.0, 4, 6]),  # differences 2, 2, 3: mean 7/3
        "plastic": ([1.0, 1, 1, 1], [1.0, 2, 1, 2]),  # differences 0, 1, 0, 1: mean 1/2
    }
    estimate, low, high = s.weighted_difference(strata, {"metal": 3, "plastic": 1}, rng, resamples=999)
    assert estimate == pytest.approx(0.75 * 7 / 3 + 0.25 * 0.5)
    assert low < estimate < high
    counts, _, _ = s.weighted_difference(strata, {"metal": 3, "plastic": 4}, rng, resamples=999)
    assert counts == pytest.approx(9 / 7)  # the sample's own shares give the plain mean


def test_a_stratum_of_one_object_has_no_interval(rng: np.random.Generator) -> None:
    strata = {"metal": ([1.0], [3.0]), "plastic": ([1.0] * 6, [1.0, 2, 1, 2, 3, 1])}
    estimate, low, high = s.weighted_difference(strata, {"metal": 1, "plastic": 1}, rng)
    assert estimate == pytest.approx((2 + 4 / 6) / 2)
    assert np.isnan(low) and np.isnan(high)


def test_weights_must_name_the_strata(rng: np.random.Generator) -> None:
    with pytest.raises(EvaluationError, match="wood"):
        s.weighted_difference({"metal": ([1.0], [2.0])}, {"wood": 1}, rng)
    with pytest.raises(EvaluationError, match="positive"):
        s.weighted_difference({"metal": ([1.0], [2.0])}, {"metal": -1}, rng)


@pytest.mark.parametrize(
    ("a", "b"),
    [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([[1.0]], [[1.0]]), ([np.inf, 1], [1.0, 1])],
)
def test_what_is_not_paired_is_refused(a: list[float], b: list[float], rng: np.random.Generator) -> None:
    with pytest.raises(EvaluationError, match="paired results"):
        s.paired_difference(a, b, rng)


def simulated_coverage(sample: np.ndarray, truth: float, widened: bool = True) -> float:
    return coverage(sample, truth, np.random.default_rng(1), widened, resamples=999)


@pytest.mark.parametrize("objects", [10, 20, 50])
def test_a_95_percent_interval_covers_95_percent(objects: int) -> None:
    """2000 simulated benchmarks; the share has a standard error of 0.5 %."""
    differences = np.random.default_rng(objects).normal(0.4, 1.3, (2000, objects))
    assert 0.93 <= simulated_coverage(differences, 0.4) <= 0.97


@pytest.mark.parametrize("objects", [20, 50])
def test_coverage_holds_for_skewed_differences(objects: int) -> None:
    differences = np.random.default_rng(objects).gamma(2.0, 1.0, (2000, objects))
    assert 0.93 <= simulated_coverage(differences, 2.0) <= 0.97


def test_without_widening_ten_objects_would_cover_too_little() -> None:
    """Why the widening is there: DiLiGenT has ten objects."""
    differences = np.random.default_rng(10).normal(0.4, 1.3, (2000, 10))
    assert simulated_coverage(differences, 0.4, widened=False) < 0.92


def test_p_values_are_uniform_when_nothing_differs() -> None:
    """A test at 5 % makes 5 % false claims; 8 objects, 400 simulated benchmarks."""
    rng = np.random.default_rng(4)
    samples = rng.normal(0, 1, (400, 2, 8))
    claims = [s.permutation_p(a, b, rng) <= 0.05 for a, b in samples]
    assert 0.02 < np.mean(claims) < 0.08


def test_a_family_of_comparisons_keeps_its_level() -> None:
    """Five comparisons of equal methods: some claim in about 1 - 0.95^5 = 23 % of them, corrected in 5 % at most."""
    rng = np.random.default_rng(6)
    any_raw, any_holm = [], []
    for _ in range(100):
        p = [s.permutation_p(rng.normal(0, 1, 9), rng.normal(0, 1, 9), rng) for _ in range(5)]
        any_raw.append(min(p) < 0.05)
        # A correction only ever raises p, so without a raw claim there is none (and statsmodels takes 0.1 s a call).
        any_holm.append(min(p) < 0.05 and min(s.adjust(p)) < 0.05)
    assert np.mean(any_raw) > 0.12
    assert np.mean(any_holm) < 0.1


def difference(
    objects: int, values: tuple[float, float, float], p: float, level: float = 0.95
) -> s.Difference:
    middle, low, high = values
    return s.Difference(objects, 10, 10 + middle, middle, low, high, level, p, 1.0)


def test_verdict_names_the_better_method_whichever_way_is_good() -> None:
    found = difference(12, (-2.5, -3.5, -1.5), 0.001)
    text = s.verdict(found, 0.002, 2, "ols", "relu", higher_is_better=False, unit=" degrees")
    assert (
        text
        == "relu is better than ols by 2.50 degrees on average (95% interval -3.50 to -1.50 degrees; p = 0.002)."
    )
    assert s.verdict(found, 0.002, 2, "ols", "relu", higher_is_better=True).startswith("ols is better")


def test_verdict_when_nothing_is_shown_says_what_is_not_ruled_out() -> None:
    text = s.verdict(difference(12, (-0.5, -2, 1), 0.4), 0.4, 1, "a", "b", False)
    assert text.startswith("No difference shown") and "up to 2.00 is not ruled out" in text


@pytest.mark.parametrize(
    ("objects", "comparisons", "enough"),
    [(2, 1, False), (5, 1, False), (6, 1, True), (6, 2, False), (7, 2, True)],
)
def test_too_few_objects_to_tell(objects: int, comparisons: int, enough: bool) -> None:
    """2^(1 - n) times the number of comparisons must be able to fall below 0.05."""
    found = difference(objects, (-2.0, -3, -1), s.smallest_p(objects))
    text = s.verdict(found, min(1, found.p * comparisons), comparisons, "a", "b", False)
    assert text.startswith("Too few objects to tell") is not enough
    if not enough:
        assert f"at least {6 if comparisons == 1 else 7}" in text


def test_a_stratum_of_few_objects_may_still_pass_beside_strong_ones() -> None:
    """Holm lets a later test pass at a milder level, so the corrected p decides and not the number of tests."""
    found = difference(6, (-2.0, -3, -1), s.smallest_p(6))
    assert s.verdict(found, 0.03125, 4, "a", "b", False).startswith("b is better")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.234, "1.23"), (0.05, "0.05"), (0.00123, "0.0012"), (0.0, "0.00"), (-0.004, "-0.004")],
)
def test_small_differences_are_not_shown_as_zero(value: float, text: str) -> None:
    assert s.readable(value) == text
