# SPDX-License-Identifier: Apache-2.0
"""What went wrong with groups and shards, by kind, and the file beside a shard that was given up.

A group that fails is left out of its shard and recorded in the marker. A shard that is given up has no marker, so its
failures are kept in a file of their own (`multishade-000123.failures.json`), which goes when the shard is committed.
"""

import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import Any

from multishade.errors import (
    AssetError,
    BlenderCrashed,
    BlenderMemoryExceeded,
    BlenderTimeout,
    FileMissing,
    MultiShadeError,
    RenderDeviceMissing,
    RenderFailed,
    ShardError,
)
from multishade.shards.layout import failures_name
from multishade.storage.store import FilePlace, StoredFile, open_file
from multishade.text import parse_json

SCHEMA = 1


class FailureKind(enum.StrEnum):
    """Who or what is at fault."""

    ASSET = "asset"  # a mesh, material or environment file
    CRASH = "crash"  # Blender ended
    TIMEOUT = "timeout"  # Blender did not answer in time
    MEMORY = "memory"  # Blender exceeded its memory limit
    RENDER = "render"  # a request failed inside Blender
    DEVICE = "device"  # the render device is missing
    STORAGE = "storage"  # the shard cannot be written
    WORKER_LOST = "worker lost"  # the process that rendered the shard is gone
    UNEXPECTED = "unexpected"  # a programming error


_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (  # subclasses before their bases
    (AssetError, FailureKind.ASSET),
    (BlenderMemoryExceeded, FailureKind.MEMORY),
    (BlenderCrashed, FailureKind.CRASH),
    (BlenderTimeout, FailureKind.TIMEOUT),
    (RenderDeviceMissing, FailureKind.DEVICE),
    (RenderFailed, FailureKind.RENDER),
    (ShardError, FailureKind.STORAGE),
)


@dataclasses.dataclass(frozen=True)
class GroupFailure:
    """A group that could not be rendered: its key, the ids of its object and material, and why.

    Attributes:
        attempts: How often it was tried.
        output: The last lines that Blender printed.
        phase: What was done when it failed: "verify" (the files' hashes), "start" (of Blender), "scene", or the name of
            the request to Blender, such as "load" or "image".
        signal: That ended Blender, such as "SIGSEGV"; empty if none did.
    """

    group: str
    object: str
    material: str
    kind: FailureKind
    error: str
    attempts: int
    output: tuple[str, ...] = ()
    phase: str = ""
    signal: str = ""


@dataclasses.dataclass(frozen=True)
class ShardFailure:
    """A shard that was given up, and the groups that failed in it before."""

    shard: int
    kind: FailureKind
    error: str
    groups: tuple[GroupFailure, ...] = ()


class ShardFailed(ShardError):
    """A shard cannot be completed, because too many of its groups failed."""

    def __init__(self, message: str, kind: FailureKind, groups: tuple[GroupFailure, ...]) -> None:
        super().__init__(message)
        self.kind, self.groups = kind, groups

    def __reduce__(self) -> tuple[type, tuple[str, FailureKind, tuple[GroupFailure, ...]]]:
        return type(self), (str(self), self.kind, self.groups)  # pickled on its way from worker to driver


def kind_of(error: BaseException) -> FailureKind:
    """Classify an exception."""
    if isinstance(error, ShardFailed):
        return error.kind
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), FailureKind.UNEXPECTED)


def shard_failure(shard: int, error: Exception, details: str | None = None) -> ShardFailure:
    """Describe why a shard was given up.

    Args:
        shard: Its number.
        error: The exception that ended it.
        details: Text to record for an error that is not a MultiShadeError, with its traceback.

    Returns:
        The failure, with those of the shard's groups if the exception carries them.
    """
    text = str(error) if isinstance(error, MultiShadeError) or details is None else details
    return ShardFailure(shard, kind_of(error), text, error.groups if isinstance(error, ShardFailed) else ())


def failures_file(shard: FilePlace) -> StoredFile:
    """The file beside a tar that keeps why it was given up; it need not exist."""
    tar = open_file(shard)
    return tar.sibling(failures_name(tar.name))


def write_shard_failure(shard: FilePlace, failure: ShardFailure) -> None:
    """Keep the failure of a shard that was given up beside it. Raises ShardError if it cannot be written."""
    content = {"schema": SCHEMA, **dataclasses.asdict(failure)}
    failures_file(shard).write_bytes(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")


def read_shard_failure(shard: FilePlace) -> ShardFailure | None:
    """Read what `write_shard_failure` kept.

    Args:
        shard: The shard's tar, which need not exist.

    Returns:
        The failure; None if there is no record of one.

    Raises:
        ShardError: If the record cannot be read.
    """
    file = failures_file(shard)
    try:
        content = parse_json(file.read_bytes())
        if content.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        groups = tuple(group_failure(row) for row in content.pop("groups"))
        _require_texts(content["error"])
        return ShardFailure(**{**content, "kind": FailureKind(content["kind"]), "groups": groups})
    except FileMissing:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{file}: is not a record of failures ({error}); remove it") from error


def remove_shard_failure(shard: FilePlace) -> None:
    """Remove the record of a shard that has been committed since."""
    failures_file(shard).remove()


def group_failure(row: Mapping[str, Any]) -> GroupFailure:
    """Read a failure as a marker or a record holds it; names that newer versions have added are passed over.

    Raises KeyError, TypeError or ValueError if it is none.
    """
    names = {field.name for field in dataclasses.fields(GroupFailure)}
    known = {name: value for name, value in row.items() if name in names}
    output = tuple(row.get("output", ()))
    _require_texts(*output, *(value for name, value in known.items() if name not in ("attempts", "output")))
    return GroupFailure(**{**known, "kind": FailureKind(row["kind"]), "output": output})


def _require_texts(*values: object) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not a text")
