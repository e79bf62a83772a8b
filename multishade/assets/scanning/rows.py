# SPDX-License-Identifier: Apache-2.0
"""The facts of an asset's files in, its manifest row out, for scanned folders and for fetched files alike."""

import os
from pathlib import Path
from typing import Any, Literal

from multishade.assets.scanning.environments import EnvironmentFacts
from multishade.assets.scanning.materials import MapSet, MapSetFacts
from multishade.assets.scanning.meshes import MeshFacts
from multishade.assets.schema import EnvironmentRow, Maps, MaterialRow, ObjectRow

Split = Literal["train", "val", "test"]
# Of twenty parts of the range of hashes one is for validation and one for testing: by content, so that a file keeps its
# split in any folder and beside any other files.
SPLIT_PARTS = 20


def split_of(sha256: str, split: Split | Literal["auto"]) -> Split:
    """Return the split of an asset: `split`, or for "auto" one that follows from its hash."""
    if split != "auto":
        return split
    part = int(sha256[:8], 16) % SPLIT_PARTS
    return "val" if part == 0 else "test" if part == 1 else "train"


def location_of(path: Path, base: Path) -> str:
    """Return a path as a manifest in the folder `base` states it: relative, with forward slashes."""
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:  # another drive on Windows
        return path.as_posix()


def row_of_mesh(
    path: Path, base: Path, facts: MeshFacts, family: str, tags: tuple[str, ...] = (), **common: Any
) -> ObjectRow:
    """Make the row of a mesh file.

    Args:
        path: The file.
        base: The folder of the manifest.
        facts: From `check_mesh`.
        family: The object's class.
        tags: Further tags, before those of the facts.
        **common: id, sha256, licence and split, and `up` if it is known.
    """
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
    map_set: MapSet, base: Path, facts: MapSetFacts, tags: tuple[str, ...] = (), **common: Any
) -> MaterialRow:
    """Make the row of a map set.

    Args:
        map_set: The set.
        base: The folder of the manifest.
        facts: From `check_map_set`.
        tags: Further tags.
        **common: id, sha256, licence and split, and fields that replace those of the facts (kind, normal_convention,
            normal_convention_from) or that facts do not have (scale).
    """
    fields = {
        "kind": facts.kind,
        "normal_convention": facts.convention,
        "normal_convention_from": facts.convention_from,
        "channels": map_set.channels or None,
        "inverted": map_set.inverted,
        "height_span": facts.height_span,
    }
    return MaterialRow(
        **(fields | common),
        source="maps",
        location=location_of(map_set.folder, base),
        tags=(*tags, "normal-disputed") if facts.disputed else tags,
        maps=Maps(**map_set.maps),
    )


def row_of_environment(
    path: Path, base: Path, facts: EnvironmentFacts, tags: tuple[str, ...] = (), **common: Any
) -> EnvironmentRow:
    """Make the row of an environment map; arguments as for `row_of_mesh`."""
    return EnvironmentRow(
        **common,
        source="file",
        location=location_of(path, base),
        tags=(*tags, *facts.tags),
        width=facts.width,
        height=facts.height,
        negative_share=facts.negative_share,
        broken=facts.broken,
    )
