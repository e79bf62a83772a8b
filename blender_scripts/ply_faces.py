# SPDX-License-Identifier: GPL-3.0-or-later
"""A PLY file -> the file itself, or a copy with simple faces: Blender drops a face that names a vertex twice.

A file that is not as its header says is left to Blender's importer, which says so.
"""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from blender_scripts.simple_faces import SimpleFaces, are_simple, simplify

KINDS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}
CORNERS = ("vertex_indices", "vertex_index")
WRITTEN = "property list uint uint vertex_indices"  # Blender reads nothing else of a face
Property = tuple[str, np.dtype, np.dtype | None]  # name, kind, and of a list the kind of its length


@dataclasses.dataclass
class Element:
    """The rows of one kind: vertices, faces and others."""

    name: str
    count: int
    properties: list[Property] = dataclasses.field(default_factory=list)

    def row(self) -> np.dtype:
        """The kind of a row. Raises ValueError if lists are in it."""
        if any(length is not None for _, _, length in self.properties):
            raise ValueError("rows differ in length")
        return np.dtype([(name, kind) for name, kind, _ in self.properties])


@dataclasses.dataclass(frozen=True)
class Faces:
    """Where the rows of the faces begin and end, the corners of each face (F,), and their vertices (L,)."""

    start: int
    end: int
    counts: np.ndarray
    vertices: np.ndarray


def with_simple_faces(path: Path, folder: Path) -> Path:
    """The file at `path` if its faces are simple or it cannot be understood, else its copy in `folder`."""
    head, _, body = path.read_bytes().partition(b"end_header")
    ending, _, body = body.partition(b"\n")
    lines = head.decode("utf-8", "surrogateescape").splitlines()
    try:
        form, elements = _understood(lines, ending)
        face = next(element for element in elements if element.name == "face")
        before = elements[: elements.index(face)]
        faces = (_ascii_faces if form == "ascii" else _binary_faces)(body, before, face)
        if are_simple(faces.counts, faces.vertices):
            return path
        points = (_ascii_points if form == "ascii" else _binary_points)(body, before)
        if not 0 <= faces.vertices.min(initial=0) <= faces.vertices.max(initial=0) < len(points):
            return path
    except (KeyError, ValueError, IndexError, OverflowError, StopIteration):
        return path
    simple = simplify(points, faces.counts, faces.vertices)
    assert simple is not None
    header = "\n".join([*_header(lines, len(simple.counts)), "end_header\n"])
    rows = _rows(simple, faces.vertices, form)
    copy = folder / path.name
    copy.write_bytes(
        b"".join((header.encode("utf-8", "surrogateescape"), body[: faces.start], rows, body[faces.end :]))
    )
    return copy


def _understood(lines: list[str], ending: bytes) -> tuple[str, list[Element]]:
    """A header -> the file's form, and its elements. Raises KeyError, ValueError, IndexError."""
    form, elements = "", []
    if ending.strip():
        raise ValueError("lines that end in a carriage return alone")
    for words in map(str.split, lines):
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            elements.append(Element(words[1], int(words[2])))
        elif words[:1] == ["property"]:
            kinds = [np.dtype(ORDERS[form] + KINDS[word]) for word in words[1:-1] if word != "list"]
            length = kinds[0] if words[1] == "list" else None
            elements[-1].properties.append((words[-1], kinds[-1], length))
    return form, elements


def _binary_faces(body: bytes, before: list[Element], face: Element) -> Faces:
    """The faces of a binary file. Raises ValueError, StopIteration."""
    start = sum(element.count * element.row().itemsize for element in before)
    if face.count > len(body) - start:
        raise ValueError("fewer than stated")
    alike = _rows_alike(body, start, face)
    if alike is not None:
        vertices = next(alike[name] for name in CORNERS if name in (alike.dtype.names or ()))
        counts = np.full(face.count, vertices.shape[1])
        return Faces(start, start + alike.nbytes, counts, vertices.astype(np.int64).ravel())
    (corner,) = [kind for name, kind, _ in face.properties if name in CORNERS]
    place = start
    lengths, firsts = [], []
    for _ in range(face.count):
        for name, kind, length_kind in face.properties:
            length = 1
            if length_kind is not None:
                length = body[place] if length_kind.itemsize == 1 else _length(body, place, length_kind)
                place += length_kind.itemsize
            if name in CORNERS:
                lengths.append(length)
                firsts.append(place)
            place += length * kind.itemsize
    counts = np.array(lengths)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.repeat(firsts, counts) + within * corner.itemsize
    each = np.frombuffer(body, np.uint8)[places[:, None] + np.arange(corner.itemsize)]
    return Faces(start, place, counts, each.view(corner).ravel().astype(np.int64))


