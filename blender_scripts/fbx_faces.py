# SPDX-License-Identifier: GPL-3.0-or-later
"""An FBX file -> the file itself, or a copy with simple faces: Blender drops a face that names a vertex twice.

A file that is not a whole FBX is left to Blender's importer, which says so.
"""

import re
from pathlib import Path

import numpy as np

from blender_scripts import fbx_tree
from blender_scripts.errors import ObjectUnusable
from blender_scripts.fbx_tree import Node
from blender_scripts.simple_faces import SimpleFaces, simplify

# What an array of a layer has one value, or several, for each of.
CORNER, FACE, EDGE = "ByPolygonVertex", "ByPolygon", "ByEdge"
TEXT_ARRAYS = re.compile(rb"\b(Vertices|PolygonVertexIndex):\s*(?:\*\d+\s*\{\s*a:)?([-+.,\deE\s]+)")


def with_simple_faces(path: Path, folder: Path) -> Path:
    """The file at `path` if its faces are simple or it cannot be understood, else its copy in `folder`.

    Raises ObjectUnusable if it is a text whose faces are not simple.
    """
    data = path.read_bytes()
    if not data.startswith(fbx_tree.MAGIC):
        _require_simple_text(data, path)
        return path
    try:
        tree = fbx_tree.read(data)
        objects = [node for part in tree.nodes if part.name == b"Objects" for node in part.children or ()]
        if not any([_simplify(node) for node in objects if node.name == b"Geometry"]):
            return path
    except ValueError:
        return path
    for node in objects:
        if node.name in (b"Texture", b"Video"):
            _name_from_anywhere(node, path.parent)
    copy = folder / path.name
    copy.write_bytes(fbx_tree.written(tree))
    return copy


def _simplify(geometry: Node) -> bool:
    """Make the faces of a mesh simple, with what is laid on them; whether any was not. Raises ValueError."""
    points, ends = geometry.child(b"Vertices"), geometry.child(b"PolygonVertexIndex")
    positions = None if points is None else points.array()
    marked = None if ends is None else ends.array()
    if ends is None or positions is None or marked is None:
        return False
    counts, vertices = _faces(marked)
    positions = positions[: len(positions) // 3 * 3].reshape(-1, 3).astype(np.float64)
    if len(vertices) and vertices.max() >= len(positions):
        return False
    simple = simplify(positions, counts, vertices)
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


def _name_from_anywhere(image: Node, folder: Path) -> None:
    """Let an image that is named from the file's folder be found from the copy, in the order in which Blender looks."""
    relative, full = image.child(b"RelativeFilename"), image.child(b"FileName") or image.child(b"Filename")
    names = ["" if node is None else node.text().replace("\\", "/") for node in (relative, full)]
    wanted = [folder / names[0], Path(names[1]), folder / names[1].rpartition("/")[2]]
    found = next((file for file in wanted if file.is_file()), folder / (names[0] or names[1]))
    if full is not None and any(names):
        full.set_text(str(found.absolute()))
        if relative is not None:
            relative.set_text("")


def _require_simple_text(data: bytes, path: Path) -> None:
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
        simple = simplify(points, counts, vertices)
        if simple is not None and (simple.counts != counts[simple.face_of]).any():
            raise ObjectUnusable(
                f"{path}: a face of it names a vertex twice, and would be lost; save it as a binary FBX"
            )
