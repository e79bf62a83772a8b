# SPDX-License-Identifier: Apache-2.0
"""`multishade evaluate` and `multishade compare` as a person meets them: output, exit codes, messages."""

import csv
from pathlib import Path

import numpy as np
import pytest

from multishade.cli import main
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.synthetic_benchmarks import write_diligent_object


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def benchmark(folder: Path, objects: int = 2) -> str:
    for number in range(objects):
        write_diligent_object(folder / f"object{number}PNG", count=6)
    return f"diligent:{folder}"


def test_evaluate_writes_a_table_maps_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, out = benchmark(tmp_path / "set"), tmp_path / "out"
    assert main(["evaluate", "ols", "--on", spec, "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "object0" in printed and "pooled over pixels" in printed and str(out / "report.html") in printed
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["object"], row["method"], row["settings"]) for row in rows] == [
        ("object0", "ols", "grey luminance"),
        ("object1", "ols", "grey luminance"),
    ]
    assert float(rows[0]["mean"]) < 0.01


def test_several_methods_make_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, out = benchmark(tmp_path / "set"), tmp_path / "out"
    assert main(["evaluate", "ols,constant", "--on", spec, "-o", str(out), "--no-maps"]) == 0
    table = (out / "summary.md").read_text().splitlines()
    assert table[0] == "# 2 methods on diligent"
    assert table[2].startswith("| method | object0 | object1 | mean ° | median ° |")
    assert table[4].startswith("| ols | 0.00 | 0.00 | 0.00 |") and table[5].startswith("| constant | ")
    assert (out / "ols" / "results.csv").is_file() and (out / "constant" / "report.html").is_file()
    assert (out / "summary.md").read_text() in capsys.readouterr().out


