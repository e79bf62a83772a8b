# SPDX-License-Identifier: Apache-2.0
"""The meta of many samples -> the names whose values are of different types: a table cannot have both in one column.

Hugging Face's `datasets` takes the type of each name from the first samples. Null there and a text later is an error;
a whole number there and a fraction later is cut down without one. A name that is absent from a sample is no conflict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN_CONFLICTS = 8


@dataclass
class MetaTypes:
    """The types that each name of meta.json has.

    Attributes:
        first: Dotted name -> type -> key of the first sample that has it. Elements of a list are "name[]".
    """

    first: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, key: str, meta: Mapping[str, Any]) -> None:
        """Take in the meta of the sample `key`."""
        self.add_types(key, types_of(meta))

    def add_types(self, key: str, types: Mapping[str, Iterable[str]]) -> None:
        """Take in what `types_of` returned for the sample `key`."""
        for name, kinds in types.items():
            for each in kinds:
                self.first.setdefault(name, {}).setdefault(each, key)


def types_of(meta: Mapping[str, Any]) -> dict[str, dict[str, None]]:
    """Return the JSON types of each dotted name in the meta of one sample, as the keys of a dict, in order."""
    found: dict[str, dict[str, None]] = {}
    _collect("", meta, found)
    return found


def merge_types(tars: Sequence[MetaTypes]) -> list[list[tuple[str, str]]]:
    """List the conflicts between all samples of a data set.

    Args:
        tars: The types in each tar.

    Returns:
        For each tar, (key, message) for each name that has another type than it has first in the data set.
    """
    known: dict[str, tuple[str, str]] = {}
    conflicts: list[list[tuple[str, str]]] = []
    for tar in tars:
        messages = []
        for name, kinds in tar.first.items():
            for kind, key in kinds.items():
                expected, owner = known.setdefault(name, (kind, key))
                if kind != expected:
                    messages.append((key, f"{name}: is {kind}, in {owner} it is {expected}"))
        more = len(messages) - SHOWN_CONFLICTS
        messages = messages[:SHOWN_CONFLICTS]
        conflicts.append(messages + ([("", f"and {more} more names")] if more > 0 else []))
    return conflicts


def _collect(name: str, value: Any, found: dict[str, dict[str, None]]) -> None:
    if isinstance(value, Mapping):
        found.setdefault(name, {})["names and values"] = None
        for key, entry in value.items():
            _collect(f"{name}.{key}".lstrip("."), entry, found)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        found.setdefault(name, {})["a list" if value else "an empty list"] = None
        for entry in value:
            _collect(f"{name}[]", entry, found)
    else:
        found.setdefault(name, {})[_type_of(value)] = None


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    return "a number with a fraction" if isinstance(value, float) else "a text"
