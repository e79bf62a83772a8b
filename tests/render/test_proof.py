# SPDX-License-Identifier: Apache-2.0
"""`assets scan --render`: what the scan calls usable renders, what does not is refused by name, and nothing is left."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import trimesh

from multishade.assets.scanning.scan import ScanOptions, scan
from multishade.assets.schema import Row
from multishade.cli import main
from multishade.errors import BlenderCrashed, BlenderError
from multishade.imaging.codecs import read_png, write_exr_image, write_png
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import PlannedGroup
from multishade.render.proof import FINE_PIXELS, PIXELS, Proof, prove
from multishade.shards.sample import Sample
from tests.render.test_foreign_meshes import CASES, HIDDEN, HOLES, OPPOSED, SOLID, STRAY, blends  # noqa: F401
from tests.support import mesh_members as members

pytestmark = pytest.mark.blender

# Only Blender reads these, so that the scan alone cannot refuse them.
SEEN_BY_BLENDER_ONLY = {
    "index40.usda": "vertex 40 of 4",
    "v11_linked_missing.blend": "needs the library '//blendlib/gone.blend', which is missing",
    "v23_teximage_without_image.blend": "image node without an image",
    "hair.blend": "shows hair (of 'ball'); convert it to a mesh",
    "image_without_file.blend": "the texture 'gone.png' is missing (//gone.png)",
    "image_without_file.fbx": "the texture 'gone.png' is missing",
}


def rows_of(folder: Path) -> list[Row]:
    manifest = folder.parent / "m.jsonl"
    result = scan(folder, manifest, ScanOptions())
    return [row.with_folder(manifest.parent) for row in result.rows]


def balls(folder: Path, *names: str) -> list[Row]:
    folder.mkdir()
    for number, name in enumerate(names, 8):
        members.write_gltf(folder / f"{name}.glb", members.ball(2 * number))
    return rows_of(folder)


def blender_processes() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            found += [child] if "blender_scripts.server" in child.cmdline() else []
        except psutil.Error:
            continue
    return found


def test_every_asset_that_the_scan_calls_usable_renders(tmp_path: Path, blends: Path) -> None:  # noqa: F811
    folder = tmp_path / "in"
    for group, writers in {"op": OPPOSED, "ho": HOLES, "so": SOLID, "hi": HIDDEN, "st": STRAY}.items():
        for name, write in writers.items():
            members.stage(folder / group, write, name)
    shutil.copytree(CASES, folder / "cases")
    shutil.copytree(blends, folder / "blends")
    manifest = tmp_path / "m.jsonl"
    assert (
        main(["assets", "scan", str(folder), "--kind", "objects", "-o", str(tmp_path / "plain.jsonl")]) == 0
    )
    assert main(["assets", "scan", str(folder), "--kind", "objects", "-o", str(manifest), "--render"]) == 0
    plain, proven = ((tmp_path / name).read_text().splitlines() for name in ("plain.jsonl", "m.jsonl"))
    lost = {Path(row["location"]).name: row["tags"] for row in map(json.loads, set(plain) - set(proven))}
    assert [line for line in plain if line in proven] == proven  # the other rows are as they were
    assert lost == dict.fromkeys(SEEN_BY_BLENDER_ONLY, ["unchecked"])
    rejected = map(json.loads, (tmp_path / "m.jsonl.rejected.jsonl").read_text().splitlines())
    reasons = {Path(each["location"]).name: each["reason"] for each in rejected}
    for name, reason in SEEN_BY_BLENDER_ONLY.items():
        assert reason in reasons[name] and not reasons[name].startswith(name)
    assert read_png(tmp_path / "m.png").shape[2] == 3


def test_materials_and_environments_are_rendered_on_a_built_in_object(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for name, value in (("basecolor", (200, 30, 30)), ("roughness", (150, 150, 150))):
        write_png(tmp_path / "maps" / f"red_{name}.png", np.full((8, 8, 3), value, np.uint8))
    (tmp_path / "sky").mkdir()
    sky = np.full((16, 32, 3), (0.1, 1.0, 0.1), np.float32)
    write_exr_image(tmp_path / "sky" / "green.exr", sky)
    for folder, channel in (("maps", 0), ("sky", 1)):
        (proof,) = prove(rows_of(tmp_path / folder))
        assert proof.reason is None and proof.image is not None and proof.mask is not None
        red_green_blue = proof.image[proof.mask].mean(axis=0)
        assert red_green_blue.argmax() == channel and proof.mask.mean() > 0.2


def test_what_is_thinner_than_a_pixel_is_rendered_finer(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    trimesh.creation.cylinder(radius=0.0004, height=1.0).export(tmp_path / "in" / "needle.stl")
    (proof,) = prove(rows_of(tmp_path / "in"))
    assert proof.reason is None and proof.image is not None
    assert proof.image.shape in ((FINE_PIXELS, FINE_PIXELS, 3), (PIXELS, PIXELS, 3))


def test_a_crash_costs_one_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render = GroupRenderer.render

    def crashing(self: GroupRenderer, group: PlannedGroup) -> list[Sample]:
        if group.object.id == "b":
            self.interrupt()
        return render(self, group)

    rows = balls(tmp_path / "in", "a", "b", "c", "d")
    monkeypatch.setattr(GroupRenderer, "render", crashing)
    reasons = {rows[proof.index].id: proof.reason for proof in prove(rows, workers=1)}
    assert [name for name, reason in reasons.items() if reason] == ["b"]
    assert "Blender ended with signal SIGKILL" in str(reasons["b"])
    assert not blender_processes()


def test_a_blender_that_does_not_start_is_no_fault_of_the_assets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(self: GroupRenderer, group: object) -> None:
        raise BlenderCrashed("Blender cannot be started")

    rows = balls(tmp_path / "in", "a")
    monkeypatch.setattr(GroupRenderer, "blender", refusing)
    with pytest.raises(BlenderError, match="cannot be started"):
        list(prove(rows))


def test_an_iteration_that_is_given_up_ends_blender(tmp_path: Path) -> None:
    proofs = prove(balls(tmp_path / "in", *"abcdef"), workers=2)
    assert isinstance(next(iter(proofs)), Proof)
    assert blender_processes()
    proofs.close()  # type: ignore[attr-defined]
    assert not blender_processes()


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# The folder of exchanged files is one of the test's own: other processes use /dev/shm as well.
SCAN = """
import pathlib, sys
from multishade.cli import main
from multishade.storage import scratch
scratch.MEMORY_FOLDER = pathlib.Path(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    balls(tmp_path / "in", *"abcdefgh")
    exchanged, output = tmp_path / "exchanged", tmp_path / "out"
    exchanged.mkdir()
    scanning = ["assets", "scan", str(tmp_path / "in"), "-o", str(output / "m.jsonl"), "--render"]
    run = subprocess.Popen(
        [sys.executable, "-c", SCAN, str(exchanged), *scanning],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: bool(list(exchanged.glob("*/render.exr"))))
    started = blender_processes()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=120)
    assert run.returncode == 130 and started
    assert not any(process.is_running() for process in started)
    assert not list(exchanged.iterdir())
    assert {path.name for path in output.glob("*")} <= {"m.jsonl.part"}  # from which the next scan goes on


def test_a_sheet_belongs_to_a_render(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assets", "scan", str(CASES), "-o", str(tmp_path / "m.jsonl"), "--sheet", "a.png"]) == 2
    assert "add --render" in capsys.readouterr().err
