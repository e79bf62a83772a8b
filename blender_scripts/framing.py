# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes in world coordinates -> the same about the origin, in a bounding sphere of radius 0.5; how they fill a frame.

Only corners of faces with an area count: axis lines, stray vertices and spikes without area show nothing. Of a face
that is solid in part only, points about those parts count.
"""

import math
from collections.abc import Mapping

import bpy
import numpy as np
from mathutils import Matrix, Vector

from blender_scripts.errors import ObjectUnusable
from multishade.protocol.scene import Camera, Framing

RADIUS = 0.5
MAX_ZOOM = 8.0  # a needle seen from its end would fill the frame with what is thinner than a pixel
NEAREST = 1e-2  # scene units before a perspective camera; nearer, an outline has no size
NO_AREA = 1e-7  # of a face, over the square of the diagonal of its own box


def normalise(
    objects: list[bpy.types.Object],
    rotation: tuple,
    name: str,
    size: float = 1.0,
    partly: Mapping[str, np.ndarray] | None = None,
    points: Mapping[str, np.ndarray] | None = None,
) -> bool:
    """Rotate, centre and scale the meshes so that their bounding sphere about the box's centre has radius 0.5 * size.

    Args:
        objects: Each with a mesh in world coordinates.
        rotation: (3, 3), applied before.
        name: Of the asset, for messages.
        size: Radius relative to that of other objects.
        partly: Faces (F,) of a mesh, by its name, of which not all corners are solid.
        points: Points (K, 3) about the solid parts of those.

    Returns:
        Whether anything lies outside of the box of the faces with an area.

    Raises:
        ObjectUnusable: If there is no such face, or a vertex is not finite.
    """
    if not objects:
        raise ObjectUnusable(f"{name}: holds no faces (points, lines or nothing at all)")
    turn = np.asarray(rotation, dtype=np.float64)
    meshes = [item.data for item in objects]
    if not all(np.isfinite(positions(mesh)[corner_vertices(mesh)]).all() for mesh in meshes):
        raise ObjectUnusable(f"{name}: has vertices that are not finite numbers")
    vertices = np.concatenate([positions(mesh) for mesh in meshes]) @ turn.T
    shown = np.concatenate(shown_vertices(meshes))
    everything, with_area = np.ptp(vertices, axis=0), vertices[shown]
    if not len(with_area):
        raise ObjectUnusable(f"{name}: has no face with an area")
    if partly:
        solid = np.concatenate([_shown(mesh, partly.get(mesh.name)) for mesh in meshes])
        about = np.concatenate(list((points or {}).values())) @ turn.T
        vertices = np.concatenate([vertices[solid], about])
    else:
        vertices = with_area
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    centre = (low + high) / 2
    radius = float(np.sqrt(((vertices - centre) ** 2).sum(axis=1).max()))
    if radius <= 1e-12 or not math.isfinite(radius):
        raise ObjectUnusable(f"{name}: all its vertices lie in one point")
    scale = RADIUS * size / radius
    matrix = Matrix.Scale(scale, 4) @ Matrix.Translation(-Vector(centre)) @ Matrix(turn.tolist()).to_4x4()
    for item in objects:
        item.data.transform(matrix)
        item.data.update()
    return bool((everything > np.ptp(with_area, axis=0) * (1 + 1e-6)).any())


def fill_frame(meshes: list[bpy.types.Mesh], camera: Camera, name: str) -> Framing:
    """How the box around the meshes' outline comes to span `camera.fill` of the frame's width or height, centred.

    Raises ObjectUnusable if the object reaches the camera.
    """
    assert camera.fill is not None
    pose = np.asarray(camera.camera_to_world, dtype=np.float64)
    shown = zip(meshes, shown_vertices(meshes), strict=True)
    seen = (np.concatenate([positions(mesh)[mine] for mesh, mine in shown]) - pose[:3, 3]) @ pose[:3, :3]
    outline, depth = seen[:, :2], -seen[:, 2]
    longer = max(camera.width, camera.height)
    if camera.type == "perspective":
        if depth.min() < NEAREST:
            raise ObjectUnusable(f"{name}: reaches the camera; increase camera.distance, or reduce its scale")
        outline = outline / depth[:, None]
        scale = camera.focal_mm / camera.sensor_mm * longer
    else:
        scale = longer / camera.orthographic_scale
    low, high = outline.min(axis=0), outline.max(axis=0)
    spanned = (high - low) * scale / (camera.width, camera.height)
    zoom = min(camera.fill / float(spanned.max()), MAX_ZOOM)
    right, up = (low + high) / 2 * scale * zoom / longer
    return Framing(zoom, (float(right), float(up)))


def box(meshes: list[bpy.types.Mesh]) -> np.ndarray | None:
    """The box (2, 3) of the corners of faces with an area; None without any."""
    shown = shown_vertices(meshes)
    points = [positions(mesh)[mine] for mesh, mine in zip(meshes, shown, strict=True) if mine.any()]
    if not points:
        return None
    together = np.concatenate(points)
    return np.stack([together.min(axis=0), together.max(axis=0)])


def shown_vertices(meshes: list[bpy.types.Mesh]) -> list[np.ndarray]:
    """Which vertices of each mesh are a corner of a face with an area: (V,) bool each."""
    return [_shown(mesh) for mesh in meshes]


def _shown(mesh: bpy.types.Mesh, without: np.ndarray | None = None) -> np.ndarray:
    """Which vertices are a corner of a face with an area, but for the faces `without` (F,)."""
    shown = np.zeros(len(mesh.vertices), bool)
    if not mesh.polygons:
        return shown
    areas = np.empty(len(mesh.polygons), np.float32)
    mesh.polygons.foreach_get("area", areas)
    starts, totals = (np.empty(len(mesh.polygons), np.int32) for _ in range(2))
    mesh.polygons.foreach_get("loop_start", starts)
    mesh.polygons.foreach_get("loop_total", totals)
    corners = positions(mesh)[corner_vertices(mesh)]
    sides = np.maximum.reduceat(corners, starts) - np.minimum.reduceat(corners, starts)
    solid = areas > NO_AREA * (sides**2).sum(axis=1)
    if without is not None:
        solid &= ~without
    shown[corner_vertices(mesh)[np.repeat(solid, totals)]] = True
    return shown


def corner_vertices(mesh: bpy.types.Mesh) -> np.ndarray:
    """The vertex of each corner, (L,) int32."""
    vertices = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", vertices)
    return vertices


def positions(mesh: bpy.types.Mesh) -> np.ndarray:
    """Vertices (V, 3) float64."""
    flat = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)
