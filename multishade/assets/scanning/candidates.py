# SPDX-License-Identifier: Apache-2.0
"""The files of a folder in, the assets that they may be out, of one kind; nothing is opened."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from multishade.assets.scanning.environments import ENVIRONMENT_SUFFIXES
from multishade.assets.scanning.judge import Task
from multishade.assets.scanning.listing import Listing
from multishade.assets.scanning.map_images import MAP_SUFFIXES
from multishade.assets.scanning.materials import MapSet, find_map_sets, map_set_files
from multishade.assets.scanning.meshes import MESH_SUFFIXES, OTHER_MESH_SUFFIXES
from multishade.assets.scanning.triage import TriageRules
from multishade.errors import AssetError

Kind = Literal["objects", "materials", "environments"]
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "objects": (*MESH_SUFFIXES, *OTHER_MESH_SUFFIXES),
    "materials": MAP_SUFFIXES,
    "environments": ENVIRONMENT_SUFFIXES,
}


@dataclass(frozen=True)
class Candidate:
    """A possible row: the path that names it and how it is read, or why it cannot be."""

    path: Path  # of the main file, or folder / name of a map set
    task: Task
    problem: str | None = None


def find_candidates(
    folder: Path,
    listing: Listing,
    kind: Kind | Literal["auto"],
    licence: str | None,
    rules: TriageRules | None = None,
) -> tuple[Kind, list[Candidate]]:
    """Find the assets of a folder.

    Args:
        folder: The folder.
        listing: Of its files.
        kind: Kind of assets, or "auto" if the folder contains one kind only.
        licence: Licence of files for which none is stated.
        rules: What a single solid object is; None: all meshes are taken.

    Returns:
        The kind, and its candidates: what can be read first, then what cannot.

    Raises:
        AssetError: If the folder has no assets, or has several kinds and none is chosen.
    """

    def task(subject: Path | MapSet) -> Task:
        return Task(subject, folder, licence, rules)

    meshes = [file for file in listing.files if file.suffix.lower() in MESH_SUFFIXES]
    sets = find_map_sets(listing.files)
    in_sets = map_set_files([each for each in sets if each.problem is None])
    maps = [
        file for file in listing.files if file.suffix.lower() in ENVIRONMENT_SUFFIXES and file not in in_sets
    ]
    candidates: dict[Kind, list[Candidate]] = {
        "objects": [Candidate(file, task(file)) for file in meshes],
        "materials": [Candidate(_path_of_set(each), task(each), each.problem) for each in sets],
        "environments": [Candidate(file, task(file)) for file in maps],
    }
    refusals: dict[Kind, list[Candidate]] = {
        of_kind: [
            Candidate(path, task(path), reason)
            for path, reason in listing.refused
            if path.suffix.lower() in suffixes or path.is_dir()
        ]
        for of_kind, suffixes in SUFFIXES.items()
    }
    refusals["objects"] += [
        Candidate(file, task(file), f"is a {file.suffix} file, which is not read; convert it to glTF")
        for file in listing.files
        if file.suffix.lower() in OTHER_MESH_SUFFIXES
    ]
    if kind == "auto":
        kind = _kind_of(folder, candidates, refusals)
    refused = refusals[kind]
    if not candidates[kind] and not refused:
        wanted = {
            "objects": "mesh files (" + " ".join(MESH_SUFFIXES) + ")",
            "materials": "map sets (image files whose names end in basecolor, roughness, normal, ...)",
            "environments": "environment maps (" + " ".join(ENVIRONMENT_SUFFIXES) + ")",
        }[kind]
        raise AssetError(f"{folder}: holds no {wanted}")
    return kind, candidates[kind] + refused


def _kind_of(
    folder: Path, candidates: dict[Kind, list[Candidate]], refusals: dict[Kind, list[Candidate]]
) -> Kind:
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
    # None is usable: the reasons help more than "nothing found".
    for found in (candidates, refusals):
        for kind, unusable in found.items():
            if unusable:
                return kind
    raise AssetError(
        f"{folder}: holds no mesh file, no map set and no environment map; see `multishade assets scan --help`"
    )


def _path_of_set(map_set: MapSet) -> Path:
    """The path that names a set: its folder, or folder / name if the files have a name of their own."""
    if map_set.name == map_set.folder.name:
        return map_set.folder
    return map_set.folder / map_set.name
