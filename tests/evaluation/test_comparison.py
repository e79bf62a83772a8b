# SPDX-License-Identifier: Apache-2.0
"""Tables in, claims out: pairing by object, strata, weights, and what the notes must say."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multishade.errors import EvaluationError
from multishade.evaluation import comparison, contrasts, report
from multishade.evaluation.run import Evaluation
from multishade.evaluation.table import ResultRow, read_csv, to_csv
from multishade.report.document import to_html, to_markdown


def rows(method: str, values: dict[str, list[float]], **tags: dict[str, str]) -> list[ResultRow]:
    return [
        ResultRow(
            "set", name, f"{place}.png", method, "", tags.get(name, {}), {"mean": value, "coverage": 100.0}
        )
        for name, column in values.items()
        for place, value in enumerate(column)
    ]


def results(
    method: str, values: dict[str, float], tags: dict[str, dict[str, str]] | None = None
) -> contrasts.Results:
    table = [
        ResultRow("set", name, "all", method, "", (tags or {}).get(name, {}), {"mean": value})
        for name, value in values.items()
    ]
    return contrasts.results_of(table, method)


TEN = {f"object{index}": float(index) for index in range(10)}


def test_images_of_one_object_count_once() -> None:
    """Object a has a hundred images and b one: their means count equally."""
    found = contrasts.results_of(rows("m", {"a": [1.0] * 100, "b": [3.0]}), "m")
    assert {name: values["mean"] for name, values in found.values.items()} == {"set/a": 1.0, "set/b": 3.0}


def test_pairing_is_by_object_and_not_by_row(rng: np.random.Generator) -> None:
    a = results("a", TEN)
    b = results("b", dict(reversed([(name, value + 1) for name, value in TEN.items()])))
    (found,) = contrasts.compare_results([a, b], rng, resamples=99).overall
    assert found.difference.difference == pytest.approx(1)
    assert (found.difference.low, found.difference.high) == pytest.approx((1, 1))
    assert "a is better than b by 1.00 degrees" in found.verdict


def test_objects_that_only_one_has_are_left_out_and_named(rng: np.random.Generator) -> None:
    found = contrasts.compare_results(
        [results("a", TEN | {"extra": 99.0}), results("b", TEN)], rng, resamples=99
    )
    assert found.overall[0].difference.objects == 10
    assert "Only a has set/extra: left out." in found.notes


def test_objects_without_a_value_are_left_out_and_named(rng: np.random.Generator) -> None:
    b = results("b", TEN | {"object3": math.nan})
    found = contrasts.compare_results([results("a", TEN), b], rng, resamples=99)
    assert found.overall[0].difference.objects == 9
    assert any("set/object3" in note for note in found.notes)


def test_each_other_table_is_compared_with_the_first_and_corrected(rng: np.random.Generator) -> None:
    tables = [
        results(name, {key: value + shift for key, value in TEN.items()})
        for name, shift in (("first", 0.0), ("second", -1.0), ("third", 1.0))
    ]
    found = contrasts.compare_results(tables, rng, correction="bonferroni", resamples=1024)
    assert [(item.reference, item.other) for item in found.overall] == [
        ("first", "second"),
        ("first", "third"),
    ]
    for item in found.overall:
        assert item.difference.p == pytest.approx(2 / 1024, rel=0.05)
        assert item.adjusted_p == pytest.approx(2 * item.difference.p)


def tagged() -> tuple[contrasts.Results, contrasts.Results]:
    tags = {name: {"material": "metal" if index < 6 else "plastic"} for index, name in enumerate(TEN)}
    # Better by 2 on metal, worse by 1 on plastic.
    b = {
        name: value + (-2 if index < 6 else 1) + 0.01 * index
        for index, (name, value) in enumerate(TEN.items())
    }
    return results("a", TEN, tags), results("b", b, tags)


def test_strata_by_tag_are_a_family_of_their_own(rng: np.random.Generator) -> None:
    found = contrasts.compare_results(tagged(), rng, by=("material",), resamples=999)
    metal, plastic = found.strata
    assert (metal.stratum, metal.difference.objects) == ("metal", 6)
    assert metal.difference.difference == pytest.approx(-2 + 0.01 * 2.5)
    assert (plastic.stratum, plastic.difference.objects) == ("plastic", 4)
    assert plastic.verdict.startswith("Too few objects to tell")
    assert metal.adjusted_p >= metal.difference.p
    assert len(found.overall) == 1 and found.overall[0].adjusted_p == found.overall[0].difference.p


def test_weights_answer_for_another_population(rng: np.random.Generator) -> None:
    found = contrasts.compare_results(
        tagged(), rng, by=("material",), weights={"metal": 1, "plastic": 9}, resamples=999
    )
    (weighted,) = found.weighted
    assert weighted.difference == pytest.approx(0.1 * (-2 + 0.025) + 0.9 * (1 + 0.075))
    assert weighted.low < weighted.difference < weighted.high
    assert found.overall[0].difference.difference < 0 < weighted.difference


def tilted(method: str, shift: float) -> contrasts.Results:
    table = [
        ResultRow(
            "set",
            f"object{index}",
            "all",
            method,
            "",
            {},
            {
                "mean": index + shift,
                "mean_tilt_0_30": index * 0.5,
                "mean_tilt_30_60": index + shift,
                "mean_tilt_60_90": index * 2 + 3 * shift,
            },
        )
        for index in range(8)
    ]
    return contrasts.results_of(table, method)


def test_strata_by_tilt_use_the_bins_of_the_table(rng: np.random.Generator) -> None:
    found = contrasts.compare_results([tilted("a", 0), tilted("b", 1)], rng, by=("tilt",), resamples=99)
    assert [item.stratum for item in found.strata] == ["tilt 0 to 30", "tilt 30 to 60", "tilt 60 to 90"]
    assert [item.difference.difference for item in found.strata] == pytest.approx([0, 1, 3])


def test_tilt_is_weighted_within_objects(rng: np.random.Generator) -> None:
    shares = {"0 to 30": 0.5, "30 to 60": 0.3, "60 to 90": 0.2}
    found = contrasts.compare_results(
        [tilted("a", 0), tilted("b", 1)], rng, by=("tilt",), weights=shares, resamples=99
    )
    assert found.weighted[0].difference == pytest.approx(0.3 + 0.6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "speed"}, "no metric speed"),
        ({"by": ("colour",)}, "no tag 'colour' to stratify by; it has material and tilt"),
        ({"by": ("tilt",)}, "no metric mean_tilt_0_30"),
        ({"weights": {"metal": 1}}, "exactly one --by"),
        ({"by": ("material",), "weights": {"metal": 1}}, "plastic"),
        ({"correction": "none"}, "holm, bonferroni"),
    ],
)
def test_wrong_questions_are_refused(settings, message: str, rng: np.random.Generator) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EvaluationError, match=message):
        contrasts.compare_results(tagged(), rng, resamples=99, **settings)


def test_tables_that_cannot_be_compared(rng: np.random.Generator) -> None:
    with pytest.raises(EvaluationError, match="no object in common"):
        contrasts.compare_results([results("a", {"x": 1.0}), results("b", {"y": 1.0})], rng)
    with pytest.raises(EvaluationError, match="two tables"):
        contrasts.compare_results([results("a", TEN)], rng)
    with pytest.raises(EvaluationError, match="different names"):
        contrasts.compare_results([results("a", TEN), results("a", TEN)], rng)
    with pytest.raises(EvaluationError, match="rows of 2 methods"):
        contrasts.results_of(rows("a", {"x": [1.0]}) + rows("b", {"x": [1.0]}), "mixed.csv")


def test_partial_coverage_is_said(rng: np.random.Generator) -> None:
    table = [
        ResultRow("set", name, "all", "b", "", {}, {"mean": value, "coverage": 80.0})
        for name, value in TEN.items()
    ]
    found = contrasts.compare_results(
        [results("a", TEN), contrasts.results_of(table, "b")], rng, resamples=99
    )
    assert any("mean_with_missing" in note for note in found.notes)


def test_the_same_seed_gives_the_same_report() -> None:
    texts = [
        to_markdown(
            "c",
            report.comparison_blocks(
                contrasts.compare_results(tagged(), np.random.default_rng(5), by=("material",))
            ),
        )
        for _ in range(2)
    ]
    assert texts[0] == texts[1]


def test_the_report_has_verdicts_tables_and_weights(rng: np.random.Generator) -> None:
    found = contrasts.compare_results(
        tagged(), rng, by=("material",), weights={"metal": 1, "plastic": 1}, resamples=199
    )
    blocks = report.comparison_blocks(found)
    text, page = to_markdown("Comparison", blocks), to_html("Comparison", blocks)
    for words in ("b − a", "Reweighted", "95% BCa", "Holm", "Too few objects to tell", "metal"):
        assert words in text and words in page


def test_tables_come_back_from_csv(tmp_path: Path) -> None:
    table = [
        ResultRow(
            "set",
            "a, with comma",
            "1.png",
            "m",
            "grey mean",
            {"material": "metal"},
            {"mean": 1.25, "x": math.nan},
        ),
        ResultRow("set", "b", "all", "m", "grey mean", {}, {"mean": 0.000123456}),
    ]
    (tmp_path / "t.csv").write_text(to_csv(table))
    first, second = read_csv(tmp_path / "t.csv")
    assert (
        first.object == "a, with comma"
        and first.tags == {"material": "metal"}
        and first.metrics["mean"] == 1.25
    )
    assert math.isnan(first.metrics["x"]) and second.metrics["mean"] == pytest.approx(0.000123456)
    assert second.settings == "grey mean"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column `object`"),
        ("object,mean\n", "without rows"),
        ("object,mean\nx,high\n", "t.csv:2: 'high' in column mean"),
        ("object,mean\nx,1,2\n", "t.csv:2: 2 columns expected"),
        ("object,mean\nx\n", "t.csv:2: 2 columns expected"),
    ],
)
def test_a_table_that_does_not_fit_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(EvaluationError, match=message):
        read_csv(tmp_path / "t.csv")


def test_a_table_of_another_program_needs_object_and_metric_only(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text("object,mean\nx,1\ny,2\n")
    found = contrasts.results_of(read_csv(tmp_path / "theirs.csv"), "theirs")
    assert found.values["x"]["mean"] == 1


def test_tables_are_files_rows_or_evaluations_and_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    a, b = (
        rows("ols", {name: [value] for name, value in TEN.items()}),
        rows("ols", {name: [value - 1] for name, value in TEN.items()}),
    )
    (tmp_path / "b.csv").write_text(to_csv(b))
    evaluation = Evaluation("ols", "", "set", tuple(a), {}, {}, None, ())
    (contrast,) = comparison.compare(evaluation, tmp_path / "b.csv", resamples=99).overall
    assert (contrast.reference, contrast.other) == ("ols", str(tmp_path / "b.csv"))
    assert contrast.difference.difference == pytest.approx(-1)
    other = [replace(row, method="relu") for row in b]
    (contrast,) = comparison.compare(a, other, resamples=99).overall
    assert (contrast.reference, contrast.other) == ("ols", "relu")
    with pytest.raises(EvaluationError, match="a table without rows"):
        comparison.compare(a, [])