def _rows_alike(body: bytes, start: int, face: Element) -> np.ndarray | None:
    """The rows of the faces if all lists are as long as in the first row, as in almost all files; else None."""
    fields: list[tuple] = []
    for name, kind, length_kind in face.properties:
        if length_kind is None:
            fields.append((name, kind))
            continue
        length = _length(body, start + np.dtype(fields).itemsize, length_kind)
        fields += [(f"length of {name}", length_kind), (name, kind, (length,))]
    row = np.dtype(fields)
    if not face.count or start + face.count * row.itemsize > len(body):
        return None
    rows = np.frombuffer(body, row, face.count, start)
    lengths = [rows[name] for name in row.names or () if name.startswith("length of ")]
    return rows if all((length == length[0]).all() for length in lengths) else None


def _length(body: bytes, place: int, kind: np.dtype) -> int:
    length = int(np.frombuffer(body, kind, 1, place)[0])
    if not 0 <= length <= len(body):
        raise ValueError("not the length of a list")
    return length


def _binary_points(body: bytes, before: list[Element]) -> np.ndarray:
    """The vertices (V, 3) of a binary file. Raises KeyError, ValueError, StopIteration."""
    start, vertex = _vertices(before, lambda element: element.count * element.row().itemsize)
    rows = np.frombuffer(body, vertex.row(), vertex.count, start)
    return np.stack([rows[axis].astype(np.float64) for axis in "xyz"], axis=1)


def _ascii_faces(body: bytes, before: list[Element], face: Element) -> Faces:
    """The faces of a text, a row to a line. Raises ValueError, IndexError."""
    first = sum(element.count for element in before)
    lines = body.split(b"\n", first + face.count)
    rows = lines[first : first + face.count]
    lengths: list[int] = []
    vertices: list[int] = []
    for words in map(bytes.split, rows):
        place = 0
        for name, _, length_kind in face.properties:
            length = 1
            if length_kind is not None:
                length, place = int(words[place]), place + 1
            if name in CORNERS:
                lengths.append(length)
                vertices += [int(word) for word in words[place : place + length]]
            place += length
    start = sum(len(line) + 1 for line in lines[:first])
    end = min(start + sum(len(line) + 1 for line in rows), len(body))
    if len(lengths) != face.count or sum(lengths) != len(vertices):
        raise ValueError("fewer than stated")
    return Faces(start, end, np.array(lengths), np.array(vertices, np.int64))


def _ascii_points(body: bytes, before: list[Element]) -> np.ndarray:
    """The vertices (V, 3) of a text. Raises ValueError, IndexError, StopIteration."""
    first, vertex = _vertices(before, lambda element: element.count)
    names = [name for name, _, _ in vertex.properties]
    columns = [names.index(axis) for axis in "xyz"]
    lines = body.split(b"\n", first + vertex.count)[first : first + vertex.count]
    return np.array([[float(words[column]) for column in columns] for words in map(bytes.split, lines)])


def _vertices(elements: list[Element], size: Callable[[Element], int]) -> tuple[int, Element]:
    """The sum of the sizes of the elements before the vertices, and these. Raises ValueError, StopIteration."""
    others = itertools.takewhile(lambda element: element.name != "vertex", elements)
    return sum(map(size, others)), next(element for element in elements if element.name == "vertex")


def _header(lines: list[str], faces: int) -> list[str]:
    """The lines of a header for `faces` faces that are lists of vertices and nothing else."""
    written, element = [], ""
    for line in lines:
        words = line.split()
        if words[:1] == ["element"]:
            element = words[1]
            written += [f"element face {faces}", WRITTEN] if element == "face" else [line]
        elif words[:1] != ["property"] or element != "face":
            written.append(line)
    return written


def _rows(simple: SimpleFaces, vertices: np.ndarray, form: str) -> bytes:
    vertices, ends = vertices[simple.corner_of], np.cumsum(simple.counts)
    if form == "ascii":
        faces = np.split(vertices, ends[:-1])
        return "".join(f"{len(face)} {' '.join(map(str, face))}\n" for face in faces).encode("ascii")
    return np.insert(vertices, ends - simple.counts, simple.counts).astype(f"{ORDERS[form]}u4").tobytes()
