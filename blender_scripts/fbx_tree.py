# SPDX-License-Identifier: GPL-3.0-or-later
"""A binary FBX file <-> its tree of nodes, whose properties stay the bytes that they are unless they are set.

The format is that of the description by the Blender Foundation ("FBX binary file format specification"): a node states
where it ends in the file, so a property that changes its length moves all that follows.
"""

import dataclasses
import struct
import zlib

import numpy as np

MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"
LONG = 7500  # version from which places and lengths have 8 bytes
SCALARS = {b"Y": 2, b"C": 1, b"B": 1, b"Z": 1, b"I": 4, b"F": 4, b"D": 8, b"L": 8}
ARRAYS = {b"b": "u1", b"c": "u1", b"i": "<i4", b"l": "<i8", b"f": "<f4", b"d": "<f8"}
DEEPEST = 64


@dataclasses.dataclass
class Node:
    """A name, properties with their type codes, and nodes below it; None: none, and no mark that they end."""

    name: bytes
    properties: list[bytes]
    children: list["Node"] | None

    def child(self, name: bytes) -> "Node | None":
        """The first node of this name below it."""
        return next((node for node in self.children or () if node.name == name), None)

    def text(self) -> str:
        """Its first property as text; empty if it is none."""
        first = self.properties[0] if self.properties else b""
        return first[5:].decode("utf-8", "replace") if first[:1] == b"S" else ""

    def set_text(self, text: str) -> None:
        """Replace its first property, a text."""
        encoded = text.encode()
        self.properties[0] = b"S" + struct.pack("<I", len(encoded)) + encoded

    def array(self) -> np.ndarray | None:
        """Its first property as an array; None if it is none. Raises ValueError."""
        first = self.properties[0] if self.properties else b""
        kind = ARRAYS.get(first[:1])
        if kind is None:
            return None
        length, encoding, _ = struct.unpack_from("<III", first, 1)
        size, data = length * np.dtype(kind).itemsize, first[13:]
        if encoding:
            try:
                data = zlib.decompressobj().decompress(data, size + 1)  # no more than it states
            except zlib.error as error:
                raise ValueError("a damaged array") from error
        if len(data) != size:
            raise ValueError("an array of another length than it states")
        return np.frombuffer(data, kind)

    def set_array(self, values: np.ndarray) -> None:
        """Replace its first property, an array, by another of its type."""
        code = self.properties[0][:1]
        data = values.astype(ARRAYS[code]).tobytes()
        self.properties[0] = code + struct.pack("<III", len(values), 0, len(data)) + data


@dataclasses.dataclass
class Tree:
    """A file: its version, its nodes, and what follows them."""

    version: int
    nodes: list[Node]
    foot: bytes


def read(data: bytes) -> Tree:
    """The tree of a file. Raises ValueError if it is no whole binary FBX."""
    if not data.startswith(MAGIC):
        raise ValueError("not a binary FBX")
    try:
        (version,) = struct.unpack_from("<I", data, len(MAGIC))
        nodes, place = _read_nodes(data, len(MAGIC) + 4, version >= LONG, 0)
    except struct.error as error:
        raise ValueError("a cut FBX") from error
    return Tree(version, nodes, data[place:])


def written(tree: Tree) -> bytes:
    """The bytes of a file with this tree."""
    parts = [MAGIC, struct.pack("<I", tree.version)]
    _write_nodes(tree.nodes, sum(map(len, parts)), tree.version >= LONG, parts)
    return b"".join([*parts, tree.foot])


def _read_nodes(data: bytes, place: int, long: bool, depth: int) -> tuple[list[Node], int]:
    """The nodes from `place` to the empty one that ends them, and the place after that."""
    if depth > DEEPEST:
        raise ValueError("nodes too deep")
    head = struct.Struct("<QQQB" if long else "<IIIB")
    nodes: list[Node] = []
    while True:
        end, count, _, length = head.unpack_from(data, place)
        place += head.size
        if end == 0:
            return nodes, place
        if not place <= end <= len(data):
            raise ValueError("a node that ends outside of the file")
        name = data[place : place + length]
        place += length
        properties = []
        for _ in range(count):
            after = _after_property(data, place)
            properties.append(data[place:after])
            place = after
        children = None
        if place < end:
            children, place = _read_nodes(data, place, long, depth + 1)
        if place != end:
            raise ValueError("a node that does not end where it states")
        nodes.append(Node(name, properties, children))


def _after_property(data: bytes, place: int) -> int:
    code = data[place : place + 1]
    if code in SCALARS:
        after = place + 1 + SCALARS[code]
    elif code in (b"S", b"R"):
        after = place + 5 + struct.unpack_from("<I", data, place + 1)[0]
    elif code in ARRAYS:
        after = place + 13 + struct.unpack_from("<I", data, place + 9)[0]
    else:
        raise ValueError(f"a property of type {code!r}")
    if after > len(data):
        raise ValueError("a cut FBX")
    return after


def _write_nodes(nodes: list[Node], place: int, long: bool, parts: list[bytes]) -> int:
    """Append nodes that begin at `place` and the empty one that ends them; the place after that."""
    head = struct.Struct("<QQQB" if long else "<IIIB")
    for node in nodes:
        size = sum(map(len, node.properties))
        start = len(parts)
        place += head.size + len(node.name) + size
        parts += [b"", node.name, *node.properties]
        if node.children is not None:
            place = _write_nodes(node.children, place, long, parts)
        parts[start] = head.pack(place, len(node.properties), size, len(node.name))
    parts.append(bytes(head.size))
    return place + head.size
