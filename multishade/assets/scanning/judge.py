# SPDX-License-Identifier: Apache-2.0
"""An asset's files in, all that is read of them out: facts, licence and hash. To be run in a sandbox.

Whatever opens a file of a stranger is here or below, so that one that hangs, crashes or fills the memory costs itself.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from multishade.assets.hashing import sha256_of_files
from multishade.assets.scanning.environments import EnvironmentFacts, check_environment
from multishade.assets.scanning.licences import PARENTS_OF_SOURCES, licence_of
from multishade.assets.scanning.materials import MapSet, MapSetFacts, check_map_set
from multishade.assets.scanning.meshes import MeshFacts, check_mesh
from multishade.assets.scanning.triage import TriageRules, require_object
from multishade.errors import AssetError, MultiShadeError

Facts = MeshFacts | MapSetFacts | EnvironmentFacts


@dataclass(frozen=True)
class Task:
    """An asset to be read.

    Attributes:
        subject: A mesh or environment file, or a map set.
        root: The scanned folder.
        otherwise: The licence if no source states one, or None.
        rules: What a mesh has to be, or None.
    """

    subject: Path | MapSet
    root: Path
    otherwise: str | None = None
    rules: TriageRules | None = None

    @property
    def folder(self) -> Path:
        """The folder that the names of its files are relative to."""
        return self.subject.folder if isinstance(self.subject, MapSet) else self.subject.parent

    def members(self, further: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The names of its files, the main one first."""
        if isinstance(self.subject, MapSet):
            return tuple(dict.fromkeys(self.subject.maps.values()))
        return (self.subject.name, *further)


@dataclass(frozen=True)
class Verdict:
    """What was read of an asset that can be used; one of the first three is given.

    Attributes:
        mesh: Facts of a mesh file.
        maps: Facts of a map set.
        environment: Facts of an environment map.
        sha256: Hash of its files.
        licence: An SPDX identifier, a statement, or "unknown".
        note: Why a text that may state the licence was passed over, or None.
    """

    mesh: MeshFacts | None
    maps: MapSetFacts | None
    environment: EnvironmentFacts | None
    sha256: str
    licence: str
    note: str | None = None

    @property
    def facts(self) -> Facts:
        """The facts that are given."""
        facts = self.mesh or self.maps or self.environment
        assert facts is not None
        return facts

    @property
    def files(self) -> tuple[str, ...]:
        """Further files of a mesh."""
        return self.mesh.files if self.mesh else ()


def judge(task: Task) -> Verdict:
    """Read an asset.

    Args:
        task: Which one.

    Returns:
        What was read.

    Raises:
        AssetError: If it cannot be used, with the reason.
    """
    facts: list[Facts | None] = [None, None, None]
    if isinstance(task.subject, MapSet):
        facts[1] = check_map_set(task.subject)
    elif isinstance(task.subject, Path) and task.subject.suffix.lower() in (".hdr", ".exr"):
        facts[2] = check_environment(str(task.subject))
    else:
        found = check_mesh(str(task.subject), str(task.root))
        if task.rules is not None:
            require_object(str(task.subject), found, task.rules)
        facts[0] = found
    mesh, maps, environment = facts
    names = task.members(mesh.files if isinstance(mesh, MeshFacts) else ())
    try:
        sha256 = sha256_of_files(task.folder, names)
    except OSError as error:
        raise AssetError(
            f"{os.path.basename(str(error.filename))} cannot be read ({error.strerror})"
        ) from error
    note, stated = None, getattr(mesh, "licence", None)
    try:
        licence = licence_of(task.folder / names[0], stated, task.root, task.otherwise)
    except (MultiShadeError, OSError, ValueError, RecursionError) as error:
        note, licence = f"states no licence that can be read: {error}", task.otherwise or "unknown"
    return Verdict(mesh, maps, environment, sha256, licence, note)  # type: ignore[arg-type]


def texts_above(folder: Path) -> list[Path]:
    """The tables of sources above a folder that are read although they lie outside of it."""
    above = [parent / "SOURCES.tsv" for parent in list(folder.parents)[: PARENTS_OF_SOURCES - 1]]
    return [table for table in above if table.is_file() and not table.is_symlink()]
