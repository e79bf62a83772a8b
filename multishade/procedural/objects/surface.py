# SPDX-License-Identifier: Apache-2.0
"""Numbers of rows and rings in, the faces that join them out: grids, rings of unequal counts, cube spheres, sheets."""

from collections.abc import Sequence

import numpy as np

from multishade.procedural.objects.mesh import Array, Indices


def grid_quads(rows: int, columns: int, wrap_rows: bool = False, wrap_columns: bool = False) -> Indices:
    """Quads (Q, 4) of a grid whose vertex (r, c) has number r * columns + c.

    They are counter-clockwise seen from the side to which (along the columns) x (along the rows) points.
    """
    r = np.arange(rows if wrap_rows else rows - 1)[:, None]
    c = np.arange(columns if wrap_columns else columns - 1)[None, :]
    below, right = (r + 1) % rows, (c + 1) % columns
    corners = [r * columns + c, r * columns + right, below * columns + right, below * columns + c]
    return np.stack([np.broadcast_to(corner, (r.size, c.size)) for corner in corners], axis=-1).reshape(-1, 4)


def split_quads(vertices: Array, quads: Indices) -> Indices:
    """Split each quad into two triangles, (2 Q, 3), along the shorter diagonal to avoid slivers."""
    a, b, c, d = (vertices[quads[:, i]] for i in range(4))
    along_bd = ((b - d) ** 2).sum(axis=1) < ((a - c) ** 2).sum(axis=1)
    first = np.where(along_bd[:, None], quads[:, [0, 1, 3]], quads[:, [0, 1, 2]])
    second = np.where(along_bd[:, None], quads[:, [1, 2, 3]], quads[:, [0, 2, 3]])
    return np.stack([first, second], axis=1).reshape(-1, 3)


def corner_values(quads: Indices, triangles: Indices, values: Array) -> Array:
    """Assign values (Q, 4, n) at the corners of quads to the triangles of `split_quads`, (2 Q, 3, n)."""
    owners = np.repeat(quads, 2, axis=0)
    corner = (triangles[:, :, None] == owners[:, None, :]).argmax(axis=2)
    return np.take_along_axis(np.repeat(values, 2, axis=0), corner[:, :, None], axis=1)


def grid_uv(down: Array, across: Array) -> Array:
    """Texture coordinates (Q, 4, 2) for the corners of `grid_quads`: u grows down the rows, v across the columns.

    down, across: values at the grid lines, one more than there are cells; at a wrap the last value is not the first,
    so that the texture runs through the seam.
    """
    u, v = np.meshgrid(down, across, indexing="ij")
    lines = np.stack([u, v], axis=-1)
    corners = [lines[:-1, :-1], lines[:-1, 1:], lines[1:, 1:], lines[1:, :-1]]
    return np.stack(corners, axis=2).reshape(-1, 4, 2)


def ring_faces(counts: Sequence[int]) -> Indices:
    """Triangles between successive closed rings; ring k has counts[k] evenly turned vertices, 1 makes a pole.

    Vertices are numbered ring after ring, each ring starting at the same angle and running counter-clockwise about
    the axis. Faces are counter-clockwise seen from outside if the first ring is below the second.
    """
    starts = np.concatenate([[0], np.cumsum(counts)])
    bands = []
    for below, above, n, m in zip(starts[:-2], starts[1:-1], counts[:-1], counts[1:], strict=True):
        i, j = np.arange(n), np.arange(m)
        across_up = np.searchsorted((j + 0.5) / m, (i + 0.5) / n, side="left") if m > 1 else np.zeros(n, int)
        across_down = (
            np.searchsorted((i + 0.5) / n, (j + 0.5) / m, side="right") if n > 1 else np.zeros(m, int)
        )
        if n > 1:
            bands.append(np.stack([below + i, below + (i + 1) % n, above + across_up % m], axis=1))
        if m > 1:
            bands.append(np.stack([above + (j + 1) % m, above + j, below + across_down % n], axis=1))
    return np.concatenate(bands)


def ring_uv(faces: Indices, counts: Sequence[int], heights: Array, repeats: int) -> Array:
    """Texture coordinates (F, 3, 2) for `ring_faces`: u runs `repeats` times about the axis, v is the ring's height."""
    ring = np.repeat(np.arange(len(counts)), counts)
    turn = np.concatenate([np.arange(count) / count for count in counts])
    u = turn[faces]
    pole = np.asarray(counts)[ring[faces]] == 1
    other = np.where(pole, np.roll(u, 1, axis=1), u)  # a pole has every angle: let it follow a neighbour
    seam = (np.ptp(other, axis=1) > 0.5)[:, None]
    u = np.where(seam & (u < 0.5), u + 1, u)
    middle = np.where(pole, 0, u).sum(axis=1) / np.maximum((~pole).sum(axis=1), 1)
    u = np.where(pole, middle[:, None], u)
    return np.stack([u * repeats, heights[ring[faces]]], axis=-1)


def cube_sphere(parameters: Array) -> tuple[Array, Indices]:
    """A subdivided cube surface: points (V, 3) on the cube [-1, 1]^3 and outward quads (Q, 4), with no pole.

    parameters: (n + 1,) increasing from -1 to 1, where the grid lines of every side lie. Normalise the points to get
    a sphere.
    """
    n = len(parameters) - 1
    i, j = (a.ravel() for a in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    far, near = np.full_like(i, n), np.zeros_like(i)
    sides = [(far, j, i), (near, i, j), (i, far, j), (j, near, i), (j, i, far), (i, j, near)]
    lattice = np.concatenate([np.stack(side, axis=1) for side in sides])
    code = (lattice[:, 0] * (n + 1) + lattice[:, 1]) * (n + 1) + lattice[:, 2]
    unique, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    quads = np.concatenate([grid_quads(n + 1, n + 1) + k * (n + 1) ** 2 for k in range(6)])
    return parameters[lattice[first]], inverse[quads]


def sphere_points(resolution: int) -> tuple[Array, Indices]:
    """Unit sphere as a cube sphere of near-equal angles: directions (V, 3), quads (6 resolution^2, 4)."""
    cube, quads = cube_sphere(np.tan(np.linspace(-np.pi / 4, np.pi / 4, resolution + 1)))
    return cube / np.linalg.norm(cube, axis=1, keepdims=True), quads


def spread(density: Array, count: int, periodic: bool = False) -> Array:
    """Positions in [0, 1] at which the integral of a density, sampled evenly on [0, 1], grows by equal steps.

    Returns (count,): both ends included, or for a periodic parameter starting at 0 and leaving 1 out.
    """
    integral = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    wanted = np.linspace(0, integral[-1], count, endpoint=not periodic)
    return np.interp(wanted, integral, np.linspace(0, 1, len(density)))


def curve_density(points: Array, turn_weight: float = 1.0) -> Array:
    """Return how densely a sampled curve (M, d) needs vertices: arc length plus turning angle, as shares, (M,)."""
    steps = np.diff(points, axis=0)
    length = np.linalg.norm(steps, axis=1)
    unit = steps / np.maximum(length, 1e-12)[:, None]
    turn = np.arccos(np.clip((unit[1:] * unit[:-1]).sum(axis=1), -1, 1))
    length_share = np.concatenate([[length[0]], (length[1:] + length[:-1]) / 2, [length[-1]]]) / length.sum()
    turn_share = np.concatenate([[turn[0]], turn, [turn[-1]]]) / max(turn.sum(), 1e-12)
    return length_share + turn_weight * turn_share
