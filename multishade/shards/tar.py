# SPDX-License-Identifier: Apache-2.0
"""Keys with their files <-> one tar (WebDataset layout).

Equal samples give an equal tar: plain USTAR headers, no time, no owner, members in the order they come in.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from multishade.errors import ShardError
from multishade.shards.index import BLOCK, Members, walk
from multishade.shards.keys import natural_order, require_valid_key
from multishade.shards.source import open_source
from multishade.storage.base import Writer
from multishade.storage.store import FilePlace, open_file

_LONGEST_NAME = 100  # of a USTAR header without splitting

# A sample to write: its key, and (file name after the key, content) in the shard's order.
Entry = tuple[str, Sequence[tuple[str, bytes]]]


@dataclass(frozen=True)
class ShardDigest:
    """What a tar holds.

    Attributes:
        sha256: 64 hex digits.
        bytes: Its length.
        samples: Their number.
        fields: Names of the files of each sample, without the key, in order.
        members: Where each file lies, if that is known.
    """

    sha256: str
    bytes: int
    samples: int
    fields: tuple[str, ...]
    members: Members | None = field(default=None, compare=False, repr=False, kw_only=True)


def write_tar(place: FilePlace, samples: Iterable[Entry], *, take_up: bool = False) -> ShardDigest:
    """Write a tar that appears under its name only when it is complete.

    Args:
        place: The tar, in a folder that exists (if the storage has folders).
        samples: Keys ascend (numbers in them compared as numbers) and hold no dot; every sample has the same files in
            the same order. Whatever the iterable raises passes through, and no file is left.
        take_up: Remove or continue what killed writers of this tar left; nobody else may be writing it.

    Returns:
        The digest, for `commit_marker`.

    Raises:
        ShardError: If keys or files break these rules, there is no sample, or the storage refuses.
    """
    file = open_file(place)
    fields: tuple[str, ...] = ()
    keys: list[str] = []
    offsets, sizes = [], []
    with file.take_up() if take_up else file.write() as stream:
        writer = _HashingWriter(stream)
        tar = tarfile.open(fileobj=writer, mode="w", format=tarfile.USTAR_FORMAT)  # type: ignore[call-overload]
        for key, files in samples:
            names = tuple(name for name, _ in files)
            fields = fields or names
            _require_sound_entry(file.url, key, keys[-1] if keys else None, names, fields)
            for name, data in files:
                header = tarfile.TarInfo(f"{key}.{name}")
                header.size = len(data)
                offsets.append(writer.tell() + BLOCK)
                sizes.append(len(data))
                tar.addfile(header, io.BytesIO(data))
            keys.append(key)
        if not keys:
            raise ShardError(f"{file.url}: no sample to write; a shard holds at least one")
        tar.close()
    shape = (len(keys), len(fields))
    members = Members(
        tuple(keys),
        fields,
        np.array(offsets, np.int64).reshape(shape),
        np.array(sizes, np.int64).reshape(shape),
    )
    return ShardDigest(writer.sha256.hexdigest(), writer.tell(), len(keys), fields, members=members)


def read_shard(place: FilePlace) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Read the samples of a tar one after another.

    Args:
        place: Path or URL of the tar.

    Yields:
        Key, and {file name after the key: content}, in the tar's order. `decode_sample` makes arrays of them.

    Raises:
        ShardError: If the tar is damaged or cut short, naming member and byte; if keys or files repeat; if a member is
            no sample's file.
    """
    source = open_source(open_file(place))
    try:
        seen: set[str] = set()
        key, files = "", dict[str, bytes]()
        for member in walk(source):
            where = f"{source.url}: byte {member.offset}"
            if not member.plain:
                raise ShardError(f"{where}: '{member.name}' is not a plain file")
            member_key, dot, file_name = member.name.partition(".")
            if not dot or "/" in member.name:
                raise ShardError(f"{where}: member '{member.name}' is not KEY.FIELD.EXTENSION")
            if member_key != key:
                if files:
                    yield key, files
                if member_key in seen:
                    raise ShardError(f"{where}: key '{member_key}' comes twice")
                seen.add(member_key)
                key, files = member_key, {}
            if file_name in files:
                raise ShardError(f"{where}: member '{member.name}' comes twice")
            files[file_name] = source.read(member.data, member.size)
        if files:
            yield key, files
    finally:
        source.close()


def list_keys(place: FilePlace) -> list[str]:
    """List the keys of a tar in order, from its headers alone.

    Args:
        place: The tar.

    Returns:
        The keys, each once.

    Raises:
        ShardError: As `read_shard`.
    """
    source = open_source(open_file(place))
    try:
        return list(dict.fromkeys(member.name.partition(".")[0] for member in walk(source)))
    finally:
        source.close()


def hash_file(place: FilePlace) -> str:
    """Compute the sha256 of a file.

    Args:
        place: The file.

    Returns:
        64 hex digits.

    Raises:
        ShardError: If the file cannot be read; the message names it.
    """
    with open_file(place).open() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


class _HashingWriter:
    """Passes bytes on, and computes their sha256 and number."""

    def __init__(self, stream: Writer) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self.sha256.update(data)
        return len(data)

    def tell(self) -> int:
        return self._stream.tell()


def _require_sound_entry(
    url: str, key: str, last_key: str | None, names: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    require_valid_key(key, f"{url}: ")
    if last_key is not None and natural_order(key) <= natural_order(last_key):
        raise ShardError(f"{url}: key '{key}' comes after '{last_key}'; keys ascend and do not repeat")
    if names != fields or len(set(names)) != len(names) or not names:
        raise ShardError(
            f"{url}: {key} has the files {', '.join(names)}; the shard's are {', '.join(fields)}, once each"
        )
    longest = max(names, key=len)
    if len(f"{key}.{longest}") > _LONGEST_NAME:
        raise ShardError(f"{url}: '{key}.{longest}' is longer than {_LONGEST_NAME} characters")
