# SPDX-License-Identifier: Apache-2.0
"""The page of all benchmarks: cells are measured once, missing weights and sets say so, tests are of paired objects."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluate_all import contenders
from benchmarks.evaluate_all.__main__ import main
from benchmarks.evaluate_all.cells import cells, fewer_photos
from benchmarks.evaluate_all.findings import find
from multishade.evaluation.readers.benchmark import open_benchmark
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.synthetic_benchmarks import write_diligent_object


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six objects with photometric sequences in two kinds of material."""
    folder = tmp_path_factory.mktemp("sets") / "photometric-bundled-test"
    folder.mkdir()
    samples = []
    for number in range(6):
        sample = make_sample(f"s000000-g{number:04d}-v0", size=32, mode="photometric", bump=0.02 * number)
        thing = {**sample.meta["object"], "id": f"sphere-{number}"}
        material = {**sample.meta["material"], "kind": ("metallic", "non-metallic")[number % 2]}
        samples.append(replace(sample, meta={**sample.meta, "object": thing, "material": material}))
    write_synthetic_shard(folder / "multishade-000000.tar", samples)
    (folder / "dataset.json").write_text(json.dumps({"config": {"shading": {"mode": "photometric"}}}))
    return folder


def test_the_page_has_every_method_and_says_what_is_missing(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_diligent_object(tmp_path / "real" / "diligent" / "ballPNG", count=30)
    run = [
        *("--shards", str(shards), str(tmp_path / "data" / "bundled-test"), "--real", str(tmp_path / "real")),
        *("--only", "ols", "robust", "constant", "sphere", "ps-fcn", "-o", str(tmp_path / "out")),
        *("--docs", str(tmp_path)),
    ]
    assert main(run) == 0
    first = capsys.readouterr().out
    page = (tmp_path / "benchmarks.md").read_text()
    assert "ols on photometric-bundled-test" in first
    assert "| ps-fcn | images under known lights | no weights |" in page
    assert "no weights are bundled; a published checkpoint can be given" in page
    assert "Test shards `bundled-test`: these shards are not rendered here" in page
    assert "ClearGrasp's real image: not at hand: set MULTISHADE_BENCHMARKS." in page
    assert "metallic (3)" in page and "non-metallic (3)" in page
    assert "### Against `robust`, by known lights" in page
    assert "| least squares | Wang et al. 2024, Table 3 | nothing | 4.10 | 8.41 | 15.39 |" in page
    assert "1 object: too few for an interval or a test." in page
    assert str(tmp_path) not in page
    assert main(run) == 0
    assert " on " not in capsys.readouterr().out  # every cell was there
    assert (tmp_path / "benchmarks.md").read_text() == page
    assert main([*run, "--again"]) == 0
    assert "ols on diligent" in capsys.readouterr().out


def test_a_cell_belongs_to_the_content_of_its_benchmark(shards: Path, tmp_path: Path) -> None:
    methods = [each for each in contenders.contenders({}) if each.name == "constant"]
    (place,) = contenders.benchmarks([shards], None)[:1]
    said: list[str] = []
    for _ in range(2):
        (cell,) = cells(methods, [place], tmp_path, report=said.append)
    assert len(said) == 1 and len(cell.rows) == 6
    other = replace(place, spec=f"shards:{tmp_path / 'other'}")
    (tmp_path / "other").mkdir()
    sample = make_sample("s000000-g0000-v0", size=32, mode="photometric", bump=0.3)
    write_synthetic_shard(tmp_path / "other" / "multishade-000000.tar", [sample])
    (cell,) = cells(methods, [other], tmp_path, report=said.append)
    assert len(said) == 2 and len(cell.rows) == 1


def test_a_method_that_fails_is_named_and_the_others_go_on(shards: Path, tmp_path: Path) -> None:
    (place,) = contenders.benchmarks([shards], None)[:1]
    wrong = contenders.Contender("wild", contenders.PHOTO, tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    baseline = contenders.Contender("constant", contenders.MASK)
    said: list[str] = []
    measured = cells([wrong, baseline], [place], tmp_path / "out", report=said.append)
    assert not measured[0].rows and measured[0].missing
    found = find(place, measured, np.random.default_rng(0))
    assert [each.cell.contender.name for each in found.standings] == ["constant"]
    assert [each.contender.name for each in found.missing] == ["wild"]


def test_weights_can_be_given_and_must_be_there(tmp_path: Path) -> None:
    methods = {each.name: each for each in contenders.contenders({"ps-fcn": tmp_path / "none.pth.tar"})}
    assert methods["ps-fcn"].missing == "the given weights are not there"
    (tmp_path / "none.pth.tar").write_bytes(b"1")
    (found,) = [
        each for each in contenders.contenders({"ps-fcn": tmp_path / "none.pth.tar"}) if each.name == "ps-fcn"
    ]
    assert not found.missing and found.method == f"ps-fcn:{tmp_path / 'none.pth.tar'}"
    assert methods["rose"].weights is not None and not methods["rose"].missing
    with pytest.raises(SystemExit):
        main(["--weights", "ols=x"])


def test_methods_for_one_photo_get_some_images_of_a_sequence(shards: Path) -> None:
    (target, *_) = open_benchmark(f"shards:{shards}")
    many = replace(target, input_names=(), load_input=None)
    fewer = fewer_photos(many)
    assert len(many.inputs) == 9 and fewer.inputs == ("L00", "L02", "L04", "L06")
    for number, name in enumerate(fewer.inputs):
        np.testing.assert_array_equal(fewer.input(number), many.input(many.inputs.index(name)))
    assert fewer_photos(replace(target, input_names=target.inputs[:2])).inputs == target.inputs[:2]
