# SPDX-License-Identifier: Apache-2.0
"""A shard's digest <-> the marker beside it (`multishade-000123.json`): written last, it makes the shard count as done.

Since members are listed with their positions, any sample can be read by one range of bytes, without the tar's headers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from multishade.errors import FileMissing, ShardError
from multishade.shards.index import Members
from multishade.shards.layout import marker_name
from multishade.shards.tar import ShardDigest
from multishade.storage.store import FilePlace, StoredFile, open_file
from multishade.text import parse_json

MARKER_SCHEMA = 1


@dataclass(frozen=True)
class Marker(ShardDigest):
    """The digest of a tar, and how it was made.

    Attributes:
        timings: Seconds by stage.
        failures: One row for each group that was left out ({"group": ..., "error": ..., ...}).
        resumed: Groups that an interrupted run had finished, and that were not rendered again.
        made_by: Versions of MultiShade and Blender, render device and processor.
    """

    timings: Mapping[str, float] = field(default_factory=dict)
    failures: Sequence[Mapping[str, Any]] = ()
    resumed: int = 0
    made_by: Mapping[str, str] = field(default_factory=dict)


def marker_of(shard: FilePlace) -> StoredFile:
    """The marker of a tar; it need not exist."""
    file = open_file(shard)
    return file.sibling(marker_name(file.name))


def commit_marker(
    shard: FilePlace,
    digest: ShardDigest,
    timings: Mapping[str, float] | None = None,
    failures: Sequence[Mapping[str, Any]] = (),
    *,
    resumed: int = 0,
    made_by: Mapping[str, str] | None = None,
) -> Marker:
    """Write the marker that makes a shard count as done; the last step of a shard.

    Args:
        shard: The tar.
        digest: What `write_tar` returned.
        timings: Seconds by stage.
        failures: One row for each group that was left out.
        resumed: Groups that were taken from an interrupted run.
        made_by: Versions, device and processor, by name.

    Raises:
        ShardError: If the storage refuses.
    """
    marker = Marker(
        digest.sha256,
        digest.bytes,
        digest.samples,
        digest.fields,
        dict(timings or {}),
        tuple(failures),
        resumed,
        dict(made_by or {}),
        members=digest.members,
    )
    marker_of(shard).write_bytes(_encode(open_file(shard).name, marker))
    return marker


def read_marker(shard: FilePlace) -> Marker | None:
    """Read the marker of a tar.

    Returns:
        The marker, None if there is none. `members` is None in markers of older versions.

    Raises:
        ShardError: If it cannot be read or understood.
    """
    file, marker = open_file(shard), marker_of(shard)
    try:
        return _decode(file.name, marker.read_bytes())
    except FileMissing:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ShardError(
            f"{marker}: is not a marker of {file.name} ({error}); remove it to make the shard again"
        ) from error


def committed(shard: FilePlace) -> Marker | None:
    """Read the marker of a tar that has the length that the marker states; None otherwise: then make it again."""
    marker = read_marker(shard)
    if marker is None:
        return None
    try:
        return marker if open_file(shard).size() == marker.bytes else None
    except FileMissing:
        return None


def _encode(name: str, marker: Marker) -> bytes:
    content = {
        "schema": MARKER_SCHEMA,
        "shard": name,
        "sha256": marker.sha256,
        "bytes": marker.bytes,
        "samples": marker.samples,
        "fields": marker.fields,
        "timings": marker.timings,
        "failures": marker.failures,
        "resumed": marker.resumed,
        "made_by": marker.made_by,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if marker.members is not None:
        # One line a sample: with one number a line the file would have thousands.
        places = np.stack([marker.members.offsets, marker.members.sizes], axis=-1).tolist()
        lines = (
            f"    {json.dumps(key)}: {json.dumps(files, separators=(',', ':'))}"
            for key, files in zip(marker.members.keys, places, strict=True)
        )
        text = text.removesuffix("\n}") + ',\n  "members": {\n' + ",\n".join(lines) + "\n  }\n}"
    return text.encode() + b"\n"


def _decode(name: str, data: bytes) -> Marker:
    content = parse_json(data)
    if content["schema"] != MARKER_SCHEMA or content["shard"] != name:
        raise ValueError("another schema or shard")
    fields = tuple(content["fields"])
    marker = Marker(
        content["sha256"],
        content["bytes"],
        content["samples"],
        fields,
        content["timings"],
        tuple(content["failures"]),
        content.get("resumed", 0),
        content.get("made_by", {}),
    )
    if "members" not in content:
        return marker
    places = np.array(list(content["members"].values()), np.int64).reshape(marker.samples, len(fields), 2)
    return replace(
        marker,
        members=Members(tuple(content["members"]), fields, places[..., 0].copy(), places[..., 1].copy()),
    )
