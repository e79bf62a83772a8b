# SPDX-License-Identifier: Apache-2.0
"""Assets in a bucket: a manifest, only what changed is fetched again, and what cannot be fetched is named."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile

from multishade.assets.fetch import bucket
from multishade.assets.fetch.bucket import fetch_bucket
from multishade.assets.fetch.client import FetchError
from multishade.assets.fetch.ingest import FetchJob, FetchResult, write_result
from multishade.assets.manifest import read_objects
from multishade.assets.scanning.scan import ScanOptions
from multishade.assets.verify import verify_file
from multishade.cli import main
from multishade.errors import StorageError
from multishade.storage.remote import RemoteStore
from multishade.storage.store import open_store
from tests.support.asset_samples import LIMITS, QUICK, ball, glb, reasons
from tests.support.s3_server import Fault, S3Server


def fetch(url: str, folder: Path) -> FetchResult:
    manifest = folder / "manifest.jsonl"
    job = FetchJob(folder / "cache", manifest, QUICK, LIMITS)
    result = fetch_bucket(url, ScanOptions(limits=LIMITS), job)
    write_result(result, manifest)
    return result


def put(url: str, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        place, _, name = f"{url}/{path}".rpartition("/")
        store = open_store(place)
        store.make_folder()
        store.write_bytes(name, content)


def meshes() -> dict[str, bytes]:
    stl = ball(2.0).export(file_type="stl")
    return {
        "a.glb": glb(ball()),
        "deep/er/b c.stl": stl,
        "deep/notes.txt": b"no mesh",
        "deep/cut.stl": stl[:90],
    }


def gets(server: S3Server) -> list[str]:
    """The objects that were read since the log was cleared."""
    return sorted(
        line.split()[1].split("?")[0].rpartition("/")[2] for line in server.log if "GET" in line[:4]
    )


def test_a_folder_of_a_bucket_becomes_a_manifest(s3_store: S3Server, tmp_path: Path) -> None:
    url = f"{s3_store.bucket()}/meshes"
    put(url, meshes())
    s3_store.faults[:] = [Fault("503", "GET", "a.glb"), Fault("503", "HEAD", "cut.stl")]
    result = fetch(url, tmp_path)
    rows = read_objects(tmp_path / "manifest.jsonl")
    assert sorted(Path(row.location).name for row in rows) == ["a.glb", "b c.stl"]
    for row in rows:
        verify_file(row)
    assert [name.rpartition("/")[2] for name in reasons(result)] == ["cut.stl"]
    assert [fault.times for fault in s3_store.faults] == [0, 0]


def test_only_what_is_new_or_changed_is_fetched_again(s3_store: S3Server, tmp_path: Path) -> None:
    url = f"{s3_store.bucket()}/meshes"
    files = {"a.stl": ball(1.0).export(file_type="stl"), "sub/b.stl": ball(2.0).export(file_type="stl")}
    put(url, files)
    before = {Path(row.location).name: row.sha256 for row in fetch(url, tmp_path).rows}
    s3_store.log.clear()
    fetch(url, tmp_path)
    assert not {"a.stl", "b.stl"} & set(gets(s3_store))
    changed = ball(1.5).export(file_type="stl")
    assert len(changed) == len(files["a.stl"])  # the size does not tell
    put(url, {"a.stl": changed, "c.stl": ball(3.0).export(file_type="stl")})
    open_store(f"{url}/sub").remove("b.stl")
    s3_store.log.clear()
    after = {Path(row.location).name: row.sha256 for row in fetch(url, tmp_path).rows}
    assert sorted(after) == ["a.stl", "c.stl"] and after["a.stl"] != before["a.stl"]
    assert {"a.stl", "c.stl"} <= set(gets(s3_store))


def test_a_bucket_that_refuses_ends_the_run_and_another_run_continues(
    s3_store: S3Server, tmp_path: Path
) -> None:
    url = f"{s3_store.bucket()}/meshes"
    put(url, {"a.stl": ball(1.0).export(file_type="stl"), "b.stl": ball(2.0).export(file_type="stl")})
    s3_store.faults[:] = [Fault("503", "GET", "b.stl", times=100)]
    result = fetch(url, tmp_path)
    assert result.stopped is not None and "b.stl" in result.stopped
    assert [Path(row.location).name for row in result.rows] == ["a.stl"]
    s3_store.faults.clear()
    assert len(fetch(url, tmp_path).rows) == 2


def test_places_that_are_no_folder_of_a_bucket_are_named(s3_store: S3Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"not a bucket .*assets scan"):
        fetch(str(tmp_path), tmp_path)
    with pytest.raises(FetchError, match="not a bucket"):
        fetch("http://127.0.0.1:9/meshes", tmp_path)
    with pytest.raises(FetchError, match="no file below it"):
        fetch(f"{s3_store.bucket()}/nothing", tmp_path)
    with pytest.raises((FetchError, StorageError), match="multishade-none"):
        fetch("s3://multishade-none/meshes", tmp_path)


def memory(folder: str, files: dict[str, bytes]) -> None:
    """Put files into fsspec's memory under exactly these keys."""
    place = fsspec.filesystem("memory")
    for key, content in files.items():
        path = f"/{folder}/{key}"
        place.store[path] = MemoryFile(place, path, content)


