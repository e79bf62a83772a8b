# SPDX-License-Identifier: Apache-2.0
"""A folder of files in, manifest rows and rejections out; every file is read and checked in a sandbox."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from multishade.assets.files import write_rejections
from multishade.assets.manifest import write_rows
from multishade.assets.sandbox import Limits, run_sandboxed
from multishade.assets.scanning.candidates import Candidate, Kind, find_candidates
from multishade.assets.scanning.judge import Task, Verdict, judge, texts_above
from multishade.assets.scanning.kept import Kept, kept_file
from multishade.assets.scanning.listing import LARGEST_FILE, is_below, list_files
from multishade.assets.scanning.materials import MapSet, MapSetFacts
from multishade.assets.scanning.meshes import READ_BY_BLENDER, MeshFacts
from multishade.assets.scanning.names import slug, unique_ids
from multishade.assets.scanning.rows import (
    Split,
    location_of,
    row_of_environment,
    row_of_map_set,
    row_of_mesh,
    split_of,
)
from multishade.assets.scanning.triage import TriageRules
from multishade.assets.schema import Row
from multishade.text import printable

Progress = Callable[[int, int], None]  # (done, of how many)


@dataclass(frozen=True)
class Rejection:
    """A file, relative to the manifest's folder, that is not in the manifest, and why."""

    location: str
    reason: str


@dataclass(frozen=True)
class ScanResult:
    """The kind of a folder, the rows of its manifest, the files that are not in it, and images that no row uses."""

    kind: Kind
    rows: tuple[Row, ...]
    rejections: tuple[Rejection, ...]
    unread: tuple[Rejection, ...] = ()


@dataclass(frozen=True)
class ScanOptions:
    """How a folder is scanned.

    Attributes:
        kind: Kind of assets, or "auto" if the folder contains one kind only.
        licence: Licence of files for which none is stated.
        split: Split of all files, or "auto": nine tenths for training, by content.
        limits: Limits of reading one file.
        up: Axis of all meshes that points up; None: as their format defines it.
        rules: What a single solid object is; meshes that are none are rejected. None: all meshes are taken.
    """

    kind: Kind | Literal["auto"] = "auto"
    licence: str | None = None
    split: Split | Literal["auto"] = "train"
    limits: Limits = Limits()
    up: Literal["x", "y", "z"] | None = None
    rules: TriageRules | None = None


def scan(
    folder: Path,
    manifest: Path,
    options: ScanOptions,
    progress: Progress | None = None,
    keep: bool = False,
) -> ScanResult:
    """Check every asset in a folder and below.

    Whatever is wrong with one file costs that file alone.

    Args:
        folder: The folder; links that lead out of it are refused.
        manifest: The manifest that the rows are for; locations are relative to its folder. It is not written.
        options: Kind, licence, split and limits.
        progress: Called after each asset with (done, total).
        keep: Whether results are written to a file beside the manifest as they come, so that the same scan, if it is
            interrupted, continues from there; `write_scan` removes it.

    Returns:
        Rows and rejections.

    Raises:
        AssetError: If the folder does not exist, has no assets, or has several kinds and none is chosen.
        ManifestError: If results cannot be kept.
    """
    folder = Path(os.path.abspath(folder))
    listing = list_files(folder)
    kind, candidates = find_candidates(folder, listing, options.kind, options.licence, options.rules)
    base = Path(os.path.abspath(manifest)).parent
    reasons = {index: each.problem for index, each in enumerate(candidates) if each.problem}
    limits = (options.limits.seconds, options.limits.memory_bytes)
    settings = (folder, kind, options.licence, *limits, *([options.rules] if options.rules else []))
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(Kept(kept_file(manifest), listing, settings)) if keep else None
        verdicts = _read_all(folder, candidates, reasons, options.limits, kept, progress)
    rows = _rows(
        folder, base, {index: candidates[index] for index in sorted(verdicts)}, verdicts, reasons, options
    )
    rejections = tuple(
        Rejection(printable(location_of(candidates[index].path, base)), printable(reason))
        for index, reason in sorted(reasons.items())
    )
    unread = (*_unread(candidates, reasons, base), *_notes(candidates, verdicts, base))
    return ScanResult(kind, tuple(rows), rejections, unread)


def _read_all(
    folder: Path,
    candidates: list[Candidate],
    reasons: dict[int, str],
    limits: Limits,
    kept: Kept | None,
    progress: Progress | None,
) -> dict[int, Verdict]:
    """The verdicts of the candidates without a reason against them, by position; further reasons go to `reasons`."""
    verdicts: dict[int, Verdict] = {}
    todo = []
    wanted = [index for index in range(len(candidates)) if index not in reasons]
    for index in wanted:
        found = kept.find(candidates[index].path, candidates[index].task) if kept else None
        if isinstance(found, Verdict):
            verdicts[index] = found
        elif found is not None:
            reasons[index] = found
        else:
            todo.append(index)
    done = len(wanted) - len(todo)
    tasks = [candidates[index].task for index in todo]
    for outcome in run_sandboxed(judge, tasks, limits, [folder, *texts_above(folder)]):
        index = todo[outcome.index]
        each = candidates[index]
        reason = outcome.reason or _leaves(each.task, outcome.value)
        if reason is None:
            verdicts[index] = outcome.value
        else:
            reasons[index] = reason.removeprefix(f"{each.path}: ")
        if kept:
            kept.add(each.path, each.task, verdicts.get(index) or reasons[index])
        done += 1
        if progress:
            progress(done, len(wanted))
    return verdicts


