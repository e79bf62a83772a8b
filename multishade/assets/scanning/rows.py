# SPDX-License-Identifier: Apache-2.0
"""What reading an asset's files told in, its manifest row out: the same for scanned folders and for fetched
files."""

import os
from pathlib import Path
from typing import Any, Literal

from multishade.assets.scanning.environments import EnvironmentFacts
from multishade.assets.scanning.materials import MapSet, MapSetFacts
from multishade.assets.scanning.meshes import MeshFacts
from multishade.assets.schema import EnvironmentRow, Maps, MaterialRow, ObjectRow

Split = Literal["train", "val", "test"]
# Of twenty parts of the range of hashes one is for validation, one for testing. By content, so that a file keeps its
# split wherever it lies and whatever lies beside it.
SPLIT_PARTS = 20


def split_of(sha256: str, split: Split | Literal["auto"]) -> Split:
    """The split of an asset: `split`, or for "auto" one that its content decides."""
    if split != "auto":
        return split
    part = int(sha256[:8], 16) % SPLIT_PARTS
    return "val" if part == 0 else "test" if part == 1 else "train"


def location_of(path: Path, base: Path) -> str:
    """A path as a manifest in the folder `base` writes it: relative, with forward slashes."""
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:  # another drive on Windows
        return path.as_posix()


def row_of_mesh(
    path: Path, base: Path, facts: MeshFacts, family: str, tags: tuple[str, ...] = (), **common: Any
) -> ObjectRow:
    """`common`: id, sha256, licence, split. `base`: the folder of the manifest."""
    return ObjectRow(
        **common,
        source="file",
        location=location_of(path, base),
        files=facts.files,
        tags=(*tags, *facts.tags),
        family=family,
        vertices=facts.vertices,
        faces=facts.faces,
        bounds=facts.bounds,
    )


def row_of_map_set(
    found: MapSet, base: Path, facts: MapSetFacts, tags: tuple[str, ...] = (), **common: Any
) -> MaterialRow:
    """`common`: id, sha256, licence, split, and what is known better than `facts` tell (kind, normal_convention
    and normal_convention_from, scale)."""
    told = {
        "kind": facts.kind,
        "normal_convention": facts.convention,
        "normal_convention_from": facts.convention_from,
    }
    return MaterialRow(
        **(told | common),
        source="maps",
        location=location_of(found.folder, base),
        tags=(*tags, "normal-disputed") if facts.disputed else tags,
        maps=Maps(**found.maps),
    )


def row_of_environment(
    path: Path, base: Path, facts: EnvironmentFacts, tags: tuple[str, ...] = (), **common: Any
) -> EnvironmentRow:
    """`common`: id, sha256, licence, split."""
    return EnvironmentRow(
        **common,
        source="file",
        location=location_of(path, base),
        tags=(*tags, *facts.tags),
        width=facts.width,
        height=facts.height,
    )
