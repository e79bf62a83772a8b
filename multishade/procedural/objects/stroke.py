# SPDX-License-Identifier: Apache-2.0
"""Lines in the plane in, raised strokes out; and the letters of unknown scripts made of them.

An ornament gives a height in about [0, 1] to points of the plane within radius one. Every one rises over a slope that
is wide against the cells of the relief's mesh (CELL), so that edges are smooth.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from multishade.procedural.objects.mesh import Array
from multishade.procedural.objects.noise import smoothstep

Ornament = Callable[[Array], Array]  # (N, 2) points -> (N,) heights
CELL = 1 / 146  # of the radius
BEVEL = 7 * CELL


def stroked(strokes: list[Array], width: float, rounded: bool) -> Ornament:
    """Raised lines along polylines (M, 2) of close points: half round, or flat on top with sloping sides."""
    tree = cKDTree(np.concatenate(strokes))

    def height(points: Array) -> Array:
        away, _ = tree.query(points, distance_upper_bound=2 * width + BEVEL)
        away = np.minimum(away, 2 * width + BEVEL)
        if rounded:
            return np.sqrt(np.clip(1.0 - (away / (1.3 * width)) ** 2, 0, 1)) * (
                1 - smoothstep(0.6 * width, 1.3 * width, away)
            )
        return 1 - smoothstep(width - BEVEL / 2, width + BEVEL / 2, away)

    return height


def line(a: Array, b: Array) -> Array:
    """Close points (M, 2) from a to b."""
    count = max(int(np.linalg.norm(np.subtract(b, a)) / 0.004), 2)
    return np.asarray(a) + np.linspace(0, 1, count)[:, None] * np.subtract(b, a)


def glyph(rng: np.random.Generator) -> list[Array]:
    """One letter of an unknown script: stems, bars, diagonals, bowls and dots in a box of [-0.5, 0.5] x [-1, 1] / 2."""
    nodes = np.array([(x, y) for x in (-0.3, 0, 0.3) for y in (-0.5, 0, 0.5)])
    strokes = [
        line(nodes[a], nodes[b]) for a, b in [[(0, 2), (6, 8), (3, 5), (0, 8), (2, 6)][int(rng.integers(5))]]
    ]
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.4:
            centre, radius = nodes[int(rng.choice([1, 3, 4, 5, 7]))] * 0.8, rng.uniform(0.14, 0.26)
            start, sweep = rng.integers(4) * np.pi / 2, rng.choice([np.pi, 1.5 * np.pi, 2 * np.pi])
            a = start + np.linspace(0, sweep, 90)
            strokes.append(centre + radius * np.stack([np.cos(a), np.sin(a)], axis=1))
        else:
            a, b = rng.choice(9, 2, replace=False)
            strokes.append(line(nodes[a], nodes[b]))
    return strokes


def inscription(rng: np.random.Generator) -> Ornament:
    """Rows of glyphs, or rings of them, raised or sunk."""
    alphabet = [glyph(rng) for _ in range(int(rng.integers(5, 12)))]
    strokes = []
    rows = int(rng.integers(2, 5))
    size = 1.5 / rows
    if rng.random() < 0.5:
        for y in (np.arange(rows) - (rows - 1) / 2) * size:
            half = np.sqrt(max(0.86**2 - (abs(y) + 0.35 * size) ** 2, 0.01))
            count = max(int(2 * half / (0.62 * size)), 1)
            for x in (np.arange(count) - (count - 1) / 2) * 0.62 * size:
                letter = alphabet[int(rng.integers(len(alphabet)))]
                strokes += [s * 0.72 * size + (x, y) for s in letter]
    else:
        for radius in np.arange(0.85 - 0.5 * size, 0.1, -size)[:3]:
            strokes += ring_of_glyphs(rng, alphabet, radius, size * 0.72)
    width = max(0.06 * size, 0.028)
    return stroked(strokes, width, bool(rng.random() < 0.5))


def ring_of_glyphs(
    rng: np.random.Generator, alphabet: list[list[Array]], radius: float, size: float
) -> list[Array]:
    """Glyphs standing around a circle."""
    count = max(int(2 * np.pi * radius / (0.9 * size)), 3)
    strokes = []
    for k in range(count):
        angle = -2 * np.pi * k / count
        c, s = np.cos(angle), np.sin(angle)
        letter = alphabet[int(rng.integers(len(alphabet)))]
        strokes += [(part * size + (0, radius)) @ np.array([[c, s], [-s, c]]) for part in letter]
    return strokes
