# SPDX-License-Identifier: Apache-2.0
"""The measured first hour stands between its marks in README, and nothing else of the page changes."""

from pathlib import Path

import pytest

from benchmarks import first_hour
from benchmarks.first_hour import BEGIN, END, Load, Step, load_text, measure_load, text_of, write_into
from multishade.inference.write import FORMATS
from tests.support.imports import REPOSITORY

STEPS = [
    Step("the clone", "git clone", 2.0, 2.0),
    Step("(a) their contact sheet", ".venv/bin/multishade-inspect x.tar", 4.0, 190.0),
]


def test_readme_has_the_marks_once() -> None:
    page = (REPOSITORY / "README.md").read_text()
    assert page.count(BEGIN) == page.count(END) == 1 and page.index(BEGIN) < page.index(END)


def test_the_figures_replace_those_of_the_run_before(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    for _ in range(2):
        write_into(readme, text_of(STEPS, 300.0, "on 2 cores"))
    page = readme.read_text()
    assert page.startswith(f"before\n\n{BEGIN}\n") and page.endswith(f"{END}\n\nafter\n")
    assert (
        "| (a) their contact sheet: `multishade-inspect x.tar` | 4 s | 3.2 min |" in page
        and "old" not in page
    )
    assert "The set-up, measured apart, took 5 minutes." in page


def test_the_walk_asks_for_files_that_its_commands_write() -> None:
    sheet, normals, model = map(Path, first_hour.RESULTS)
    commands = " ".join(command for _, command in first_hour.WALK)
    assert f"--sheet {sheet}" in commands and f"{normals.parent.name}.png" in commands
    assert normals.stem in FORMATS and normals.suffix == ".png"
    assert model.parts[:2] == ("out", "train") and f"train {model.parts[2]}" in commands


def test_a_page_without_marks_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(SystemExit, match="expected one pair of the marks"):
        write_into(tmp_path / "README.md", "text")


def test_the_load_beside_which_it_was_measured_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_hour.psutil, "cpu_percent", lambda seconds, percpu: [90.0, 60.0])
    monkeypatch.setattr(first_hour.psutil, "getloadavg", lambda: (3.2, 1.0, 1.0))
    load = measure_load()
    assert load == Load(1.5, 3.2)
    text = load_text(load, Load(0.5, 2.0), 1)
    assert "other processes kept 1.5 busy before the walk and 0.5 after it (1 of them" in text
    assert "load average 3.2 and 2.0" in text and "of them" not in load_text(load, load, 0)


def test_the_processes_that_keep_cores_busy_end() -> None:
    started: list[object] = []
    popen = first_hour.subprocess.Popen

    def start(command: list[str]) -> object:
        started.append(popen(command))
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_hour.subprocess, "Popen", start)
        with first_hour.busy(2):
            assert len(started) == 2 and all(each.poll() is None for each in started)  # type: ignore[attr-defined]
    assert all(each.poll() is not None for each in started)  # type: ignore[attr-defined]
