# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh and where its materials are solid -> the mesh without the faces that are holes from edge to edge, and how far
the solid parts of its other faces reach.

A face that is a hole (a soft shadow painted on a plane, a pane of glass) shows nothing, and the empty edge of a card
with a leaf on it neither, yet they would count when the object is framed.
"""

from dataclasses import dataclass

import bmesh
import bpy
import numpy as np

from blender_scripts import corner_normals, framing
from blender_scripts.alpha import alpha_source
from blender_scripts.solid import Solid, solid_of

PIECES = 64  # a part of a face that is looked at has at most this share of the diagonal of the object
MOST_PIECES = 2_000_000  # of one mesh, looked at; then they are larger
AT_ONCE = 200_000  # pieces that are looked at in one step


@dataclass(frozen=True)
class Solids:
    """Of the meshes without holes: which faces are solid in part only, and points about all solid parts of those.

    Attributes:
        removed: Number of faces that were holes.
        partly: Name of a mesh -> (F,) bool; no entry if none is.
        points: Name of a mesh -> (K, 3).
    """

    removed: int
    partly: dict[str, np.ndarray]
    points: dict[str, np.ndarray]


def remove(meshes: list[bpy.types.Mesh], empty: set[str]) -> Solids:
    """Remove the faces that are holes; the others keep their corner normals.

    Args:
        meshes: with settled materials (`alpha.settle`).
        empty: names of the materials all of which is a hole.
    """
    box = framing.box(meshes)
    longest = 0.0 if box is None else float(np.linalg.norm(box[1] - box[0])) / PIECES
    found = Solids(0, {}, {})
    removed = 0
    for mesh in meshes:
        holes, partly, points = _judge(mesh, empty, longest)
        if holes.any():
            _delete(mesh, holes)
            removed += int(holes.sum())
        if partly.any():
            found.partly[mesh.name], found.points[mesh.name] = partly[~holes], points
    return Solids(removed, found.partly, found.points)


def _judge(
    mesh: bpy.types.Mesh, empty: set[str], longest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which faces are holes (F,), which are solid in part (F,), and points (K, 3) about the solid parts of those."""
    slots = np.zeros(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    holes, partly = (np.zeros(len(slots), bool) for _ in range(2))
    points = [np.empty((0, 3))]
    for index, material in enumerate(mesh.materials):
        mine = slots == index if index < len(mesh.materials) - 1 else slots >= index
        if material is None or not mine.any():
            continue
        if material.name in empty:
            holes |= mine
            continue
        source = alpha_source(material)
        solid = None if source is None else solid_of(mesh, source)
        if solid is not None:
            faces = np.flatnonzero(mine)
            shown = solid.anywhere(_boxes(mesh, solid.corners)[faces])
            holes[faces[~shown]] = True
            in_part, about = _solid_pieces(mesh, faces[shown], solid, longest)
            partly[in_part] = True
            points.append(about)
    return holes, partly, np.concatenate(points)


def _boxes(mesh: bpy.types.Mesh, corners: np.ndarray) -> np.ndarray:
    """The least and the largest of numbers (L, K) over the corners of each face, (F, 2, K)."""
    starts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", starts)
    return np.stack([np.minimum.reduceat(corners, starts), np.maximum.reduceat(corners, starts)], axis=1)


def _solid_pieces(
    mesh: bpy.types.Mesh, faces: np.ndarray, solid: Solid, longest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of these faces are solid in part only, and the corners (K, 3) of the pieces of those that are solid.

    A face that is no larger than `longest` counts as a whole.
    """
    mesh.calc_loop_triangles()
    loops, owner = (
        np.empty(len(mesh.loop_triangles) * 3, np.int32),
        np.empty(len(mesh.loop_triangles), np.int32),
    )
    mesh.loop_triangles.foreach_get("loops", loops)
    mesh.loop_triangles.foreach_get("polygon_index", owner)
    among = np.isin(owner, faces)
    corner, owner = loops.reshape(-1, 3)[among], owner[among]
    positions = framing.positions(mesh)[framing.corner_vertices(mesh)][corner]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.ptp(positions, axis=1).max(axis=1) / longest
    count = np.clip(np.ceil(np.nan_to_num(ratio)), 1, PIECES)
    count = np.maximum(1, count * min(1.0, (MOST_PIECES / (count**2).sum()) ** 0.5)).astype(int)
    hollow, reached = np.zeros(len(mesh.polygons), bool), np.zeros(len(mesh.polygons), bool)
    points, of = [np.empty((0, 3))], [np.empty(0, np.int32)]
    for many in np.unique(count[count > 1]):
        weights = _pieces(int(many))
        chosen = np.flatnonzero(count == many)
        for some in np.array_split(chosen, -(-len(chosen) * len(weights) // AT_ONCE)):
            at = np.einsum("pcw,twk->tpck", weights, solid.corners[corner[some]])
            shown = solid.anywhere(at.reshape(-1, *at.shape[2:])).reshape(at.shape[:2])
            hollow[owner[some[~shown.all(axis=1)]]] = True
            reached[owner[some[shown.any(axis=1)]]] = True
            triangle, piece = np.nonzero(shown)
            about = np.einsum("npw,nwk->npk", weights[piece], positions[some[triangle]])
            points.append(about.reshape(-1, 3))
            of.append(np.repeat(owner[some[triangle]], 3))
    # A polygon with a triangle that is too small to be cut counts as a whole, and so does one without solid pieces.
    small = np.zeros(len(mesh.polygons), bool)
    small[owner[count == 1]] = True
    partly = hollow & reached & ~small
    kept = partly[np.concatenate(of)]
    return np.flatnonzero(partly), np.concatenate(points)[kept]


def _pieces(count: int) -> np.ndarray:
    """A triangle cut into count * count like ones: the weights (P, 3, 3) of its corners at theirs."""
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(count), np.arange(count), indexing="ij"))
    up, down = i + j < count, i + j < count - 1
    first = np.stack([[i, j], [i + 1, j], [i, j + 1]])[..., up]
    second = np.stack([[i + 1, j], [i + 1, j + 1], [i, j + 1]])[..., down]
    steps = np.concatenate([first, second], axis=2).transpose(2, 0, 1) / count
    return np.concatenate([steps, 1 - steps.sum(axis=2, keepdims=True)], axis=2)


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
