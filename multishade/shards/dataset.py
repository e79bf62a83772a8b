# SPDX-License-Identifier: Apache-2.0
"""Places of shards, local or remote -> any sample by its key, without reading the others; and a shard written whole.

    data = Dataset("s3://bucket/demo")
    sample = data["s000000-g0001-v0"]

Opening reads the markers, which list the position of every file; a sample is then one range of bytes. A shard whose
marker has no positions, or that has no marker, is opened by one walk over its headers when it is first needed.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from multishade.errors import ShardError
from multishade.shards.fields import FieldFormat
from multishade.shards.index import BLOCK, Members, find_members, header_name
from multishade.shards.keys import SampleKey
from multishade.shards.layout import shard_number
from multishade.shards.locate import CONNECTIONS, find_shards
from multishade.shards.marker import Marker, commit_marker, read_marker
from multishade.shards.meta import SampleMeta, decode_meta
from multishade.shards.record import DatasetRecord, read_dataset
from multishade.shards.sample import Sample, decode_sample, encode_sample
from multishade.shards.tar import Entry, write_tar
from multishade.storage.store import FilePlace, StoredFile, open_file

_READ_THROUGH = 64 << 10  # bytes between two wanted files that are read along, to save a request


class UnknownKey(ShardError, KeyError):
    """A data set has no sample of this key. The message names the nearest one."""

    __str__ = Exception.__str__  # KeyError's own puts the message in quotes


class Dataset(Mapping[str, Sample]):
    """The samples of rendered shards, by key: a mapping that reads only the requested files from disk or network.

    Iterating gives keys in the order of the shards; `items()` and `values()` read one sample at a time. A data set can
    be pickled and used by several threads and processes, since it keeps no file open. Shards that appear later are not
    seen: open it again.
    """

    def __init__(self, places: str | Path | Iterable[str | Path]) -> None:
        """Find the shards and read their markers.

        Args:
            places: A folder, a tar, a pattern (*) or braces ({000000..000099}), or several of them; local paths,
                s3:// and other schemes of fsspec, or tars on a web server (http, https; named or with braces, since a
                web server lists no files).

        Raises:
            DataError: If a place holds no shard, or a scheme needs a package that is not installed.
            ShardError: If a marker cannot be read.
        """
        self._places = (places,) if isinstance(places, str | Path) else tuple(places)
        files = find_shards(self._places)
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            markers = list(threads.map(read_marker, files))
        self._shards = [_Shard(file, marker) for file, marker in zip(files, markers, strict=True)]
        self._numbered: dict[int | None, list[_Shard]] = {}
        for shard in self._shards:
            self._numbered.setdefault(shard.number, []).append(shard)

    @property
    def shards(self) -> tuple[StoredFile, ...]:
        """The tars, in order."""
        return tuple(shard.file for shard in self._shards)

    @property
    def fields(self) -> tuple[str, ...]:
        """The files of each sample, without the key, as in the first shard."""
        return self._shards[0].members.fields

    @property
    def failures(self) -> tuple[Mapping[str, Any], ...]:
        """The groups that could not be rendered, as the markers list them."""
        return tuple(failure for shard in self._shards for failure in shard.failures)

    @property
    def record(self) -> DatasetRecord:
        """What the data was made from: config, manifests, plan and fingerprint, out of dataset.json beside the shards.

        Raises:
            ShardError: If the folder of the first shard has no such file, or it was edited.
        """
        return read_dataset(self._shards[0].file.store)

    def __len__(self) -> int:
        return sum(shard.samples for shard in self._shards)

    def __iter__(self) -> Iterator[str]:
        for shard in self._shards:
            yield from shard.members.keys

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._find(key) is not None

    def __getitem__(self, key: str) -> Sample:
        """Read and decode one sample.

        Args:
            key: Such as s000000-g0001-v0; `keys()` lists them.

        Returns:
            The sample: images as linear float32 whatever their format, normals, depth, mask, shading, meta.

        Raises:
            UnknownKey: If there is no such sample; a KeyError, too.
            ShardError: If it cannot be read or is damaged, naming tar and file.
        """
        return decode_sample(key, self.files(key))

    def files(self, key: str, names: Sequence[str] | None = None) -> dict[str, bytes]:
        """Read the files of one sample as they are stored.

        Args:
            key: The sample.
            names: Names without the key, such as "normal.exr"; None: all files.

        Returns:
            The content of each file by its name, in the order of the tar.

        Raises:
            UnknownKey: If there is no such sample.
            ShardError: If the sample has no such file, or the tar cannot be read or is not the one that its marker
                describes.
        """
        shard, row = self._place(key)
        return shard.read(row, names)

    def meta(self, key: str) -> dict[str, Any]:
        """Read the meta.json of one sample, and nothing else of it. Raises as `files` does."""
        return decode_meta(key, self.files(key, ["meta.json"])["meta.json"])

    def info(self, key: str) -> SampleMeta:
        """Read the meta.json of one sample with types, as `Sample.info`. Raises as `files` does."""
        return SampleMeta.parse(key, self.meta(key))

    def version(self, key: str) -> str:
        """Return what changes with the content of a sample's tar: the marker's sha256, or the URL without a marker."""
        shard, _ = self._place(key)
        return shard.sha256 or shard.file.url

    def shard_of(self, key: str) -> StoredFile:
        """Return the tar that holds a sample. Raises UnknownKey."""
        return self._place(key)[0].file

    def __repr__(self) -> str:
        return f"Dataset({self._title()}: {len(self._shards)} shards)"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other  # a mapping's own comparison would read every sample

    def _place(self, key: str) -> "tuple[_Shard, int]":
        place = self._find(key)
        if place is None:
            raise UnknownKey(self._unknown(key))
        return place

    def _find(self, key: str) -> "tuple[_Shard, int] | None":
        for shard in self._likely_first(key):
            row = shard.rows.get(key)
            if row is not None:
                return shard, row
        return None

    def _likely_first(self, key: str) -> "Iterator[_Shard]":
        """The shard that the key names, then the others: a tar of other writers may have any name."""
        try:
            named = self._numbered.get(SampleKey.parse(key).shard, [])
        except ShardError:
            named = []
        yield from named
        yield from (shard for shard in self._shards if shard not in named)

    def _unknown(self, key: str) -> str:
        keys = list(self)
        nearest = (
            f"; the nearest is '{_nearest(key, keys)}', the range {keys[0]} to {keys[-1]}" if keys else ""
        )
        return f"{self._title()}: has no sample '{key}' among {len(keys)}{nearest}"

    def _title(self) -> str:
        more = f" and {len(self._places) - 1} more" if len(self._places) > 1 else ""
        return f"{self._places[0]}{more}"


def _nearest(key: str, keys: Sequence[str]) -> str:
    try:
        wanted = SampleKey.parse(key)
        parsed = [SampleKey.parse(each) for each in keys]
    except ShardError:  # it, or the keys here, are of another form
        return (difflib.get_close_matches(key, keys, 1) or keys)[0]
    return str(
        min(
            parsed,
            key=lambda each: (
                abs(each.shard - wanted.shard),
                abs(each.group - wanted.group),
                abs(each.view - wanted.view),
            ),
        )
    )


class _Shard:
    """One tar and the positions of its files: from the marker, else from the headers at first use."""

    def __init__(self, file: StoredFile, marker: Marker | None) -> None:
        self.file = file
        self.number = shard_number(file.name)
        self._stated = marker.samples if marker else None
        self._members = marker.members if marker else None
        self.failures = marker.failures if marker else ()
        self.sha256 = marker.sha256 if marker else ""
        self._rows: dict[str, int] | None = None

    @property
    def samples(self) -> int:
        return len(self.members.keys) if self._stated is None else self._stated

    @property
    def members(self) -> Members:
        if self._members is None:
            self._members = find_members(self.file)
        return self._members

    @property
    def rows(self) -> dict[str, int]:
        if self._rows is None:
            self._rows = {key: row for row, key in enumerate(self.members.keys)}
        return self._rows

    def read(self, row: int, names: Sequence[str] | None) -> dict[str, bytes]:
        """Read files of one sample, those that lie close together at once."""
        members = self.members
        key = members.keys[row]
        missing = [name for name in names or () if name not in members.fields]
        if missing:
            raise ShardError(
                f"{self.file}: {key} has no {', '.join(missing)}; it has {', '.join(members.fields)}"
            )
        wanted = [
            (name, int(offset), int(size))
            for name, offset, size in zip(
                members.fields, members.offsets[row], members.sizes[row], strict=True
            )
            if names is None or name in names
        ]
        files: dict[str, bytes] = {}
        for run in _runs(wanted):
            start, end = run[0][1] - BLOCK, run[-1][1] + run[-1][2]
            data = self.file.read_bytes(start, end - start)
            if len(data) != end - start:
                raise ShardError(
                    f"{self.file}: cut short: {key} has {len(data)} of its bytes {start} to {end}"
                )
            for name, offset, size in run:
                self._require_header(data[offset - start - BLOCK : offset - start], f"{key}.{name}", offset)
                files[name] = data[offset - start : offset - start + size]
        return files

    def _require_header(self, block: bytes, name: str, offset: int) -> None:
        """The file at a position is the one that the marker places there."""
        found = header_name(block).removeprefix("./")
        if found[:100] != name[: len(found[:100])] or not found:
            raise ShardError(
                f"{self.file}: byte {offset - BLOCK}: holds '{found}', not {name}: the tar is damaged, or another than "
                "its marker describes; check it with multishade-inspect"
            )


def _runs(wanted: Sequence[tuple[str, int, int]]) -> Iterator[list[tuple[str, int, int]]]:
    """Files (name, first byte, size) in order -> lists of such that are worth one request."""
    run: list[tuple[str, int, int]] = []
    for each in wanted:
        if run and not 0 <= each[1] - (run[-1][1] + run[-1][2]) <= _READ_THROUGH:
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def write_shard(
    place: FilePlace, samples: Iterable[Sample | Entry], format: FieldFormat | None = None
) -> Marker:
    """Write a shard and the marker that makes it complete. The folder is created if it is missing.

    Args:
        place: The tar: a local path, or a URL of any scheme that fsspec can write.
        samples: Samples to encode, or keys with their encoded files; keys in ascending order.
        format: How samples are encoded; default `FieldFormat()`.

    Returns:
        The marker: hash, length, number of samples, files, and where each lies.

    Raises:
        ShardError: If keys repeat or descend, samples have different files, there is none, or the storage refuses. No
            tar is left then, and one that was there before is unchanged.
    """
    file = open_file(place)
    file.store.make_folder()
    format = format or FieldFormat()
    entries = (
        (sample.key, encode_sample(sample, format)) if isinstance(sample, Sample) else sample
        for sample in samples
    )
    return commit_marker(file, write_tar(file, entries))
