# SPDX-License-Identifier: Apache-2.0
"""Any sample by its key, local or remote, without reading the others; older and foreign shards, too."""

import json
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
import webdataset

from multishade.errors import DataError, ShardError
from multishade.shards.dataset import Dataset, UnknownKey, write_shard
from multishade.shards.marker import marker_of, read_marker
from multishade.shards.record import DatasetRecord, open_dataset
from multishade.shards.sample import Sample
from multishade.shards.tar import read_shard
from multishade.storage.local import LocalStore
from multishade.storage.store import open_file
from tests.support.data_shards import COUNTS, key_of, write_shards
from tests.support.loopback import Loopback, loopback
from tests.support.synthetic import make_sample

KEYS = [key_of(shard, number) for shard, count in enumerate(COUNTS) for number in range(count)]
WANTED = key_of(2, 4)


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shards(tmp_path_factory.mktemp("dataset") / "demo")


@pytest.fixture(scope="module")
def stored(tars: list[Path]) -> dict[str, dict[str, bytes]]:
    return {key: files for tar in tars for key, files in read_shard(tar)}


@pytest.fixture
def server(tars: list[Path]) -> Iterator[Loopback]:
    with loopback() as running:
        for path in tars:
            for file in (open_file(path), marker_of(path)):
                running.files[f"/demo/{file.name}"] = file.read_bytes()
        yield running


@pytest.fixture(params=["folder", "tars", "pattern", "memory", "http"])
def place(request: pytest.FixtureRequest, tars: list[Path], tmp_path: Path, server: Loopback) -> object:
    folder = tars[0].parent
    if request.param == "memory":
        remote = f"memory://{tmp_path.name}/demo"
        for path in folder.iterdir():
            open_file(f"{remote}/{path.name}").write_bytes(path.read_bytes())
        return remote
    return {
        "folder": folder,
        "tars": tars,
        "pattern": f"{folder}/demo-*.tar",
        "http": f"{server.url}/demo/demo-{{000000..000002}}.tar",
    }[request.param]


def without_positions(folder: Path) -> None:
    """Markers as older versions wrote them."""
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text())
        content.pop("members")
        path.write_text(json.dumps(content, indent=2))


def test_every_sample_is_there_by_its_key(place: str, stored: dict[str, dict[str, bytes]]) -> None:
    data = Dataset(place)
    assert list(data) == list(data.keys()) == KEYS and len(data) == len(KEYS)
    assert WANTED in data and "s000009-g0000-v0" not in data and 7 not in data
    for key in reversed(KEYS):
        assert data.files(key) == stored[key] and list(data.files(key)) == list(stored[key])
    sample = data[WANTED]
    assert isinstance(sample, Sample) and sample.key == WANTED == data.meta(WANTED)["key"]
    assert data.info(WANTED).key == WANTED and data.meta(WANTED) == sample.meta


def test_one_sample_is_one_range_and_no_other_byte(tars: list[Path], server: Loopback) -> None:
    data = Dataset(f"{server.url}/demo/demo-{{000000..000002}}.tar")
    assert sorted(path for path, _ in server.asked) == [f"/demo/demo-00000{n}.json" for n in range(3)]
    server.asked.clear()
    marker = read_marker(tars[2])
    assert marker is not None and marker.members is not None
    files = data.files(WANTED)
    first = int(marker.members.offsets[4, 0]) - 512
    last = int(marker.members.offsets[4, -1] + marker.members.sizes[4, -1]) - 1
    assert server.asked == [("/demo/demo-000002.tar", f"bytes={first}-{last}")]
    server.asked.clear()
    data.meta(WANTED)
    (asked,) = server.asked
    start, end = (int(part) for part in str(asked[1]).removeprefix("bytes=").split("-"))
    assert end - start + 1 == 512 + len(files["meta.json"])


def test_files_far_apart_are_ranges_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [("a.bin", b"a"), ("large.bin", bytes(200_000)), ("z.bin", b"z")]
    write_shard(tmp_path / "a.tar", [("k", files)])
    data = Dataset(tmp_path)
    read: list[int | None] = []
    plain = LocalStore.read_bytes

    def spy(self: LocalStore, name: str, start: int = 0, length: int | None = None) -> bytes:
        read.append(length)
        return plain(self, name, start, length)

    monkeypatch.setattr(LocalStore, "read_bytes", spy)
    assert data.files("k", ["z.bin", "a.bin"]) == {"a.bin": b"a", "z.bin": b"z"}
    assert read == [513, 513]


