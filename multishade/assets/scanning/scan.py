# SPDX-License-Identifier: Apache-2.0
"""A folder of files in, manifest rows and rejections out; every file is read and checked in a sandbox."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from multishade.assets.files import write_rejections
from multishade.assets.hashing import sha256_of_files
from multishade.assets.manifest import write_rows
from multishade.assets.sandbox import Limits, run_sandboxed
from multishade.assets.scanning.environments import ENVIRONMENT_SUFFIXES, check_environment
from multishade.assets.scanning.licences import licence_of
from multishade.assets.scanning.materials import (
    MapSet,
    MapSetFacts,
    check_map_set,
    find_map_sets,
    map_set_files,
)
from multishade.assets.scanning.meshes import (
    MESH_SUFFIXES,
    OTHER_MESH_SUFFIXES,
    MeshFacts,
    check_scanned_mesh,
)
from multishade.assets.scanning.names import slug, unique_ids
from multishade.assets.scanning.rows import (
    Split,
    location_of,
    row_of_environment,
    row_of_map_set,
    row_of_mesh,
    split_of,
)
from multishade.assets.schema import Row
from multishade.errors import AssetError

Kind = Literal["objects", "materials", "environments"]
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
    """

    kind: Kind | Literal["auto"] = "auto"
    licence: str | None = None
    split: Split | Literal["auto"] = "train"
    limits: Limits = Limits()
    up: Literal["x", "y", "z"] | None = None


@dataclass(frozen=True)
class _Candidate:
    """A possible row: the path that names it, the function that reads it and its argument, or why it cannot be read."""

    path: Path  # of the main file, or folder / name of a map set
    checker: Callable[[Any], Any]
    item: Any
    problem: str | None = None


def scan(folder: Path, manifest: Path, options: ScanOptions, progress: Progress | None = None) -> ScanResult:
    """Check every asset in a folder and below; nothing is written.

    Args:
        folder: The folder.
        manifest: The manifest that the rows are for; locations are relative to its folder.
        options: Kind, licence, split and limits.
        progress: Called after each asset with (done, total).

    Returns:
        Rows and rejections.

    Raises:
        AssetError: If the folder does not exist, has no assets, or has several kinds and none is chosen.
    """
    folder = Path(os.path.abspath(folder))
    files = list(_files(folder))
    kind, candidates = _candidates(folder, files, options.kind)
    base = Path(os.path.abspath(manifest)).parent
    facts: dict[int, Any] = {}
    reasons = {index: each.problem for index, each in enumerate(candidates) if each.problem}
    if kind == "objects":
        unsupported = [file for file in files if file.suffix.lower() in OTHER_MESH_SUFFIXES]
        candidates += [_Candidate(file, check_scanned_mesh, None) for file in unsupported]
        for index in range(len(candidates) - len(unsupported), len(candidates)):
            suffix = candidates[index].path.suffix
            reasons[index] = f"is a {suffix} file, which is not read; convert it to glTF"
    todo = [index for index in range(len(candidates)) if index not in reasons]
    if todo:
        items = [candidates[index].item for index in todo]
        outcomes = run_sandboxed(candidates[todo[0]].checker, items, options.limits, [folder])
        for done, outcome in enumerate(outcomes, 1):
            index = todo[outcome.index]
            if outcome.reason is None:
                facts[index] = outcome.value
            else:
                reasons[index] = outcome.reason.removeprefix(f"{candidates[index].path}: ")
            if progress:
                progress(done, len(todo))
    rows = _rows(folder, base, {index: candidates[index] for index in sorted(facts)}, facts, reasons, options)
    rejections = tuple(
        Rejection(location_of(candidates[index].path, base), reason)
        for index, reason in sorted(reasons.items())
    )
    return ScanResult(kind, tuple(rows), rejections, _unread(candidates, reasons, base))


