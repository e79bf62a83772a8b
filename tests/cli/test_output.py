# SPDX-License-Identifier: Apache-2.0
"""Every command finds an output that cannot be written before it reads or computes anything that takes time."""

from pathlib import Path

import pytest

from multishade.cli import main
from multishade.storage import writable
from tests.support.synthetic_benchmarks import write_diligent_object

# Commands whose input is not looked at before: it need not even exist.
COMMANDS = {
    "render": ["render", "demo", "-o", "{out}"],
    "stats": ["stats", "missing", "-o", "{out}"],
    "infer": ["infer", "missing.png", "-o", "{out}"],
    "depth": ["depth", "missing.png", "-o", "{out}"],
    "evaluate": ["evaluate", "ols", "--on", "shards:missing", "-o", "{out}"],
    "compare": ["compare", "missing.csv", "missing.csv", "-o", "{out}"],
    "train": ["train", "rose-tiny", "-o", "{out}"],
    "export": ["export", "missing", "-o", "{out}"],
    "show": ["show", "missing", "s000000-g0000-v0", "-o", "{out}/sample.png"],
    "replay": ["replay", "missing", "key", "--blend", "{out}/scene.blend"],
    "builtin": ["assets", "builtin", "-o", "{out}"],
    "scan": ["assets", "scan", "missing", "-o", "{out}/objects.jsonl"],
    "fetch": ["assets", "fetch", "http", "missing.txt", "-o", "{out}/objects.jsonl"],
    "inspect": ["inspect", "missing.tar", "--sheet", "{out}/sheet.png"],
    "configs": ["configs", "--copy", "demo", "-o", "{out}/mine.yaml"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_in_the_way_of_the_output_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    arguments = [part.format(out="taken/out") for part in COMMANDS[name]]
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "taken" in error and "cannot be written" in error and "choose another" in error
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("name", ["show", "scan", "fetch"])
def test_a_folder_in_the_place_of_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*COMMANDS[name][: COMMANDS[name].index("-o")], "-o", "."]) == 2
    assert "it is a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("multishade.evaluation.solve.solve_object", None)  # must not be reached
    write_diligent_object(tmp_path / "ballPNG")
    (tmp_path / "taken").write_text("a file")
    assert main(["solve", str(tmp_path / "ballPNG"), "-o", str(tmp_path / "taken")]) == 2
    assert "is not a folder; choose another path with -o" in capsys.readouterr().err


class TestCheck:
    def test_a_folder_that_can_be_made_is_not_made(self, tmp_path: Path) -> None:
        writable.require_writable_folder(tmp_path / "a" / "b")
        writable.require_writable_file(tmp_path / "a" / "b.png")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_system_that_refuses(self) -> None:
        with pytest.raises(writable.OutputError, match="/proc/out: cannot be written: .* in /proc; "):
            writable.require_writable_folder(Path("/proc/out"))

    def test_a_folder_in_the_place_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(writable.OutputError, match="it is a folder"):
            writable.require_writable_file(tmp_path)

    def test_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        writable.require_writable_file(Path("sheet.png"))
        writable.require_writable_folder(Path("out/x"))