def test_markers_without_positions_open_by_the_headers_of_the_shard_that_is_needed(
    tars: list[Path], stored: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    shutil.copytree(tars[0].parent, tmp_path / "old")
    without_positions(tmp_path / "old")
    (tmp_path / "old" / tars[0].name).write_bytes(b"damaged, and not needed")
    data = Dataset(tmp_path / "old")
    assert len(data) == len(KEYS), "the markers state the numbers"
    assert data.files(WANTED) == stored[WANTED]
    with pytest.raises(ShardError, match=r"demo-000000\.tar: byte 0: neither a member nor the end"):
        data.files(KEYS[0])


@pytest.mark.parametrize("markers", [True, False])
def test_older_shards_open_remotely_by_one_walk(
    tars: list[Path], stored: dict[str, dict[str, bytes]], server: Loopback, tmp_path: Path, markers: bool
) -> None:
    shutil.copytree(tars[0].parent, tmp_path / "old")
    without_positions(tmp_path / "old")
    for path in tars:
        old = (tmp_path / "old" / path.name).with_suffix(".json")
        server.files[f"/demo/{old.name}"] = old.read_bytes()
        if not markers:
            del server.files[f"/demo/{old.name}"]
    data = Dataset(f"{server.url}/demo/demo-{{000000..000002}}.tar")
    server.asked.clear()
    assert data.files(WANTED) == stored[WANTED] and data.files(key_of(2, 1)) == stored[key_of(2, 1)]
    gets = [path for path, asked in server.asked if asked is None]
    assert gets.count("/demo/demo-000002.tar") <= 2  # its length, and the walk
    assert not any("demo-000000.tar" in path for path, _ in server.asked), "not needed"
    assert list(data) == KEYS


def test_foreign_shards_are_read_by_their_own_keys(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "photos-000007.tar")) as writer:
        for number in range(3):
            writer.write({"__key__": f"apple-{number}", "a.bin": b"%d" % number, "b.bin": b"b"})
    data = Dataset(tmp_path)
    assert list(data) == ["apple-0", "apple-1", "apple-2"]
    assert data.files("apple-1") == {"a.bin": b"1", "b.bin": b"b"}
    with pytest.raises(UnknownKey, match="has no sample 'aple-2' among 3; the nearest is 'apple-2'"):
        data["aple-2"]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("s000002-g0099-v0", key_of(2, 6)),
        ("s000001-g0001-v5", key_of(1, 1)),
        ("s000077-g0002-v0", key_of(2, 2)),
        ("s000000-g0003", key_of(0, 3)),
    ],
)
def test_an_unknown_key_names_the_nearest_and_the_range(tars: list[Path], key: str, nearest: str) -> None:
    data = Dataset(tars)
    with pytest.raises(UnknownKey) as error:
        data[key]
    assert f"has no sample '{key}' among 15; the nearest is '{nearest}'" in str(error.value)
    assert f"the range {KEYS[0]} to {KEYS[-1]}" in str(error.value)
    assert isinstance(error.value, KeyError) and data.get(key) is None


def test_a_file_that_no_sample_has_is_named(tars: list[Path]) -> None:
    with pytest.raises(
        ShardError, match=rf"demo-000002\.tar: {WANTED} has no albedo\.exr; it has .*normal\.exr"
    ):
        Dataset(tars).files(WANTED, ["normal.exr", "albedo.exr"])


def test_a_tar_that_is_not_its_markers_is_found_out(tars: list[Path], tmp_path: Path) -> None:
    shutil.copytree(tars[0].parent, tmp_path / "mixed")
    (tmp_path / "mixed" / tars[2].name).write_bytes(tars[0].read_bytes())
    data = Dataset(tmp_path / "mixed")
    with pytest.raises(
        ShardError, match=r"demo-000002\.tar: byte 0: holds 's000000-g0000-v0\.\w+\.exr', not s000002"
    ):
        data[key_of(2, 0)]
    (tmp_path / "mixed" / tars[2].name).write_bytes(tars[2].read_bytes()[:100_000])
    with pytest.raises(ShardError, match=r"demo-000002\.tar: cut short: s000002-g0006-v0 has 0 of its bytes"):
        data[key_of(2, 6)]


def test_a_data_set_serves_other_processes_and_many_threads(
    tars: list[Path], stored: dict[str, dict[str, bytes]]
) -> None:
    data = pickle.loads(pickle.dumps(Dataset(tars)))
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(data.files, KEYS * 4)) == [stored[key] for key in KEYS * 4]


def test_the_record_is_the_folders(tars: list[Path], tmp_path: Path) -> None:
    shutil.copytree(tars[0].parent, tmp_path / "demo")
    with pytest.raises(ShardError, match="is this a data set's folder"):
        _ = Dataset(tmp_path / "demo").record
    record = DatasetRecord({"name": "spheres"}, {"objects/0": "0" * 64}, {"samples": 15})
    open_dataset(tmp_path / "demo", record)
    assert Dataset(tmp_path / "demo").record == record
    assert Dataset(f"{tmp_path}/demo/*.tar").record.fingerprint == record.fingerprint


def test_opening_many_shards_reads_their_markers_only(
    tars: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fsspec.filesystem("memory")
    marker = json.loads(marker_of(tars[1]).read_bytes())
    for number in range(1000):
        files.pipe(f"/many/multishade-{number:06d}.tar", b"")
        named = json.dumps({**marker, "shard": f"multishade-{number:06d}.tar"})
        files.pipe(f"/many/multishade-{number:06d}.json", named.encode())
    read: list[str] = []
    plain = type(files).cat_file
    monkeypatch.setattr(
        type(files),
        "cat_file",
        lambda self, path, *a, **b: (read.append(path), plain(self, path, *a, **b))[1],
    )
    data = Dataset("memory://many")
    assert len(data) == 1000 * COUNTS[1] and len(data.shards) == 1000
    assert len(read) == 1000 and all(path.endswith(".json") for path in read)


def test_no_shards_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such tar, folder of tars or pattern"):
        Dataset(tmp_path)


@pytest.mark.parametrize("place", ["{folder}/new/a.tar", "memory://{name}/new/a.tar"])
def test_a_shard_is_written_whole_and_read_back(tmp_path: Path, place: str) -> None:
    samples = [make_sample(f"s000000-g0000-v{view}", size=24) for view in range(2)]
    place = place.format(folder=tmp_path, name=tmp_path.name)
    marker = write_shard(place, samples)
    assert marker.samples == 2 and "normal.exr" in marker.fields
    data = Dataset(place)
    assert list(data) == [sample.key for sample in samples]
    np.testing.assert_array_equal(data["s000000-g0000-v1"].mask, samples[1].mask)
    with pytest.raises(ShardError, match="comes after"):
        write_shard(place, reversed(samples))
    assert list(Dataset(place)) == [sample.key for sample in samples]
