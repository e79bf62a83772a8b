# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh and the output that decides where its material is solid -> what tells that of any part of its faces.

Alpha is looked up if it comes, through constants and mathematics, from one image laid on by UVs or from the colours of
the vertices. Of anything else (noise, several images) nothing can be told without rendering.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import bpy
import numpy as np

from blender_scripts import framing
from blender_scripts.alpha import THRESHOLD

LARGEST_IMAGE = 4096 * 4096  # pixels; the faces of a larger one all count as solid


class Solid(Protocol):
    """Where a material is solid, by K numbers at each corner of the mesh."""

    @property
    def corners(self) -> np.ndarray:
        """(L, K) float64."""

    def anywhere(self, parts: np.ndarray) -> np.ndarray:
        """Whether each of N parts of faces, with the numbers (N, C, K) at its corners, is solid anywhere: (N,)."""


@dataclass(frozen=True)
class SolidTexels:
    """By an image: corners (L, 2) are its coordinates, counts those of `mask` before each texel, and each line."""

    corners: np.ndarray
    counts: np.ndarray
    size: np.ndarray
    extension: str

    def anywhere(self, parts: np.ndarray) -> np.ndarray:
        """Whether a texel under the box of each part, or next to it, is solid."""
        first = np.floor(parts.min(axis=1) * self.size - 1.0).astype(np.int64)
        last = np.floor(parts.max(axis=1) * self.size + 1.0).astype(np.int64) + 1
        if self.extension == "REPEAT":
            count = np.minimum(last - first, self.size)
            first %= self.size
            last = first + count
        else:
            if self.extension == "EXTEND":  # the texels of the edge go on
                first, last = np.minimum(first, self.size - 1), np.maximum(last, 1)
            first, last = np.clip(first, 0, self.size), np.clip(last, 0, self.size)
        (left, bottom), (right, top) = first.T, last.T
        sums = self.counts
        return sums[top, right] - sums[bottom, right] - sums[top, left] + sums[bottom, left] > 0


@dataclass(frozen=True)
class SolidCorners:
    """By the colours of vertices: corners (L, 1) are alpha, which is linear in between."""

    corners: np.ndarray

    def anywhere(self, parts: np.ndarray) -> np.ndarray:
        """Whether a corner of each part is solid."""
        return parts[..., 0].max(axis=1) >= THRESHOLD


def solid_of(mesh: bpy.types.Mesh, source: bpy.types.NodeSocket) -> Solid | None:
    """Return where a mesh is solid by the output `source`; None if that cannot be looked up."""
    found = _texels(source)
    if found is None:
        values = _corner_values(mesh, source)
        return None if values is None else SolidCorners(values.astype(np.float64)[:, None])
    alpha, placed = found
    layer = mesh.uv_layers.get(placed.layer) if placed.layer else None
    layer = layer or next((each for each in mesh.uv_layers if each.active_render), None)
    if layer is None:
        return None
    flat = np.empty(len(mesh.loops) * 2, np.float32)
    layer.uv.foreach_get("vector", flat)
    uv = flat.reshape(-1, 2).astype(np.float64)
    if not np.isfinite(uv).all():
        return None
    matrix = np.array(placed.matrix)
    if not np.array_equal(matrix, np.eye(2, 3)):
        uv = uv @ matrix[:, :2].T + matrix[:, 2]
    return _solid_texels(alpha >= THRESHOLD, uv, placed.extension)


def _solid_texels(mask: np.ndarray, uv: np.ndarray, extension: str) -> SolidTexels:
    """mask: (H, W) bool, row 0 at v = 0."""
    if extension == "MIRROR":  # twice the image, every second one turned over, is repeated
        mask = np.concatenate([mask, mask[:, ::-1]], axis=1)
        mask = np.concatenate([mask, mask[::-1]])
        uv, extension = uv / 2, "REPEAT"
    height, width = mask.shape
    if extension == "REPEAT":  # a box may go over the edge
        mask = np.tile(mask, (2, 2))
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    return SolidTexels(uv, sums, np.array([width, height]), extension)


@dataclass(frozen=True)
class _Placed:
    """How an image is laid on: the UV layer ("": the mesh's own), the matrix (2, 3) from UVs, what is beyond."""

    layer: str
    matrix: tuple[tuple[float, ...], ...]
    extension: str


def _texels(socket: bpy.types.NodeSocket) -> tuple[np.ndarray, _Placed] | None:
    """The values (H, W) that an output takes over one image, and how that is laid on."""
    found: set[_Placed] = set()

    def leaf(source: bpy.types.NodeSocket) -> np.ndarray | None:
        if source.node.type != "TEX_IMAGE":
            return None
        placed = _placed(source.node)
        if placed is None:
            return None
        found.add(placed)
        return _image_alpha(source.node) if source.name == "Alpha" else _image_grey(source.node)

    values = _evaluate(socket, leaf)
    return (values, found.pop()) if isinstance(values, np.ndarray) and len(found) == 1 else None


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
    """Texels (H, W, 4) from the bottom row up; None for an image that is not flat, or too large."""
    image = node.image
    if image is None or node.projection != "FLAT" or image.source == "TILED":
        return None
    width, height = image.size
    if not 0 < width * height <= LARGEST_IMAGE:
        return None
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    texels = flat.reshape(height, width, image.channels)
    return texels if image.channels == 4 else None


def _placed(node: bpy.types.Node) -> _Placed | None:
    """How an image is laid on; None if not by UVs, or through more than one constant mapping in the plane."""
    plain: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    vector = node.inputs["Vector"]
    if not vector.is_linked:
        return _Placed("", plain, node.extension)
    source = vector.links[0].from_socket
    if source.node.type == "MAPPING":
        mapping = source.node
        location, turn, scale = (mapping.inputs[name] for name in ("Location", "Rotation", "Scale"))
        constant = not any(socket.is_linked for socket in (location, turn, scale))
        angle = turn.default_value
        if mapping.vector_type != "POINT" or not constant or angle[0] or angle[1]:
            return None
        cosine, sine = np.cos(angle[2]), np.sin(angle[2])
        x, y = scale.default_value[:2]
        rows = np.array([[cosine * x, -sine * y], [sine * x, cosine * y]])
        moved = np.array(location.default_value[:2])
        plain = tuple(tuple(row) for row in np.column_stack([rows, moved]).tolist())
        if not mapping.inputs["Vector"].is_linked:
            return None
        source = mapping.inputs["Vector"].links[0].from_socket
    if source.node.type == "UVMAP":
        return _Placed(source.node.uv_map, plain, node.extension)
    if source.node.type == "TEX_COORD" and source.name == "UV":
        return _Placed("", plain, node.extension)
    return None
