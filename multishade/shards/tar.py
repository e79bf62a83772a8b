# SPDX-License-Identifier: Apache-2.0
"""Keys with their files <-> one tar (WebDataset layout), and the marker that says the tar is complete.

Equal samples give an equal tar: plain USTAR headers, no time, no owner, members in the order they come in.
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from multishade.errors import ShardError
from multishade.storage.local import atomic_file, refusals_named

MARKER_SCHEMA = 1
_BLOCK = 512
_LONGEST_NAME = 100  # of a USTAR header without splitting


@dataclass(frozen=True)
class ShardDigest:
    """What a tar holds: its hash (64 hex digits), length, number of samples, and their files in order."""

    sha256: str
    bytes: int
    samples: int
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Marker(ShardDigest):
    """The digest, seconds by stage, and a row for each group that failed ({"group": ..., "error": ...})."""

    timings: Mapping[str, float] = field(default_factory=dict)
    failures: Sequence[Mapping[str, Any]] = ()


def write_shard(path: Path, samples: Iterable[tuple[str, list[tuple[str, bytes]]]]) -> ShardDigest:
    """Write a tar that appears under `path` only when complete and flushed to disk.

    samples: (key, [(file name after the key, bytes), ...]); keys ascend (numbers in them compared as
    numbers) and hold no dot; every sample has the same files in the same order. Whatever `samples` raises
    passes through, and no file is left. Raises ShardError for keys and files that break these rules, no
    samples, and a disk that refuses.
    """
    fields: tuple[str, ...] = ()
    last_key: str | None = None
    count = 0
    with atomic_file(path) as stream:
        writer = _HashingWriter(stream)
        with refusals_named(path):
            tar = tarfile.open(fileobj=writer, mode="w", format=tarfile.USTAR_FORMAT)  # type: ignore[call-overload]
        for key, files in samples:
            names = tuple(name for name, _ in files)
            fields = fields or names
            _require_sound_entry(path, key, last_key, names, fields)
            with refusals_named(path):
                for name, data in files:
                    header = tarfile.TarInfo(f"{key}.{name}")
                    header.size = len(data)
                    tar.addfile(header, io.BytesIO(data))
            last_key = key
            count += 1
        if not count:
            raise ShardError(f"{path}: no sample to write; a shard holds at least one")
        with refusals_named(path):
            tar.close()
    return ShardDigest(writer.sha256.hexdigest(), writer.bytes, count, fields)


def read_shard(path: str | Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, {file name after the key: bytes}) of each sample, in the tar's order.

    Raises ShardError, naming member and byte, where the tar is cut short or damaged, or keys repeat.
    """
    path = Path(path)
    seen: set[str] = set()
    key, files = "", dict[str, bytes]()
    for offset, name, data in _members(path):
        member_key, dot, file_name = name.partition(".")
        if not dot or "/" in name:
            raise ShardError(f"{path}: byte {offset}: member '{name}' is not KEY.FIELD.EXTENSION")
        if member_key != key:
            if files:
                yield key, files
            if member_key in seen:
                raise ShardError(f"{path}: byte {offset}: key '{member_key}' comes twice")
            seen.add(member_key)
            key, files = member_key, {}
        if file_name in files:
            raise ShardError(f"{path}: byte {offset}: member '{name}' comes twice")
        files[file_name] = data
    if files:
        yield key, files


def list_keys(path: Path) -> list[str]:
    """The keys of a tar in order, from its headers alone. Raises ShardError as `read_shard` does."""
    return list(dict.fromkeys(name.partition(".")[0] for _, name, _ in _members(path, with_data=False)))


