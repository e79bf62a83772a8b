# SPDX-License-Identifier: Apache-2.0
"""Commands that read shards take a tar, several, a folder or a pattern, and write to out/COMMAND/NAME by default."""

import argparse
from pathlib import Path

import pytest

from multishade.cli import main
from multishade.cli.places import dataset_of, name_of, read_places
from multishade.errors import DataError
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.synthetic_benchmarks import write_diligent_object

KEY = "s000001-g0000-v0"
FIRST, SECOND = "data/set/multishade-000000.tar", "data/set/multishade-000001.tar"
PLACES = {
    "a tar": [SECOND],
    "several tars": [FIRST, SECOND],
    "a folder": ["data/set"],
    "a pattern": ["data/set/*.tar"],
}


@pytest.fixture(autouse=True)
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/set").mkdir(parents=True)
    for number, path in enumerate((FIRST, SECOND)):
        sample = make_sample(f"s00000{number}-g0000-v0", size=16, mode="photometric", lights=6)
        write_synthetic_shard(Path(path), [sample])


def words(*given: str, keys: tuple[str, ...] = ()) -> argparse.Namespace:
    return argparse.Namespace(places=list(given), keys=list(keys))


class TestWords:
    def test_a_key_is_told_from_a_place_wherever_it_stands(self) -> None:
        assert read_places(words(KEY, "data/set")) == (["data/set"], [KEY])
        assert read_places(words("a.tar", KEY, "b.tar")) == (["a.tar", "b.tar"], [KEY])

    def test_a_folder_with_the_name_of_a_key_is_a_place(self) -> None:
        Path(KEY).mkdir()
        assert read_places(words(KEY)) == ([KEY], [])

    def test_keys_of_another_form_are_named_by_the_option(self) -> None:
        assert read_places(words("data/set", keys=("mine",))) == (["data/set"], ["mine"])

    def test_a_key_without_a_place(self) -> None:
        with pytest.raises(DataError, match=f"{KEY}: is the key of a sample; name the shard"):
            read_places(words(KEY))

    def test_too_many_keys(self) -> None:
        with pytest.raises(DataError, match="2 keys; give 1"):
            read_places(words("data/set", KEY, KEY), at_most=1)


@pytest.mark.parametrize(
    ("places", "name"),
    [
        (["data/demo"], "demo"),
        (["data/demo/"], "demo"),
        (["data/mine/preview"], "mine/preview"),
        (["demo"], "demo"),
        (["data/demo/multishade-000000.tar"], "demo/multishade-000000"),
        (["data/demo/a.tar", "data/demo/b.tar"], "demo"),
        (["data/demo/*.tar"], "demo"),
        (["data/demo/{0..3}.tar"], "demo"),
        (["data/v1.5"], "v1.5"),
        (["s3://bucket/demo"], "bucket/demo"),
        (["/somewhere/else/demo"], "somewhere/else/demo"),
    ],
)
def test_places_have_a_name(places: list[str], name: str) -> None:
    assert name_of(places) == Path(name)


@pytest.mark.parametrize("kind", PLACES)
def test_the_data_set_of_places_is_their_folder(kind: str) -> None:
    assert str(dataset_of(PLACES[kind])) == "data/set"


def test_tars_of_two_folders_are_no_data_set() -> None:
    Path("data/other").mkdir()
    write_synthetic_shard(Path("data/other/multishade-000000.tar"), [make_sample(size=16)])
    with pytest.raises(DataError, match="the tars of one data set lie in one folder, these in 2"):
        dataset_of([FIRST, "data/other"])


@pytest.mark.parametrize("kind", PLACES)
class TestCommands:
    """Each command reads the sample of the second shard, however the shards are named."""

    def test_inspect(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["inspect", *PLACES[kind], "--json"]) in (0, 1)
        assert f'"samples": {1 if kind == "a tar" else 2}' in capsys.readouterr().out

    def test_show(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["show", *PLACES[kind], KEY]) == 0
        name = "set/multishade-000001" if kind == "a tar" else "set"
        assert capsys.readouterr().out == f"out/show/{name}/{KEY}.png\n"

    def test_export(self, kind: str) -> None:
        assert main(["export", *PLACES[kind], KEY]) == 0
        name = "set/multishade-000001" if kind == "a tar" else "set"
        assert [path.name for path in Path("out/export", name).iterdir()] == [KEY]

    def test_evaluate(self, kind: str) -> None:
        on = [word for place in PLACES[kind] for word in ("--on", f"shards:{place}")]
        assert main(["evaluate", "ols", *on, "--no-maps", "--integrate", "none"]) == 0
        name = "ols-shards-multishade-000001" if kind == "a tar" else "ols-shards-set"
        rows = Path("out/evaluate", name, "results.csv").read_text().splitlines()
        assert len(rows) == (2 if kind == "a tar" else 3)

    def test_replay_and_stats_look_for_the_record_of_the_data_set(
        self, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for line in (["replay", *PLACES[kind], KEY], ["stats", *PLACES[kind]]):
            assert main(line) == 2
            assert "data/set/dataset.json" in capsys.readouterr().err


def test_replay_asks_for_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "data/set"]) == 2
    assert "data/set: name the sample to render again" in capsys.readouterr().err


def test_other_benchmarks_lie_in_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "ols", "--on", "folder:a", "--on", "folder:b"]) == 2
    assert "only shards may lie in several places" in capsys.readouterr().err


def test_default_outputs_are_named_by_command_and_input(capsys: pytest.CaptureFixture[str]) -> None:
    write_diligent_object(Path("photos/ballPNG"), count=6)
    plain = ["--integrate", "none"]
    assert main(["solve", "photos/ballPNG", "--method", "ols", "--video", "none", *plain]) == 0
    assert Path("out/solve/ball/normal_gl.png").is_file()
    for method in ("ols", "constant"):
        assert main(["evaluate", method, "--on", "diligent:photos", "--no-maps", *plain]) == 0
        assert Path(f"out/evaluate/{method}-diligent-photos/results.csv").is_file()
    tables = [f"out/evaluate/{method}-diligent-photos" for method in ("ols", "constant")]
    assert main(["compare", *tables, "--resamples", "99"]) == 0
    assert Path("out/compare/ols-diligent-photos-constant-diligent-photos/comparison.html").is_file()
    assert main(["compare", "out/evaluate", "--resamples", "99"]) == 0
    assert Path("out/compare/evaluate/comparison.md").is_file()
