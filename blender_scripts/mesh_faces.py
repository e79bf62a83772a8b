# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender mesh -> the same with simple faces only: Blender's own check drops others, which a script may have made.

Blender's interface can add faces and corners, and not remove them, but for those that its check drops. So corners and
faces too many are collected in faces that it does.
"""

import bpy
import numpy as np

from blender_scripts import framing
from blender_scripts.simple_faces import simplify as simple_faces

# By the type of an attribute: the name and number of its values, and their kind.
VALUES = {
    "FLOAT": ("value", 1, np.float32),
    "FLOAT2": ("vector", 2, np.float32),
    "FLOAT_VECTOR": ("vector", 3, np.float32),
    "FLOAT_COLOR": ("color", 4, np.float32),
    "BYTE_COLOR": ("color_srgb", 4, np.float32),
    "QUATERNION": ("value", 4, np.float32),
    "FLOAT4X4": ("value", 16, np.float32),
    "BOOLEAN": ("value", 1, bool),
    "INT": ("value", 1, np.int32),
    "INT8": ("value", 1, np.int32),
    "INT16_2D": ("value", 2, np.int32),
    "INT32_2D": ("value", 2, np.int32),
}
OF_BLENDER = (".corner_edge",)  # which Blender computes anew


def simplify(mesh: bpy.types.Mesh) -> None:
    """Make all faces simple, with what is laid on faces and corners. A mesh whose faces are is left, bit for bit."""
    counts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", counts)
    vertices = framing.corner_vertices(mesh)
    simple = simple_faces(framing.positions(mesh), counts, vertices)
    if simple is None:
        return
    origin = {"CORNER": simple.corner_of, "FACE": simple.face_of}
    laid_on = {
        item.name: _values(item)[origin[item.domain]]
        for item in mesh.attributes
        if item.domain in origin and item.data_type in VALUES and item.name not in OF_BLENDER
    }
    corners, faces = len(simple.corner_of), len(simple.counts)
    mesh.loops.add(max(corners - len(vertices), 0))
    mesh.polygons.add(max(faces - len(counts), 0) + (len(mesh.loops) > corners))
    starts = np.full(len(mesh.polygons), corners, np.int32)
    starts[:faces] = np.cumsum(simple.counts) - simple.counts
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.loops.foreach_set("vertex_index", np.zeros(len(mesh.loops), np.int32))
    for name, values in laid_on.items():
        _put(mesh.attributes[name], values)
    mesh.update(calc_edges=True)
    mesh.validate(clean_customdata=False)


def _values(attribute: bpy.types.Attribute) -> np.ndarray:
    """The values (N, K) of an attribute."""
    name, number, kind = VALUES[attribute.data_type]
    flat = np.empty(len(attribute.data) * number, kind)
    attribute.data.foreach_get(name, flat)
    return flat.reshape(-1, number)


def _put(attribute: bpy.types.Attribute, values: np.ndarray) -> None:
    """Set the first values of an attribute."""
    every = _values(attribute)
    every[: len(values)] = values
    attribute.data.foreach_set(VALUES[attribute.data_type][0], every.ravel())
