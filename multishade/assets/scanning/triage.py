# SPDX-License-Identifier: Apache-2.0
"""An object file and rules in, its facts out, or the reason why it is not a single solid object worth rendering.

Collections from the web contain scans of floors, whole streets and single triangles. These rules find them without
rendering, from the file's geometry; `docs/assets.md` lists them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.assets.scanning.gltf import read_gltf
from multishade.assets.scanning.gltf_geometry import declared_geometry
from multishade.assets.scanning.meshes import MeshFacts, check_mesh
from multishade.errors import AssetError


@dataclass(frozen=True)
class TriageRules:
    """Limits of a single solid object.

    Attributes:
        max_megabytes: Size of its file.
        min_faces: Triangles.
        max_faces: Triangles.
        thinnest: Shortest over longest side of the bounding box; an object below it is a flat scan.
        max_parts: Mesh instances; more than these are a scene.
        ground: Ratio of footprints: a flat part at the bottom that is larger than this many times everything else is
            the ground of a scene.
        apart: Ratio of box diagonals, largest part over whole: below it, with `apart_parts` or more parts, the file
            is a scene of separate objects.
        apart_parts: See `apart`.
    """

    max_megabytes: float = 100.0
    min_faces: int = 100
    max_faces: int = 2_000_000
    thinnest: float = 0.02
    max_parts: int = 256
    ground: float = 2.0
    apart: float = 0.2
    apart_parts: int = 8


def size_problem(megabytes: float | None, faces: int | None, rules: TriageRules) -> str | None:
    """Return the reason for refusing an object of this size, None if there is none; None as a number passes."""
    if megabytes is not None and megabytes > rules.max_megabytes:
        return f"is {megabytes:.0f} MB, more than {rules.max_megabytes:g}"
    if faces is not None and faces < rules.min_faces:
        return f"has {faces} triangles, fewer than {rules.min_faces}"
    if faces is not None and faces > rules.max_faces:
        return f"has {faces} triangles, more than {rules.max_faces}"
    return None


def triage_object(item: tuple[str, TriageRules]) -> MeshFacts:
    """Read an object file as `check_mesh` does and apply the rules.

    Args:
        item: (path, rules), in one argument for `sandbox.run_sandboxed`.

    Returns:
        The facts of the object.

    Raises:
        AssetError: If the object is refused, with the reason.
    """
    path, rules = item
    facts = check_mesh(path)
    require_object(path, facts, rules)
    return facts


def require_object(path: str, facts: MeshFacts, rules: TriageRules) -> None:
    """Raise AssetError, with the reason, if a mesh file with these facts is no single solid object."""
    reason = size_problem(Path(path).stat().st_size / 1e6, facts.faces, rules)
    if reason is None and facts.bounds is not None:
        reason = _shape_problem(np.array(facts.bounds), rules)
    if reason is None and Path(path).suffix.lower() in (".glb", ".gltf"):
        reason = parts_problem(declared_geometry(read_gltf(Path(path))).parts, rules)
    if reason is not None:
        raise AssetError(reason)


def parts_problem(parts: NDArray[np.float64], rules: TriageRules) -> str | None:
    """Return the reason why mesh instances are a scene, None if they are not.

    Args:
        parts: (P, 2, 3) low and high corners of the instances' boxes, in glTF's axes (y is up).
        rules: The limits.
    """
    if len(parts) > rules.max_parts:
        return f"has {len(parts)} parts, more than {rules.max_parts}: a scene"
    sides = parts[:, 1] - parts[:, 0]
    low, high = parts[:, 0].min(axis=0), parts[:, 1].max(axis=0)
    flat = sides[:, 1] < rules.thinnest * sides.max(axis=1)
    lowest = parts[:, 1, 1] < low[1] + 0.1 * (high - low)[1]
    ground = flat & lowest
    if ground.any() and not ground.all():
        others = parts[~ground]
        width, depth = (others[:, 1].max(axis=0) - others[:, 0].min(axis=0))[[0, 2]]
        if (sides[ground, 0] * sides[ground, 2]).max() > rules.ground * width * depth:
            return "stands on a ground that is much wider than it: a scene"
    diagonals = np.linalg.norm(sides, axis=1)
    if len(parts) >= rules.apart_parts and diagonals.max() < rules.apart * np.linalg.norm(high - low):
        return f"has {len(parts)} small parts far apart: a scene"
    return None


def _shape_problem(bounds: NDArray[np.float64], rules: TriageRules) -> str | None:
    sides = bounds[1] - bounds[0]
    if sides.min() < rules.thinnest * sides.max():
        return f"is flat: its thinnest side is {sides.min() / sides.max():.1%} of its longest"
    return None
