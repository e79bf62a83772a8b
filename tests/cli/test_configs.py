# SPDX-License-Identifier: Apache-2.0
"""`multishade configs`: the list, one recipe's text, and a copy that is never written over edits."""

from pathlib import Path

import pytest

from multishade.cli import main
from multishade.config import load_config, recipes


def test_all_recipes_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [recipe.name for recipe in recipes.list_recipes()]
    (summary,) = (recipe.summary for recipe in recipes.list_recipes() if recipe.name == "demo")
    assert any(line.split(maxsplit=1) == ["demo", summary] for line in lines)


def test_a_recipe_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--show", "demo"]) == 0
    assert capsys.readouterr().out == recipes.find_recipe("demo").read_text()


def test_a_copy_is_written_beside_the_user_and_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["configs", "--copy", "multishade-k6"]) == 0
    assert "multishade-k6.yaml" in capsys.readouterr().out
    assert load_config("multishade-k6.yaml").shading.count == 6


def test_edits_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: edited\n")
    assert main(["configs", "--copy", "demo", "-o", str(mine)]) == 2
    assert "exists and is not overwritten; choose another file with -o" in capsys.readouterr().err
    assert mine.read_text() == "name: edited\n"


@pytest.mark.parametrize("arguments", [["--show", "dmo"], ["--copy", "dmo"], ["-o", "mine.yaml"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", *arguments]) == 2
    assert "error: " in capsys.readouterr().err
