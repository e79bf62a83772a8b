# SPDX-License-Identifier: Apache-2.0
"""The finished groups of a shard that is not complete yet <-> one file each, in a folder beside the shard.

An interrupted shard takes its finished groups from there. A file is used only if its hash holds and the same version
made it, with the same renderer, from the same recipe, assets and group. The folder goes when the shard is committed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from multishade.render.plan import Plan, PlannedGroup
from multishade.shards.layout import (
    RECORD_NAME,
    TAR_SUFFIX,
    failures_name,
    marker_name,
    staging_name,
    tar_name,
)
from multishade.shards.tar import Entry
from multishade.storage.base import PARTIAL_SUFFIX, partial_of
from multishade.storage.owner import owner_in
from multishade.storage.store import Store, StoredFile
from multishade.version import __version__

SUFFIX = ".group"


@dataclass(frozen=True)
class StagedGroup:
    """A finished group.

    Attributes:
        entries: Its samples, as a shard holds them.
        seconds: What it took, by stage.
    """

    entries: Sequence[Entry]
    seconds: Mapping[str, float]


class Staging:
    """The staged groups of one shard."""

    def __init__(self, plan: Plan, shard: StoredFile) -> None:
        """Find what is staged.

        Args:
            plan: The data set.
            shard: The tar that is being made.

        Raises:
            ShardError: If the folder cannot be listed.
        """
        self._store = shard.store.child(staging_name(shard.name))
        blender = plan.config.runtime.blender
        renderer = f"bpy {version('bpy')}" if blender is None else blender
        self._recipe = [plan.record().fingerprint, __version__, renderer]
        self._names = set(self._store.list_names())

    def read(self, group: PlannedGroup) -> StagedGroup | None:
        """Return a group that is staged; None, and nothing staged, if it is not, is damaged or made otherwise."""
        name = group.key + SUFFIX
        if name not in self._names:
            return None
        staged = _decode(self._store.read_bytes(name), self._identity(group))
        if staged is None:
            self._names.remove(name)
            self._store.remove(name)
        return staged

    def write(self, group: PlannedGroup, staged: StagedGroup) -> None:
        """Stage a group. Raises ShardError if the storage refuses."""
        name = group.key + SUFFIX
        if not self._names:
            self._store.make_folder()
        self._names.add(name)
        with self._store.take_up(name) as stream:
            stream.write(_encode(staged, self._identity(group)))

    def _identity(self, group: PlannedGroup) -> list[str]:
        material = group.material.id if group.material else ""
        return [*self._recipe, group.key, group.object.id, material]


def remove_staging(shard: StoredFile) -> None:
    """Remove what is staged of a shard that is complete. Raises ShardError if the storage refuses."""
    store = shard.store.child(staging_name(shard.name))
    names = store.list_names()
    for name in names:
        store.remove(name)
    store.remove_folder()


def remove_leftovers(store: Store, shards: Iterable[int]) -> None:
    """Remove what killed or cut-off writers left of complete shards: staged groups, and temporary files.

    Temporary files of the data set's record go only if their writer has ended for sure: another run may be starting.

    Args:
        store: The data set.
        shards: Numbers of shards that are complete.

    Raises:
        ShardError: If the storage refuses.
    """
    tars = [tar_name(shard) for shard in shards]
    written = {name for tar in tars for name in (tar, marker_name(tar), failures_name(tar))}
    for partial in store.list_names(f".*{PARTIAL_SUFFIX}"):
        name, owner = partial_of(partial), owner_in(partial)
        if name in written or (name == RECORD_NAME and owner is not None and owner.dead):
            store.remove(partial)
    staging = {staging_name(tar): tar for tar in tars}
    for path in store.unfinished():
        if path in written or path.partition("/")[0] in staging:
            store.remove_partials(path)
    for folder in store.list_folders(staging_name(f"*{TAR_SUFFIX}")):
        if folder in staging:
            remove_staging(store.file(staging[folder]))


def _encode(staged: StagedGroup, identity: Sequence[str]) -> bytes:
    members = [[key, [[name, len(data)] for name, data in files]] for key, files in staged.entries]
    header = json.dumps({"identity": identity, "members": members, "seconds": staged.seconds}).encode()
    payload = b"".join([header, b"\n", *(data for _, files in staged.entries for _, data in files)])
    return hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload


def _decode(content: bytes, identity: Sequence[str]) -> StagedGroup | None:
    stated, _, payload = content.partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != stated:
        return None
    header, _, data = payload.partition(b"\n")
    values = json.loads(header)
    if values["identity"] != identity:
        return None
    entries, place = [], 0
    for key, files in values["members"]:
        parts = []
        for name, size in files:
            parts.append((name, data[place : place + size]))
            place += size
        entries.append((key, parts))
    return StagedGroup(entries, values["seconds"])
