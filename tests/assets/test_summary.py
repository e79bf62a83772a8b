# SPDX-License-Identifier: Apache-2.0
"""`assets scan` rejects by `fetch`'s rules if asked to, and says what it found by format, tag and licence."""

from pathlib import Path

import pytest
import trimesh

from multishade.assets.scanning.summary import SHOWN, summarise
from multishade.assets.schema import ObjectRow
from multishade.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cube and a ball, a sheet that is 1 % as thick as it is wide."""
    meshes = {
        "cube.ply": trimesh.creation.box(),
        "ball.glb": trimesh.creation.icosphere(2),
        "sheet.stl": trimesh.creation.box(extents=(1, 1, 0.01)),
    }
    for name, mesh in meshes.items():
        mesh.export(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "rejected"),
    [
        ([], []),
        (
            ["--triage"],
            ["cube.ply: has 12 triangles, fewer than 100", "sheet.stl: has 12 triangles, fewer than 100"],
        ),
        (["--min-faces", "10"], ["sheet.stl: is flat: its thinnest side is 1.0% of its longest"]),
        (
            ["--triage", "--min-faces", "10", "--max-faces", "50"],
            ["ball.glb: has 320 triangles, more than 50", "sheet"],
        ),
    ],
)
def test_triage_is_off_unless_it_or_a_limit_is_asked_for(
    options: list[str], rejected: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["assets", "scan", str(folder), "-o", str(folder / "objects.jsonl"), *options]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("rejected: ")]
    assert len(lines) == len(rejected)
    assert all(text in line for text, line in zip(rejected, lines, strict=True))


def test_a_scan_ends_with_a_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["assets", "scan", str(folder), "-o", str(folder / "objects.jsonl"), "--min-faces", "10"]
    assert main([*arguments, "--licence", "MIT"]) == 0
    printed = [
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")
    ]
    assert ["format", "glb 1, ply 1"] in printed
    assert ["licence", "MIT 2"] in printed
    assert ["rejected", "is flat 1"] in printed


def row(number: int, *tags: str) -> ObjectRow:
    return ObjectRow(
        id=f"o{number}",
        source="file",
        location=f"{number}.glb",
        sha256="0" * 64,
        licence="CC0-1.0" if number % 3 else "unknown",
        split="train",
        family="chair",
        tags=tags,
    )


def test_the_most_frequent_come_first_and_the_rest_is_counted() -> None:
    rows = [row(number, "skinned", f"tag{number:02}") for number in range(SHOWN + 3)]
    lines = dict(line.split(maxsplit=1) for line in summarise(rows))
    assert lines["licence"] == "CC0-1.0 10, unknown 5"
    assert lines["tag"].startswith("skinned 15, tag00 1, ") and lines["tag"].endswith("and 4 more")
    assert "rejected" not in lines and "kind" not in lines


def test_reasons_are_counted_without_what_differs() -> None:
    reasons = ["has 12 triangles, fewer than 100", "has 3 triangles, fewer than 100", "is flat: its thinnest"]
    assert summarise([], reasons) == ["rejected has ... triangles, fewer than ... 2, is flat 1"]
