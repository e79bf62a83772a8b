# SPDX-License-Identifier: Apache-2.0
"""Downloaded files in, manifest, rejections and credits out: the last steps that every source shares."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multishade.assets.fetch.ledger import Entry, Ledger
from multishade.assets.hashing import sha256_of_files
from multishade.assets.manifest import write_atomically, write_rows
from multishade.assets.sandbox import Limits, run_guarded
from multishade.assets.schema import Row

Progress = Callable[[str, int, int], None]  # (what is being done, done, of how many)


@dataclass(frozen=True)
class Credit:
    """Whom a licence such as CC-BY asks to be named."""

    id: str
    title: str
    author: str
    link: str
    licence: str


@dataclass(frozen=True)
class Rejected:
    """An asset of a source, by its name there, and why it is not in the manifest."""

    name: str
    reason: str


@dataclass(frozen=True)
class FetchResult:
    """`complete` is False where the run was stopped early: what is there can be used, another run goes on."""

    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    credits: tuple[Credit, ...] = ()
    stopped: str | None = None


@dataclass(frozen=True)
class Arrival:
    """A file or folder in the cache that is to be read: `item` goes to the checker, `files` are hashed
    together."""

    path: Path
    item: Any
    folder: Path
    files: tuple[str, ...]


def judge(
    arrivals: Sequence[Arrival],
    checker: str,
    rules: str,
    ledger: Ledger,
    limits: Limits,
    progress: Progress | None = None,
) -> list[Entry]:
    """Read every file in a guarded child, or take what the ledger knows; one entry per arrival, in order."""
    entries: list[Entry | None] = [ledger.find(each.path, rules) for each in arrivals]
    todo = [index for index, entry in enumerate(entries) if entry is None]
    for done, outcome in enumerate(run_guarded(checker, [arrivals[index].item for index in todo], limits), 1):
        index = todo[outcome.index]
        each = arrivals[index]
        further = getattr(outcome.value, "files", ())
        sha256 = sha256_of_files(each.folder, (*each.files, *further))
        reason = outcome.reason.removeprefix(f"{each.path}: ") if outcome.reason else None
        entry = Entry(sha256, rules, outcome.value, reason)
        ledger.add(each.path, entry)
        entries[index] = entry
        if progress:
            progress("reading", done, len(todo))
    return [entry for entry in entries if entry is not None]


def write_result(result: FetchResult, manifest: Path) -> list[Path]:
    """Write the manifest, `<manifest>.rejected.jsonl` and `<manifest>.credits.tsv`; returns the paths
    written.

    Raises ManifestError where a file cannot be written.
    """
    written = []
    if result.rows:
        write_rows(manifest, result.rows)
        written.append(manifest)
    rejected = manifest.with_name(f"{manifest.name}.rejected.jsonl")
    if result.rejected:
        lines = (json.dumps(vars(each), ensure_ascii=False) + "\n" for each in result.rejected)
        write_atomically(rejected, "".join(lines))
        written.append(rejected)
    else:
        rejected.unlink(missing_ok=True)
    if result.credits:
        table = io.StringIO()
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "title", "author", "link", "licence"])
        for each in sorted(result.credits, key=lambda credit: credit.id):
            writer.writerow([each.id, each.title, each.author, each.link, each.licence])
        path = manifest.with_name(f"{manifest.name}.credits.tsv")
        write_atomically(path, table.getvalue())
        written.append(path)
    return written


def without_doubles(rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Rejected, ...]]:
    """Rows whose files are the same, byte for byte, are left once: two splits could hold one object
    otherwise."""
    first: dict[str | None, Row] = {}
    doubles = []
    for row in rows:
        other = first.setdefault(row.sha256, row)
        if other is not row:
            doubles.append(Rejected(row.id, f"is the same, byte for byte, as {other.id}"))
    return tuple(first.values()), tuple(doubles)
