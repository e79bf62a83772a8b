# SPDX-License-Identifier: Apache-2.0
"""A generator in, a lattice of a triply periodic minimal surface out: gyroid, Schwarz P and D, Neovius, I-WP."""

from collections.abc import Callable

import numpy as np
from manifold3d import Manifold

from multishade.procedural.objects.isosurface import cells_for, grid_axes, mesh_field
from multishade.procedural.objects.mesh import Array
from multishade.procedural.objects.solids import ball, box, largest, rod, solid, subtract

FACES = 130_000


def gyroid(x: Array, y: Array, z: Array) -> Array:
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)


def primitive(x: Array, y: Array, z: Array) -> Array:
    return np.cos(x) + np.cos(y) + np.cos(z)


def diamond(x: Array, y: Array, z: Array) -> Array:
    return np.cos(x) * np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y) * np.sin(z)


def neovius(x: Array, y: Array, z: Array) -> Array:
    return (3 * (np.cos(x) + np.cos(y) + np.cos(z)) + 4 * np.cos(x) * np.cos(y) * np.cos(z)) / 3


def iwp(x: Array, y: Array, z: Array) -> Array:
    mixed = np.cos(x) * np.cos(y) + np.cos(y) * np.cos(z) + np.cos(z) * np.cos(x)
    return (2 * mixed - np.cos(2 * x) - np.cos(2 * y) - np.cos(2 * z)) / 2


def lattice(rng: np.random.Generator) -> Manifold:
    """A thickened minimal surface or one of the two spaces it parts, cut to a ball, box, drum or shell.

    Names and level-set approximations: Schoen 1970; von Schnering and Nesper 1991.
    """
    surface: Callable[[Array, Array, Array], Array]
    surface = (gyroid, gyroid, primitive, diamond, neovius, iwp)[int(rng.integers(6))]
    waves = rng.uniform(1.3, 2.4) * (0.8 if surface in (neovius, iwp) else 1.0)
    phase = rng.uniform(0, 2 * np.pi, 3)
    sheet = rng.random() < 0.6
    filled = rng.uniform(0.28, 0.45)  # the share of space inside
    scale = waves * np.pi
    sampled_values = surface(*rng.uniform(0, 2 * np.pi, (3, 4000)))
    half, level = np.quantile(np.abs(sampled_values), filled), np.quantile(sampled_values, filled)

    def field(points: Array) -> Array:
        return combine(surface(*(points * scale + phase).T))

    def combine(value: Array) -> Array:
        return (np.abs(value) - half) / scale if sheet else (value - level) / scale

    low, high = np.full(3, -1.06), np.full(3, 1.06)

    def sampled(cells: int) -> tuple[Array, float]:
        axes, spacing = grid_axes(low, high, cells)
        grid = np.meshgrid(
            *(axis * scale + p for axis, p in zip(axes, phase, strict=True)), indexing="ij", sparse=True
        )
        return combine(surface(*grid)), spacing

    coarse, _ = sampled(40)
    values, spacing = sampled(cells_for(coarse, 40, round(FACES * 1.7), 132))
    vertices, faces = mesh_field(field, values, low, spacing, rounds=2)
    body = solid(vertices, faces)
    kind = str(rng.choice(["ball", "ball", "box", "drum", "hollow"]))
    cut = {
        "ball": lambda: ball(1, 200),
        "box": lambda: box(1.9, 1.9, 1.9),
        "drum": lambda: rod(0.95, 1.9, 240),
        "hollow": lambda: subtract(ball(1, 200), [ball(rng.uniform(0.6, 0.8), 176)]),
    }[kind]()
    return largest(body ^ cut)
