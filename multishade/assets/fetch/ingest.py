# SPDX-License-Identifier: Apache-2.0
"""Files in the cache in, manifest, rejections and credits out: the last steps that every source shares."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multishade.assets.fetch.client import FetchError, FetchPolicy
from multishade.assets.fetch.download import download_all
from multishade.assets.fetch.ledger import Entry, Ledger
from multishade.assets.fetch.transfer import Download, Fetched
from multishade.assets.files import write_rejections, write_text
from multishade.assets.hashing import sha256_of_files
from multishade.assets.manifest import write_rows
from multishade.assets.sandbox import Limits, run_sandboxed
from multishade.assets.schema import Row

Progress = Callable[[str, int, int], None]  # (what is being done, done, of how many)


@dataclass(frozen=True)
class FetchJob:
    """Where the assets of a source go, and how they are fetched and checked.

    Attributes:
        cache: The folder of all fetched files; each source has a folder of its own in it.
        manifest: The manifest that the rows are for: locations are relative to its folder. Nothing is written to it.
        policy: Attempts, waits and downloads at once.
        limits: Limits of checking one asset.
        progress: Called as assets come and are checked.
    """

    cache: Path
    manifest: Path
    policy: FetchPolicy = FetchPolicy()
    limits: Limits = Limits()
    progress: Progress | None = None

    def report(self, what: str, done: int, total: int) -> None:
        """Call `progress`, if there is one."""
        if self.progress:
            self.progress(what, done, total)


@dataclass(frozen=True)
class Credit:
    """The attribution that a licence such as CC-BY requires."""

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
    """What a source gave.

    Attributes:
        rows: Rows of the manifest.
        rejected: What is not in it, and why.
        credits: Attributions of the rows.
        stopped: Why the run ended early, None if it did not: the rows can be used, and another run continues.
    """

    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    credits: tuple[Credit, ...] = ()
    stopped: str | None = None


@dataclass(frozen=True)
class CachedAsset:
    """A file or folder in the cache that is to be checked.

    Attributes:
        path: The file or folder.
        item: The checker's argument.
        folder: The folder that `files` are relative to.
        files: Names of the files that are hashed together.
    """

    path: Path
    item: Any
    folder: Path
    files: tuple[str, ...]


def download_named(
    downloads: Mapping[str, Download], job: FetchJob, rejected: list[Rejected]
) -> Iterator[tuple[str, Fetched]]:
    """Download the files of a source's assets.

    Args:
        downloads: The file of each asset, by the asset's name.
        job: Attempts, waits, downloads at once and progress.
        rejected: Receives the assets whose file cannot be fetched.

    Yields:
        (name, file), in the order in which they finish.

    Raises:
        FetchStopped: If the disk is full or the network is gone.
    """
    names = list(downloads)
    for done, (index, result) in enumerate(download_all(list(downloads.values()), job.policy), 1):
        if isinstance(result, FetchError):
            rejected.append(Rejected(names[index], str(result)))
        else:
            yield names[index], result
        job.report("downloading", done, len(names))


def check_cached(
    assets: Sequence[CachedAsset], checker: Callable[[Any], Any], rules: str, ledger: Ledger, job: FetchJob
) -> list[Entry]:
    """Check every asset in a sandbox, unless the ledger has a verdict by the same rules.

    Args:
        assets: The files to check.
        checker: Returns the facts of an asset, or raises AssetError with the reason for refusing it.
        rules: Names the checks; a verdict by other rules does not count.
        ledger: Verdicts of earlier runs; new ones are added.
        job: Limits and progress.

    Returns:
        One entry per asset, in their order.
    """
    entries: list[Entry | None] = [ledger.find(each.path, rules) for each in assets]
    todo = [index for index, entry in enumerate(entries) if entry is None]
    items = [assets[index].item for index in todo]
    folders = dict.fromkeys(assets[index].folder for index in todo)
    outcomes = run_sandboxed(checker, items, job.limits, folders)
    for done, outcome in enumerate(outcomes, 1):
        index = todo[outcome.index]
        each = assets[index]
        further = getattr(outcome.value, "files", ())
        sha256 = sha256_of_files(each.folder, (*each.files, *further))
        reason = outcome.reason.removeprefix(f"{each.path}: ") if outcome.reason else None
        entry = Entry(sha256, rules, outcome.value, reason)
        ledger.add(each.path, entry)
        entries[index] = entry
        job.report("reading", done, len(todo))
    return [entry for entry in entries if entry is not None]


def write_result(result: FetchResult, manifest: Path) -> list[Path]:
    """Write the manifest, `<manifest>.rejected.jsonl` and `<manifest>.credits.tsv`, each only if it has content.

    Returns:
        The paths written.

    Raises:
        ManifestError: If a file cannot be written.
    """
    written = []
    if result.rows:
        write_rows(manifest, result.rows)
        written.append(manifest)
    rejected = write_rejections(manifest, map(vars, result.rejected))
    if rejected:
        written.append(rejected)
    if result.credits:
        table = io.StringIO()
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "title", "author", "link", "licence"])
        for each in sorted(result.credits, key=lambda credit: credit.id):
            writer.writerow([each.id, each.title, each.author, each.link, each.licence])
        path = manifest.with_name(f"{manifest.name}.credits.tsv")
        write_text(path, table.getvalue())
        written.append(path)
    return written


def without_duplicates(rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Rejected, ...]]:
    """Keep the first of rows whose files are the same, byte for byte: two splits could hold one object otherwise."""
    first: dict[str | None, Row] = {}
    duplicates = []
    for row in rows:
        other = first.setdefault(row.sha256, row)
        if other is not row:
            duplicates.append(Rejected(row.id, f"is the same, byte for byte, as {other.id}"))
    return tuple(first.values()), tuple(duplicates)
