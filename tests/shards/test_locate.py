# SPDX-License-Identifier: Apache-2.0
"""Places of shards, their samples counted, and any sample read out of the middle of a tar."""

import io
import logging
import tarfile
from pathlib import Path

import fsspec
import pytest
import webdataset

from multishade.errors import DataError, ShardError
from multishade.shards.index import TarIndex
from multishade.shards.locate import Shard, find_shards, fingerprint, open_shards
from multishade.shards.marker import marker_of
from multishade.shards.tar import read_shard
from multishade.shards.tar_stream import tar_samples
from tests.support.data_shards import COUNTS, key_of, write_shards


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shards(tmp_path_factory.mktemp("shards") / "train")


def urls(places: list[Path | str]) -> list[str]:
    return [file.url for file in find_shards(places)]


def everything(names: object) -> list[str]:
    return list(names)  # type: ignore[call-overload]


def test_folder_glob_and_braces_name_the_same_tars(tars: list[Path]) -> None:
    folder = tars[0].parent
    expected = [str(path) for path in tars]
    assert urls([folder]) == expected
    assert urls([folder / "demo-*.tar"]) == expected
    assert urls([folder / "demo-{000000..000002}.tar"]) == expected
    assert urls([*tars, folder]) == expected  # each once


def test_numbers_in_names_are_ordered_as_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        (tmp_path / f"a-{number}.tar").touch()
    assert [Path(url).name for url in urls([tmp_path])] == ["a-1.tar", "a-9.tar", "a-10.tar"]


def test_urls_are_expanded_by_braces_and_not_by_stars() -> None:
    assert urls(["http://host/a-{00..02}.tar"]) == [f"http://host/a-0{n}.tar" for n in range(3)]
    with pytest.raises(DataError, match=r"a web server lists no files; write the numbers as braces"):
        urls(["http://host/a-*.tar"])


@pytest.mark.parametrize("place", ["missing.tar", "missing/*.tar", "demo-{0..3}.tar"])
def test_a_place_without_tars_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(DataError, match="no such tar, folder of tars or pattern"):
        urls([tmp_path / place])


def test_a_scheme_without_its_package_names_the_package() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(DataError, match="nosuch://bucket/a.tar: .*nosuch"):
        urls(["nosuch://bucket/a.tar"])


def test_fsspec_folders_globs_and_files(tars: list[Path]) -> None:
    """Through fsspec's memory file system, which stands in for s3 and its like."""
    memory = fsspec.filesystem("memory")
    for path in tars:
        memory.pipe(f"/bucket/train/{path.name}", path.read_bytes())
    memory.pipe("/bucket/train/demo-000000.json", marker_of(tars[0]).read_bytes())
    expected = [f"memory://bucket/train/{path.name}" for path in tars]
    assert urls(["memory://bucket/train"]) == expected
    assert urls(["memory://bucket/train/demo-*.tar"]) == expected
    assert urls(["memory://bucket/train/demo-{000000..000001}.tar"]) == expected[:2]
    # One is counted by its marker, the others by being read.
    assert open_shards(expected) == [Shard(url, count) for url, count in zip(expected, COUNTS, strict=True)]
    with pytest.raises(DataError, match="no such tar"):
        urls(["memory://bucket/other/*.tar"])


def test_samples_are_counted_by_marker_or_headers(tars: list[Path], tmp_path: Path) -> None:
    assert [shard.samples for shard in open_shards(tars)] == list(COUNTS)
    bare = tmp_path / "bare.tar"
    bare.write_bytes(tars[2].read_bytes())
    assert open_shards([bare]) == [Shard(str(bare), COUNTS[2])]


def test_a_cut_tar_without_marker_counts_its_whole_samples_and_says_so(
    tars: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut = tmp_path / "cut.tar"
    content = tars[0].read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.WARNING):
        (shard,) = open_shards([cut])
    assert 0 < shard.samples < COUNTS[0]
    assert "cut.tar: cut short: 's" in caplog.text and f"{shard.samples} samples before that" in caplog.text
    empty = tmp_path / "empty.tar"
    empty.write_bytes(b"no tar")
    with pytest.raises(DataError, match="none of 1 tars holds a whole sample"):
        open_shards([empty])


def test_the_fingerprint_is_of_names_and_sizes_not_of_the_folder(tars: list[Path]) -> None:
    here = [Shard(str(path), 3) for path in tars]
    moved = [Shard(f"s3://bucket/{path.name}", 3) for path in tars]
    grown = [*here[:-1], Shard(here[-1].url, 4)]
    assert fingerprint(here) == fingerprint(moved) != fingerprint(grown)


def test_any_sample_is_read_in_any_order_as_the_sequential_reader_has_it(tars: list[Path]) -> None:
    expected = list(read_shard(tars[2]))
    with TarIndex(str(tars[2])) as index:
        for number in (3, 0, 6, 3):
            assert index.read(number, everything) == expected[number]
        key, files = index.read(5, lambda names: ["mask.png"])
        assert key == key_of(2, 5) and files == {"mask.png": expected[5][1]["mask.png"]}
        index.close()
        assert index.read(1, everything) == expected[1]  # opens the file again
        with pytest.raises(ShardError, match="ends after 7 samples"):
            index.read(7, everything)


def test_tars_with_extended_headers_are_read(tars: list[Path], tmp_path: Path) -> None:
    """webdataset's own writer and GNU tar write them."""
    expected = list(read_shard(tars[1]))
    path = tmp_path / "foreign.tar"
    with webdataset.TarWriter(str(path)) as writer:
        for key, files in expected:
            writer.write({"__key__": key, **files})
    with TarIndex(str(path)) as index:
        assert index.count() == len(expected)
        for number in (2, 0):
            key, files = index.read(number, everything)
            assert (key, dict(sorted(files.items()))) == (
                expected[number][0],
                dict(sorted(expected[number][1].items())),
            )


def test_samples_before_a_damage_are_read_and_the_damage_is_placed(tars: list[Path], tmp_path: Path) -> None:
    content = bytearray(tars[0].read_bytes())
    with tarfile.open(tars[0]) as tar:
        header = next(member.offset for member in tar if member.name.startswith(key_of(0, 3)))
    content[header + 10] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(content)
    with TarIndex(str(damaged)) as index:
        assert index.read(2, everything)[0] == key_of(0, 2)
        for _ in range(2):
            with pytest.raises(ShardError, match=rf"damaged.tar: byte {header}: neither a member"):
                index.read(3, everything)


def test_samples_with_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("a.x.png", "a.y.png", "b.x.png"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with (
        TarIndex(str(path)) as index,
        pytest.raises(DataError, match=r"b has the files x.png; .* x.png, y.png"),
    ):
        index.count()


def test_a_stream_of_a_tar_gives_the_wanted_files_of_the_wanted_samples(tars: list[Path]) -> None:
    expected = list(read_shard(tars[0]))
    with tars[0].open("rb") as stream:
        found = list(tar_samples("a", stream, lambda number, name: number >= 2 and name == "mask.png"))
    assert [(number, key) for number, key, _ in found] == [(n, key_of(0, n)) for n in (2, 3, 4)]
    assert found[0][2] == {"mask.png": expected[2][1]["mask.png"]}
    cut = io.BytesIO(tars[0].read_bytes()[:-15000])
    with pytest.raises(ShardError, match="a: damaged or cut short after"):
        list(tar_samples("a", cut, lambda number, name: True))
