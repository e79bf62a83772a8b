# SPDX-License-Identifier: Apache-2.0
"""One bad file never loses the work on the others: whatever is in a folder, a scan ends with all that can be used."""

import json
import os
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from multishade.assets.sandbox import Limits
from multishade.assets.scanning import scan as scanning
from multishade.assets.scanning.kept import kept_file
from multishade.assets.scanning.scan import ScanOptions, ScanResult, scan, write_scan
from multishade.errors import AssetError
from multishade.text import printable

QUICK = ScanOptions(limits=Limits(seconds=20, workers=1))


def reasons(found: ScanResult) -> dict[str, str]:
    return {os.path.basename(each.location): each.reason for each in found.rejections}


def test_names_pipes_devices_links_and_texts_of_any_kind_cost_themselves_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        trimesh.creation.icosphere(radius=1 + number).export(folder / f"good{number}.stl")
    ball = (folder / "good0.stl").read_bytes()
    (folder / "two\nlines.stl").write_bytes(ball + b"1")
    with open(os.fsencode(folder) + b"/latin-\xe9.stl", "wb") as file:
        file.write(ball + b"2")
    (folder / "\x1b[2Jclear.stl").write_bytes(b"")
    os.mkfifo(folder / "pipe.stl")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.stl").symlink_to("/dev/zero")
    (folder / "gone.stl").symlink_to(folder / "nowhere.stl")
    (folder / "passwd.obj").symlink_to("/etc/passwd")
    with (folder / "huge.ply").open("wb") as file:
        file.truncate(5 << 30)
    obj = "mtllib {0}.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    for name, texture in {
        "pipes": "pipe.png",
        "devices": "../../../../../../../dev/zero",
        "absolute": "/dev/zero",
        "folders": ".",
        "elsewhere": "../secret.png",
        "uris": "file:///etc/passwd",
        "unc": "\\\\server\\share\\a.png",
    }.items():
        (folder / f"{name}.obj").write_text(obj.format(name))
        (folder / f"{name}.mtl").write_text(f"newmtl a\nmap_Kd {texture}\n")
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (folder / "SOURCES.tsv").write_bytes("path\tlicence\ngood0.stl\tCC0 \xe9".encode("latin-1"))
    (folder / "license.json").write_text("[" * 100_000)
    found = scan(folder, tmp_path / "m.jsonl", QUICK)
    assert [row.id for row in found.rows] == ["good0", "good1", "good2"]
    assert {row.licence for row in found.rows} == {"unknown"}
    (note,) = [each for each in found.unread if "SOURCES.tsv" in each.reason]
    assert "2:" in note.reason and "is not UTF-8" in note.reason and "so do 2 others" in note.reason
    why = reasons(found)
    for name, reason in {
        r"two\nlines.stl": "has a line break",
        r"latin-\udce9.stl": "is not UTF-8",
        r"\x1b[2Jclear.stl": "is empty",
        "pipe.stl": "no file",
        "zero.stl": "no file",
        "gone.stl": "cannot be opened",
        "passwd.obj": "outside of the scanned folder",
        "huge.ply": "GiB large",
        "pipes.obj": "missing",
        "devices.obj": "missing",
        "absolute.obj": "missing",
        "folders.obj": "missing",
        "elsewhere.obj": "outside of",
        "uris.obj": "missing",
        "unc.obj": "missing",
    }.items():
        assert reason in why[name], (name, why)
    write_scan(found, tmp_path / "m.jsonl")
    listed = (tmp_path / "m.jsonl.rejected.jsonl").read_text().splitlines()
    assert len(listed) == len(found.rejections) == len([json.loads(line) for line in listed])


def test_an_interrupted_scan_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, manifest = tmp_path / "in", tmp_path / "m.jsonl"
    folder.mkdir()
    for number in range(4):
        trimesh.creation.icosphere(radius=1 + number).export(folder / f"{number}.stl")
    (folder / "9.stl").write_bytes(b"")
    read: list[int] = []

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(folder, manifest, QUICK, interrupt, keep=True)
    with kept_file(manifest).open("a") as file:
        file.write('{"path": "cut sh')
    trimesh.creation.icosphere(radius=9).export(folder / "0.stl")  # changed since: read again
    whole = ScanOptions(limits=QUICK.limits)
    original = scanning.run_sandboxed

    def counted(function, items, *rest):  # type: ignore[no-untyped-def]
        read.append(len(items))
        return original(function, items, *rest)

    monkeypatch.setattr(scanning, "run_sandboxed", counted)
    found = scan(folder, manifest, whole, keep=True)
    assert read == [5 - 2]  # of the first three, one has changed
    assert [row.id for row in found.rows] == ["0", "1", "2", "3"] and list(reasons(found)) == ["9.stl"]
    write_scan(found, manifest)
    assert not kept_file(manifest).exists()
    assert found == scan(folder, manifest, whole)


def test_what_acts_on_a_terminal_is_escaped() -> None:
    assert printable("plain é 漢") == "plain é 漢"
    assert printable("a\x1b[2J\r\n\x00\u202e\udcff\U000e0001") == r"a\x1b[2J\r\n\x00\u202e\udcff\U000e0001"


@pytest.mark.parametrize("name", ["pipe.glb", "pipe.hdr", "old.dae"])
def test_a_folder_in_which_no_file_can_be_read_is_no_empty_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    if name.startswith("pipe"):
        os.mkfifo(folder / name)
    else:
        (folder / name).write_text("<COLLADA/>")
    found = scan(folder, tmp_path / "m.jsonl", QUICK)
    assert found.rows == () and found.kind == ("environments" if name.endswith(".hdr") else "objects")
    assert ("a pipe" if name.startswith("pipe") else "convert it to glTF") in reasons(found)[name]


def test_a_file_in_place_of_a_folder_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_bytes(b"glTF")
    with pytest.raises(AssetError, match=r"a\.glb: is no folder; scan the folder that it lies in"):
        scan(tmp_path / "a.glb", tmp_path / "m.jsonl", QUICK)
    with pytest.raises(AssetError, match="there is no such folder to scan"):
        scan(tmp_path / "b", tmp_path / "m.jsonl", QUICK)
