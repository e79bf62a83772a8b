# SPDX-License-Identifier: Apache-2.0
"""A scalar field in (negative inside), its zero level out, without the stairs and slivers of marching cubes."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from skimage.measure import marching_cubes

from multishade.procedural.objects.mesh import Array, Indices, vertex_normals

Field = Callable[[Array], Array]  # (N, 3) points -> (N,) values


def grid_axes(low: Array, high: Array, cells: int) -> tuple[list[Array], float]:
    """Sample positions along x, y, z of a grid of cubes, `cells` along the longest side, and their spacing."""
    spacing = float((high - low).max()) / cells
    return [
        low[i] + spacing * np.arange(int(np.ceil((high[i] - low[i]) / spacing)) + 1) for i in range(3)
    ], spacing


def cells_for(coarse: npt.NDArray[np.floating], cells: int, faces: int, most: int) -> int:
    """Cells along the longest side that give about `faces` triangles, judged by a coarse sampling with `cells` of them.

    Marching cubes makes one vertex where a grid edge changes sign, and two triangles for each vertex.
    """
    inside = coarse < 0
    crossings = sum(int(np.count_nonzero(np.diff(inside, axis=axis))) for axis in range(3))
    return int(np.clip(cells * np.sqrt(faces / max(2 * crossings, 1)), cells, most))


def extract(values: npt.NDArray[np.floating], origin: Array, spacing: float) -> tuple[Array, Indices]:
    """Marching cubes on a grid (X, Y, Z) that is negative inside: vertices (V, 3), outward faces (F, 3).

    The outermost layer is forced outside, so the surface is closed. Values very near zero are moved off it: a surface
    that runs through a grid point would have triangles of no area there.
    """
    scale = float(np.median(np.abs(np.diff(values, axis=0)))) or 1.0
    near = np.abs(values) < 0.02 * scale
    values = np.where(near, np.where(values < 0, -0.02 * scale, 0.02 * scale), values)
    for axis in range(3):
        for end in (0, -1):
            layer = np.moveaxis(values, axis, 0)
            layer[end] = np.maximum(layer[end], scale)
    vertices, faces, _, _ = marching_cubes(values.astype(np.float32), 0.0, gradient_direction="descent")
    return origin + spacing * vertices.astype(np.float64), faces.astype(np.int64)


def project(vertices: Array, field: Field, spacing: float, steps: int = 2) -> Array:
    """Newton steps of (V, 3) vertices onto the zero level; no vertex moves more than half a cell for each step."""
    for _ in range(steps):
        value, gradient = value_and_gradient(vertices, field, spacing * 1e-3)
        squared = np.maximum((gradient**2).sum(axis=1), 1e-12)
        step = -(value / squared)[:, None] * gradient
        length = np.linalg.norm(step, axis=1, keepdims=True)
        vertices = vertices + step * np.minimum(1, 0.5 * spacing / np.maximum(length, 1e-12))
    return vertices


def value_and_gradient(points: Array, field: Field, h: float) -> tuple[Array, Array]:
    """Values (N,) and forward-difference gradients (N, 3) of a field."""
    value = field(points)
    moved = [(field(points + h * axis) - value) / h for axis in np.eye(3)]
    return value, np.stack(moved, axis=1)


def adjacency(faces: Indices, count: int) -> csr_matrix:
    """Row-normalised neighbour matrix (V, V): multiplying by it averages each vertex's neighbours."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    matrix = csr_matrix((np.ones(len(start)), (start, end)), shape=(count, count))
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    matrix.data /= np.repeat(degree, np.diff(matrix.indptr))
    return matrix


def relax(vertices: Array, faces: Indices, rounds: int) -> Array:
    """Slide vertices along the surface toward the middle of their neighbours, so that slivers open up."""
    mean = adjacency(faces, len(vertices))
    for _ in range(rounds):
        normals = vertex_normals(vertices, faces)
        step = mean @ vertices - vertices
        step -= np.einsum("ij,ij->i", step, normals)[:, None] * normals
        vertices = vertices + 0.6 * step
    return vertices


def mesh_field(
    field: Field, values: npt.NDArray[np.floating], origin: Array, spacing: float, rounds: int = 3
) -> tuple[Array, Indices]:
    """The zero level of a smooth field that was sampled as `values`: even triangles with vertices exactly on it."""
    vertices, faces = extract(values, origin, spacing)
    vertices = project(vertices, field, spacing, steps=1)
    vertices = relax(vertices, faces, rounds)
    return project(vertices, field, spacing, steps=2), faces


def largest_part(vertices: Array, faces: Indices) -> tuple[Array, Indices]:
    """The connected part with the most faces, for fields that leave crumbs; unused vertices stay in the array."""
    from scipy.sparse.csgraph import connected_components

    links = csr_matrix(
        (np.ones(faces.size), (faces.ravel(), np.roll(faces, -1, axis=1).ravel())), (len(vertices),) * 2
    )
    _, label = connected_components(links, directed=False)
    parts = np.bincount(label[faces[:, 0]])
    return vertices, faces[label[faces[:, 0]] == parts.argmax()]
