# SPDX-License-Identifier: Apache-2.0
"""A sound tar and a seed -> the tar corrupted in one way, as disks, transfers, scripts and people corrupt it."""

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

# Of a tar, in its order: name, content.
Contents = list[tuple[str, bytes]]


def contents(tar: bytes) -> Contents | None:
    """Read a tar by Python's `tarfile` alone; None if it cannot. Independent of the reader that is tested."""
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
            return [
                (member.name, (archive.extractfile(member) or io.BytesIO()).read())
                for member in archive
                if len(member.name) > 0
            ]
    except (tarfile.TarError, ValueError, OSError, KeyError, OverflowError):
        return None


def tar_of(members: Contents) -> bytes:
    """A plain tar of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return stream.getvalue()


def flip_bits(tar: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(tar)
    for place in rng.integers(0, len(tar), int(rng.integers(1, 9))):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def zero_block(tar: bytes, rng: np.random.Generator) -> bytes:
    length = int(rng.choice([16, 512, 4096]))
    start = int(rng.integers(0, max(1, len(tar) - length))) // length * length
    return tar[:start] + bytes(length) + tar[start + length :]


def truncate(tar: bytes, rng: np.random.Generator) -> bytes:
    # Half of them at the border of a member, where no header is cut.
    cut = int(rng.integers(0, len(tar)))
    return tar[: cut // 512 * 512 if rng.random() < 0.5 else cut]


def swap_members(tar: bytes, rng: np.random.Generator) -> bytes:
    """The contents of the same field of two samples; or the places of two members."""
    members = _members(tar)
    field = str(rng.choice(sorted({name.partition(".")[2] for name, _ in members})))
    rows = [row for row, (name, _) in enumerate(members) if name.partition(".")[2] == field]
    if rng.random() < 0.5:
        first, second = rng.choice(rows, 2, replace=False)
        (a, x), (b, y) = members[first], members[second]
        members[first], members[second] = (a, y), (b, x)
    else:
        first, second = rng.choice(len(members), 2, replace=False)
        members[first], members[second] = members[second], members[first]
    return tar_of(members)


def duplicate_member(tar: bytes, rng: np.random.Generator) -> bytes:
    """A member comes twice: beside itself or elsewhere, with its own content or that of another sample."""
    members = _members(tar)
    row = int(rng.integers(len(members)))
    name, data = members[row]
    if rng.random() < 0.5:
        data = next(other for its, other in members if its != name and its.endswith(name.partition(".")[2]))
    at = row + 1 if rng.random() < 0.5 else int(rng.integers(len(members) + 1))
    return tar_of([*members[:at], (name, data), *members[at:]])


def drop_member(tar: bytes, rng: np.random.Generator) -> bytes:
    members = _members(tar)
    del members[int(rng.integers(len(members)))]
    return tar_of(members)


def change_meta(tar: bytes, rng: np.random.Generator) -> bytes:
    """One value of a meta.json is another one of its kind, or a name is gone, and the file is sound JSON."""
    members = _members(tar)
    rows = [row for row, (name, _) in enumerate(members) if name.endswith(".meta.json")]
    row = int(rng.choice(rows))
    meta = json.loads(members[row][1])
    places = list(_leaves(meta))
    owner, name = places[int(rng.integers(len(places)))]
    if isinstance(owner, dict) and rng.random() < 0.1:
        del owner[name]
    else:
        owner[name] = _other(owner[name], rng)
    members[row] = (members[row][0], json.dumps(meta, separators=(",", ":")).encode())
    return tar_of(members)


def exchange_images(tar: bytes, rng: np.random.Generator) -> bytes:
    """Two pictures of one sample are exchanged: both are sound files of the right size."""
    members = _members(tar)
    keys = sorted({name.partition(".")[0] for name, _ in members})
    key = str(rng.choice(keys))
    rows = [row for row, (name, _) in enumerate(members) if name.startswith(f"{key}.image_")]
    first, second = rng.choice(rows, 2, replace=False)
    (a, x), (b, y) = members[first], members[second]
    members[first], members[second] = (a, y), (b, x)
    return tar_of(members)


KINDS: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "bit flips": flip_bits,
    "zeroed blocks": zero_block,
    "truncation": truncate,
    "swapped members": swap_members,
    "duplicated members": duplicate_member,
    "missing members": drop_member,
    "changed meta": change_meta,
    "exchanged images": exchange_images,
}


def _members(tar: bytes) -> Contents:
    members = contents(tar)
    assert members is not None
    return members


def _leaves(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for name, entry in list(entries):
        if isinstance(entry, dict | list) and entry:
            yield from _leaves(entry)
        else:
            yield value, name


def _other(value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + int(rng.choice([-1, 1]))
    if isinstance(value, float):
        return value * (1 + float(rng.choice([1e-6, -0.01, 0.5]))) if value else 1e-6
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
    return 0
