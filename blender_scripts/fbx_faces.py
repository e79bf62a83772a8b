# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of an FBX file -> the same with simple faces only: Blender drops a face that names a vertex twice."""

import re
from pathlib import Path

import numpy as np

from blender_scripts.errors import ObjectUnusable
from blender_scripts.fbx_tree import Node
from blender_scripts.simple_faces import SimpleFaces
from blender_scripts.simple_faces import simplify as simple_faces

# What an array of a layer has one value, or several, for each of.
CORNER, FACE, EDGE = "ByPolygonVertex", "ByPolygon", "ByEdge"
TEXT_ARRAYS = re.compile(rb"\b(Vertices|PolygonVertexIndex):\s*(?:\*\d+\s*\{\s*a:)?([-+.,\deE\s]+)")


def simplify(geometry: Node) -> bool:
    """Make the faces of a mesh simple, with what is laid on them; whether any was not. Raises ValueError."""
    positions, counts, vertices = mesh_of(geometry)
    ends = geometry.child(b"PolygonVertexIndex")
    if ends is None or (len(vertices) and vertices.max() >= len(positions)):
        return False
    simple = simple_faces(positions, counts, vertices)
    if simple is None:
        return False
    corners = vertices[simple.corner_of]
    last = np.cumsum(simple.counts) - 1
    edges = _edges(geometry, counts, vertices, simple)
    corners[last] = ~corners[last]
    ends.set_array(corners)
    origins = {CORNER: (len(vertices), simple.corner_of), FACE: (len(counts), simple.face_of), EDGE: edges}
    for layer in geometry.children or ():
        mapping = layer.child(b"MappingInformationType")
        if layer.name.startswith(b"LayerElement") and mapping is not None:
            _gather(layer, *origins.get(mapping.text(), (0, np.zeros(0, np.int64))))
    return True


def mesh_of(geometry: Node) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3), corners of each face (F,) and the vertex of each corner (L,); without any, empty.

    Raises ValueError if they cannot be read.
    """
    points, marked = (
        None if node is None else node.array()
        for node in (geometry.child(b"Vertices"), geometry.child(b"PolygonVertexIndex"))
    )
    points, marked = (np.zeros(0) if array is None else array for array in (points, marked))
    return points[: len(points) // 3 * 3].reshape(-1, 3).astype(np.float64), *_faces(marked)


def _faces(marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices, of which the last of each face is given as its complement -> corners of each face, and vertices."""
    last = np.flatnonzero(marked < 0)
    counts = np.diff(last, prepend=-1)
    marked = marked[: counts.sum()].astype(np.int64)
    return counts, np.where(marked < 0, ~marked, marked)


def _edges(
    geometry: Node, counts: np.ndarray, vertices: np.ndarray, simple: SimpleFaces
) -> tuple[int, np.ndarray]:
    """Let the edges, each named by the corner that it begins at, name the new corners; how many there were, and which
    of them are left."""
    node = geometry.child(b"Edges")
    old = None if node is None else node.array()
    if node is None or old is None:
        return 0, np.zeros(0, np.int64)
    if len(old) and not 0 <= old.min() <= old.max() < len(vertices):
        raise ValueError("an edge that begins at no corner")
    corners = vertices[simple.corner_of]
    ends = zip(corners.tolist(), corners[_next(simple.counts)].tolist(), strict=True)
    places = {frozenset(pair): place for place, pair in reversed(list(enumerate(ends)))}
    following = vertices[_next(counts)]
    pairs = [frozenset((int(vertices[place]), int(following[place]))) for place in old]
    left = np.array([number for number, pair in enumerate(pairs) if pair in places], np.int64)
    node.set_array(np.array([places[pairs[number]] for number in left], np.int64))
    return len(old), left


def _next(counts: np.ndarray) -> np.ndarray:
    """The corner that follows each one in its face, (L,)."""
    following = np.arange(counts.sum()) + 1
    ends = np.cumsum(counts)
    following[ends - 1] = ends - counts
    return following


def _gather(layer: Node, number: int, origin: np.ndarray) -> None:
    """Let a layer, which has values for each of `number` corners, faces or edges, have those of `origin`."""
    reference = layer.child(b"ReferenceInformationType")
    indexed = reference is not None and reference.text() in ("IndexToDirect", "Index")
    for node in layer.children or ():
        values = node.array()
        if values is None or not number or len(values) % number:
            continue
        if not indexed or node.name.endswith(b"Index") or node.name == b"Materials":
            node.set_array(values.reshape(number, -1)[origin].ravel())


def require_simple_text(data: bytes, path: Path) -> None:
    """Raise ObjectUnusable if a face of a text would be lost that is more than a line."""
    points = np.zeros((0, 3))
    for name, text in TEXT_ARRAYS.findall(data):
        try:
            values = np.array([float(value) for value in text.split(b",") if value.strip()])
        except ValueError:
            continue
        if name == b"Vertices":
            points = values[: len(values) // 3 * 3].reshape(-1, 3)
            continue
        counts, vertices = _faces(values)
        if len(vertices) and vertices.max() >= len(points):
            continue
        simple = simple_faces(points, counts, vertices)
        if simple is not None and (simple.counts != counts[simple.face_of]).any():
            raise ObjectUnusable(
                f"{path}: a face of it names a vertex twice, and would be lost; save it as a binary FBX"
            )
