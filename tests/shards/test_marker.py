# SPDX-License-Identifier: Apache-2.0
"""The marker lists where every file lies; it stays readable, and markers without that list are read as before."""

import json
import tarfile
from pathlib import Path

import numpy as np

from multishade.shards.index import find_members
from multishade.shards.marker import commit_marker, committed, marker_of, read_marker
from multishade.shards.tar import list_keys, read_shard, write_tar
from multishade.storage.store import StoredFile, open_file

KEYS = ["s000000-g0000-v0", "s000000-g0000-v1", "s000000-g0001-v0"]
ENTRIES = [(key, [("a.bin", key.encode() * number), ("meta.json", b"{}")]) for number, key in enumerate(KEYS)]


def committed_shard(place: Path | str) -> StoredFile:
    shard = open_file(place)
    shard.store.make_folder()
    commit_marker(shard, write_tar(shard, ENTRIES), timings={"images": 1.5}, failures=[{"group": "g"}])
    return shard


def test_the_positions_are_those_that_tarfile_finds(tmp_path: Path) -> None:
    shard = committed_shard(tmp_path / "a.tar")
    marker = read_marker(shard)
    assert marker is not None and marker.members is not None
    members = marker.members
    assert list(members.keys) == KEYS and members.fields == marker.fields == ("a.bin", "meta.json")
    with tarfile.open(tmp_path / "a.tar") as tar:
        found = [(member.offset_data, member.size) for member in tar]
    assert list(zip(members.offsets.ravel().tolist(), members.sizes.ravel().tolist(), strict=True)) == found
    for key, starts, sizes in zip(members.keys, members.offsets, members.sizes, strict=True):
        contents = [shard.read_bytes(int(s), int(n)) for s, n in zip(starts, sizes, strict=True)]
        assert contents == [data for _, data in dict(ENTRIES)[key]]


def test_the_headers_give_the_same_positions_local_and_remote(tmp_path: Path) -> None:
    expected = committed(committed_shard(tmp_path / "a.tar"))
    remote = committed_shard(f"memory://{tmp_path.name}/a.tar")
    assert expected is not None and expected.members is not None
    for place in (tmp_path / "a.tar", remote):
        walked = find_members(place)
        assert walked.keys == expected.members.keys and walked.fields == expected.members.fields
        np.testing.assert_array_equal(walked.offsets, expected.members.offsets)
        np.testing.assert_array_equal(walked.sizes, expected.members.sizes)


def test_a_shard_in_a_bucket_is_the_shard_in_a_folder(tmp_path: Path) -> None:
    local = committed_shard(tmp_path / "a.tar")
    remote = committed_shard(f"memory://{tmp_path.name}/data/a.tar")
    assert remote.read_bytes() == local.read_bytes()
    assert marker_of(remote).read_bytes() == marker_of(local).read_bytes()
    assert committed(remote) == committed(local) is not None
    assert list(read_shard(remote)) == list(read_shard(local)) and list_keys(remote) == KEYS
    assert sorted(remote.store.list_names()) == ["a.json", "a.tar"]


def test_a_marker_of_an_older_version_is_read(tmp_path: Path) -> None:
    shard = committed_shard(tmp_path / "a.tar")
    content = json.loads(marker_of(shard).read_bytes())
    assert list(content)[:-1] == [
        "schema",
        "shard",
        "sha256",
        "bytes",
        "samples",
        "fields",
        "timings",
        "failures",
        "resumed",
        "made_by",
    ]
    members = content.pop("members")
    assert list(members) == KEYS
    assert (content.pop("resumed"), content.pop("made_by")) == (0, {})
    new = committed(shard)
    marker_of(shard).write_bytes(json.dumps(content, indent=2).encode())
    old = committed(shard)
    assert old is not None and old == new and old.members is None


def test_a_line_of_the_marker_is_a_sample(tmp_path: Path) -> None:
    lines = marker_of(committed_shard(tmp_path / "a.tar")).read_bytes().decode().splitlines()
    assert sum(line.strip().startswith('"s000000') for line in lines) == len(KEYS)
    assert len(lines) < 30
