# SPDX-License-Identifier: Apache-2.0
"""The folder of a data set -> everything that failed in it, counted by kind and by object, and who is to blame.

Failures stand in the markers of complete shards, and beside shards that were given up (`multishade.render.failures`).
"""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from multishade.errors import ShardError
from multishade.render.failures import (
    FailureKind,
    GroupFailure,
    group_failure,
    read_shard_failure,
)
from multishade.render.quarantine import Quarantined, ranges
from multishade.shards.layout import FAILURES_PATTERN, TAR_PATTERN, shard_number, tar_of_failures
from multishade.shards.marker import committed, marker_of
from multishade.storage.store import FolderPlace, open_store

# The asset, or how it is rendered, may be at fault; a missing device, a full disk and a lost machine are not its fault.
_OF_THE_GROUP = frozenset(
    {FailureKind.ASSET, FailureKind.CRASH, FailureKind.TIMEOUT, FailureKind.MEMORY, FailureKind.RENDER}
)
# Lines of Blender that only say where a message comes from, or that it ends.
_NO_REASON = re.compile(
    r"^(location:|blender quit|traceback \(|file \"|\s*at |warning:|info:|fra:\d)", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A failure.

    Attributes:
        shard: Number of the shard.
        complete: Whether the shard is complete but for its failed groups; else it was given up.
        failure: Of a group; of the shard as a whole if `failure.group` is empty.
    """

    shard: int
    complete: bool
    failure: GroupFailure

    @property
    def reason(self) -> str:
        """One line: the error, and what Blender printed last that says why, if it crashed."""
        failure = self.failure
        error = " ".join(line.strip() for line in failure.error.strip().splitlines()[-1:])
        said = [
            line.strip() for line in failure.output if line.strip() and not _NO_REASON.match(line.strip())
        ]
        if failure.kind in (FailureKind.ASSET, FailureKind.STORAGE) or not said or said[-1] in error:
            return error
        return f"{error}; Blender's last words: {said[-1]}"


@dataclasses.dataclass(frozen=True)
class Ledger:
    """All failures of a data set.

    Attributes:
        entries: In order of the shards and groups.
        complete: Numbers of the shards that are complete.
    """

    entries: tuple[Entry, ...]
    complete: tuple[int, ...]

    @property
    def shards(self) -> list[int]:
        """Numbers of the shards that have failures."""
        return sorted({entry.shard for entry in self.entries})

    def by_kind(self) -> list[tuple[str, int]]:
        """Kinds with their number of failures, most first."""
        return Counter(str(entry.failure.kind) for entry in self.entries).most_common()

    def by_object(self) -> list[tuple[str, list[Entry]]]:
        """Objects with their failures, most first."""
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            if entry.failure.object:
                found[entry.failure.object].append(entry)
        return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))

    def bad_materials(self) -> dict[str, int]:
        """Materials that failed on several objects, with the number of these: they are at fault, not the objects."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for entry in self.entries:
            if entry.failure.material not in ("", "own"):
                found[entry.failure.material].add(entry.failure.object)
        return {name: len(objects) for name, objects in sorted(found.items()) if len(objects) > 1}

    def suspects(self, least: int, known: Sequence[Quarantined]) -> list[Quarantined]:
        """Find objects to put into quarantine.

        Args:
            least: In how many groups an object has to have failed.
            known: The quarantine as it is.

        Returns:
            An entry for each object that is not known; failures in bad materials do not count.
        """
        bad, passed = self.bad_materials(), {entry.object for entry in known}
        suspects = []
        for name, entries in self.by_object():
            own = [
                entry
                for entry in entries
                if entry.failure.kind in _OF_THE_GROUP and entry.failure.material not in bad
            ]
            if name not in passed and len({entry.failure.group for entry in own}) >= least:
                suspects.append(Quarantined(name, len(own), own[-1].reason, ranges(self.complete)))
        return suspects


def read_ledger(folder: FolderPlace) -> Ledger:
    """Read all failures of a data set.

    Args:
        folder: The data set.

    Returns:
        Its failures, and the shards that are complete.

    Raises:
        ShardError: If a marker or a record of failures cannot be read.
    """
    store = open_store(folder)
    entries: list[Entry] = []
    complete = []
    for name in store.list_names(TAR_PATTERN):
        number, marker = shard_number(name), committed(store.file(name))
        if number is not None and marker is not None:
            complete.append(number)
            try:
                entries += [Entry(number, True, group_failure(row)) for row in marker.failures]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ShardError(
                    f"{marker_of(store.file(name))}: `failures` cannot be read ({error})"
                ) from error
    for name in store.list_names(FAILURES_PATTERN):
        number = shard_number(tar_of_failures(name))
        given_up = None if number is None else read_shard_failure(store.file(tar_of_failures(name)))
        if given_up is None or given_up.shard in complete:
            continue
        entries += [Entry(given_up.shard, False, failure) for failure in given_up.groups]
        if not given_up.groups:
            whole = GroupFailure("", "", "", given_up.kind, given_up.error, 1)
            entries.append(Entry(given_up.shard, False, whole))
    entries.sort(key=lambda entry: (entry.shard, entry.failure.group))
    return Ledger(tuple(entries), tuple(sorted(complete)))
