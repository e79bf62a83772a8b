# SPDX-License-Identifier: Apache-2.0
"""A tar -> where each file of each sample lies, from the headers alone: they are walked once, as far as needed.

`walk` is the only reader of tar headers: sequential reading, random access and inspection all use it.
"""

import io
import tarfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from multishade.errors import DataError, ShardError
from multishade.shards.source import Source, open_source
from multishade.storage.store import FilePlace, open_file

BLOCK = 512  # bytes of a tar's header, and what its files are padded to
_CHUNK = 1 << 20  # bytes looked at in a row
_PLAIN = (b"0", b"\0")  # type flags of plain files
Choose = Callable[[Sequence[str]], Sequence[str]]


class Member(NamedTuple):
    """One member of a tar. Positions are bytes: `offset` of its header, `data` of its content."""

    name: str
    offset: int
    data: int
    size: int
    plain: bool  # a plain file; neither a folder nor a link


class TarDamaged(ShardError):
    """A tar is damaged or cut short. `reason` is the message without the tar's name."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason = url, reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.url, self.reason)


@dataclass(frozen=True, eq=False)
class Members:
    """Where the files of every sample of a tar lie.

    Attributes:
        keys: Of the n samples, in the tar's order.
        fields: Names of the f files of each sample, without the key, in the tar's order.
        offsets: (n, f) int64, the first byte of each file's content.
        sizes: (n, f) int64, bytes of each file.
    """

    keys: tuple[str, ...]
    fields: tuple[str, ...]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


def walk(source: Source) -> Iterator[Member]:
    """Read the headers of a tar one after another, and check that it ends as a tar does.

    Args:
        source: The tar.

    Raises:
        TarDamaged: If a header is damaged, or the tar ends before its end mark.
        ShardError: If it cannot be read.
    """
    offset = 0
    while True:
        block = source.read(offset, BLOCK)
        if len(block) == BLOCK and not block.strip(b"\0"):
            if source.read(offset + BLOCK, BLOCK) != bytes(BLOCK):
                raise _neither(source, offset)
            _require_nothing_more(source, offset)
            return
        if len(block) < BLOCK or not _checksum_holds(block):
            raise _neither(source, offset)
        if block[156:157] not in _PLAIN or block[345:346] != b"\0" or block[124] & 0x80:
            yield from _walk_extended(source, offset)
            return
        try:
            size = int(block[124:136].rstrip(b"\0 ") or b"0", 8)
        except ValueError as error:
            raise _neither(source, offset) from error
        member = Member(header_name(block), offset, offset + BLOCK, size, True)
        _require_whole(source, member)
        yield member
        offset = end_of(member.data, size)


def end_of(data: int, size: int) -> int:
    """The byte at which a header can follow a file whose content begins at `data`."""
    return data + -(-size // BLOCK) * BLOCK


def header_name(block: bytes) -> str:
    """The name in a plain header, at most 100 bytes."""
    return block[:100].rstrip(b"\0").decode("utf-8", "replace")


def _walk_extended(source: Source, offset: int) -> Iterator[Member]:
    """Tars of other writers, with extended headers: from here on the standard library reads them."""
    try:
        with tarfile.open(fileobj=_SourceFile(source, offset), mode="r:") as tar:
            for header in tar:
                member = Member(
                    header.name, header.offset, header.offset_data, header.size, bool(header.isreg())
                )
                _require_whole(source, member)
                yield member
                offset = end_of(member.data, member.size if member.plain else 0)
    except (tarfile.TarError, ValueError, OverflowError, MemoryError, RecursionError, EOFError) as error:
        reason = f"byte {offset}: not a tar member ({error}): damaged or cut short"
        raise TarDamaged(source.url, reason) from error
    if source.read(offset, 2 * BLOCK) != bytes(2 * BLOCK):  # `tarfile` takes a damaged header for the end
        raise _neither(source, offset)
    _require_nothing_more(source, offset)


def _require_nothing_more(source: Source, end: int) -> None:
    """After the end mark of a tar come zeros, up to the size of a record: other bytes are samples that nobody reads."""
    offset = end + 2 * BLOCK
    while data := source.read(offset, _CHUNK):
        if (stripped := data.lstrip(b"\0")) != b"":
            raise TarDamaged(
                source.url,
                f"byte {offset + len(data) - len(stripped)}: data after the end of the tar at byte {end}: appended "
                "to it, or another tar; write one tar of all samples",
            )
        offset += len(data)


def _require_whole(source: Source, member: Member) -> None:
    left = source.size - member.data
    if member.plain and member.size > left:
        raise TarDamaged(
            source.url,
            f"cut short: '{member.name}' at byte {member.offset} has {max(left, 0)} of its {member.size} bytes",
        )


def _neither(source: Source, offset: int) -> TarDamaged:
    return TarDamaged(
        source.url, f"byte {offset}: neither a member nor the end of a tar: damaged or cut short"
    )


def _checksum_holds(block: bytes) -> bool:
    try:
        stated = int(block[148:156].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        return False
    return stated == sum(block) - sum(block[148:156]) + 8 * 32


class TarIndex:
    """An open tar, and where its samples lie as far as that is known: 16 bytes a file.

    Attributes:
        url: The tar's path or URL.
        damage: Why the tar ends early, once the walk met it, else None. The samples before it are whole.
    """

    def __init__(self, place: FilePlace) -> None:
        file = open_file(place)
        self.url = file.url
        self.damage: str | None = None
        self._source = open_source(file)
        self._members = walk(self._source)
        self._ahead: Member | None = None  # the first file of the next sample
        self._names: tuple[str, ...] = ()  # of the files of each sample
        self._offsets = array("q")  # of the files' content, sample after sample
        self._sizes = array("q")
        self._count = 0

    def __enter__(self) -> "TarIndex":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the index stays, and the next read opens the file again."""
        self._source.close()

    def count(self) -> int:
        """Count the whole samples of the tar, by a look at every header. Raises ShardError if it cannot be read."""
        while self._walk_sample() is not None:
            pass
        return self._count

    def read(self, number: int, choose: Choose) -> tuple[str, dict[str, bytes]]:
        """Read sample `number`: its key, and the files that `choose` picks from their names (without the key).

        Raises:
            ShardError: If the tar ends before the sample or is damaged.
            DataError: If the samples do not all have the same files.
        """
        while self._count <= number:
            if self._walk_sample() is None:
                raise ShardError(f"{self.url}: {self.damage or f'ends after {self._count} samples'}")
        first = number * len(self._names)
        place = {name: first + position for position, name in enumerate(self._names)}
        files = {}
        for name in choose(self._names):
            size = self._sizes[place[name]]
            files[name] = self._source.read(self._offsets[place[name]], size)
            if len(files[name]) != size:
                raise ShardError(f"{self.url}: was cut short while it was read, at {name} of sample {number}")
        return self._key(number), files

    def _key(self, number: int) -> str:
        """Read from the header before the content: to keep all keys would take more memory than all positions."""
        header = self._source.read(self._offsets[number * len(self._names)] - BLOCK, 100)
        return _split_name(header_name(header))[0]

    def _walk_sample(self) -> str | None:
        """Find the next sample: the files whose names begin with one key. None if there is no further whole one."""
        key = ""
        names: list[str] = []
        places: list[Member] = []
        while (member := self._next_file()) is not None:
            member_key, name = _split_name(member.name)
            if names and member_key != key:
                self._ahead = member
                break
            key = member_key
            names.append(name)
            places.append(member)
        else:
            if not names or (self.damage and tuple(names) != self._names):
                return None
        if not self._names:
            self._names = tuple(names)
        elif tuple(names) != self._names:
            raise DataError(
                f"{self.url}: {key} has the files {', '.join(names)}; the samples before it {', '.join(self._names)}: "
                "write the shard with the same files in each sample"
            )
        self._offsets.extend(member.data for member in places)
        self._sizes.extend(member.size for member in places)
        self._count += 1
        return key

    def _next_file(self) -> Member | None:
        if self.damage:
            return None
        if self._ahead is not None:
            member, self._ahead = self._ahead, None
            return member
        try:
            return next((member for member in self._members if member.plain), None)
        except TarDamaged as error:
            self.damage = error.reason
            return None


def find_members(place: FilePlace) -> Members:
    """Walk all headers of a tar.

    Raises:
        ShardError: If it cannot be read or is damaged.
        DataError: If its samples do not all have the same files.
    """
    with TarIndex(place) as index:
        keys = list(iter(index._walk_sample, None))
        if index.damage:
            raise TarDamaged(index.url, index.damage)
        shape = (len(keys), len(index._names))
        offsets, sizes = (
            np.array(values, np.int64).reshape(shape) for values in (index._offsets, index._sizes)
        )
        return Members(tuple(keys), index._names, offsets, sizes)


def _split_name(name: str) -> tuple[str, str]:
    """The key of a member's name, and the rest."""
    key, _, rest = name.removeprefix("./").partition(".")
    return key, rest


class _SourceFile(io.RawIOBase):
    """A source as a file that can be sought, for `tarfile`."""

    def __init__(self, source: Source, position: int) -> None:
        self._source, self._position = source, position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """At most what is left: a header may state any size, and the base class would reserve it."""
        left = max(0, self._source.size - self._position)
        data = self._source.read(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
