# SPDX-License-Identifier: Apache-2.0
"""A surface as a grid of points in, a closed shell of even thickness with a rounded hem out."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter, spline_filter1d

from multishade.procedural.objects.mesh import Array, Indices
from multishade.procedural.objects.surface import grid_quads, split_quads

HEM = 10  # steps about the half round of the hem


def thickened(grid: Array, thickness: float, wrap: bool = False) -> tuple[Array, Indices, Array]:
    """A shell about a grid (R, C, 3) of points: vertices, faces, uv (F, 3, 2).

    wrap: whether the last column meets the first one. The hem is half a circle, so that no edge is sharp. Where the
    sheet bends tighter than it is thick the shell gets thinner, so that its inner side does not fold over.
    """
    rows, columns = grid.shape[:2]
    normals = grid_normals(grid, wrap)
    half = half_thickness(grid, normals, thickness, wrap)[..., None]
    top, bottom = grid + half * normals, grid - half * normals
    count = rows * columns
    numbers = np.arange(count).reshape(rows, columns)
    if wrap:
        loops = [numbers[0], numbers[-1, ::-1]]
    else:
        loops = [np.concatenate([numbers[0, :-1], numbers[:-1, -1], numbers[-1, :0:-1], numbers[:0:-1, 0]])]
    quads = grid_quads(rows, columns, wrap_columns=wrap)
    points, source, sides = (
        [top.reshape(-1, 3), bottom.reshape(-1, 3)],
        [np.arange(count)] * 2,
        [quads, quads[:, ::-1] + count],
    )
    total = 2 * count
    for loop in loops:
        place, normal, round_off = (
            grid.reshape(-1, 3)[loop],
            normals.reshape(-1, 3)[loop],
            half.reshape(-1, 1)[loop],
        )
        tangent = np.roll(place, -1, axis=0) - np.roll(place, 1, axis=0)
        outward = np.cross(tangent, normal)
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12)
        rings = [loop + count]
        for angle in np.linspace(-np.pi / 2, np.pi / 2, HEM + 1)[1:-1]:
            points.append(place + round_off * (np.cos(angle) * outward + np.sin(angle) * normal))
            source.append(loop)
            rings.append(total + np.arange(len(loop)))
            total += len(loop)
        rings.append(loop)
        sides.append(np.concatenate(rings)[grid_quads(HEM + 1, len(loop), wrap_columns=True)])
    vertices, quads = np.concatenate(points), np.concatenate(sides)
    faces = split_quads(vertices, quads)
    return vertices, faces, sheet_uv(grid, np.concatenate(source)[faces], wrap)


def half_thickness(grid: Array, normals: Array, thickness: float, wrap: bool) -> Array:
    """Half the thickness at every point (R, C): at most two thirds of the least radius of curvature nearby."""
    bend = np.zeros(grid.shape[:2])
    for axis in (0, 1):
        step = np.linalg.norm(np.roll(grid, -1, axis=axis) - grid, axis=2)
        turn = np.linalg.norm(np.roll(normals, -1, axis=axis) - normals, axis=2) / np.maximum(step, 1e-9)
        if axis == 0 or not wrap:
            np.moveaxis(turn, axis, 0)[-1] = 0
        bend = np.maximum(bend, np.maximum(turn, np.roll(turn, 1, axis=axis)))
    modes = ["nearest", "wrap" if wrap else "nearest"]
    bend = gaussian_filter(maximum_filter(bend, 5, mode=modes), 1.5, mode=modes)
    return thickness / 2 / (1 + (thickness / 2 * bend * 1.5) ** 4) ** 0.25


def grid_normals(grid: Array, wrap: bool) -> Array:
    """Unit normals (R, C, 3): along the columns x along the rows."""
    across = (np.roll(grid, -1, axis=1) - np.roll(grid, 1, axis=1)) if wrap else np.gradient(grid, axis=1)
    normal = np.cross(across, np.gradient(grid, axis=0))
    return normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)


def sheet_uv(grid: Array, numbers: Indices, wrap: bool) -> Array:
    """Texture coordinates (F, 3, 2) from the grid positions that the corners (F, 3) stem from; one unit is one side."""
    rows, columns = grid.shape[:2]
    v = (numbers // columns) / (rows - 1)
    u = (numbers % columns) / (columns if wrap else columns - 1)
    if wrap:
        u = np.where((u < 0.5) & (np.ptp(u, axis=1) > 0.5)[:, None], u + 1, u)
    tall = np.linalg.norm(np.diff(grid[:, columns // 2], axis=0), axis=1).sum()
    wide = np.linalg.norm(np.diff(grid[rows // 2], axis=0), axis=1).sum()
    repeat = max(1, round(float(wide / tall)))
    return np.stack([u * repeat, v * max(1, round(float(tall / wide)))], axis=-1)


def refined(grid: Array, rows: int, columns: int) -> Array:
    """A grid (R, C, 3) resampled by cubic splines to (rows, columns, 3)."""
    r, c = np.meshgrid(
        np.linspace(0, grid.shape[0] - 1, rows), np.linspace(0, grid.shape[1] - 1, columns), indexing="ij"
    )
    result = []
    for k in range(3):
        coefficients = spline_filter1d(
            spline_filter1d(grid[..., k], axis=0, mode="mirror"), axis=1, mode="mirror"
        )
        result.append(map_coordinates(coefficients, [r, c], order=3, prefilter=False, mode="mirror"))
    return np.stack(result, axis=-1)


def smoothed(grid: Array, rounds: int) -> Array:
    """A grid (R, C, 3) whose points were moved toward the mean of their neighbours; its border moves along itself."""
    for _ in range(rounds):
        padded = np.pad(grid, ((1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
        grid = grid + 0.2 * (
            padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4 * grid
        )
    return grid
