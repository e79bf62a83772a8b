# SPDX-License-Identifier: Apache-2.0
"""Verification: a missing or changed file is reported; a file that has not changed is read once per process."""

import hashlib
import os
from pathlib import Path

import pytest

from multishade.assets import verify
from multishade.assets.hashing import sha256_of_file, sha256_of_files
from multishade.assets.manifest import read_materials, write_rows
from multishade.assets.schema import Maps, MaterialRow, ObjectRow
from multishade.assets.verify import verify_file, verify_rows
from multishade.errors import AssetError, ManifestError

LONG_AGO = 1_600_000_000_000_000_000  # nanoseconds since the epoch


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read to be hashed."""
    names: list[str] = []

    def record(path: Path) -> str:
        names.append(path.name)
        return sha256_of_file(path)

    monkeypatch.setattr(verify, "sha256_of_file", record)
    return names


def mesh_row(path: Path) -> ObjectRow:
    row = ObjectRow(
        id="mesh",
        source="file",
        location=path.name,
        sha256=sha256_of_file(path),
        licence="MIT",
        split="train",
        family="file",
    )
    return row.with_folder(path.parent)


def write_old(path: Path, data: bytes, modified_ns: int = LONG_AGO) -> Path:
    path.write_bytes(data)
    os.utime(path, ns=(modified_ns, modified_ns))
    return path


def test_an_unchanged_file_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    row = mesh_row(write_old(tmp_path / "a.obj", b"v 0 0 0"))
    verify_rows([row, row])
    verify_file(row)
    assert hashed == ["a.obj"]


def test_a_change_of_time_size_or_inode_is_noticed(tmp_path: Path, hashed: list[str]) -> None:
    path = write_old(tmp_path / "a.obj", b"v 0 0 0")
    row = mesh_row(path)
    verify_file(row)
    write_old(path, b"v 0 0 1", LONG_AGO + 1)
    with pytest.raises(ManifestError, match="changed"):
        verify_file(row)
    write_old(path, b"v 0 0 10")
    with pytest.raises(ManifestError, match="changed"):
        verify_file(row)
    other = write_old(tmp_path / "b.obj", b"v 0 0 1")
    other.replace(path)
    with pytest.raises(ManifestError, match="changed"):
        verify_file(row)


def test_a_file_that_was_just_written_is_hashed_each_time(tmp_path: Path, hashed: list[str]) -> None:
    path = tmp_path / "a.obj"
    path.write_bytes(b"v 0 0 0")
    row = mesh_row(path)
    verify_file(row)
    verify_file(row)
    assert hashed == ["a.obj", "a.obj"]


def test_rows_of_a_group_raise_an_asset_error(tmp_path: Path) -> None:
    row = mesh_row(write_old(tmp_path / "a.obj", b"v 0 0 0"))
    (tmp_path / "a.obj").unlink()
    with pytest.raises(AssetError, match="mesh: .*a.obj is missing; restore it"):
        verify_rows([row])


def test_a_changed_missing_or_added_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "a.gltf").write_text("{}")
    (tmp_path / "t" / "c.png").write_bytes(b"png")
    digest = sha256_of_files(tmp_path, ["a.gltf", "t/c.png"])
    listing = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in [("a.gltf", b"{}"), ("t/c.png", b"png")]
    )
    assert digest == hashlib.sha256(listing.encode()).hexdigest()
    row = ObjectRow(
        id="a",
        source="file",
        location="a.gltf",
        sha256=digest,
        files=("t/c.png",),
        licence="MIT",
        split="train",
        family="file",
    ).with_folder(tmp_path)
    verify_file(row)
    (tmp_path / "t" / "c.png").write_bytes(b"pnh")
    with pytest.raises(
        ManifestError, match=f"a.gltf and the 1 files that belong to it changed.*states {digest}"
    ):
        verify_file(row)
    (tmp_path / "t" / "c.png").unlink()
    with pytest.raises(ManifestError, match="c.png is missing"):
        verify_file(row)


def test_maps_are_verified_as_one(tmp_path: Path) -> None:
    for name in ("c.png", "n.png"):
        (tmp_path / name).write_bytes(name.encode())
    row = MaterialRow(
        id="m",
        source="maps",
        location=".",
        sha256=sha256_of_files(tmp_path, ["c.png", "n.png"]),
        licence="CC0-1.0",
        split="train",
        kind="metallic",
        maps=Maps(base_color="c.png", normal="n.png"),
        normal_convention="directx",
        normal_convention_from="name",
    )
    write_rows(tmp_path / "materials.jsonl", [row])
    (back,) = read_materials(tmp_path / "materials.jsonl")
    verify_file(back)
    assert back.maps is not None and back.maps.present() == {"base_color": "c.png", "normal": "n.png"}
    (tmp_path / "n.png").write_bytes(b"other")
    with pytest.raises(ManifestError, match="changed"):
        verify_file(back)
