# SPDX-License-Identifier: Apache-2.0
"""Hints name the program as it was started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from multishade.cli.program import _python, pasted

REPOSITORY = Path(__file__).parents[2]
SCRIPT = "#!{python}\nimport sys\nfrom multishade.cli import main\nsys.exit(main())\n"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with `.venv/bin/multishade`, as in a clone."""
    binary = tmp_path / ".venv" / "bin" / "multishade"
    binary.parent.mkdir(parents=True)
    for script in (binary, binary.with_name("multishade-inspect")):
        script.write_text(SCRIPT.format(python=sys.executable))
        script.chmod(0o755)
    return tmp_path


def run(folder: Path, *command: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}" if path else environment["PATH"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_hint_of_a_program_that_is_not_on_the_path_can_be_pasted(installed: Path) -> None:
    done = run(installed, ".venv/bin/multishade", "configs", "--show", "nothing")
    assert "`.venv/bin/multishade configs` lists the recipes" in done.stderr
    again = run(installed, ".venv/bin/multishade", "configs")
    assert again.returncode == 0 and "demo" in again.stdout


def test_examples_of_the_help_can_be_pasted(installed: Path) -> None:
    shown = run(installed, ".venv/bin/multishade", "train", "--help").stdout
    assert "usage: .venv/bin/multishade train" in shown
    assert "\n  .venv/bin/multishade train rose-tiny\n" in shown


def test_from_another_folder_the_whole_path_is_given(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    binary = installed / ".venv" / "bin" / "multishade"
    assert f"`{binary} configs`" in run(elsewhere, str(binary), "configs", "--show", "nothing").stderr


def test_a_program_on_the_path_needs_no_path(installed: Path) -> None:
    binaries = str(installed / ".venv" / "bin")
    done = run(installed, "multishade", "configs", "--show", "nothing", path=binaries)
    assert "`multishade configs`" in done.stderr


def test_started_as_a_module(tmp_path: Path) -> None:
    done = run(tmp_path, sys.executable, "-m", "multishade", "configs", "--show", "nothing")
    assert f"`{sys.executable} -m multishade configs`" in done.stderr


class TestText:
    @pytest.fixture(autouse=True)
    def started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(REPOSITORY)
        monkeypatch.setattr(sys, "argv", [".venv/bin/multishade"])
        monkeypatch.setattr(shutil, "which", lambda name: None)

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("see `multishade configs`", "see `.venv/bin/multishade configs`"),
            ("  multishade render multishade -o x", "  .venv/bin/multishade render multishade -o x"),
            ("inspect it with multishade-inspect", "inspect it with .venv/bin/multishade-inspect"),
            ("reads multishade.config", "reads multishade.config"),
            ("the data set multishade is large", "the data set multishade is large"),
            ("multishade-000001.tar is damaged", "multishade-000001.tar is damaged"),
            ("multishade-inspect-x", "multishade-inspect-x"),
        ],
    )
    def test_commands_and_nothing_else_are_replaced(self, text: str, shown: str) -> None:
        assert pasted(text) == shown

    def test_an_extra_of_a_clone_is_installed_from_the_clone(self) -> None:
        python = _python()
        assert pasted("torch is not installed: pip install 'multishade[train]'") == (
            f"torch is not installed: {python} -m pip install --editable '.[train]'"
        )
