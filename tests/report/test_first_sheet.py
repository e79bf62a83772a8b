# SPDX-License-Identifier: Apache-2.0
"""`render` ends with a contact sheet of the first shards: bounded work, and tars and markers stay as they are."""

from pathlib import Path

import pytest

from multishade.cli.render import finish_sheet
from multishade.imaging import codecs
from multishade.render.run import RenderResult
from multishade.render.worker import ShardReport
from multishade.report import first_sheet
from multishade.report.first_sheet import ROWS, SHARDS, SHEET_NAME, write_first_sheet
from multishade.shards.dataset import Dataset
from multishade.shards.sample import Sample
from multishade.storage.store import open_store
from tests.support.synthetic import make_sample, write_synthetic_shard


def add_shards(folder: Path, numbers: range, groups: int = 1) -> None:
    for shard in numbers:
        keys = [f"s{shard:06d}-g{group:04d}-v0" for group in range(groups)]
        write_synthetic_shard(
            folder / f"multishade-{shard:06d}.tar", [make_sample(key, size=24) for key in keys]
        )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SHEET_NAME}


def test_the_sheet_lies_beside_the_tars_and_changes_none_of_them(tmp_path: Path) -> None:
    add_shards(tmp_path, range(2), groups=2)
    before = content(tmp_path)
    drawn = write_first_sheet(tmp_path, {0, 1})
    assert drawn is not None and drawn.name == SHEET_NAME
    assert codecs.read_png(tmp_path / SHEET_NAME).shape[0] > 4 * 200  # four samples below one another
    assert content(tmp_path) == before


def test_a_large_data_set_costs_no_more_than_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_shards(tmp_path, range(5), groups=8)
    read: list[str] = []
    original = Dataset.__getitem__

    def counted(self: Dataset, key: str) -> Sample:
        read.append(key)
        return original(self, key)

    monkeypatch.setattr(Dataset, "__getitem__", counted)
    write_first_sheet(tmp_path, set(range(5)))
    assert len(read) == ROWS and {key[:7] for key in read} == {f"s{shard:06d}" for shard in range(SHARDS)}


def test_a_run_that_adds_later_shards_leaves_the_sheet(tmp_path: Path) -> None:
    add_shards(tmp_path, range(2))
    assert write_first_sheet(tmp_path, {0, 1}) is not None
    written = (tmp_path / SHEET_NAME).read_bytes()
    (tmp_path / SHEET_NAME).write_bytes(b"kept")
    add_shards(tmp_path, range(2, 4))
    assert write_first_sheet(tmp_path, {2, 3}) is None and (tmp_path / SHEET_NAME).read_bytes() == b"kept"
    assert write_first_sheet(tmp_path, {1}) is not None and (tmp_path / SHEET_NAME).read_bytes() == written
    (tmp_path / SHEET_NAME).unlink()
    assert write_first_sheet(tmp_path, set()) is not None  # all were there, but no sheet


def test_an_unfinished_shard_is_not_shown(tmp_path: Path) -> None:
    add_shards(tmp_path, range(1))
    (tmp_path / "multishade-000000.json").unlink()
    assert write_first_sheet(tmp_path, {0}) is None and not (tmp_path / SHEET_NAME).exists()


def test_a_sheet_that_cannot_be_drawn_is_named_and_fails_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_shards(tmp_path, range(1))
    result = RenderResult(open_store(tmp_path), (ShardReport(0, 1, (), {}),), {}, {})
    finish_sheet(result)
    assert f"{tmp_path / SHEET_NAME}: contact sheet" in capsys.readouterr().out
    (tmp_path / "multishade-000000.json").write_text("{")
    finish_sheet(result)
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("note: no contact sheet: ")
    assert first_sheet.rendered_now(["multishade-000000.tar"], {0})