def hash_file(path: Path) -> str:
    """sha256 of a file, 64 hex digits. Raises ShardError, naming the path."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror})") from error


def marker_path(shard: Path) -> Path:
    """multishade-000123.tar -> multishade-000123.json"""
    return shard.with_suffix(".json")


def commit_marker(
    shard: Path,
    digest: ShardDigest,
    timings: Mapping[str, float] | None = None,
    failures: Sequence[Mapping[str, Any]] = (),
) -> Marker:
    """Write the marker that makes `shard` count as done; the last step of a shard. Raises ShardError."""
    values = {name: getattr(digest, name) for name in ("sha256", "bytes", "samples", "fields")}
    marker = Marker(**values, timings=dict(timings or {}), failures=tuple(failures))
    text = json.dumps(
        {"schema": MARKER_SCHEMA, "shard": shard.name, **asdict(marker)}, indent=2, ensure_ascii=False
    )
    with atomic_file(marker_path(shard)) as stream, refusals_named(marker_path(shard)):
        stream.write(text.encode() + b"\n")
    return marker


def read_marker(shard: Path) -> Marker | None:
    """The marker of `shard`, or None where there is none. Raises ShardError if it cannot be understood."""
    path = marker_path(shard)
    try:
        content = json.loads(path.read_bytes())
        if content.pop("schema") != MARKER_SCHEMA or content.pop("shard") != shard.name:
            raise ValueError("another schema or shard")
        return Marker(
            **{**content, "fields": tuple(content["fields"]), "failures": tuple(content["failures"])}
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(
            f"{path}: is not a marker of {shard.name} ({error}); remove it to make the shard again"
        ) from error


def committed(shard: Path) -> Marker | None:
    """The marker of `shard` if the tar has the length that it states, else None: then make it again."""
    marker = read_marker(shard)
    if marker is None or not shard.is_file() or shard.stat().st_size != marker.bytes:
        return None
    return marker


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sorting key that takes digits for numbers: v3 comes before v10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


class _HashingWriter:
    """Passes bytes on, and knows their sha256 and number."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self.sha256.update(data)
        self.bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self.bytes


def _require_sound_entry(
    path: Path, key: str, last_key: str | None, names: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise ShardError(
            f"{path}: key '{key}': only letters, digits, '-' and '_' (readers split at the first dot)"
        )
    if last_key is not None and natural_order(key) <= natural_order(last_key):
        raise ShardError(f"{path}: key '{key}' comes after '{last_key}'; keys ascend and do not repeat")
    if names != fields or len(set(names)) != len(names) or not names:
        raise ShardError(
            f"{path}: {key} has the files {', '.join(names)}; the shard's are {', '.join(fields)}, once each"
        )
    longest = max(names, key=len)
    if len(f"{key}.{longest}") > _LONGEST_NAME:
        raise ShardError(f"{path}: '{key}.{longest}' is longer than {_LONGEST_NAME} characters")


def _members(path: Path, with_data: bool = True) -> Iterator[tuple[int, str, bytes]]:
    """(byte offset, name, data) of each file in the tar, and a look at what follows the last one.

    `tarfile` takes a damaged header in mid-file for the end of the archive, and hands on what a cut left of
    a member.
    """
    end = 0
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            size = os.fstat(stream.fileno()).st_size
            while (header := tar.next()) is not None:
                if not header.isreg():
                    raise ShardError(f"{path}: byte {header.offset}: '{header.name}' is not a plain file")
                left = size - header.offset_data
                if header.size > left:
                    raise ShardError(
                        f"{path}: cut short: '{header.name}' at byte {header.offset} has {max(left, 0)} "
                        f"of its {header.size} bytes"
                    )
                end = header.offset_data + -(-header.size // _BLOCK) * _BLOCK
                data = b""
                if with_data:
                    stream.seek(header.offset_data)
                    data = stream.read(header.size)
                yield header.offset, header.name, data
            stream.seek(end)
            if stream.read(2 * _BLOCK) != bytes(2 * _BLOCK):
                raise ShardError(
                    f"{path}: byte {end}: neither a member nor the end of a tar: damaged or cut short"
                )
    except tarfile.TarError as error:
        raise ShardError(f"{path}: byte {end}: not a tar member ({error}): damaged or cut short") from error
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror or error})") from error
