# SPDX-License-Identifier: Apache-2.0
"""`make setup` says how much comes before it starts, names what is large, and ends at once without a network."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.imports import REPOSITORY

PIP = """Collecting bpy==5.0.1
  Downloading bpy-5.0.1-cp311-cp311-manylinux_2_28_x86_64.whl (374.3 MB)
  Using cached scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.whl (13.7 MB)
  Downloading click-8.5.1-py3-none-any.whl (126 kB)
Installing collected packages: bpy, scikit-image, click
Successfully installed bpy-5.0.1
"""


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", REPOSITORY / ".ci" / "install.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, code: int) -> None:
    """Put a program in the place of the interpreter that prints a text, whatever it is asked."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_what_is_large_is_named_and_the_rest_is_counted(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, tmp_path, PIP, 0)
    assert install.install(["--editable", "."]) == 0
    bpy, image, unpacking, done = capsys.readouterr().out.splitlines()
    assert bpy == "  bpy 5.0.1: 374 MB (so far 1 wheels, 374 MB)"
    assert image == "  scikit_image 0.26.0: 14 MB (so far 2 wheels, 388 MB)"
    assert "unpacking 3 packages" in unpacking
    assert re.fullmatch(r"setup: done in \d+ s \(3 wheels, 388 MB, were downloaded or cached\)", done)


def test_what_pip_says_of_a_failure_is_shown(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, tmp_path, "Collecting bpy\nERROR: No matching distribution found for bpy\n", 1)
    assert install.install([]) == 1
    assert capsys.readouterr().err == "ERROR: No matching distribution found for bpy\n"


def test_without_a_network_it_ends_in_one_line_before_pip_starts(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "unreachable", lambda url: "Name or service not known")
    monkeypatch.setattr(install, "_setting", lambda name: "")
    monkeypatch.setattr(install, "install", lambda arguments: pytest.fail("pip was started"))
    assert install.main("render") == 1
    said = capsys.readouterr()
    assert said.out.startswith("setup: rendering: about ") and said.err.count("\n") == 1
    assert "pypi.org cannot be reached (Name or service not known)" in said.err


def test_a_folder_of_wheels_is_enough(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(install, "unreachable", lambda url: "no network")
    monkeypatch.setattr(install, "_setting", lambda name: "/wheels" if name == "find-links" else "")
    monkeypatch.setattr(install, "install", lambda arguments: given.extend(arguments) or 0)
    assert install.main("all") == 0
    assert "--no-index" in given and install.TORCH_CPU not in given


def test_an_index_in_a_folder_needs_no_network(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "unreachable", lambda url: pytest.fail(f"asked for {url}"))
    monkeypatch.setattr(
        install, "_setting", lambda name: "file:///mirror/simple" if name == "index-url" else ""
    )
    monkeypatch.setattr(install, "install", lambda arguments: 0)
    assert install.main("render") == 0


@pytest.mark.parametrize(("wanted", "cpu"), [(None, True), ("cuda", False)])
def test_torch_comes_without_cuda_unless_asked_for(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, wanted: str | None, cpu: bool
) -> None:
    given: list[str] = []
    if wanted:
        monkeypatch.setenv("TORCH", wanted)
    else:
        monkeypatch.delenv("TORCH", raising=False)
    monkeypatch.setattr(install, "unreachable", lambda url: None)
    monkeypatch.setattr(install, "_setting", lambda name: "")
    monkeypatch.setattr(install, "install", lambda arguments: given.extend(arguments) or 0)
    assert install.main("all") == 0
    assert (install.TORCH_CPU in given) is cpu


def test_all_installs_extras_that_exist(install: ModuleType) -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"\w+", install.SETS["all"][0]))
    assert {"train", "fetch", "test"} <= named <= set(extras)
