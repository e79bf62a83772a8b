# SPDX-License-Identifier: Apache-2.0
"""Rows of a manifest and rejections -> lines that say how many there are of each kind, tag and licence."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from multishade.assets.schema import MaterialRow, ObjectRow, Row

SHOWN = 12  # entries of a line; the rest is counted


def summarise(rows: Sequence[Row], reasons: Iterable[str] = ()) -> list[str]:
    """Count the rows of a manifest by what one selects them by.

    Args:
        rows: Of one kind.
        reasons: Why files were rejected.

    Returns:
        Lines such as "licence  CC0-1.0 12, unknown 3": the most frequent first, empty ones left out. Files are counted
        by format, objects by family, materials by kind.
    """
    counts: dict[str, Counter[str]] = {
        "format": Counter(
            PurePosixPath(row.location).suffix.lower().lstrip(".") for row in rows if row.in_files
        ),
        "family": Counter(row.family for row in rows if isinstance(row, ObjectRow)),
        "kind": Counter(row.kind for row in rows if isinstance(row, MaterialRow)),
        "tag": Counter(tag for row in rows for tag in row.tags),
        "licence": Counter(row.licence for row in rows),
        "split": Counter(row.split for row in rows),
        "rejected": Counter(_cause(reason) for reason in reasons),
    }
    shown = {name: _line(count) for name, count in counts.items()}
    return [f"{name:9}{line}" for name, line in shown.items() if line]


def _line(count: "Counter[str]") -> str:
    ordered = sorted(
        ((name, number) for name, number in count.items() if name), key=lambda item: (-item[1], item[0])
    )
    parts = [f"{name} {number}" for name, number in ordered[:SHOWN]]
    rest = len(ordered) - SHOWN
    return ", ".join([*parts, *([f"and {rest} more"] if rest > 0 else [])])


def _cause(reason: str) -> str:
    """A reason without what differs from file to file: numbers, paths and quoted names, and what follows a colon."""
    words = reason.partition(":")[0].split()
    return " ".join("..." if _differs(word) else word for word in words)


def _differs(word: str) -> bool:
    return "/" in word or "'" in word or any(sign.isdigit() for sign in word)