def _leaves(task: Task, verdict: Verdict) -> str | None:
    """Why the files of an asset may not be used by this process and by Blender, as far as its reader did not tell."""
    root = os.path.realpath(task.root)
    for name in task.members(verdict.files):
        path = task.folder / name
        if not is_below(os.path.realpath(path), root):
            return f"refers to {name!r}, which lies outside of the folder {task.root}"
        if not path.is_file():
            return f"needs {name!r}, which is not a file"
        if path.stat().st_size > LARGEST_FILE:
            return f"needs {name!r}, which is larger than {LARGEST_FILE >> 30} GiB"
    return None


def write_scan(result: ScanResult, manifest: Path) -> Path | None:
    """Write the rows to `manifest`, unless there are none, and the rejections to `<manifest>.rejected.jsonl`.

    Returns:
        The path of the rejections, None if there are none.

    Raises:
        ManifestError: If a file cannot be written.
    """
    if result.rows:
        write_rows(manifest, result.rows)
    written = write_rejections(manifest, map(vars, result.rejections))
    kept_file(manifest).unlink(missing_ok=True)
    return written


def _unread(candidates: list[Candidate], reasons: dict[int, str], base: Path) -> tuple[Rejection, ...]:
    """Images of accepted map sets that are not used."""
    accepted = [each.task.subject for index, each in enumerate(candidates) if index not in reasons]
    return tuple(
        Rejection(location_of(item.folder / name, base), reason)
        for item in accepted
        if isinstance(item, MapSet)
        for name, reason in item.unread
    )


def _notes(candidates: list[Candidate], verdicts: dict[int, Verdict], base: Path) -> list[Rejection]:
    """What was passed over beside assets that can be used: each once, beside the first of them."""
    noted: dict[str, list[int]] = {}
    for index, verdict in sorted(verdicts.items()):
        if verdict.note:
            noted.setdefault(verdict.note, []).append(index)
    return [
        Rejection(
            printable(location_of(candidates[indices[0]].path, base)),
            printable(note) + (f" (so do {len(indices) - 1} others)" if len(indices) > 1 else ""),
        )
        for note, indices in noted.items()
    ]


def _rows(
    folder: Path,
    base: Path,
    accepted: dict[int, Candidate],
    verdicts: dict[int, Verdict],
    reasons: dict[int, str],
    options: ScanOptions,
) -> list[Row]:
    """Rows of the accepted candidates; one with the same bytes as an earlier one goes to `reasons`."""
    first: dict[str, Path] = {}
    for index, each in accepted.items():
        digest = verdicts[index].sha256
        if digest in first:
            reasons[index] = f"is the same, byte for byte, as {location_of(first[digest], base)}"
        else:
            first[digest] = each.path
    names = {index: _name(each.path, folder) for index, each in accepted.items() if index not in reasons}
    folder_sizes = Counter(name.split("/")[0] for name in names.values() if "/" in name)
    rows: list[Row] = []
    for index, identifier in zip(names, unique_ids(list(names.values())), strict=True):
        # A folder of several objects is a class or a collection, a folder of one object is not.
        top = names[index].split("/")[0]
        family = slug(top) if folder_sizes[top] > 1 else ""
        try:
            rows.append(_row(accepted[index], verdicts[index], base, identifier, family or "file", options))
        except ValidationError as error:
            first_problem = error.errors(include_url=False)[0]
            field = ".".join(map(str, first_problem["loc"]))
            reasons[index] = f"cannot stand in a manifest: {field}: {first_problem['msg']}"
    return rows


def _row(
    each: Candidate, verdict: Verdict, base: Path, identifier: str, family: str, options: ScanOptions
) -> Row:
    common: dict[str, Any] = {
        "id": identifier,
        "sha256": verdict.sha256,
        "licence": printable(verdict.licence),
        "split": split_of(verdict.sha256, options.split),
    }
    facts, subject = verdict.facts, each.task.subject
    if isinstance(facts, MeshFacts):
        if each.path.suffix.lower() in READ_BY_BLENDER and each.path.parent == each.task.root:
            common["root"] = "."
        return row_of_mesh(each.path, base, facts, family, up=options.up, **common)
    if isinstance(facts, MapSetFacts) and isinstance(subject, MapSet):
        return row_of_map_set(subject, base, facts, **common)
    return row_of_environment(each.path, base, facts, **common)  # type: ignore[arg-type]


def _name(path: Path, folder: Path) -> str:
    """A path below `folder`, without suffix if it is a file; the folder's own name for the folder itself."""
    inside = path.relative_to(folder)
    if inside == Path("."):
        return folder.name
    return (inside.with_suffix("") if path.is_file() else inside).as_posix()
