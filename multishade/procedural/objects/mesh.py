# SPDX-License-Identifier: Apache-2.0
"""Vertices and triangles in, a checked `ObjectMesh` out: closed, outward, finite, without degenerate faces."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from multishade.errors import AssetError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MAX_FACES = 400_000
MIN_ALTITUDE = 1e-6  # of the half diagonal: a triangle thinner than this has no direction left in float32


@dataclass(frozen=True, eq=False)
class ObjectMesh:
    """A closed surface of triangles.

    Attributes:
        vertices: (V, 3) float32, any scale (built-in objects have a bounding box of half diagonal 1 about the origin).
        faces: (F, 3) int32, counter-clockwise seen from outside.
        crease_degrees: Edges whose faces differ by a larger angle are shaded sharp; 0 is flat, 180 smooth everywhere.
        uv: (F, 3, 2) float32, one texture coordinate for each corner of each face, or None.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    crease_degrees: float
    uv: npt.NDArray[np.float32] | None = None


def object_mesh(
    vertices: Array, faces: Indices, crease_degrees: float, uv: Array | None = None
) -> ObjectMesh:
    """Centre a surface, scale it to a bounding box of half diagonal 1, and round it to the stored types.

    Args:
        vertices: (V, 3), any scale; vertices that no face uses are dropped.
        faces: (F, 3), counter-clockwise seen from outside.
        crease_degrees: As in `ObjectMesh`.
        uv: (F, 3, 2) or None.

    Returns:
        The mesh, checked.

    Raises:
        AssetError: If the surface is not closed, not outward, not finite or degenerate (see `problems`).
    """
    faces = np.asarray(faces, dtype=np.int64)
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    points = np.asarray(vertices, dtype=np.float64)[used]
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) / (np.linalg.norm(high - low) / 2)
    renumbered = np.cumsum(used) - 1
    mesh = ObjectMesh(
        vertices=np.ascontiguousarray(points, dtype=np.float32),
        faces=np.ascontiguousarray(renumbered[faces], dtype=np.int32),
        crease_degrees=float(crease_degrees),
        uv=None if uv is None else np.ascontiguousarray(uv, dtype=np.float32),
    )
    flaws = problems(mesh)
    if flaws:
        raise AssetError("; ".join(flaws))
    return mesh


def problems(mesh: ObjectMesh) -> list[str]:
    """Return the reasons why a mesh is not a valid closed surface, one sentence each; none if it is valid."""
    if not np.isfinite(mesh.vertices).all():
        return ["a vertex is not finite"]
    if not 4 <= len(mesh.faces) <= MAX_FACES:
        return [f"{len(mesh.faces)} faces; allowed are 4 to {MAX_FACES}"]
    flaws = []
    if mesh.uv is not None and (mesh.uv.shape != (len(mesh.faces), 3, 2) or not np.isfinite(mesh.uv).all()):
        flaws.append("the texture coordinates are not finite or not one pair per corner")
    open_edges = unmatched_edges(mesh.faces)
    if open_edges:
        flaws.append(f"{open_edges} edges are not shared by exactly two faces of one orientation")
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    flat = int(np.count_nonzero(altitudes(corners) < MIN_ALTITUDE))
    if flat:
        flaws.append(f"{flat} faces are degenerate (thinner than {MIN_ALTITUDE:g} of the half diagonal)")
    if signed_volume(corners) <= 0:
        flaws.append("the faces point inward (the enclosed volume is not positive)")
    return flaws


def unmatched_edges(faces: npt.NDArray[np.integer]) -> int:
    """Count the directed edges of (F, 3) faces that do not occur exactly once, or whose reverse does not."""
    start = faces.astype(np.int64).ravel()
    end = np.roll(faces.astype(np.int64), -1, axis=1).ravel()
    count = int(start.max()) + 1
    forward, repeats = np.unique(start * count + end, return_counts=True)
    backward = np.sort(end * count + start)
    if len(forward) == len(backward) and np.array_equal(forward, backward):
        return 0
    return int((repeats - 1).sum()) + int(np.setxor1d(forward, backward).size)


def altitudes(corners: Array) -> Array:
    """Return the smallest altitude of each triangle (F, 3, 3), twice its area over its longest side, as (F,)."""
    sides = np.roll(corners, -1, axis=1) - corners
    longest = np.sqrt(np.einsum("fij,fij->fi", sides, sides).max(axis=1))
    doubled = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    return np.divide(doubled, longest, out=np.zeros_like(doubled), where=longest > 0)


def signed_volume(corners: Array) -> float:
    """Return the volume that triangles (F, 3, 3) enclose, positive if they face outward (divergence theorem)."""
    return float(np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


def face_normals(vertices: Array, faces: npt.NDArray[np.integer]) -> Array:
    """Return unit normals (F, 3) of counter-clockwise faces; the normal of a face without area is zero."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    return np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)


def vertex_normals(vertices: Array, faces: npt.NDArray[np.integer]) -> Array:
    """Return unit normals (V, 3), each the mean over the adjacent faces weighted by area."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = faces.ravel()
    summed = np.stack([np.bincount(flat, np.repeat(cross[:, i], 3), len(vertices)) for i in range(3)], axis=1)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.divide(summed, length, out=np.zeros_like(summed), where=length > 0)


def edge_angles(vertices: Array, faces: npt.NDArray[np.integer]) -> Array:
    """Return the angle in degrees between the two faces at every edge of a closed surface, (E,)."""
    start = faces.astype(np.int64)
    end = np.roll(start, -1, axis=1)
    key = (np.minimum(start, end) * len(vertices) + np.maximum(start, end)).ravel()
    pairs = (np.argsort(key, kind="stable") // 3).reshape(-1, 2)
    normals = face_normals(vertices, faces)
    first, second = normals[pairs[:, 0]], normals[pairs[:, 1]]
    sine = np.linalg.norm(np.cross(first, second), axis=1)
    return np.degrees(np.arctan2(sine, np.einsum("ij,ij->i", first, second)))
