# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh -> the same mesh, none of whose faces has the normals of its other side.

A face is seen from both sides, and a renderer turns its shading normal when the ray meets its back. So normals that
oppose the face by its winding are turned away from the viewer on either side.
"""

import bmesh
import bpy
import numpy as np

NORMALS = "custom_normal"
AGREES = -1e-4  # cosine of a normal and its face from which they agree
OPPOSED = (
    -0.5
)  # cosine: a single stored normal that is turned by more than 120 degrees is no smoothing of its face
HORIZON = 1e-3  # cosine of a normal that is bent back to its face's side
PASSES = 3  # a face that is wound the wrong way disturbs the computed normals of those around it


def turn(mesh: bpy.types.Mesh) -> int:
    """Make normals and faces agree.

    Stored normals are put right: those of a face all of whose corners oppose it, and single ones that oppose it
    clearly, are turned; others that oppose it are bent to its horizon. Where Blender computes the normals, a face all
    of whose corners oppose it is wound the other way than those around it, and its winding is reversed; single corners
    oppose a face rightly where a surface bends sharply.

    Returns:
        The number of corners that were changed. A mesh without any is left as it is, bit for bit.
    """
    if not mesh.polygons:
        return 0
    return _turn_stored(mesh) if mesh.has_custom_normals else _rewind(mesh)


def _turn_stored(mesh: bpy.types.Mesh) -> int:
    normals = corner_normals(mesh)
    faces, owner, totals = face_normals(mesh)
    cosine = np.einsum("ij,ij->i", normals, faces[owner])
    opposed = cosine < AGREES
    turned = _wholly(opposed, owner, totals)[owner] | (cosine < OPPOSED)
    bent = opposed & ~turned
    if not opposed.any():
        return 0
    normals[turned] *= -1.0
    normals[bent] += (HORIZON - cosine[bent])[:, None] * faces[owner[bent]]
    normals[bent] /= np.linalg.norm(normals[bent], axis=1, keepdims=True)
    store(mesh, normals)
    _part(mesh, np.unique(owner[opposed]), owner)
    return int(opposed.sum())


def _rewind(mesh: bpy.types.Mesh) -> int:
    changed = 0
    for _ in range(PASSES):
        faces, owner, totals = face_normals(mesh)
        cosine = np.einsum("ij,ij->i", corner_normals(mesh), faces[owner])
        wrong = _wholly(cosine < AGREES, owner, totals)
        if not wrong.any():
            break
        edited = bmesh.new()
        edited.from_mesh(mesh)
        edited.faces.ensure_lookup_table()
        for index in np.flatnonzero(wrong):
            edited.faces[int(index)].normal_flip()
        edited.to_mesh(mesh)
        edited.free()
        mesh.update()
        changed += int(totals[wrong].sum())
    return changed


def _wholly(opposed: np.ndarray, owner: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """The faces (F,) all of whose corners are `opposed` (L,)."""
    return np.bincount(owner, opposed, len(totals)) == totals


def corner_normals(mesh: bpy.types.Mesh) -> np.ndarray:
    """Unit normals (L, 3) of the corners, float32, as the mesh is shaded."""
    flat = np.empty(len(mesh.loops) * 3, np.float32)
    mesh.corner_normals.foreach_get("vector", flat)
    return flat.reshape(-1, 3)


def face_normals(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit normals (F, 3) by winding, the face of each corner (L,), and the corners of each face (F,)."""
    flat = np.empty(len(mesh.polygons) * 3, np.float32)
    mesh.polygons.foreach_get("normal", flat)  # `polygon_normals` follows the stored normals, not the winding
    totals = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", totals)
    return flat.reshape(-1, 3), np.repeat(np.arange(len(totals)), totals), totals


def store(mesh: bpy.types.Mesh, normals: np.ndarray) -> None:
    """Make `normals` (L, 3) the mesh's corner normals, exactly. Nothing may transform the mesh afterwards."""
    old = mesh.attributes.get(NORMALS)
    if old is not None:
        mesh.attributes.remove(old)
    attribute = mesh.attributes.new(NORMALS, "FLOAT_VECTOR", "CORNER")
    attribute.data.foreach_set("vector", np.ascontiguousarray(normals, np.float32).ravel())


def _part(mesh: bpy.types.Mesh, faces: np.ndarray, owner: np.ndarray) -> None:
    """Make the edges of these faces sharp: Cycles gives the corners of a vertex one normal but across sharp edges."""
    edges = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("edge_index", edges)
    attribute = mesh.attributes.get("sharp_edge") or mesh.attributes.new("sharp_edge", "BOOLEAN", "EDGE")
    sharp = np.zeros(len(mesh.edges), bool)
    attribute.data.foreach_get("value", sharp)
    sharp[edges[np.isin(owner, faces)]] = True
    attribute.data.foreach_set("value", sharp)
