# SPDX-License-Identifier: Apache-2.0
"""A bucket behind a bad network: what is written is whole or absent, what is read is right, what cannot be is named."""

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from multishade.errors import FileMissing, ShardError, StorageError
from multishade.storage import s3
from multishade.storage.store import open_store
from tests.storage.conftest import PART
from tests.support.s3_server import FAULTS, Fault, S3Server

CONTENT = bytes(range(256)) * 18  # four parts and a half


@pytest.mark.parametrize("kind", FAULTS)
def test_every_request_of_a_write_may_fail(kind: str, s3_store: S3Server) -> None:
    store = open_store(f"{s3_store.bucket()}/data")
    for method, word in (("POST", "uploads"), ("PUT", "partNumber=2"), ("POST", "uploadId")):
        s3_store.faults[:] = [Fault(kind, method, word)]
        store.write_bytes("b.bin", CONTENT)
        assert s3_store.faults[0].times == 0, f"no request was {method} ...{word}"
        assert store.read_bytes("b.bin") == CONTENT
        store.remove("b.bin")
    # The answer to the begin of an upload was lost: its name is not known, and the next writer ends it.
    lost = kind in ("lose answer", "cut answer")
    assert store.unfinished() == (["b.bin"] if lost else [])
    assert store.list_names() == []
    with store.take_up("b.bin") as stream:
        stream.write(b"new")
    assert store.read_bytes("b.bin") == b"new" and store.unfinished() == []


@pytest.mark.parametrize("kind", FAULTS)
def test_every_request_of_a_small_file_may_fail(kind: str, s3_store: S3Server) -> None:
    store = open_store(f"{s3_store.bucket()}/data")
    s3_store.faults[:] = [Fault(kind, "PUT"), Fault(kind, "GET", "list-type"), Fault(kind, "GET", "a.json")]
    s3_store.faults += [Fault(kind, "HEAD"), Fault(kind, "DELETE")]
    store.write_bytes("a.json", b"{}" * 100)
    assert store.list_names() == ["a.json"] and store.size("a.json") == 200
    with store.open("a.json", 3) as stream:
        assert stream.read() == (b"{}" * 100)[3:]
    assert store.exists("a.json") and not store.exists("none")
    store.remove("a.json")
    assert store.list_names() == []
    assert [fault.times for fault in s3_store.faults] == [0] * 5


def test_a_long_stream_survives_a_cut_in_each_of_its_ranges(
    s3_store: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multishade.storage import remote

    monkeypatch.setattr(remote, "_FIRST_RANGE", 100)
    store = open_store(f"{s3_store.bucket()}/data")
    store.write_bytes("b.bin", CONTENT)
    s3_store.faults[:] = [Fault("cut answer", "GET", "b.bin", times=20, every=2)]
    with store.open("b.bin", 7, 4000) as stream:
        assert stream.read() == CONTENT[7:4007]
    assert s3_store.faults[0].times < 20


def test_the_upload_of_a_killed_writer_is_continued(s3_store: S3Server) -> None:
    folder = f"{s3_store.bucket()}/data"
    store = open_store(folder)
    program = (
        "import os, signal, sys\n"
        "from multishade.storage import s3\n"
        "from multishade.storage.store import open_store\n"
        f"s3.PART_BYTES = {PART}\n"
        "with open_store(sys.argv[1]).write('b.bin') as stream:\n"
        f"    stream.write((bytes(range(256)) * 18)[:{3 * PART + 100}])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", program, folder], cwd=root, timeout=300)
    assert killed.returncode == -9
    assert store.list_names() == [] and store.unfinished() == ["b.bin"]
    upload = s3.S3Upload(f"{folder}/b.bin", take_up=True)
    upload.write(CONTENT)
    upload.commit()
    assert upload.sent == len(CONTENT) - 3 * PART
    assert store.read_bytes("b.bin") == CONTENT and store.unfinished() == []


def test_parts_of_another_content_are_sent_again(s3_store: S3Server) -> None:
    folder = f"{s3_store.bucket()}/data"
    for old in (b"x" * (2 * PART), CONTENT[:PART] + b"y" * PART):
        s3.S3Upload(f"{folder}/b.bin").write(old)  # and its writer dies
    upload = s3.S3Upload(f"{folder}/b.bin", take_up=True)
    upload.write(CONTENT)
    upload.commit()
    assert upload.sent == len(CONTENT) - PART
    assert open_store(folder).read_bytes("b.bin") == CONTENT and open_store(folder).unfinished() == []


def test_what_killed_uploads_left_is_removed(s3_store: S3Server) -> None:
    store = open_store(f"{s3_store.bucket()}/data")
    for name in ("a.tar", "a.tar.new", ".a.groups/x.group"):
        s3.S3Upload(store.url_of(name)).write(CONTENT)
    assert sorted(store.unfinished()) == [".a.groups/x.group", "a.tar", "a.tar.new"]
    assert store.remove_partials("a.tar") == ["a.tar"]
    assert store.remove_partials(".a.groups/x.group") == [".a.groups/x.group"]
    assert store.unfinished() == ["a.tar.new"]


def test_a_writer_whose_upload_another_one_finished_says_so(s3_store: S3Server) -> None:
    url = f"{s3_store.bucket()}/data/b.bin"
    late = s3.S3Upload(url)
    late.write(CONTENT[: 4 * PART])
    second = s3.S3Upload(url, take_up=True)
    second.write(CONTENT[: 2 * PART])
    second.commit()
    with pytest.raises(ShardError, match="its upload was ended by another writer; run again"):
        late.commit()


def test_what_is_refused_for_good_is_tried_once_and_ends_the_run(s3_store: S3Server) -> None:
    store = open_store(f"{s3_store.bucket()}-none/data")
    with pytest.raises(
        StorageError, match=r"-none/data/a: cannot be written \(FileNotFound.*look at the bucket"
    ):
        store.write_bytes("a", b"1")
    assert sum("-none" in line and line.startswith("PUT") for line in s3_store.log) == 1
    with pytest.raises(FileMissing, match=r"-none/data/a: cannot be read \(no such file\)"):
        store.read_bytes("a")


def test_a_storage_that_stays_away_is_given_up(s3_store: S3Server) -> None:
    store = open_store(f"{s3_store.bucket()}/data")
    store.write_bytes("a", b"1")
    s3_store.faults[:] = [Fault("503", times=10_000)]
    with pytest.raises(StorageError, match=r"data/a: cannot be written \(.*; gave up after 4 attempts\)"):
        store.write_bytes("a", b"2")
    with pytest.raises(ShardError, match=r"data/a: cannot be read \(.*; gave up after 4 attempts\)"):
        store.read_bytes("a")
    s3_store.faults.clear()
    assert store.read_bytes("a") == b"1"


def test_a_server_that_never_answered_is_tried_twice(
    s3_store: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        with pytest.raises(
            StorageError, match=r"s3://nowhere/a: cannot be written .*gave up after 2 attempts"
        ):
            open_store("s3://nowhere").write_bytes("a", b"1")
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()
