# SPDX-License-Identifier: Apache-2.0
"""A depth map -> a triangle mesh in the camera frame, facing the camera; its `export` writes PLY or GLB."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multishade.errors import SolveError
from multishade.photometry.integration.graph import pixel_graph, view_of

if TYPE_CHECKING:
    import trimesh


def mesh_from_depth(
    depth: ArrayLike,
    mask: ArrayLike | None = None,
    camera: ArrayLike | None = None,
    pixel_size: float = 1.0,
    cut_degrees: float | None = None,
) -> "trimesh.Trimesh":
    """Triangulate a depth map: one vertex for each pixel, two triangles for four neighbours, one for three.

    Args:
        depth: (H, W) distance along the camera's z axis; NaN and infinity are no surface.
        mask: (H, W), zero off the object.
        camera: (3, 3) intrinsics in pixels, origin at the outer corner of the top-left pixel; None: an orthographic
            camera whose axis goes through the image's centre.
        pixel_size: Distance of neighbouring pixels of an orthographic camera, in the unit of the depth.
        cut_degrees: Leave out triangles whose normal is farther than this from the line of sight (85 cuts at depth
            discontinuities); None: keep all.

    Returns:
        The mesh; vertices in the camera frame: +x right, +y up, +z to the camera.

    Raises:
        SolveError: If shapes do not match.
    """
    import trimesh

    vertices, triangles = triangulate(depth, mask, camera, pixel_size, cut_degrees)
    return trimesh.Trimesh(vertices=vertices, faces=triangles, process=False)


def triangulate(
    depth: ArrayLike,
    mask: ArrayLike | None = None,
    camera: ArrayLike | None = None,
    pixel_size: float = 1.0,
    cut_degrees: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Triangulate a depth map, as `mesh_from_depth`, to arrays.

    Args:
        depth: As for `mesh_from_depth`.
        mask: As for `mesh_from_depth`.
        camera: As for `mesh_from_depth`.
        pixel_size: As for `mesh_from_depth`.
        cut_degrees: As for `mesh_from_depth`.

    Returns:
        (V, 3) vertices, one for each pixel with a depth, row by row, and (T, 3) triangles.

    Raises:
        SolveError: If shapes do not match.
    """
    field = np.asarray(depth, dtype=np.float64)
    if field.ndim != 2:
        raise SolveError(f"depth: expected (H, W), got {field.shape}")
    valid = np.isfinite(field)
    if mask is not None:
        inside = np.asarray(mask)
        if inside.shape != field.shape:
            raise SolveError(f"mask: expected {field.shape} like the depth, got {inside.shape}")
        valid &= inside != 0
    graph = pixel_graph(valid)
    intrinsics = None if camera is None else np.asarray(camera, dtype=np.float64)
    rays = view_of(graph, intrinsics, pixel_size).rays
    vertices = rays * field[valid][:, None]
    if intrinsics is None:
        rows, columns = np.nonzero(valid)
        vertices[:, 0] = (columns + 0.5 - field.shape[1] / 2) * pixel_size
        vertices[:, 1] = (field.shape[0] / 2 - rows - 0.5) * pixel_size

    number = np.where(valid, np.cumsum(valid.reshape(-1)).reshape(valid.shape) - 1, -1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    # Counter-clockwise as seen from the camera. If one corner is missing, the other three still form a triangle.
    corners = ((a, c, d, None), (a, d, b, None), (a, c, b, d), (b, c, d, a))
    faces = []
    for one, two, three, absent in corners:
        present = (one >= 0) & (two >= 0) & (three >= 0)
        if absent is not None:
            present &= absent < 0
        faces.append(np.stack([one[present], two[present], three[present]], axis=1))
    triangles = np.concatenate(faces)
    if cut_degrees is not None:
        corner = vertices[triangles]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        sight = -rays[triangles].mean(axis=1)
        cosine = np.einsum("ti,ti->t", normal, sight)
        cosine /= np.linalg.norm(normal, axis=1) * np.linalg.norm(sight, axis=1)
        triangles = triangles[cosine > np.cos(np.radians(cut_degrees))]
    return vertices, triangles
