# SPDX-License-Identifier: Apache-2.0
"""The numbers of a result table against cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multishade.errors import EvaluationError
from multishade.evaluation import metrics
from multishade.geometry import lights
from multishade.photometry.shading import lambert
from tests.support.synthetic_benchmarks import ball


def test_summary_by_hand() -> None:
    found = metrics.summarise(np.array([1.0, 4.0, 6.0, 8.0, 20.0, 40.0]))
    assert found["mean"] == pytest.approx(79 / 6)
    assert found["median"] == pytest.approx(7)
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 16 + 36 + 64 + 400 + 1600) / 6))
    within = [found[f"within_{limit}"] for limit in ("3", "5", "7.5", "11.25", "22.5", "30")]
    assert within == pytest.approx([100 * count / 6 for count in (1, 2, 3, 4, 5, 5)])


def test_thresholds_are_strict() -> None:
    assert metrics.summarise(np.array([3.0]))["within_3"] == 0


def test_errors_are_signed() -> None:
    """A flipped normal is 180 degrees wrong; an absolute cosine would call it perfect."""
    target = ball()
    row = metrics.normal_metrics(np.full(target.mask.shape, 180.0), target.normal, target.mask)
    assert row["mean"] == 180 and row["within_30"] == 0


def test_missing_normals_cost_coverage_and_90_degrees() -> None:
    target = ball()
    error = np.where(target.mask, 10.0, np.nan)
    row, column = np.argwhere(target.mask)[: int(target.mask.sum()) // 4].T
    error[row, column] = np.nan
    share = len(row) / target.mask.sum()
    found = metrics.normal_metrics(error, target.normal, target.mask)
    assert found["mean"] == 10
    assert found["coverage"] == pytest.approx(100 * (1 - share))
    assert found["mean_with_missing"] == pytest.approx(10 * (1 - share) + 90 * share)


def test_nothing_predicted_is_nan_and_not_zero() -> None:
    target = ball()
    found = metrics.normal_metrics(np.full(target.mask.shape, np.nan), target.normal, target.mask)
    assert np.isnan(found["mean"]) and found["coverage"] == 0 and found["mean_with_missing"] == 90


def test_tilt_bins_share_out_the_pixels() -> None:
    normal = np.zeros((1, 4, 3), np.float32)
    for column, degrees in enumerate((0, 45, 80, 100)):  # 100: a true normal that faces away
        normal[0, column] = [np.sin(np.radians(degrees)), 0, np.cos(np.radians(degrees))]
    found = metrics.normal_metrics(np.array([[1.0, 2, 3, 5]]), normal, np.ones((1, 4), bool))
    assert found["mean_tilt_0_30"] == 1 and found["mean_tilt_30_60"] == 2 and found["mean_tilt_60_90"] == 4
    bins = [found[f"pixels_tilt_{low}_{low + 30}"] for low in (0, 30, 60)]
    assert bins == [1, 1, 2] and sum(bins) == found["pixels"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0, 180), max_size=30), min_size=1, max_size=5))
def test_pooling_is_the_summary_of_all_pixels_together(parts: list[list[float]]) -> None:
    pooled = metrics.PooledErrors()
    for part in parts:
        pooled.add(np.array(part))
    together = np.array([value for part in parts for value in part])
    expected = metrics.summarise(together)
    found = pooled.summary()
    assert found["pixels"] == together.size
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.0051 if name == "median" else 1e-6, nan_ok=True)


def test_pooled_and_averaged_differ_with_the_objects_sizes() -> None:
    """One object of 1 pixel 10 degrees off, one of 9 pixels 0 off: 1 degree pooled, 5 averaged."""
    pooled = metrics.PooledErrors()
    pooled.add(np.array([10.0]))
    pooled.add(np.zeros(9))
    assert pooled.summary()["mean"] == pytest.approx(1)
    averaged = metrics.average([metrics.summarise(np.array([10.0])), metrics.summarise(np.zeros(9))])
    assert averaged["mean"] == pytest.approx(5)


def test_average_skips_what_a_row_does_not_have() -> None:
    assert metrics.average([{"a": 1.0}, {"a": float("nan")}, {"a": 3.0}])["a"] == 2


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda size: st.tuples(
            st.lists(st.floats(0.1, 9), min_size=size, max_size=size),
            st.lists(st.floats(0.1, 9), min_size=size, max_size=size),
        )
    )
)
def test_no_scale_beats_the_best_scale(pair: tuple[list[float], list[float]]) -> None:
    depth, truth = (np.array(values) for values in pair)
    best = np.abs(metrics.best_scale(depth, truth) * depth - truth).sum()
    for scale in truth / depth:  # the optimum of a piecewise linear function is at one of its corners
        assert best <= np.abs(scale * depth - truth).sum() + 1e-9


def test_best_scale_ignores_a_gross_outlier_and_best_offset_too() -> None:
    depth = np.linspace(1, 2, 50)
    truth = 3 * depth
    truth[7] = 1000
    assert metrics.best_scale(depth, truth) == pytest.approx(3)
    shifted = depth + 5
    shifted[7] = 1000
    assert metrics.best_offset(depth, shifted) == pytest.approx(5)
    with pytest.raises(EvaluationError):
        metrics.best_scale(np.zeros(3), np.ones(3))


def test_equal_shading_is_perfect_and_noise_lowers_every_measure() -> None:
    target = ball()
    truth = lambert(target.normal, lights.ring(3), target.mask)
    perfect = metrics.shading_metrics(truth, truth, target.mask)
    assert perfect["shading_psnr"] == pytest.approx(100)
    assert perfect["shading_ssim"] == pytest.approx(1)
    assert perfect["shading_gmsd"] == pytest.approx(0, abs=1e-9)
    noise = np.random.default_rng(1).standard_normal(truth.shape).astype(np.float32)
    slightly = metrics.shading_metrics(truth + 0.02 * noise, truth, target.mask)
    badly = metrics.shading_metrics(truth + 0.2 * noise, truth, target.mask)
    assert 100 > slightly["shading_psnr"] > badly["shading_psnr"]
    assert 1 > slightly["shading_ssim"] > badly["shading_ssim"]
    assert 0 < slightly["shading_gmsd"] < badly["shading_gmsd"]


def test_psnr_by_hand_and_blind_to_what_is_off_the_mask() -> None:
    mask = np.zeros((16, 16), bool)
    mask[2:14, 2:14] = True
    truth = np.zeros((1, 16, 16))
    predicted = np.where(mask, 0.1, 0.9)[None]
    assert metrics.shading_metrics(predicted, truth, mask)["shading_psnr"] == pytest.approx(20)


def test_gmsd_sees_a_moved_edge_and_not_a_constant() -> None:
    mask = np.ones((32, 32), bool)
    edge = np.zeros((32, 32))
    edge[:, 16:] = 1
    assert metrics.gradient_similarity_deviation(edge, edge * 1.0, mask) == 0
    assert metrics.gradient_similarity_deviation(np.full((32, 32), 0.2), np.full((32, 32), 0.7), mask) == 0
    assert metrics.gradient_similarity_deviation(edge, np.roll(edge, 4, axis=1), mask) > 0.1


def test_shading_of_two_sizes_is_refused() -> None:
    with pytest.raises(EvaluationError, match="against"):
        metrics.shading_metrics(np.zeros((1, 16, 16)), np.zeros((2, 16, 16)), np.ones((16, 16), bool))


@pytest.mark.parametrize(
    ("metric", "better"),
    [("mean", False), ("within_5", True), ("shading_psnr", True), ("shading_gmsd", False)],
)
def test_which_way_is_better(metric: str, better: bool) -> None:
    assert metrics.is_higher_better(metric) is better
