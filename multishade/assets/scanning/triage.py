# SPDX-License-Identifier: Apache-2.0
"""An object file and rules in, its facts out, or the reason why it is no single solid object worth rendering.

Collections from the web hold scans of floors, whole streets and single triangles. These rules find them without a
render, from what the file says about itself; `docs/assets.md` lists them.
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
    """Limits that an object has to keep.

    max_megabytes: of its file. min_faces, max_faces: triangles. thinnest: shortest over longest side of its
    box; below it is a flat scan. max_parts: mesh instances; above it is a scene. ground: a flat part at the
    bottom is the ground of a scene where its footprint is more than so many times that of everything else.
    apart: where the largest part is smaller than this share of the whole (by box diagonals) and there are
    `apart_parts` or more, separate things lie about.
    """

    max_megabytes: float = 100.0
    min_faces: int = 100
    max_faces: int = 2_000_000
    thinnest: float = 0.02
    max_parts: int = 256
    ground: float = 2.0
    apart: float = 0.2
    apart_parts: int = 8


def judge_size(megabytes: float | None, faces: int | None, rules: TriageRules) -> str | None:
    """Why an object of this size is refused, None where it is not; unknown numbers are no reason."""
    if megabytes is not None and megabytes > rules.max_megabytes:
        return f"is {megabytes:.0f} MB, more than {rules.max_megabytes:g}"
    if faces is not None and faces < rules.min_faces:
        return f"has {faces} triangles, fewer than {rules.min_faces}"
    if faces is not None and faces > rules.max_faces:
        return f"has {faces} triangles, more than {rules.max_faces}"
    return None


def triage_object(item: tuple[str, TriageRules]) -> MeshFacts:
    """Read an object file as `check_mesh` does, and hold it against the rules. Raises AssetError with the reason.

    One argument, so that it can be run through `assets.guard`.
    """
    path, rules = item
    facts = check_mesh(path)
    reason = judge_size(Path(path).stat().st_size / 1e6, facts.faces, rules)
    if reason is None and facts.bounds is not None:
        reason = _judge_shape(np.array(facts.bounds), rules)
    if reason is None and Path(path).suffix.lower() in (".glb", ".gltf"):
        reason = judge_parts(declared_geometry(read_gltf(Path(path))).parts, rules)
    if reason is not None:
        raise AssetError(reason)
    return facts


def judge_parts(parts: NDArray[np.float64], rules: TriageRules) -> str | None:
    """Why mesh instances with these boxes, (P, 2, 3) low and high corners in glTF's axes (y is up), are a scene."""
    if len(parts) > rules.max_parts:
        return f"has {len(parts)} parts, more than {rules.max_parts}: a scene"
    sides = parts[:, 1] - parts[:, 0]
    low, high = parts[:, 0].min(axis=0), parts[:, 1].max(axis=0)
    flat = sides[:, 1] < rules.thinnest * sides.max(axis=1)
    lowest = parts[:, 1, 1] < low[1] + 0.1 * (high - low)[1]
    ground = flat & lowest
    if ground.any() and not ground.all():
        things = parts[~ground]
        width, depth = (things[:, 1].max(axis=0) - things[:, 0].min(axis=0))[[0, 2]]
        if (sides[ground, 0] * sides[ground, 2]).max() > rules.ground * width * depth:
            return "stands on a ground that is much wider than it: a scene"
    diagonals = np.linalg.norm(sides, axis=1)
    if len(parts) >= rules.apart_parts and diagonals.max() < rules.apart * np.linalg.norm(high - low):
        return f"has {len(parts)} small parts far apart: a scene"
    return None


def _judge_shape(bounds: NDArray[np.float64], rules: TriageRules) -> str | None:
    sides = bounds[1] - bounds[0]
    if sides.min() < rules.thinnest * sides.max():
        return f"is flat: its thinnest side is {sides.min() / sides.max():.1%} of its longest"
    return None