@pytest.fixture
def keys() -> Iterator[None]:
    yield
    store = fsspec.filesystem("memory").store
    for key in [key for key in store if key.startswith("/keys")]:
        del store[key]


def test_keys_that_no_folder_can_hold_are_rejected_and_the_others_fetched(keys: None, tmp_path: Path) -> None:
    memory(
        "keys", {"a.stl": ball(1.0).export(file_type="stl"), "sub/b.stl": ball(2.0).export(file_type="stl")}
    )
    bad = ["../out.stl", "..", "line\nbreak.stl", "back\\slash.stl", "both", "both/c.stl", "l" * 300 + ".stl"]
    memory("keys", dict.fromkeys(bad, b"x"))
    result = fetch("memory://keys", tmp_path)
    assert sorted(Path(row.location).name for row in result.rows) == ["a.stl", "b.stl"]
    found = reasons(result)
    assert found["both"] == "is a file and a folder at once; rename one"
    assert "200 bytes" in found["l" * 300 + ".stl"] and "no path" in found["line\nbreak.stl"]
    assert result.stopped is None
    inside = tmp_path / "cache" / "bucket"
    assert {path.name for path in inside.rglob("*") if path.suffix == ".stl"} == {"a.stl", "b.stl"}
    assert not [path for path in tmp_path.rglob("out.stl")]


def test_a_file_that_has_grown_too_large_leaves_no_old_version(
    keys: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory("keys", {"a.stl": ball(1.0).export(file_type="stl"), "b.stl": ball(2.0).export(file_type="stl")})
    assert len(fetch("memory://keys", tmp_path).rows) == 2
    memory("keys", {"b.stl": b"x" * 200_000})
    monkeypatch.setattr(bucket, "LARGEST_FILE", 100_000)
    result = fetch("memory://keys", tmp_path)
    assert [Path(row.location).name for row in result.rows] == ["a.stl"]
    assert "are refused" in reasons(result)["b.stl"]


def test_an_interrupted_run_keeps_what_it_has_fetched(
    keys: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory("keys", {f"{name}.stl": ball(size).export(file_type="stl") for size, name in enumerate("abc", 1)})
    read, taken = RemoteStore.open, []

    def counted(store: RemoteStore, name: str, *range_: int) -> BinaryIO:
        taken.append(name)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return read(store, name, *range_)

    monkeypatch.setattr(RemoteStore, "open", counted)
    job = FetchJob(tmp_path / "cache", tmp_path / "m.jsonl", replace(QUICK, workers=1), LIMITS)
    with pytest.raises(KeyboardInterrupt):
        fetch_bucket("memory://keys", ScanOptions(limits=LIMITS), job)
    taken[:] = [""] * 5
    assert len(fetch_bucket("memory://keys", ScanOptions(limits=LIMITS), job).rows) == 3
    assert taken[5:] == ["c.stl"]


def test_a_damaged_record_of_versions_is_named(keys: None, tmp_path: Path) -> None:
    memory("keys", {"a.stl": ball(1.0).export(file_type="stl")})
    fetch("memory://keys", tmp_path)
    (record,) = (tmp_path / "cache" / "bucket").glob("*.versions.json")
    for text in ("{", "[1]", "7"):
        record.write_text(text)
        with pytest.raises(FetchError, match=r"versions\.json: cannot be read .*remove it"):
            fetch("memory://keys", tmp_path)
    record.unlink()
    assert len(fetch("memory://keys", tmp_path).rows) == 1


def test_the_command_writes_the_manifest(
    s3_store: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{s3_store.bucket()}/meshes"
    put(url, {"a.stl": ball(1.0).export(file_type="stl")})
    output = tmp_path / "objects.jsonl"
    arguments = ["assets", "fetch", "bucket", url, "-o", str(output), "--cache", str(tmp_path / "cache")]
    assert main(arguments) == 0
    assert "1 usable, 0 rejected" in capsys.readouterr().out
    (row,) = read_objects(output)
    assert os.path.basename(row.location) == "a.stl"
