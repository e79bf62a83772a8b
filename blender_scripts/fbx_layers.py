# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of an FBX file -> the same without layers that do not fit it.

Blender's importer takes the last value that there is for those that are not, which bends normals by any angle.
"""

from blender_scripts.fbx_faces import mesh_of
from blender_scripts.fbx_tree import Node

# The array of a layer, and the numbers in each of its values.
VALUES = {
    b"LayerElementNormal": (b"Normals", 3),
    b"LayerElementUV": (b"UV", 2),
    b"LayerElementColor": (b"Colors", 4),
}
UNMAPPED = -1  # the index of UVs of faces that have none


def leave_out_unfit(geometry: Node) -> bool:
    """Remove layers with too few or too many values, or indices of none; whether there were any. Raises ValueError."""
    points, counts, vertices = mesh_of(geometry)
    numbers = {"ByPolygonVertex": len(vertices), "ByPolygon": len(counts), "AllSame": 1}
    numbers |= dict.fromkeys(("ByVertice", "ByVertex"), len(points))
    children = geometry.children or []
    kept = [node for node in children if node.name not in VALUES or _fits(node, numbers)]
    if len(kept) == len(children):
        return False
    geometry.children = kept
    return True


def _fits(layer: Node, numbers: dict[str, int]) -> bool:
    """Whether a layer has a value for each element. What it is laid on in a way that is not known passes."""
    mapping = layer.child(b"MappingInformationType")
    number = None if mapping is None else numbers.get(mapping.text())
    name, size = VALUES[layer.name]
    data, places = (
        None if node is None else node.array() for node in (layer.child(name), layer.child(_index_of(name)))
    )
    if number is None or data is None:
        return True
    if places is None:
        return len(data) == number * size
    lowest = UNMAPPED if name == b"UV" else 0
    return len(places) == number and (
        not number or lowest <= places.min() <= places.max() < len(data) // size
    )


def _index_of(name: bytes) -> bytes:
    return {b"Colors": b"ColorIndex"}.get(name, name + b"Index")
