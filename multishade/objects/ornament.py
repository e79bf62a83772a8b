# SPDX-License-Identifier: Apache-2.0
"""A generator in, a relief out: functions that give a height in about [0, 1] to points of the plane within radius one.

Every ornament rises over a slope that is wider than three cells of the relief's mesh (CELL), so that edges are smooth.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from multishade.objects.mesh import Array
from multishade.objects.metaball import creature
from multishade.objects.noise import fractal, gradient_noise, nearest_two, ridged, smoothstep

Ornament = Callable[[Array], Array]  # (N, 2) points -> (N,) heights
CELL = 1 / 164
BEVEL = 8 * CELL


def flat_in_space(points: Array, level: float = 3.7) -> Array:
    return np.concatenate([points, np.full((len(points), 1), level)], axis=1)


def envelope(points: Array, centres: Array, radii: Array) -> Array:
    """Height (N,) of the upper surface of balls (M, 3) of given radii seen from above, 0 where there is none."""
    height = np.zeros(len(points))
    for near, centre, radius in zip(
        cKDTree(points).query_ball_point(centres[:, :2], radii), centres, radii, strict=True
    ):
        index = np.asarray(near, dtype=np.int64)
        squared = radius**2 - ((points[index] - centre[:2]) ** 2).sum(axis=1)
        height[index] = np.maximum(height[index], centre[2] + np.sqrt(np.maximum(squared, 0)))
    return height


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


# Letters-like


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


# Interlace, wheels, figures


def knotwork(rng: np.random.Generator) -> Ornament:
    """A strand that weaves over and under itself: the upper surface of a tube about a flat knot."""
    loops, around = [(5, 2), (7, 2), (7, 3), (8, 3), (3, 2), (5, 3), (4, 3)][int(rng.integers(7))]
    t = np.linspace(0, 2 * np.pi, 2600, endpoint=False)
    inner = rng.uniform(0.35, 0.6)
    r = 0.9 * (1 + inner * np.cos(loops * t)) / (1 + inner)
    width = rng.uniform(0.065, 0.1)
    path = np.stack([r * np.cos(around * t), r * np.sin(around * t), 0.6 * width * np.sin(loops * t)], axis=1)
    return lambda points: (
        np.maximum(envelope(points, path, np.full(len(path), width)), 0) / (1.6 * width) * 0.9
    )


def mandala(rng: np.random.Generator) -> Ornament:
    """Rings of petals about a boss, each petal a pointed vault with a rib."""
    fold = int(rng.integers(5, 13))
    layers = []
    radius = rng.uniform(0.1, 0.22)
    while radius < 0.85:
        reach = rng.uniform(0.15, 0.4)
        layers.append(
            (
                radius,
                min(radius + reach, 0.95),
                fold * int(rng.choice([1, 1, 2])),
                rng.random() < 0.5,
                rng.uniform(0.4, 1.0),
            )
        )
        radius += reach * rng.uniform(0.55, 0.95)
    boss = layers[0][0]

    def height(points: Array) -> Array:
        r, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
        total = np.sqrt(np.clip(1 - (r / boss) ** 2, 0, 1)) * 0.9
        for start, end, count, odd, lift in layers[::-1]:
            turn = np.mod(angle * count / (2 * np.pi) + 0.5 * odd, 1) - 0.5
            u = np.clip((r - start) / (end - start), 0, 1)
            half = 0.5 * np.sin(np.pi * u**0.8) ** 0.7
            across = np.abs(turn) / np.maximum(half, 1e-3)
            vault = np.clip(1 - across**2, 0, 1) * smoothstep(0, 0.25, u) * (1 - smoothstep(0.75, 1.0, u))
            rib = 0.25 * np.exp(-((turn * r * 2 * np.pi / count / 0.025) ** 2)) * vault
            total = np.maximum(total, lift * (0.8 * vault**0.7 + rib))
        return total

    return height


def beast(rng: np.random.Generator) -> Ornament:
    """An animal from the side, modelled as on an old coin."""
    limbs = creature(rng)
    balls, radii = [], []
    for limb in limbs:
        count = max(int(np.linalg.norm(limb.end - limb.start) / 0.02), 1)
        for t in np.linspace(0, 1, count + 1):
            balls.append(limb.start + t * (limb.end - limb.start))
            radii.append(limb.first + t * (limb.last - limb.first))
    place, size = np.array(balls)[:, [0, 2, 1]], np.array(radii)
    low, high = (place[:, :2] - size[:, None]).min(axis=0), (place[:, :2] + size[:, None]).max(axis=0)
    scale = 1.6 / np.linalg.norm(high - low)
    place[:, :2] -= (low + high) / 2
    place *= scale
    size *= scale
    place[:, 2] = 0.25 * place[:, 2] - 0.45 * size  # sunk, so that outlines do not stand upright
    return lambda points: np.minimum(np.maximum(envelope(points, place, size), 0) / 0.1, 1.4)


def sunburst(rng: np.random.Generator) -> Ornament:
    """Rays about a disc, straight or swirling."""
    rays, swirl, core = int(rng.integers(8, 28)), rng.uniform(-2.5, 2.5), rng.uniform(0.15, 0.4)

    def height(points: Array) -> Array:
        r, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
        wave = 0.5 + 0.5 * np.cos(rays * (angle + swirl * r))
        rays_height = wave * smoothstep(core, core + 0.12, r) * (1 - smoothstep(0.75, 0.95, r))
        return np.maximum(0.8 * rays_height, np.sqrt(np.clip(1 - (r / core) ** 2, 0, 1)))

    return height


def leaf(rng: np.random.Generator) -> Ornament:
    """Leaves with a midrib and side veins, one large or several about the centre."""
    count = int(rng.choice([1, 3, 4, 5, 6, 7]))
    length, wide = (
        (1.7, rng.uniform(0.6, 1.0)) if count == 1 else (0.88, min(rng.uniform(0.35, 0.6), 3.0 / count))
    )
    veins, slant = rng.uniform(4, 9), rng.uniform(0.5, 1.3)

    def one(x: Array, y: Array) -> Array:
        u = np.clip(x / length, 0, 1)
        half = wide / 2 * np.sin(np.pi * u**0.75) ** 0.85 + 1e-3
        v = np.abs(y) / half
        body = np.clip(1 - v**2.5, 0, 1) * smoothstep(0, 0.1, u) * (1 - smoothstep(0.88, 1, u))
        fold = 0.5 + 0.5 * np.cos(2 * np.pi * veins * (u - slant * np.abs(y)))
        rib = np.exp(-((y / 0.03) ** 2)) * (1 - smoothstep(0.85, 1, u))
        return body * (0.6 + 0.3 * fold * smoothstep(0.04, 0.14, np.abs(y))) + 0.3 * rib * smoothstep(
            0, 0.08, u
        )

    def height(points: Array) -> Array:
        if count == 1:
            return one(points[:, 1] + length / 2, points[:, 0])
        total = np.zeros(len(points))
        for k in range(count):
            c, s = np.cos(2 * np.pi * k / count), np.sin(2 * np.pi * k / count)
            total = np.maximum(
                total, one(c * points[:, 0] + s * points[:, 1], c * points[:, 1] - s * points[:, 0])
            )
        return total

    return height


# Patterns that fill the plane


def seeds(rng: np.random.Generator) -> Ornament:
    """Domes in a sunflower's spiral order, growing outward."""
    count = int(rng.integers(60, 260))
    k = np.arange(count) + 0.5
    radius = 0.94 * np.sqrt(k / count)
    centres = radius[:, None] * np.stack([np.cos(2.39996 * k), np.sin(2.39996 * k)], axis=1)
    size = 0.94 / np.sqrt(count) * rng.uniform(0.85, 1.0)
    tree = cKDTree(centres)
    sharp = rng.random() < 0.3

    def height(points: Array) -> Array:
        t = np.clip(tree.query(points)[0] / size, 0, 1)
        return (1 - t) * (1 + t) if not sharp else (1 - np.sqrt(t * t + 0.01)).clip(0)

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
    groove = max(0.12 * pitch, BEVEL)

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
    bend = gradient_noise(rng)

    def height(points: Array) -> Array:
        x, y = points.T
        if kind == "figure":
            a = np.cos(m * np.pi * x) * np.cos(n * np.pi * y) - np.cos(n * np.pi * x) * np.cos(m * np.pi * y)
            return np.exp(-((a / 0.35) ** 2))
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
    noise, frequency = gradient_noise(rng), rng.uniform(1.2, 2.4)
    mountains = rng.random() < 0.6

    def height(points: Array) -> Array:
        place = flat_in_space(points * frequency)
        if mountains:
            return 1.3 * (ridged(noise, place, 4, 0.45) - 0.7)
        bent = place + 0.4 * np.stack([noise(place + 3), noise(place - 7), 0 * place[:, 0]], axis=1)
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


ORNAMENTS = (
    inscription,
    inscription,
    knotwork,
    knotwork,
    mandala,
    mandala,
    beast,
    beast,
    sunburst,
    leaf,
    seeds,
    tiles,
    weave,
    ripples,
    terrain,
    maze,
)
