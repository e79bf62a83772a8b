# SPDX-License-Identifier: Apache-2.0
"""`multishade render --assets`: one command from a folder of meshes to a preview, and to the whole data set."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from multishade.assets.manifest import read_objects
from multishade.cli import main
from multishade.imaging import codecs
from multishade.shards.dataset import Dataset

pytestmark = pytest.mark.usefixtures("one_process")

LIGHTS = "lights={point: {count: 0}, environment: {count: 0}}"
FRONT = ("--set", "views={count: 1, canonical: [front], jitter_degrees: 0}", "--set", LIGHTS)
SMALL = (
    "--set",
    "camera={width: 64, height: 64}",
    "--set",
    "render.samples={parallel: 2}",
    "--set",
    "objects.rotation=none",
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two boxes that are tall along z, in a format whose y points up."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name, width in (("tower", 1.0), ("plank", 0.5)):
        trimesh.creation.box(extents=(width, 1, 3)).export(folder / f"{name}.glb")
    return folder


def shape(folder: Path) -> tuple[float, float]:
    """Height and width of the object of the first sample."""
    data = Dataset(folder)
    rows, columns = np.nonzero(data[next(iter(data))].mask)
    return float(np.ptp(rows)), float(np.ptp(columns))


@pytest.mark.blender
def test_a_preview_is_small_and_the_same_command_goes_on_with_all_objects(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    command = ["render", "demo", "--assets", str(models), "--up", "z", "-o", str(out), *FRONT, *SMALL]
    assert main([*command, "--preview"]) == 0
    printed = capsys.readouterr().out
    assert "objects.jsonl: 2 objects, 0 rejected" in printed and "without --preview" in printed
    assert codecs.read_png(out / "preview" / "sheet.png").shape[1] > 1000
    assert not list(out.glob("*.tar")) and len(Dataset(out / "preview")) == 2
    height, width = shape(out / "preview")
    assert height > 2.5 * width  # --up z
    assert main(command) == 0
    assert len(Dataset(out)) == 2
    assert {row.up for row in read_objects(out / "assets" / "objects.jsonl")} == {"z"}


def test_a_folder_without_meshes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    command = ["render", "demo", "--assets", str(tmp_path / "empty"), "-o", str(tmp_path / "mine")]
    assert main(command) == 2
    assert "empty: holds no mesh files" in capsys.readouterr().err


def test_own_assets_are_not_written_to_a_url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "demo", "--assets", str(tmp_path), "-o", "memory://mine"]) == 2
    assert "write to a local folder" in capsys.readouterr().err