def test_evaluate_fails_with_1_when_the_declared_axes_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, out = benchmark(tmp_path / "set", 1), tmp_path / "out"
    assert main(["evaluate", "ols", "--on", spec, "-o", str(out)]) == 0
    flipped = ["evaluate", str(out / "normals"), "--on", spec, "--convention", "x,-y,z", "--name", "mine"]
    assert main([*flipped, "-o", str(tmp_path / "wrong")]) == 1
    assert "--convention x,y,z" in capsys.readouterr().err
    assert "probably not the method's" in (tmp_path / "wrong" / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["magic", "--on", "{spec}"], "unknown method 'magic'"),
        (["ols", "--on", "nowhere"], "expected one of diligent:PATH"),
        (["ols", "--on", "{spec}", "--objects", "cow"], "no object cow"),
        (["{folder}", "--on", "{spec}", "--convention", "up"], "three signed axes"),
    ],
)
def test_wrong_arguments_end_with_2_and_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    spec = benchmark(tmp_path / "set", 1)
    filled = [argument.format(spec=spec, folder=tmp_path) for argument in arguments]
    assert main(["evaluate", *filled, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def table(path: Path, method: str, values: list[float]) -> str:
    lines = ["benchmark,object,image,method,settings,tag:material,mean"]
    lines += [
        f"set,o{place},all,{method},,{'metal' if place % 2 else 'wood'},{value}"
        for place, value in enumerate(values)
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_compare_prints_a_verdict_and_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    base = 10 + rng.normal(0, 2, 12)
    a = table(tmp_path / "a.csv", "ols", list(base))
    b = table(tmp_path / "b.csv", "relu", list(base - 1 + rng.normal(0, 0.3, 12)))
    c = table(tmp_path / "c.csv", "same", list(base + rng.normal(0, 0.3, 12)))
    out = tmp_path / "out"
    arguments = [
        "compare",
        a,
        b,
        c,
        "--by",
        "material",
        "--weights",
        "metal=0.9,wood=0.1",
        "--resamples",
        "999",
    ]
    assert main([*arguments, "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "relu is better than ols by" in printed
    assert "No difference shown between ols and same" in printed
    assert "Reweighted" in printed
    assert (out / "comparison.md").read_text() == printed
    assert "relu is better than ols" in (out / "comparison.html").read_text()


def test_compare_says_when_objects_are_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = table(tmp_path / "a.csv", "ols", [4, 8]), table(tmp_path / "b.csv", "relu", [2, 6])
    assert main(["compare", a, b]) == 0
    assert "Too few objects to tell ols and relu apart: 2 cannot" in capsys.readouterr().out


def test_two_runs_of_one_method_are_told_apart_by_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = table(tmp_path / "a.csv", "ols", [4, 8]), table(tmp_path / "b.csv", "ols", [2, 6])
    assert main(["compare", a, b]) == 0
    assert f"{b} − {a}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{a}"], "two tables"),
        (["{a}", "gone.csv"], "gone.csv: no such file"),
        (["{a}", "{b}", "--metric", "speed"], "no metric speed"),
        (["{a}", "{b}", "--level", "95"], "between 0 and 1"),
        (["{a}", "{b}", "--by", "material", "--weights", "metal"], "NAME=SHARE"),
        (["{a}", "{b}", "--by", "material", "--weights", "metal=much"], "NAME=SHARE"),
    ],
)
def test_wrong_comparisons_end_with_2_and_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    a, b = table(tmp_path / "a.csv", "ols", [4, 8]), table(tmp_path / "b.csv", "relu", [2, 6])
    assert main(["compare", *(argument.format(a=a, b=b) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_evaluate_prints_what_it_does_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, out = benchmark(tmp_path / "set", 1), tmp_path / "out"
    assert main(["evaluate", "ols", "--on", spec, "-o", str(out), "--no-maps"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"ols on {spec}: normals, angles, surfaces (bilateral) if depth is known; into {out}"


def test_shading_that_is_computed_from_the_truth_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for mode in ("lambert", "cast"):
        samples = [make_sample(f"s000000-g0000-v{view}", size=24, mode=mode) for view in range(2)]
        (tmp_path / mode).mkdir()
        write_synthetic_shard(tmp_path / mode / "multishade-000000.tar", samples)
    said = "the sequences of mode lambert are computed from the true normals"
    out = ["-o", str(tmp_path / "out"), "--no-maps", "--integrate", "none"]
    assert main(["evaluate", "ols", "--on", f"shards:{tmp_path / 'lambert'}", *out]) == 0
    printed = capsys.readouterr().out
    assert printed.count(said) == 1 and ", 2 samples: normals, angles; into" in printed
    assert said in (tmp_path / "out" / "report.md").read_text()
    assert main(["evaluate", "ols", "--on", f"shards:{tmp_path / 'cast'}", *out]) == 0
    assert said not in capsys.readouterr().out


def test_results_link_to_each_other_and_folders_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, out = benchmark(tmp_path / "set", 3), tmp_path / "out"
    assert main(["evaluate", "ols,constant", "--on", spec, "-o", str(out), "--no-maps"]) == 0
    page = (out / "summary.html").read_text()
    for method in ("ols", "constant"):
        assert f'href="{method}/report.html"' in page and (out / method / "report.html").is_file()
        assert 'href="results.csv"' in (out / method / "report.html").read_text()
    assert "[report of ols](ols/report.html)" in (out / "summary.md").read_text()
    capsys.readouterr()
    whole = ["compare", str(out), "--resamples", "99"]
    assert main([*whole, "-o", str(tmp_path / "compared")]) == 0
    of_folder = capsys.readouterr().out
    tables = [str(out / method / "results.csv") for method in ("constant", "ols")]
    assert main(["compare", *tables, "--resamples", "99"]) == 0
    assert capsys.readouterr().out == of_folder
    links = (tmp_path / "compared" / "comparison.html").read_text()
    assert 'href="../out/ols/report.html"' in links
    assert main(["compare", str(out / "ols"), str(out / "constant"), "--resamples", "99"]) == 0


def test_a_folder_without_tables_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 2
    assert f"{tmp_path}: no results.csv in this folder" in capsys.readouterr().err
