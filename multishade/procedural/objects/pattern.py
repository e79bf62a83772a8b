# SPDX-License-Identifier: Apache-2.0
"""A generator in, a relief that fills the plane out: seeds, tiles, weaves, ripples, terrain, mazes."""

import numpy as np
from scipy.spatial import cKDTree

from multishade.procedural.objects.mesh import Array
from multishade.procedural.objects.noise import (
    fractal,
    nearest_two,
    ridged,
    sample_gradient_noise,
    smoothstep,
)
from multishade.procedural.objects.stroke import BEVEL, Ornament, line, stroked


def flat_in_space(points: Array, level: float = 3.7) -> Array:
    return np.concatenate([points, np.full((len(points), 1), level)], axis=1)


def seeds(rng: np.random.Generator) -> Ornament:
    """Domes in a sunflower's spiral order, growing outward."""
    count = int(rng.integers(50, 190))
    k = np.arange(count) + 0.5
    radius = 0.94 * np.sqrt(k / count)
    centres = radius[:, None] * np.stack([np.cos(2.39996 * k), np.sin(2.39996 * k)], axis=1)
    size = 0.94 / np.sqrt(count) * rng.uniform(0.85, 1.0)
    tree = cKDTree(centres)
    sharp, steep = rng.random() < 0.3, min(1.0, size / 0.1)

    def height(points: Array) -> Array:
        t = np.clip(tree.query(points)[0] / size, 0, 1)
        return steep * ((1 - t) * (1 + t) if not sharp else 1.4 * (1 - np.sqrt(t * t + 0.02)).clip(0))

    return height


def tiles(rng: np.random.Generator) -> Ornament:
    """Pavers: hexagons, bricks, scattered stones, each a raised plate that may tilt."""
    kind = str(rng.choice(["hexagon", "brick", "stones", "fishscale"]))
    pitch = rng.uniform(0.16, 0.36)
    grid = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10)), axis=-1).reshape(-1, 2).astype(float)
    if kind == "stones":
        centres = (grid + rng.uniform(-0.42, 0.42, grid.shape)) * pitch
    else:
        centres = (
            np.stack(
                [grid[:, 0] + 0.5 * (grid[:, 1] % 2), grid[:, 1] * (0.866 if kind == "hexagon" else 0.5)],
                axis=1,
            )
            * pitch
        )
    tilt = rng.normal(size=(len(centres), 2)) * rng.choice([0.0, 0.5])
    groove = max(0.2 * pitch, 1.6 * BEVEL)

    def height(points: Array) -> Array:
        if kind == "fishscale":
            t, index = cKDTree(centres).query(points, k=4)
            above = np.where(
                (points[:, None, 1] < centres[index][..., 1] + 0.1 * pitch) & (t < 0.62 * pitch), 1, 0
            )
            arch = np.where(above > 0, 1 - (t / (0.64 * pitch)) ** 2, -1)
            return np.maximum(arch.max(axis=1), 0) * 0.6 + 0.4 * (
                0.5 + 0.5 * np.cos(2 * np.pi * points[:, 1] / pitch)
            )
        stretch = np.array([0.5, 1.0]) if kind == "brick" else np.ones(2)
        first, second, index = nearest_two(points * stretch, centres * stretch)
        plate = smoothstep(0.0, groove, second - first)
        lean = ((points - centres[index]) * tilt[index]).sum(axis=1)
        return plate * (0.75 + lean)

    return height


def weave(rng: np.random.Generator) -> Ornament:
    """Bands that pass over and under one another, as in a basket."""
    pitch, turn = rng.uniform(0.16, 0.34), rng.choice([0.0, np.pi / 4])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def height(points: Array) -> Array:
        u, v = (points @ rotation / pitch).T
        across, along = (np.sqrt(np.clip(1 - (2 * np.mod(w, 1) - 1) ** 2 * 0.95, 0, 1)) for w in (v, u))
        phase = (
            np.cos(np.pi * np.floor(v)) * np.sin(np.pi * u),
            -np.cos(np.pi * np.floor(u)) * np.sin(np.pi * v),
        )
        return np.maximum(across * (0.55 + 0.35 * phase[0]), along * (0.55 + 0.35 * phase[1]))

    return height


def ripples(rng: np.random.Generator) -> Ornament:
    """Waves of several sources that meet, a Chladni figure, or raked sand round stones."""
    kind = str(rng.choice(["sources", "figure", "raked"]))
    places = rng.uniform(-0.7, 0.7, (int(rng.integers(1, 4)), 2))
    m, n = rng.choice([2, 3, 4, 5, 6], 2, replace=False)
    wave = 2 * np.pi / rng.uniform(0.13, 0.3)
    bend = sample_gradient_noise(rng)

    def height(points: Array) -> Array:
        x, y = points.T
        if kind == "figure":
            a = np.cos(m * np.pi * x) * np.cos(n * np.pi * y) - np.cos(n * np.pi * x) * np.cos(m * np.pi * y)
            return np.exp(-((a / 0.5) ** 2))
        away = np.linalg.norm(points[:, None] - places[None], axis=2)
        if kind == "sources":
            return 0.5 + 0.5 * np.cos(wave * away).mean(axis=1)
        nearest = away.min(axis=1)
        rings = np.cos(wave * nearest) * (1 - smoothstep(0.3, 0.45, nearest))
        rows = np.cos(wave * (y + 0.05 * bend(flat_in_space(points)))) * smoothstep(0.3, 0.45, nearest)
        return 0.35 + 0.3 * (rings + rows) + 0.8 * np.sqrt(np.clip(1 - (nearest / 0.12) ** 2, 0, 1))

    return height


def terrain(rng: np.random.Generator) -> Ornament:
    """Mountains and valleys, or slow dunes."""
    noise, frequency = sample_gradient_noise(rng), rng.uniform(1.2, 2.4)
    mountains = rng.random() < 0.6

    def height(points: Array) -> Array:
        position = flat_in_space(points * frequency)
        if mountains:
            return 1.3 * (ridged(noise, position, 4, 0.45) - 0.7)
        bent = position + 0.4 * np.stack(
            [noise(position + 3), noise(position - 7), 0 * position[:, 0]], axis=1
        )
        return 0.6 + 0.6 * fractal(noise, bent, 3, 0.4)

    return height


def maze(rng: np.random.Generator) -> Ornament:
    """Truchet tiles: arcs or straights that join into endless winding bands."""
    n = int(rng.integers(4, 9))
    cell, arcs = 2.0 / n, rng.random() < 0.65
    strokes = []
    for i in range(n):
        for j in range(n):
            corner = np.array([i, j]) * cell - 1
            flip = rng.random() < 0.5
            if arcs:
                for k in (0, 1):
                    a = np.linspace(0, np.pi / 2, 60) + k * np.pi
                    arc = np.stack([np.cos(a), np.sin(a)], axis=1) * 0.5 + k
                    arc[:, 0] = 1 - arc[:, 0] if flip else arc[:, 0]
                    strokes.append(corner + arc * cell)
            else:
                ends = ((0, 0), (1, 1)) if flip else ((0, 1), (1, 0))
                strokes.append(line(corner + np.array(ends[0]) * cell, corner + np.array(ends[1]) * cell))
    return stroked(strokes, rng.uniform(0.14, 0.2) * cell, bool(rng.random() < 0.6))
