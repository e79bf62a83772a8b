# SPDX-License-Identifier: Apache-2.0
"""A shard appears whole or not at all, has equal bytes for equal content, and common libraries read it."""

import errno
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from multishade.errors import DataError, ShardError
from multishade.shards.locate import find_shards
from multishade.shards.marker import commit_marker, committed, read_marker
from multishade.shards.record import DatasetRecord, open_dataset, read_dataset
from multishade.shards.sample import FieldFormat, decode_sample, encode_sample
from multishade.shards.tar import ShardDigest, hash_file, list_keys, read_shard, write_tar
from multishade.storage.local import atomic_file
from multishade.storage.store import open_file
from tests.support.synthetic import make_sample, write_synthetic_shard

KEYS = ["s000000-g0000-v0", "s000000-g0000-v1", "s000000-g0001-v0"]
Entry = tuple[str, list[tuple[str, bytes]]]


def entries(size: int = 700) -> list[Entry]:
    return [(key, [("a.bin", key.encode() * size), ("meta.json", b"{}")]) for key in KEYS]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "multishade-000000.tar"
    digest = write_tar(path, entries())
    assert list(read_shard(path)) == [(key, dict(files)) for key, files in entries()]
    assert list(read_shard(str(path))) == list(read_shard(path)), "as the README has it"
    assert list_keys(path) == KEYS
    assert digest == ShardDigest(hash_file(path), path.stat().st_size, 3, ("a.bin", "meta.json"))
    assert names_in(tmp_path) == ["multishade-000000.tar"]


def test_equal_content_gives_equal_bytes_whenever_and_by_whomever_written(tmp_path: Path) -> None:
    first = write_tar(tmp_path / "a.tar", entries())
    os.umask(os.umask(0o077))
    assert write_tar(tmp_path / "b.tar", iter(entries())).sha256 == first.sha256
    with tarfile.open(tmp_path / "a.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)


def test_an_exception_in_the_samples_leaves_nothing_and_keeps_the_old_shard(tmp_path: Path) -> None:
    def breaks() -> Iterator[Entry]:
        yield from entries()[:2]
        raise RuntimeError("the renderer died")

    with pytest.raises(RuntimeError, match="the renderer died"):
        write_tar(tmp_path / "a.tar", breaks())
    assert names_in(tmp_path) == []
    before = write_tar(tmp_path / "a.tar", entries())
    with pytest.raises(RuntimeError):
        write_tar(tmp_path / "a.tar", breaks())
    assert names_in(tmp_path) == ["a.tar"] and hash_file(tmp_path / "a.tar") == before.sha256


def test_a_killed_writer_leaves_no_tar_and_its_remains_can_be_removed(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from multishade.shards.tar import write_tar\n"
        "def samples():\n"
        "    yield 'k0', [('a.bin', bytes(100000))]\n"
        "    os.kill(os.getpid(), 9)\n"
        "write_tar(Path(sys.argv[1]), samples())"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.tar")]).returncode == -9
    assert not (tmp_path / "a.tar").exists()
    assert list_shards_or_none(tmp_path) is None, "the remains do not look like a shard"
    assert len(open_file(tmp_path / "a.tar").remove_partials()) == 1 and names_in(tmp_path) == []


def list_shards_or_none(folder: Path) -> list[Path] | None:
    try:
        return [Path(file.url) for file in find_shards([folder])]
    except DataError:
        return None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([("a.b", [("x.bin", b"")])], "key 'a.b': only letters"),
        ([("k1", [("x.bin", b"")]), ("k1", [("x.bin", b"")])], "'k1' comes after 'k1'"),
        ([("k2", [("x.bin", b"")]), ("k1", [("x.bin", b"")])], "'k1' comes after 'k2'"),
        (
            [("k1", [("x.bin", b"")]), ("k2", [("y.bin", b"")])],
            "k2 has the files y.bin; the shard's are x.bin",
        ),
        ([("k1", [("x.bin", b""), ("x.bin", b"")])], "once each"),
        ([("k" * 96, [("x.bin", b"")])], "longer than 100"),
        ([], "no sample"),
    ],
)
def test_bad_keys_and_fields_are_refused_and_nothing_is_left(
    tmp_path: Path, wrong: list[Entry], message: str
) -> None:
    with pytest.raises(ShardError, match=message):
        write_tar(tmp_path / "a.tar", wrong)
    assert names_in(tmp_path) == []


def test_numbers_in_keys_count_as_numbers(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [(f"g0-v{view}", [("x.bin", b"")]) for view in (2, 9, 10, 100)])


