# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh and where its materials are solid -> the mesh without the faces that are holes from edge to edge.

Such faces (a soft shadow painted on a plane, a pane of glass) show nothing, yet they would count when the object is
framed.
"""

from collections.abc import Callable
from typing import Any

import bmesh
import bpy
import numpy as np

from blender_scripts import corner_normals, framing
from blender_scripts.alpha import THRESHOLD, alpha_source

LARGEST_IMAGE = 4096 * 4096  # pixels; the faces of a larger one all count as solid


def remove(mesh: bpy.types.Mesh, empty: set[str]) -> int:
    """Remove the faces that are holes; the others keep their corner normals. Returns how many there were.

    Args:
        mesh: with settled materials (`alpha.settle`).
        empty: names of the materials all of which is a hole.
    """
    slots = np.zeros(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    holes = np.zeros(len(slots), bool)
    for index, material in enumerate(mesh.materials):
        mine = slots == index if index < len(mesh.materials) - 1 else slots >= index
        if material is None or not mine.any():
            continue
        if material.name in empty:
            holes |= mine
        elif (source := alpha_source(material)) is not None:
            solid = _solid_faces(mesh, np.flatnonzero(mine), source)
            if solid is not None:
                holes[np.flatnonzero(mine)[~solid]] = True
    if holes.any():
        _delete(mesh, holes)
    return int(holes.sum())


def _delete(mesh: bpy.types.Mesh, holes: np.ndarray) -> None:
    normals = corner_normals.corner_normals(mesh)
    _, owner, _ = corner_normals.face_normals(mesh)
    kept = normals[~holes[owner]]
    smooth = mesh.has_custom_normals or mesh.normals_domain != "FACE"
    cut = bmesh.new()
    cut.from_mesh(mesh)
    cut.faces.ensure_lookup_table()
    bmesh.ops.delete(cut, geom=[cut.faces[int(index)] for index in np.flatnonzero(holes)], context="FACES")
    cut.to_mesh(mesh)
    cut.free()
    mesh.update()
    if smooth and len(mesh.loops):
        corner_normals.store(mesh, kept)


def _solid_faces(mesh: bpy.types.Mesh, faces: np.ndarray, source: bpy.types.NodeSocket) -> np.ndarray | None:
    """Whether each face is solid anywhere; None if alpha is neither that of one image by UVs nor of the vertices."""
    starts, totals = (np.empty(len(mesh.polygons), np.int32) for _ in range(2))
    mesh.polygons.foreach_get("loop_start", starts)
    mesh.polygons.foreach_get("loop_total", totals)
    found = _texels(source)
    if found is None:
        values = _corner_values(mesh, source)
        return None if values is None else np.maximum.reduceat(values, starts)[faces] >= THRESHOLD
    alpha, layer_name = found
    layer = mesh.uv_layers.get(layer_name) if layer_name else None
    layer = layer or next((each for each in mesh.uv_layers if each.active_render), None)
    if layer is None:
        return None
    flat = np.empty(len(mesh.loops) * 2, np.float32)
    layer.uv.foreach_get("vector", flat)
    uv = flat.reshape(-1, 2).astype(np.float64)
    if not np.isfinite(uv).all():
        return None
    low = np.minimum.reduceat(uv, starts)[faces]
    high = np.maximum.reduceat(uv, starts)[faces]
    return _any_in_boxes(alpha >= THRESHOLD, low, high)


def _any_in_boxes(solid: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether a repeated image (H, W) of bool, row 0 at v = 0, is true in boxes of UV (N, 2), a texel wider."""
    height, width = solid.shape
    size = np.array([width, height])
    first = np.floor(low * size - 1.0).astype(np.int64)
    count = np.minimum(np.floor(high * size + 1.0).astype(np.int64) - first + 1, size)
    first %= size
    sums = np.zeros((2 * height + 1, 2 * width + 1), np.int64)
    sums[1:, 1:] = np.tile(solid, (2, 2)).cumsum(axis=0).cumsum(axis=1)
    x, y = first[:, 0], first[:, 1]
    right, top = x + count[:, 0], y + count[:, 1]
    return sums[top, right] - sums[y, right] - sums[top, x] + sums[y, x] > 0


