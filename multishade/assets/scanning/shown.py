# SPDX-License-Identifier: Apache-2.0
"""Triangles in, what of them a render shows out: their box, and whether their normals agree with their winding."""

import numpy as np
from numpy.typing import NDArray

NO_AREA = 1e-7  # of a triangle, over the square of the diagonal of its own box
OPPOSED = -1e-4  # cosine of a stored normal and the triangle's own from which they disagree


def shown_corners(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the triangles that have an area.

    Args:
        triangles: (T, 3, 3) positions.

    Returns:
        (N, 3) positions; those of all triangles if none has an area.
    """
    sides = triangles.max(axis=1) - triangles.min(axis=1)
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    areas = np.linalg.norm(np.cross(first, second), axis=1) / 2
    shown = areas > NO_AREA * (sides**2).sum(axis=1)
    return (triangles[shown] if shown.any() else triangles).reshape(-1, 3)


def has_opposed_normals(triangles: NDArray[np.float64], normals: NDArray[np.float64]) -> bool:
    """Tell whether a stored corner normal points to the other side of its triangle.

    Args:
        triangles: (T, 3, 3) positions, wound counter-clockwise.
        normals: (T, 3, 3) normals of the same corners.
    """
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    faces = np.cross(first, second)
    scale = np.linalg.norm(faces, axis=1, keepdims=True) * np.linalg.norm(normals, axis=2)
    cosines = np.einsum("tj,tkj->tk", faces, normals)
    return bool((cosines < OPPOSED * scale).any())
