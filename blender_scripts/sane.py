# SPDX-License-Identifier: GPL-3.0-or-later
"""The imported scene -> nothing if Blender can evaluate it without reading past the end of an array, else a refusal.

To be called before Blender evaluates the scene: a face that names a vertex, an edge or a corner that does not exist
makes it read memory that is not the mesh's, so that each render shows something else, or none.
"""

import math

import bpy
import numpy as np

from blender_scripts import mesh_faces
from blender_scripts.errors import ObjectUnusable
from multishade.protocol import limits

LARGEST = 1e12  # coordinate in a file's own units, before it is scaled


def require_sane(name: str) -> bool:
    """Check all meshes and objects.

    Args:
        name: Of the object, for messages.

    Returns:
        Whether Blender's own check had to correct a mesh: it removes double faces and wrong references of attributes.

    Raises:
        ObjectUnusable: If indices are out of range, coordinates not finite or huge, or objects or faces too many.
    """
    require_few(len(bpy.data.objects), sum(len(mesh.polygons) for mesh in bpy.data.meshes), name)
    corrected = False
    for mesh in bpy.data.meshes:
        _require_indices(mesh, name)
        _require_finite(mesh, name)
        if mesh.polygons and mesh.library is None:
            mesh_faces.simplify(mesh)
            corrected = mesh.validate(clean_customdata=False) or corrected
    for item in bpy.data.objects:
        require_few(0, faces_to_come(item), f"{name}: {item.name!r}")
        for row in item.matrix_basis:
            if not all(math.isfinite(value) and abs(value) <= LARGEST for value in row):
                raise ObjectUnusable(f"{name}: the transform of {item.name!r} is not finite, or huge")
    return corrected


def faces_to_come(item: bpy.types.Object) -> int:
    """At least so many faces an object will have once its modifiers multiply them, as far as they say beforehand."""
    faces = len(item.data.polygons) if item.type == "MESH" else 0
    for modifier in item.modifiers if faces else ():
        if not modifier.show_render:
            continue
        if modifier.type == "ARRAY" and modifier.fit_type == "FIXED_COUNT":
            faces *= max(modifier.count, 1)
        elif modifier.type in ("SUBSURF", "MULTIRES"):
            faces *= 4**modifier.render_levels
    return faces


def require_few(objects: int, faces: int, name: str) -> None:
    """Raise ObjectUnusable if these are more than can be rendered in the time and memory of a group."""
    if (reason := limits.too_many(objects, faces)) is not None:
        raise ObjectUnusable(f"{name}: {reason}")


def require_usable_box(box: np.ndarray, name: str) -> None:
    """Raise ObjectUnusable if a box (2, 3) of all that is shown cannot be rendered in single precision."""
    reason = limits.unusable_box(float(np.linalg.norm(box[1] - box[0])), float(np.abs(box).max()))
    if reason is not None:
        raise ObjectUnusable(f"{name}: {reason}")


def _require_indices(mesh: bpy.types.Mesh, name: str) -> None:
    vertices, edges, corners, faces = (
        len(part) for part in (mesh.vertices, mesh.edges, mesh.loops, mesh.polygons)
    )
    for values, limit, what, of in (
        (_values(mesh.loops, "vertex_index", corners), vertices, "a face with vertex", vertices),
        (_values(mesh.loops, "edge_index", corners), edges, "a face with edge", edges),
        (_values(mesh.edges, "vertices", 2 * edges), vertices, "an edge with vertex", vertices),
    ):
        if len(values) and (int(values.min()) < 0 or int(values.max()) >= limit):
            worst = int(values.min()) if int(values.min()) < 0 else int(values.max())
            raise ObjectUnusable(f"{name}: {mesh.name!r} has {what} {worst} of {of}")
    if faces:
        starts = _values(mesh.polygons, "loop_start", faces).astype(np.int64)
        totals = _values(mesh.polygons, "loop_total", faces).astype(np.int64)
        if starts.min() < 0 or totals.min() < 0 or int((starts + totals).max()) > corners:
            raise ObjectUnusable(f"{name}: {mesh.name!r} has a face with more corners than there are")


def _require_finite(mesh: bpy.types.Mesh, name: str) -> None:
    """Coordinates that no face uses may be anything: they are not shown."""
    if not mesh.loops:
        return
    positions = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", positions)
    used = positions.reshape(-1, 3)[np.unique(_values(mesh.loops, "vertex_index", len(mesh.loops)))]
    if not np.isfinite(used).all():
        raise ObjectUnusable(f"{name}: {mesh.name!r} has vertices that are not finite numbers")
    if float(np.abs(used).max(initial=0.0)) > LARGEST:
        raise ObjectUnusable(f"{name}: {mesh.name!r} has coordinates beyond {LARGEST:g}")


def _values(items: bpy.types.bpy_prop_collection, attribute: str, count: int) -> np.ndarray:
    values = np.empty(count, np.int32)
    items.foreach_get(attribute, values)
    return values
