# SPDX-License-Identifier: Apache-2.0
"""The notebooks in examples/ run from top to bottom as they are, and are stored without results."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.imports import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "examples").glob("*.ipynb"))
SECONDS = 550  # of one cell


def run(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Execute a notebook in a folder, and return the results of its cells."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # The kernel's own files, such as IPython's history, do not belong into the user's home.
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        book, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


def texts(outputs: list[dict[str, Any]]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def pictures(outputs: list[dict[str, Any]]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_results(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert code and all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["photo_to_normals", "render_and_look"]


@pytest.mark.blender
def test_render_and_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run(REPOSITORY / "examples" / "render_and_look.ipynb", tmp_path, monkeypatch)
    said = texts(outputs)
    assert "sound" in said and "mean angular error: 0." in said
    assert pictures(outputs) == 2  # the sample, and the frames
    assert len(list((tmp_path / "data" / "notebook").glob("*.tar"))) == 1


def test_photo_to_normals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    outputs = run(REPOSITORY / "examples" / "photo_to_normals.ipynb", tmp_path, monkeypatch)
    assert "mean confidence" in texts(outputs) and "vertices" in texts(outputs)
    assert pictures(outputs) == 3
    assert (tmp_path / "normal_gl.png").is_file() and (tmp_path / "surface.ply").stat().st_size > 10_000
