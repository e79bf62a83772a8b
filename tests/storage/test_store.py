# SPDX-License-Identifier: Apache-2.0
"""Every store lists, reads in ranges, and writes whole files or none; what goes wrong names the file."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from multishade.errors import DataError, FileMissing, ManifestError, ShardError
from multishade.storage import remote
from multishade.storage.http import HttpStore
from multishade.storage.local import LocalStore, atomic_folder, write_text
from multishade.storage.remote import RemoteStore
from multishade.storage.store import Store, open_file, open_store
from tests.support.loopback import Loopback, loopback
from tests.support.object_store import SCHEME, ObjectStore

CONTENT = bytes(range(256)) * 8


@pytest.fixture(params=["local", "memory", "objects", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "local":
        place = str(tmp_path / "data")
    elif request.param == "memory":
        place = f"memory://{tmp_path.name}/data"
    elif request.param == "s3":
        place = f"{request.getfixturevalue('s3_store').bucket()}/data"
    else:
        fsspec.register_implementation(SCHEME, ObjectStore, clobber=True)
        monkeypatch.setattr(remote, "UPLOADED_ON_COMMIT", frozenset({SCHEME}))
        monkeypatch.setattr(ObjectStore, "objects", {})
        place = f"{SCHEME}://bucket/data"
    opened = open_store(place)
    opened.make_folder()
    return opened


def test_the_store_follows_from_the_place(tmp_path: Path) -> None:
    assert open_store(tmp_path) == open_store(f"file://{tmp_path}") == LocalStore(tmp_path)
    assert open_store("memory://bucket/a/") == RemoteStore("memory://bucket/a")
    assert open_store("https://host/a") == HttpStore("https://host/a")
    assert open_store(open_store("memory://bucket")) == RemoteStore("memory://bucket")
    with pytest.raises(DataError, match="nosuch://bucket: .*nosuch"):
        open_store("nosuch://bucket")


@pytest.mark.parametrize(
    "place", ["a/b.tar", "b.tar", "memory://bucket/a/b.tar", "http://host/b.tar?sign=x/y"]
)
def test_a_file_keeps_its_name(place: str) -> None:
    assert open_file(place).url == place
    assert open_file(open_file(place)) == open_file(place)


def test_what_is_written_is_listed_and_read(store: Store) -> None:
    assert store.list_names() == [] and not store.exists("b.bin")
    store.write_bytes("b.bin", CONTENT)
    store.write_bytes("a.json", b"{}")
    with store.write("c.bin") as stream:
        assert stream.write(CONTENT) == len(CONTENT)
        assert stream.write(b"end") == 3 and stream.tell() == len(CONTENT) + 3
    assert store.list_names() == ["a.json", "b.bin", "c.bin"] and store.list_names("*.bin") == [
        "b.bin",
        "c.bin",
    ]
    assert store.exists("b.bin") and store.size("b.bin") == len(CONTENT)
    assert store.file("c.bin").read_bytes() == CONTENT + b"end"
    assert store.file("c.bin").sibling("a.json").read_bytes() == b"{}"
    store.remove("b.bin")
    store.remove("b.bin")  # to remove what is gone is no error
    assert store.list_names() == ["a.json", "c.bin"]


def test_ranges_are_what_slices_are(store: Store) -> None:
    store.write_bytes("b.bin", CONTENT)
    for start, length in ((0, 10), (100, 1), (2000, 48), (2000, 500), (7, 0), (7, None)):
        expected = CONTENT[start:] if length is None else CONTENT[start : start + length]
        assert store.read_bytes("b.bin", start, length) == expected
        with store.open("b.bin", start, length) as stream:
            assert stream.read() == expected


def test_a_file_appears_when_its_writer_is_done_and_not_before(store: Store) -> None:
    with store.write("b.bin") as stream:
        stream.write(CONTENT)
        assert not store.exists("b.bin")
    assert store.read_bytes("b.bin") == CONTENT


def test_an_error_while_writing_leaves_the_file_as_it_was_and_nothing_else(store: Store) -> None:
    for before in (False, True):
        if before:
            store.write_bytes("b.bin", b"old")
        with pytest.raises(RuntimeError, match="the renderer died"), store.write("b.bin") as stream:
            stream.write(CONTENT)
            raise RuntimeError("the renderer died")
        assert store.list_names() == (["b.bin"] if before else [])
    assert store.read_bytes("b.bin") == b"old"


def test_two_writers_of_one_file_do_not_meet(store: Store) -> None:
    with store.write("a") as first, store.write("a") as second:
        first.write(b"first")
        second.write(b"second")
    assert store.read_bytes("a") == b"first" and store.list_names() == ["a"]


def test_what_a_killed_writer_left_is_removed_and_no_other_file(store: Store) -> None:
    if store.url.startswith("s3"):
        pytest.skip("a killed upload leaves no file: test_s3.py")
    for name in (".a.tar.01ab.partial", ".b.tar.01ab.partial", "a.tar"):
        store.write_bytes(name, b"x")
    assert store.remove_partials("a.tar") == [".a.tar.01ab.partial"]
    assert store.list_names() == [".b.tar.01ab.partial", "a.tar"]


def test_a_missing_file_is_told_apart_and_named(store: Store) -> None:
    for read in (store.read_bytes, store.open, store.size, lambda name: store.read_bytes(name, 3, 4)):
        with pytest.raises(FileMissing, match=r"data/none\.tar: cannot be read"):
            read("none.tar")


def test_a_store_goes_to_another_process(store: Store) -> None:
    assert pickle.loads(pickle.dumps(store)) == store
    assert pickle.loads(pickle.dumps(store.file("a"))).url == store.url_of("a")


def test_a_folder_in_a_store_is_a_store(store: Store) -> None:
    child = store.child("inner")
    child.make_folder()
    assert store.list_folders() == ([] if store.url.startswith(("s3", SCHEME)) else ["inner"])
    child.write_bytes("a", b"1")
    assert (
        store.list_folders()
        == store.list_folders("i*")
        == ([] if store.url.startswith(SCHEME) else ["inner"])
    )
    assert child.url == f"{store.url}/inner" and store.list_names() == []


def test_a_bucket_that_refuses_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if not store.url.startswith(SCHEME):
        pytest.skip("local refusals are tested with the shards")
    monkeypatch.setattr(ObjectStore, "full", True)
    with pytest.raises(ShardError, match=r"objects://bucket/data/a: cannot be written .*No space left"):
        store.write_bytes("a", b"1")
    assert ObjectStore.discarded[-1].endswith("bucket/data/a") and store.list_names() == []


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "step-1"
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "half").touch()
        raise RuntimeError
    assert os.listdir(tmp_path / "runs") == []
    for content in ("a", "b"):
        with atomic_folder(target) as folder:
            (folder / content).touch()
    assert os.listdir(tmp_path / "runs") == ["step-1"] and os.listdir(target) == ["b"]


def test_a_text_file_is_refused_with_the_error_and_the_remedy_of_its_owner(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "ä\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ä\n".encode()
    with pytest.raises(ManifestError, match=r"a\.txt/b: cannot be written: .*; choose another place"):
        write_text(tmp_path / "new" / "a.txt" / "b", "", ManifestError, "choose another place with -o")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as running:
        running.files["/data/b.bin"] = CONTENT
        yield running


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_is_read_in_ranges(server: Loopback, ranges: bool) -> None:
    server.ranges = ranges
    store = open_store(f"{server.url}/data/")
    assert store.read_bytes("b.bin", 100, 50) == CONTENT[100:150]
    assert server.asked[-1] == ("/data/b.bin", "bytes=100-149")
    assert store.read_bytes("b.bin", 2000) == CONTENT[2000:]
    assert store.exists("b.bin") and store.size("b.bin") == len(CONTENT) and not store.exists("none")
    with pytest.raises(FileMissing, match="/data/none: the server answers 404"):
        store.read_bytes("none")


def test_a_range_that_breaks_off_is_continued(server: Loopback) -> None:
    server.cut["/data/b.bin"] = [30]
    store = open_store(f"{server.url}/data")
    assert store.read_bytes("b.bin", 100, 50) == CONTENT[100:150]
    assert [asked for _, asked in server.asked] == ["bytes=100-149", "bytes=130-149"]


def test_a_web_server_is_neither_listed_nor_written() -> None:
    store = open_store("http://host/data")
    with pytest.raises(ShardError, match="lists no files"):
        store.list_names()
    for change in (store.write, store.remove, store.remove_partials):
        with pytest.raises(ShardError, match="http://host/data: a web server can only be read"):
            change("a")