def _texels(socket: bpy.types.NodeSocket) -> tuple[np.ndarray, str] | None:
    """The values (H, W) that an output takes over one image, and the name of its UV layer ("": the mesh's own)."""
    layers: set[str] = set()

    def leaf(source: bpy.types.NodeSocket) -> np.ndarray | None:
        if source.node.type != "TEX_IMAGE":
            return None
        layer = _uv_layer(source.node)
        if layer is None:
            return None
        layers.add(layer)
        return _image_alpha(source.node) if source.name == "Alpha" else _image_grey(source.node)

    values = _evaluate(socket, leaf)
    return (values, layers.pop()) if isinstance(values, np.ndarray) and len(layers) == 1 else None


def _corner_values(mesh: bpy.types.Mesh, socket: bpy.types.NodeSocket) -> np.ndarray | None:
    """The values (L,) that an output takes at the corners of a mesh by its colour attributes alone."""

    def leaf(source: bpy.types.NodeSocket) -> np.ndarray | None:
        if source.node.type != "VERTEX_COLOR" or source.name != "Alpha":
            return None
        attributes, name = mesh.color_attributes, source.node.layer_name
        if not (name in attributes if name else 0 <= attributes.render_color_index < len(attributes)):
            return None
        attribute = attributes[name or attributes.render_color_index]
        colours = np.empty(len(attribute.data) * 4, np.float32)
        attribute.data.foreach_get("color", colours)
        alpha = colours.reshape(-1, 4)[:, 3]
        return alpha[framing.corner_vertices(mesh)] if attribute.domain == "POINT" else alpha

    values = _evaluate(socket, leaf)
    return values if isinstance(values, np.ndarray) else None


Values = float | np.ndarray


def _evaluate(socket: bpy.types.NodeSocket, leaf: Callable[[Any], np.ndarray | None]) -> Values | None:
    """The value of an output of constants, mathematics and what `leaf` reads; None if there is anything else."""
    node = socket.node
    if node.type == "VALUE":
        return float(socket.default_value)
    return _evaluate_math(node, leaf) if node.type == "MATH" else leaf(socket)


def _evaluate_math(node: bpy.types.Node, leaf: Callable[[Any], np.ndarray | None]) -> Values | None:
    operations: dict[str, Callable[[Any, Any], Any]] = {
        "MULTIPLY": np.multiply,
        "ADD": np.add,
        "SUBTRACT": np.subtract,
        "LESS_THAN": lambda a, b: np.asarray(a < b, np.float32),
        "GREATER_THAN": lambda a, b: np.asarray(a > b, np.float32),
        "ROUND": lambda a, b: np.floor(np.asarray(a) + 0.5),
    }
    if node.operation not in operations:
        return None
    values: list[Any] = []
    for entry in list(node.inputs)[:2]:
        value = _evaluate(entry.links[0].from_socket, leaf) if entry.is_linked else float(entry.default_value)
        if value is None:
            return None
        values.append(value)
    shapes = {value.shape for value in values if isinstance(value, np.ndarray)}
    if len(shapes) > 1:
        return None
    result = operations[node.operation](*values)
    if node.use_clamp:
        result = np.clip(result, 0.0, 1.0)
    return result if shapes else float(result)


def _image_alpha(node: bpy.types.Node) -> np.ndarray | None:
    pixels = _pixels(node)
    if pixels is None:
        return None
    return np.ones(pixels.shape[:2], np.float32) if node.image.alpha_mode == "NONE" else pixels[..., 3]


def _image_grey(node: bpy.types.Node) -> np.ndarray | None:
    pixels = _pixels(node)
    if pixels is None:
        return None
    colour = pixels[..., :3]
    if node.image.colorspace_settings.name == "sRGB" and not node.image.is_float:
        colour = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return colour @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def _pixels(node: bpy.types.Node) -> np.ndarray | None:
    """Texels (H, W, 4) from the bottom row up; None for an image that is not repeated, or too large."""
    image = node.image
    if image is None or node.extension != "REPEAT" or node.projection != "FLAT" or image.source == "TILED":
        return None
    width, height = image.size
    if not 0 < width * height <= LARGEST_IMAGE:
        return None
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    texels = flat.reshape(height, width, image.channels)
    return texels if image.channels == 4 else None


def _uv_layer(node: bpy.types.Node) -> str | None:
    """The UV layer by which an image is laid on; None if it is laid on otherwise."""
    vector = node.inputs["Vector"]
    if not vector.is_linked:
        return ""
    source = vector.links[0].from_socket
    if source.node.type == "UVMAP":
        return source.node.uv_map
    return "" if source.node.type == "TEX_COORD" and source.name == "UV" else None
