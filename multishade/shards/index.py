# SPDX-License-Identifier: Apache-2.0
"""A local tar -> any sample's files, wanted ones only, without reading the others: headers are walked once, as far as
needed, and places remembered in 8 bytes a file.
"""

import os
import tarfile
from array import array
from collections.abc import Callable, Sequence
from types import TracebackType

from multishade.errors import DataError, ShardError

_BLOCK = 512
_PLAIN = (b"0", b"\0")  # type flags of plain files
Choose = Callable[[Sequence[str]], Sequence[str]]


class TarIndex:
    """An open tar, and where its samples lie as far as that is known.

    damage: why the tar ends before its time, once that was met, else None.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.damage: str | None = None
        self._names: tuple[str, ...] = ()  # of the files of each sample
        self._starts = array("q")  # byte of each sample's first header
        self._sizes = array("q")  # of the files, sample after sample
        self._next = 0  # byte at which the walk goes on
        self._ended = False
        self._file: int | None = None
        self._length = 0
        # (name, first byte, size) of each file where the headers are not plain; places are then numbers in this list.
        self._listed: list[tuple[str, int, int]] | None = None

    def __enter__(self) -> "TarIndex":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file handle back; the index stays, and the next read opens the file again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def count(self) -> int:
        """Whole samples in the tar; a look at every header. Raises ShardError if it cannot be read."""
        while not self._ended:
            self._walk_sample()
        return len(self._starts)

    def read(self, number: int, choose: Choose) -> tuple[str, dict[str, bytes]]:
        """Sample `number` -> its key, and the files that `choose` picks from their names (without the key).

        Raises ShardError where the tar ends before it or is damaged.
        """
        while len(self._starts) <= number:
            if self._ended:
                raise ShardError(f"{self.path}: {self.damage or f'ends after {len(self._starts)} samples'}")
            self._walk_sample()
        file = self._open()
        start, count = self._starts[number], len(self._names)
        places = self._places(start, self._sizes[number * count : (number + 1) * count])
        files = {}
        for name in choose(self._names):
            place, size = places[name]
            files[name] = _read(file, size, place)
            if len(files[name]) != size:
                raise ShardError(
                    f"{self.path}: was cut short while it was read, at {name} of sample {number}"
                )
        return self._key(start), files

    def _places(self, start: int, sizes: Sequence[int]) -> dict[str, tuple[int, int]]:
        """File name -> (first byte, size) of the sample that begins at `start`."""
        if self._listed is not None:
            entries = self._listed[start : start + len(sizes)]
            return {name: entry[1:3] for name, entry in zip(self._names, entries, strict=True)}
        places = {}
        for name, size in zip(self._names, sizes, strict=True):
            places[name] = start + _BLOCK, size
            start = _following(start, size)
        return places

    def _open(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self.path, os.O_RDONLY)
                self._length = os.fstat(self._file).st_size
            except OSError as error:
                raise ShardError(f"{self.path}: cannot be read ({error.strerror})") from error
        return self._file

    def _key(self, start: int) -> str:
        if self._listed is not None:
            return self._listed[start][0].partition(".")[0]
        return _text(_read(self._open(), 100, start)).partition(".")[0]

    def _walk_sample(self) -> None:
        """Find the next sample: the files whose names begin with one key."""
        start, key = self._next, ""
        names: list[str] = []
        sizes: list[int] = []
        while (header := self._header(self._next)) is not None:
            name, size, following = header
            member_key, _, file_name = name.partition(".")
            if key and member_key != key:
                break
            key = member_key
            names.append(file_name)
            sizes.append(size)
            self._next = following
        else:
            self._ended = True
            if not key or (self.damage and tuple(names) != self._names):
                return
        if not self._names:
            self._names = tuple(names)
        elif tuple(names) != self._names:
            raise DataError(
                f"{self.path}: {key} has the files {', '.join(names)}; the samples before it {', '.join(self._names)}: "
                "write the shard with the same files in each sample"
            )
        self._starts.append(start)
        self._sizes.extend(sizes)

    def _header(self, place: int) -> tuple[str, int, int] | None:
        """(name, size, the next header's place), or None at the end; `damage` says if it is no proper one."""
        if self._listed is not None:
            if place >= len(self._listed):
                return None
            name, _, size = self._listed[place]
            return name, size, place + 1
        block = _read(self._open(), _BLOCK, place)
        if len(block) == _BLOCK and not block.strip(b"\0"):
            return None
        if len(block) < _BLOCK or not _checksum_holds(block):
            self.damage = f"damaged or cut short at byte {place}"
            return None
        if block[156:157] not in _PLAIN or block[345:346] != b"\0":
            if place:
                raise DataError(
                    f"{self.path}: byte {place}: '{_text(block[:100])}' is not a plain file as those before it: "
                    "write the shard with plain headers (tar --format=ustar)"
                )
            self._list_with_tarfile()
            return self._header(0)
        try:
            size = int(block[124:136].rstrip(b"\0 ") or b"0", 8)
        except ValueError:
            self.damage = f"damaged at byte {place}"
            return None
        following = _following(place, size)
        if following > self._length:
            self.damage = f"cut short in '{_text(block[:100])}' at byte {place}"
            return None
        return _text(block[:100]), size, following

    def _list_with_tarfile(self) -> None:
        """Tars of other writers, with extended headers: let the library tell what is in them."""
        try:
            with tarfile.open(self.path, "r:") as tar:
                self._listed = [
                    (member.name.removeprefix("./"), member.offset_data, member.size)
                    for member in tar
                    if member.isreg()
                ]
        except (tarfile.TarError, OSError) as error:
            self.damage = f"cannot be read as a tar ({error})"
            self._listed = []


def _following(place: int, size: int) -> int:
    """Where the next header is after the header at `place` and its file."""
    return place + _BLOCK + -(-size // _BLOCK) * _BLOCK


def _read(file: int, size: int, place: int) -> bytes:
    data = os.pread(file, size, place)
    while len(data) < size:  # a single read brings at most 2 GiB, and what a signal leaves
        more = os.pread(file, size - len(data), place + len(data))
        if not more:
            break
        data += more
    return data


def _checksum_holds(block: bytes) -> bool:
    try:
        stated = int(block[148:156].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        return False
    return stated == sum(block) - sum(block[148:156]) + 8 * 32


def _text(name: bytes) -> str:
    return name.rstrip(b"\0").decode("utf-8", "replace")
