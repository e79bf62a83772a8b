# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces that name a vertex twice -> simple faces of the same surface.

Spheres are stored with quads whose two corners at the pole are one vertex, holes are cut by an edge that is walked to
and fro, and exporters leave triangles that have collapsed. Blender drops all of these as invalid, some of its importers
after they have read memory that nothing was written to.
"""

import dataclasses

import numpy as np
from mathutils import Vector
from mathutils.geometry import delaunay_2d_cdt

# What `delaunay_2d_cdt` returns: faces that Blender can hold, without those in holes, and with them.
VALID_WITHOUT_HOLES, VALID = 5, 4
NEAR = 1e-7  # of a face's own size: points that are one


@dataclasses.dataclass(frozen=True)
class SimpleFaces:
    """Faces in the order of those that they come from.

    Attributes:
        counts: Corners of each face, (F,), at least 3.
        corner_of: The old corner that each corner is, (L,).
        face_of: The old face that each face is, or is a part of, (F,).
    """

    counts: np.ndarray
    corner_of: np.ndarray
    face_of: np.ndarray


def simplify(points: np.ndarray, counts: np.ndarray, vertices: np.ndarray) -> SimpleFaces | None:
    """Part faces into simple ones.

    Args:
        points: Positions (V, 3) of the vertices.
        counts: Corners of each face, (F,), not negative.
        vertices: The vertex of each corner, (L,), in the order of the faces.

    Returns:
        None if all faces are simple: three corners or more, each of another vertex.
    """
    counts, vertices = np.asarray(counts, np.int64), np.asarray(vertices, np.int64)
    complex_faces = _complex(counts, vertices)
    if not len(complex_faces):
        return None
    ends = np.cumsum(counts)
    starts = ends - counts
    pieces = [(np.zeros(0, np.int64),) * 3]
    done = 0
    for face in [*complex_faces, len(counts)]:
        if face > done:
            corners = np.arange(starts[done], ends[face - 1])
            pieces.append((counts[done:face], corners, np.arange(done, face)))
        done = face + 1
        if face < len(counts):
            for part in _parts(points, vertices[starts[face] : ends[face]]):
                pieces.append((np.array([len(part)]), starts[face] + np.array(part), np.array([face])))
    return SimpleFaces(*map(np.concatenate, zip(*pieces, strict=True)))


def are_simple(counts: np.ndarray, vertices: np.ndarray) -> bool:
    """Whether each face, of `counts` (F,) corners with these `vertices` (L,), names three or more, each once."""
    return not len(_complex(np.asarray(counts, np.int64), np.asarray(vertices, np.int64)))


def _complex(counts: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The faces that have fewer than three corners, or one vertex twice; sorted."""
    starts = np.cumsum(counts) - counts
    found = [np.flatnonzero(counts < 3)]
    for size in np.unique(counts[counts >= 3]):
        faces = np.flatnonzero(counts == size)
        corners = np.sort(vertices[starts[faces, None] + np.arange(size)], axis=1)
        found.append(faces[(corners[:, 1:] == corners[:, :-1]).any(axis=1)])
    return np.sort(np.concatenate(found))


def _parts(points: np.ndarray, vertices: np.ndarray) -> list[list[int]]:
    """A face -> simple ones, each as places in `vertices`."""
    ring = [place for place, vertex in enumerate(vertices) if vertex != vertices[place - 1]]
    if len(ring) < 3:
        return []
    if len({vertices[place] for place in ring}) == len(ring):
        return [ring]
    parts = _disentangled(points[vertices[ring]])
    parts = [[ring[place] for place in part] for part in parts]
    return [part for part in parts if len({vertices[place] for place in part}) == len(part) >= 3]


def _disentangled(ring: np.ndarray) -> list[list[int]]:
    """A polygon (N, 3) that touches itself -> simple ones, as places in `ring`, seen from its own side."""
    ring = ring - ring.mean(axis=0)
    doubled_area = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)
    size, length = float(np.abs(ring).max()), float(np.linalg.norm(doubled_area))
    if not (length > 0 and np.isfinite(length)):
        return []
    to_plane = Vector((doubled_area / length).tolist()).to_track_quat("Z", "Y").inverted()
    flat = [(to_plane @ Vector((point / size).tolist())).to_2d() for point in ring]
    polygon, outcomes = [list(range(len(flat)))], []
    for kind in (
        VALID_WITHOUT_HOLES,
        VALID,
    ):  # an edge that is walked twice is no hole where three parts meet
        at, _, faces, origin, _, _ = delaunay_2d_cdt(flat, [], polygon, kind, NEAR)
        if not all(origin[place] for face in faces for place in face):
            continue  # it crosses itself where it has no corner
        area = sum(_area([at[place] for place in face]) for face in faces)
        error = abs(area - length / 2 / size**2)
        outcomes.append((error, [[origin[place][0] for place in face] for face in faces]))
    return min(outcomes, key=lambda outcome: outcome[0])[1] if outcomes else []


def _area(polygon: list[Vector]) -> float:
    return sum(here.cross(then) for here, then in zip(polygon, [*polygon[1:], polygon[0]], strict=True)) / 2
