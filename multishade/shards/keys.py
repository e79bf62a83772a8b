# SPDX-License-Identifier: Apache-2.0
"""Names of samples: `s000123-g0007-v3` <-> shard, group and view; the order of names; what a key may hold."""

import re
from dataclasses import dataclass

from multishade.errors import ShardError

_KEY = re.compile(r"s(\d{6,})-g(\d{4,})-v(\d+)")
_VALID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, order=True)
class SampleKey:
    """The key of a rendered sample: one view of a group (an object in a material) in a shard. `str` formats it."""

    shard: int
    group: int
    view: int

    def __str__(self) -> str:
        return f"{self.group_key}-v{self.view}"

    @property
    def group_key(self) -> str:
        """The part of the key that all views of the group share: s000123-g0007."""
        return format_group_key(self.shard, self.group)

    @classmethod
    def parse(cls, text: str) -> "SampleKey":
        """Read a key. Raises ShardError if the text is of another form."""
        match = _KEY.fullmatch(text)
        if match is None:
            raise ShardError(f"{text!r} is not a sample's key, such as s000000-g0001-v0")
        return cls(*(int(part) for part in match.groups()))


def format_group_key(shard: int, group: int) -> str:
    """The key of a group: 123, 7 -> s000123-g0007."""
    return f"s{shard:06d}-g{group:04d}"


def group_key_of(key: str) -> str:
    """The key of a sample's group, also for keys of other writers: all before the last hyphen."""
    return key.rpartition("-")[0] or key


def require_valid_key(key: str, where: str = "") -> None:
    """Raise ShardError if a shard cannot hold a key: readers split the names of files at the first dot.

    Args:
        key: The key, of any writer.
        where: Beginning of the message, such as the shard's name and a colon.
    """
    if not _VALID.fullmatch(key):
        raise ShardError(
            f"{where}key '{key}': only letters, digits, '-' and '_' (readers split at the first dot)"
        )


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sorting key that compares digits as numbers: v3 comes before v10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]