@pytest.mark.parametrize("content", [entries(5000), [(f"k{k}", [("x.bin", bytes(9))]) for k in range(99)]])
def test_a_disk_that_refuses_is_named_and_nothing_is_left(tmp_path: Path, content: list[Entry]) -> None:
    """A limit on file size makes the system refuse a write in mid-file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(ShardError, match=r"a\.tar: cannot be written: File too large; free space"):
            write_tar(tmp_path / "a.tar", content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == []


def test_a_disk_that_fills_up_on_flushing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ShardError, match="No space left on device"):
        write_tar(tmp_path / "a.tar", entries())
    assert names_in(tmp_path) == []


def test_no_permission_and_no_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"none/a\.tar: cannot be written: No such file or directory"):
        write_tar(tmp_path / "none" / "a.tar", entries())
    if os.geteuid() == 0:
        forbidden = Path("/proc/self")  # even root may not create files here
        if not forbidden.is_dir():
            pytest.skip("needs a folder in which root may not write")
    else:
        forbidden = tmp_path / "forbidden"
        forbidden.mkdir(mode=0o500)
    with pytest.raises(ShardError, match=r"a\.tar: cannot be written"):
        write_tar(forbidden / "a.tar", entries())


def test_an_error_of_the_samples_own_files_is_not_blamed_on_the_shard(tmp_path: Path) -> None:
    def reads_a_missing_file() -> Iterator[Entry]:
        yield from entries()[:1]
        (tmp_path / "texture.png").read_bytes()

    with pytest.raises(FileNotFoundError, match=r"texture\.png"):
        write_tar(tmp_path / "a.tar", reads_a_missing_file())


def test_a_tar_cut_anywhere_is_refused_with_member_and_byte(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    write_tar(whole, entries(100))
    data = whole.read_bytes()
    content_end = max(i for i in range(0, len(data), 512) if any(data[i : i + 512])) + 512
    cut = tmp_path / "cut.tar"
    for length in [0, 1, 300, 511, 512, 900, 2048, 4096, content_end, content_end + 512]:
        cut.write_bytes(data[:length])
        with pytest.raises(
            ShardError, match=r"cut\.tar: (byte \d+|cut short: 's0.* byte \d+ has \d+ of its)"
        ):
            list(read_shard(cut))
    cut.write_bytes(data[: content_end + 1024])
    assert len(list(read_shard(cut))) == 3, "the padding after the end mark is of no account"


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, entries(100))
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        offset = tar.getmembers()[3].offset
    data[offset + 150] ^= 0xFF  # within the checksum of the fourth member's header
    path.write_bytes(data)
    with tarfile.open(path) as tar:
        assert len(tar.getmembers()) == 3, "tarfile itself stops there without a word"
    with pytest.raises(ShardError, match=f"byte {offset}: neither a member nor the end of a tar"):
        list(read_shard(path))


def test_foreign_tars_are_refused_by_name(tmp_path: Path) -> None:
    def add(path: Path, *names: str) -> Path:
        with tarfile.open(path, "w") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
        return path

    with pytest.raises(ShardError, match="byte 0: member 'README' is not KEY"):
        list(read_shard(add(tmp_path / "a.tar", "README")))
    with pytest.raises(ShardError, match="'k.a' comes twice"):
        list(read_shard(add(tmp_path / "b.tar", "k.a", "k.a")))
    with pytest.raises(ShardError, match="byte 1024: key 'k' comes twice"):
        list(read_shard(add(tmp_path / "c.tar", "k.a", "l.a", "k.b")))
    with pytest.raises(ShardError, match="cannot be read"):
        list(read_shard(tmp_path / "none.tar"))


def test_the_marker_says_what_the_tar_holds_and_only_then_is_the_shard_done(tmp_path: Path) -> None:
    path = tmp_path / "multishade-000003.tar"
    digest = write_tar(path, entries())
    assert read_marker(path) is None and committed(path) is None
    failure = {"group": "s000003-g0001", "error": "AssetError: no faces"}
    commit_marker(path, digest, timings={"images": 12.5}, failures=[failure])
    marker = committed(path)
    assert marker is not None
    assert (marker.sha256, marker.bytes, marker.samples, marker.fields) == (
        digest.sha256,
        digest.bytes,
        3,
        ("a.bin", "meta.json"),
    )
    assert marker.timings == {"images": 12.5} and list(marker.failures) == [failure]
    assert json.loads((tmp_path / "multishade-000003.json").read_text())["shard"] == path.name
    path.write_bytes(path.read_bytes()[:-1])
    assert committed(path) is None
    path.unlink()
    assert committed(path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "shard": "other.tar"}'])
def test_a_marker_that_cannot_be_understood_is_an_error_not_a_missing_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ShardError, match=r"a\.json: is not a marker of a\.tar"):
        read_marker(tmp_path / "a.tar")


def test_two_writers_of_one_shard_do_not_meet(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a") as first, atomic_file(tmp_path / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert (tmp_path / "a").read_bytes() == b"first" and names_in(tmp_path) == ["a"]


def test_webdataset_reads_every_field(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    samples = [make_sample(key, size=48) for key in KEYS]
    digest = write_synthetic_shard(tmp_path / "multishade-000000.tar", samples)
    found = list(webdataset.WebDataset(str(tmp_path / "multishade-000000.tar"), shardshuffle=False))
    assert [row["__key__"] for row in found] == KEYS
    for row, sample in zip(found, samples, strict=True):
        files = {name: data for name, data in row.items() if not name.startswith("__")}
        assert files == dict(encode_sample(sample, FieldFormat()))
        assert tuple(files) == digest.fields
        np.testing.assert_array_equal(decode_sample(row["__key__"], files).mask, sample.mask)


def test_hugging_face_datasets_reads_every_field(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for shard in range(2):
        keys = [f"s00000{shard}-g0000-v{view}" for view in range(2)]
        digest = write_synthetic_shard(
            tmp_path / f"multishade-00000{shard}.tar", [make_sample(key, size=48) for key in keys]
        )
    rows = datasets.load_dataset(
        "webdataset",
        data_files={"train": str(tmp_path / "*.tar")},
        split="train",
        cache_dir=str(tmp_path / "cache"),
        streaming=False,
    )
    assert len(rows) == 4
    assert set(rows.column_names) == {*digest.fields, "__key__", "__url__"}
    for number, row in enumerate(rows):
        assert row["__key__"] == f"s00000{number // 2}-g0000-v{number % 2}"
        assert row["meta.json"]["key"] == row["__key__"]
        assert np.asarray(row["mask.png"]).shape == (48, 48)
    raw = rows.cast_column("normal.exr", datasets.Value("binary"))[0]["normal.exr"]
    assert raw[:4] == b"\x76\x2f\x31\x01"


def record(**config: object) -> DatasetRecord:
    base = {"views": {"count": 6}, "camera": {"width": 576, "distance": [1.5, 1.8]}, "name": "a"}
    return DatasetRecord({**base, **config}, {"objects": "0" * 64}, {"samples": 12})


def test_a_folder_accepts_its_own_data_set_again_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "demo"
    assert open_dataset(folder, record()).fingerprint == record().fingerprint
    before = (folder / "dataset.json").read_bytes()
    open_dataset(folder, record())
    assert (folder / "dataset.json").read_bytes() == before
    changed = record(views={"count": 2, "jitter": 1.5}, camera={"width": 576, "distance": [1.5, 2]})
    with pytest.raises(ShardError) as error:
        open_dataset(folder, changed)
    for part in (
        "config.views.count: 6 -> 2",
        "config.views.jitter: absent -> 1.5",
        "config.camera.distance[1]: 1.8 -> 2",
    ):
        assert part in str(error.value)
    assert (folder / "dataset.json").read_bytes() == before


def test_the_fingerprint_counts_what_decides_the_data_and_nothing_else() -> None:
    base = record()
    reordered = DatasetRecord(dict(reversed(base.config.items())), base.manifests, {})
    assert reordered.fingerprint == base.fingerprint
    assert base.fingerprint != DatasetRecord(base.config, {"objects": "1" * 64}, base.plan).fingerprint
    assert base.differences(DatasetRecord(base.config, {}, base.plan)) == [
        f'manifests.objects: "{"0" * 64}" -> absent'
    ]
    assert base.differences(DatasetRecord(base.config, base.manifests, {}, schema=2)) == ["schema: 1 -> 2"]


def test_an_edited_or_foreign_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="is this a data set's folder"):
        read_dataset(tmp_path)
    open_dataset(tmp_path, record())
    path = tmp_path / "dataset.json"
    path.write_text(path.read_text().replace('"count": 6', '"count": 7'))
    with pytest.raises(ShardError, match="was edited"):
        read_dataset(tmp_path)
    path.write_text("{}")
    with pytest.raises(ShardError, match="is not a data set's record"):
        open_dataset(tmp_path, record())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShardError, match="file/data: cannot be written"):
        open_dataset(tmp_path / "file" / "data", record())


def test_shards_are_listed_from_files_folders_and_patterns_in_natural_order(tmp_path: Path) -> None:
    for name in ("m-2.tar", "m-10.tar", "m-1.tar", "m-1.json", ".m-3.tar.ab.partial"):
        (tmp_path / name).write_text("")
    in_order = [open_file(tmp_path / name) for name in ("m-1.tar", "m-2.tar", "m-10.tar")]
    assert find_shards([tmp_path]) == in_order
    assert find_shards([str(tmp_path / "m-*.tar")]) == in_order
    assert find_shards([tmp_path / "m-10.tar", tmp_path]) == [in_order[2], *in_order[:2]]
    with pytest.raises(DataError, match=r"none-\*\.tar: no such tar"):
        find_shards([str(tmp_path / "none-*.tar")])


def test_the_examples_of_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("webdataset")
    datasets = pytest.importorskip("datasets")
    (tmp_path / "data" / "demo").mkdir(parents=True)
    write_synthetic_shard(tmp_path / "data/demo/multishade-000000.tar", [make_sample(KEYS[0], size=48)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    text = (Path(__file__).resolve().parents[2] / "docs" / "data-format.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 5 and np.shape(names["points"]) == (48, 48, 3)
    assert f"{KEYS[0]} sphere (48, 48, 3) (9, 48, 48)" in capsys.readouterr().out
