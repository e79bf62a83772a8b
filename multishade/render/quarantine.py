# SPDX-License-Identifier: Apache-2.0
"""Objects that failed again and again <-> `quarantine.json` of a data set; shards made after it show others instead.

A run never adds to it by itself: which objects have failed when a shard begins depends on the order of the shards and
on the number of workers, and the bytes of a shard must not. `multishade failures --quarantine` writes it between two
runs. An entry names the shards that were complete then, to which it does not apply. So every shard follows from the
recipe, the manifests and this file alone, and can be rendered again.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence

from multishade.errors import FileMissing, ShardError
from multishade.shards.layout import QUARANTINE_NAME
from multishade.storage.store import FolderPlace, open_store
from multishade.text import parse_json

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Quarantined:
    """An object that later shards pass over.

    Attributes:
        object: Its id.
        failures: How many groups it had failed in.
        reason: The last of these failures.
        complete: Shards that were complete before, as ranges with both ends: the entry does not apply to them.
    """

    object: str
    failures: int
    reason: str
    complete: tuple[tuple[int, int], ...] = ()

    def applies_to(self, shard: int) -> bool:
        """Whether a shard passes the object over."""
        return not any(first <= shard <= last for first, last in self.complete)


def read_quarantine(folder: FolderPlace) -> tuple[Quarantined, ...]:
    """Read the quarantine of a data set.

    Args:
        folder: The data set.

    Returns:
        Its entries; none if there is no file.

    Raises:
        ShardError: If the file cannot be read or understood.
    """
    file = open_store(folder).file(QUARANTINE_NAME)
    try:
        content = parse_json(file.read_bytes())
        if content["schema"] != SCHEMA:
            raise ValueError("another schema")
        return tuple(
            Quarantined(
                str(row["object"]),
                int(row["failures"]),
                str(row["reason"]),
                tuple((int(first), int(last)) for first, last in row["complete"]),
            )
            for row in content["objects"]
        )
    except FileMissing:
        return ()
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ShardError(f"{file}: is not a quarantine ({error!r}); correct or remove it") from error


def write_quarantine(folder: FolderPlace, entries: Sequence[Quarantined]) -> None:
    """Write the quarantine of a data set. Raises ShardError if the storage refuses."""
    content = {"schema": SCHEMA, "objects": [dataclasses.asdict(entry) for entry in entries]}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    open_store(folder).write_bytes(QUARANTINE_NAME, text.encode() + b"\n")


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Join numbers to ranges with both ends: 0, 1, 2, 7 -> (0, 2), (7, 7)."""
    joined: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if joined and joined[-1][1] == number - 1:
            joined[-1] = (joined[-1][0], number)
        else:
            joined.append((number, number))
    return tuple(joined)
