# SPDX-License-Identifier: Apache-2.0
"""One vocabulary: an option has one name and one meaning in all commands, and old names work with a note."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from multishade.cli import build_parser, main
from multishade.cli.train import EPILOG

Subparsers = argparse._SubParsersAction
# (command line with {} in the place of the option, its old name, its name, the attribute, a value)
RENAMED = [
    ("infer photo.png {} ols", "--solver", "--method", "method", "ols"),
    ("solve photos {} mean", "--gray", "--grey", "grey", "mean"),
    ("evaluate relu --on folder:x {} rgb", "--gray", "--grey", "grey", "rgb"),
    ("stats data/demo {} page", "--out", "--output", "output", Path("page")),
]
# What differs for a reason: `solve` needs grey values, `evaluate` measures on colours too; `render` gives each of its
# Blenders threads; `solve` takes one key; `failures --html` names no file, since its page has a place of its own;
# `compare` groups by any tags, `failures` by kind or object.
OF_ITS_OWN = {"--grey", "--gray", "--threads", "--key", "--html", "--by"}


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All commands that do something, by name."""
    groups = [action for action in parser._actions if isinstance(action, Subparsers)]
    if not groups:
        yield name, parser
    for group in groups:
        for word, sub in group.choices.items():
            yield from parsers(sub, f"{name} {word}".strip())


COMMANDS = dict(parsers(build_parser()))


@pytest.mark.parametrize(("line", "old", "new", "attribute", "value"), RENAMED)
def test_an_old_name_works_and_prints_the_new_one(
    line: str, old: str, new: str, attribute: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    parsed = build_parser().parse_args(line.format(old).split())
    assert capsys.readouterr().err == f"note: {old} is now {new}; the old name ends with the next version\n"
    assert getattr(parsed, attribute) == value
    now = build_parser().parse_args(line.format(new).split())
    assert capsys.readouterr().err == ""
    assert {**vars(now), "run": None} == {**vars(parsed), "run": None}


@pytest.mark.parametrize(
    ("line", "option"),
    [("card data/demo -o x", "--samples"), ("assets builtin -o x --sead 3", "--materials-per-family")],
)
def test_an_option_that_a_command_lacks_is_answered_with_those_that_it_has(
    line: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(line.split())
    printed = capsys.readouterr().err
    command = " ".join(line.split()[: 2 if line.startswith("assets") else 1])
    assert printed.startswith("usage: ") and f" {command} [-h]" in printed and option in printed
    assert f"{command}: error: unrecognized arguments: " in printed


@pytest.mark.parametrize(("line", "old", "new", "attribute", "value"), RENAMED)
def test_help_shows_the_new_name_alone(line: str, old: str, new: str, attribute: str, value: object) -> None:
    words = COMMANDS[line.split()[0]].format_help().split()
    assert not {old, f"[{old}"} & set(words) and {new, f"[{new}"} & set(words)


def test_an_old_name_takes_no_other_values_than_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["solve", "photos", "--gray", "rgb"])
    assert "invalid choice: 'rgb'" in capsys.readouterr().err


def test_every_command_that_writes_has_both_names_of_the_output() -> None:
    writing = {name for name, parser in COMMANDS.items() if "--output" in parser._option_string_actions}
    fetching = {
        f"assets fetch {source}" for source in ("objaverse", "matsynth", "polyhaven", "http", "bucket")
    }
    others = {"render", "configs", "show", "export", "stats", "failures", "assets builtin", "assets scan"}
    assert writing == fetching | others | {"train", "infer", "depth", "solve", "evaluate", "compare"}
    for name in writing:
        assert "-o" in COMMANDS[name]._option_string_actions, name


def test_options_of_one_name_are_the_same_in_all_commands() -> None:
    seen: dict[str, tuple[str, object]] = {}
    for name, parser in COMMANDS.items():
        for option, action in parser._option_string_actions.items():
            if option in OF_ITS_OWN:
                continue
            meaning = (action.dest, action.nargs, action.choices and sorted(action.choices))
            assert seen.setdefault(option, (name, meaning))[1] == meaning, (option, name, seen[option][0])


@pytest.mark.parametrize(
    "line",
    [
        "replay data/demo --blend scene.blend s000000-g0000-v0",
        "evaluate --on shards:data/demo relu",
        "inspect a.tar --json b.tar",
        "export data/demo --as exr s000000-g0000-v0",
        "compare a.csv --metric median b.csv",
    ],
)
def test_options_stand_anywhere_among_the_arguments(line: str) -> None:
    first = line.split()
    place = next(i for i, word in enumerate(first) if word.startswith("-"))
    length = 1 if first[place] == "--json" else 2
    last = [*first[:place], *first[place + length :], *first[place : place + length]]
    assert vars(build_parser().parse_args(first)) == vars(build_parser().parse_args(last))


@pytest.mark.parametrize("line", ["evaluate --on folder:x", "evaluate relu --method ols --on folder:x"])
def test_evaluate_takes_one_method_by_place_or_by_name(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert "name one METHOD" in capsys.readouterr().err


class TestTrain:
    """`multishade train` writes into out/train/NAME, and goes on with a run of the version before in its place."""

    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
        monkeypatch.chdir(tmp_path)
        runs: list[Path] = []

        def train(config: object, **options: object) -> Path:
            runs.append(config.folder)  # type: ignore[attr-defined]
            return config.folder  # type: ignore[attr-defined,no-any-return]

        monkeypatch.setattr("multishade.training.trainer.train", train)
        return runs

    def test_where_a_run_is(self, folder: list[Path]) -> None:
        for options in ([], ["-o", "mine"], ["--set", "output=theirs"], ["--output", "7"]):
            assert main(["train", "rose-tiny", *options]) == 0
        assert folder == [Path("out/train/rose-tiny"), Path("mine"), Path("theirs"), Path("7")]

    def test_an_old_run_goes_on_where_it_is(
        self, folder: list[Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("out/rose-tiny/checkpoints").mkdir(parents=True)
        assert main(["train", "rose-tiny"]) == 0 and main(["train", "rose-tiny", "--resume"]) == 0
        assert folder == [Path("out/train/rose-tiny"), Path("out/rose-tiny")]
        assert "note: the run in out/rose-tiny goes on there" in capsys.readouterr().err
        Path("out/train/rose-tiny").mkdir(parents=True)
        assert main(["train", "rose-tiny", "--resume"]) == 0
        assert folder[-1] == Path("out/train/rose-tiny")

    def test_the_examples_name_the_option(self) -> None:
        assert "-o out/mine" in EPILOG and json.dumps("output=") not in EPILOG