def write_scan(result: ScanResult, manifest: Path) -> Path | None:
    """Write the rows to `manifest`, unless there are none, and the rejections to `<manifest>.rejected.jsonl`.

    Returns:
        The path of the rejections, None if there are none.

    Raises:
        ManifestError: If a file cannot be written.
    """
    if result.rows:
        write_rows(manifest, result.rows)
    return write_rejections(manifest, map(vars, result.rejections))


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder in a fixed order, without hidden ones and those that macOS leaves in archives."""
    if not folder.is_dir():
        raise AssetError(f"{folder}: there is no such folder to scan")

    def refuse(error: OSError) -> None:
        raise AssetError(f"{error.filename}: cannot be listed ({error.strerror})") from error

    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link to a folder that has been visited or will be
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        yield from (Path(parent) / name for name in sorted(names) if not name.startswith("."))


def _candidates(
    folder: Path, files: list[Path], kind: Kind | Literal["auto"]
) -> tuple[Kind, list[_Candidate]]:
    meshes = [file for file in files if file.suffix.lower() in MESH_SUFFIXES]
    sets = find_map_sets(files)
    in_sets = map_set_files([each for each in sets if each.problem is None])
    maps = [file for file in files if file.suffix.lower() in ENVIRONMENT_SUFFIXES and file not in in_sets]
    candidates: dict[Kind, list[_Candidate]] = {
        "objects": [_Candidate(file, check_scanned_mesh, (str(file), str(folder))) for file in meshes],
        "materials": [_Candidate(_path_of_set(each), check_map_set, each, each.problem) for each in sets],
        "environments": [_Candidate(file, check_environment, str(file)) for file in maps],
    }
    if kind == "auto":
        kind = _kind_of(folder, candidates)
    if not candidates[kind]:
        wanted = {
            "objects": "mesh files (" + " ".join(MESH_SUFFIXES) + ")",
            "materials": "map sets (image files whose names end in basecolor, roughness, normal, ...)",
            "environments": "environment maps (" + " ".join(ENVIRONMENT_SUFFIXES) + ")",
        }[kind]
        raise AssetError(f"{folder}: holds no {wanted}")
    return kind, candidates[kind]


def _kind_of(folder: Path, candidates: dict[Kind, list[_Candidate]]) -> Kind:
    """The kind of a folder's assets. Images beside or below a mesh count as its textures, not as materials."""
    mesh_folders = {mesh.path.parent for mesh in candidates["objects"]}
    usable: dict[Kind, int] = {
        "objects": len(candidates["objects"]),
        "materials": sum(
            not each.problem and not any(parent in mesh_folders for parent in each.path.parents)
            for each in candidates["materials"]
        ),
        "environments": len(candidates["environments"]),
    }
    kinds = [kind for kind, count in usable.items() if count]
    if len(kinds) > 1:
        counts = ", ".join(f"{usable[kind]} {kind}" for kind in kinds)
        raise AssetError(f"{folder}: holds {counts}; say which with --kind, one manifest is of one kind")
    if kinds:
        return kinds[0]
    if candidates["materials"]:
        return "materials"  # none of them is usable: the reasons help more than "nothing found"
    raise AssetError(
        f"{folder}: holds no mesh file, no map set and no environment map; see `multishade assets scan --help`"
    )


def _path_of_set(map_set: MapSet) -> Path:
    """The path that names a set: its folder, or folder / name if the files have a name of their own."""
    if map_set.name == map_set.folder.name:
        return map_set.folder
    return map_set.folder / map_set.name


def _unread(candidates: list[_Candidate], reasons: dict[int, str], base: Path) -> tuple[Rejection, ...]:
    """Images of accepted map sets that are not used."""
    accepted = [each.item for index, each in enumerate(candidates) if index not in reasons]
    return tuple(
        Rejection(location_of(item.folder / name, base), reason)
        for item in accepted
        if isinstance(item, MapSet)
        for name, reason in item.unread
    )


def _rows(
    folder: Path,
    base: Path,
    accepted: dict[int, _Candidate],
    facts: dict[int, Any],
    reasons: dict[int, str],
    options: ScanOptions,
) -> list[Row]:
    """Rows of the accepted candidates; one with the same bytes as an earlier one goes to `reasons`."""
    hashes: dict[int, str] = {}
    first: dict[str, Path] = {}
    for index, each in accepted.items():
        digest = sha256_of_files(*_members(each, facts[index]))
        if digest in first:
            reasons[index] = f"is the same, byte for byte, as {location_of(first[digest], base)}"
        else:
            hashes[index] = digest
            first[digest] = each.path
    names = {index: _name(accepted[index].path, folder) for index in hashes}
    folder_sizes = Counter(name.split("/")[0] for name in names.values() if "/" in name)
    rows: list[Row] = []
    for index, identifier in zip(names, unique_ids(list(names.values())), strict=True):
        each, fact = accepted[index], facts[index]
        parent, files = _members(each, fact)
        common: dict[str, Any] = {
            "id": identifier,
            "sha256": hashes[index],
            "licence": licence_of(parent / files[0], getattr(fact, "licence", None), folder, options.licence),
            "split": split_of(hashes[index], options.split),
        }
        if isinstance(fact, MeshFacts):
            # A folder of several objects is a class or a collection, a folder of one object is not.
            top = names[index].split("/")[0]
            family = slug(top) if folder_sizes[top] > 1 else ""
            rows.append(row_of_mesh(each.path, base, fact, family or "file", up=options.up, **common))
        elif isinstance(fact, MapSetFacts):
            rows.append(row_of_map_set(each.item, base, fact, **common))
        else:
            rows.append(row_of_environment(each.path, base, fact, **common))
    return rows


def _members(each: _Candidate, fact: Any) -> tuple[Path, tuple[str, ...]]:
    """The folder and the names of the files that are hashed together, the main one first."""
    if isinstance(each.item, MapSet):
        return each.item.folder, tuple(dict.fromkeys(each.item.maps.values()))
    return each.path.parent, (each.path.name, *getattr(fact, "files", ()))


def _name(path: Path, folder: Path) -> str:
    """A path below `folder`, without suffix if it is a file; the folder's own name for the folder itself."""
    inside = path.relative_to(folder)
    if inside == Path("."):
        return folder.name
    return (inside.with_suffix("") if path.is_file() else inside).as_posix()
