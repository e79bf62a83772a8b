# SPDX-License-Identifier: Apache-2.0
"""A generator in, an ornament about a centre out: interlace, mandalas, beasts, sunbursts, leaves (see `stroke.py`)."""

import numpy as np
from scipy.spatial import cKDTree

from multishade.procedural.objects.mesh import Array
from multishade.procedural.objects.metaball import creature
from multishade.procedural.objects.noise import smoothstep
from multishade.procedural.objects.pattern import maze, ripples, seeds, terrain, tiles, weave
from multishade.procedural.objects.stroke import Ornament, inscription


def envelope(points: Array, centres: Array, radii: Array) -> Array:
    """Height (N,) of the upper surface of balls (M, 3) of given radii seen from above, 0 beside them."""
    height = np.zeros(len(points))
    for near, centre, radius in zip(
        cKDTree(points).query_ball_point(centres[:, :2], radii), centres, radii, strict=True
    ):
        index = np.asarray(near, dtype=np.int64)
        squared = radius**2 - ((points[index] - centre[:2]) ** 2).sum(axis=1)
        height[index] = np.maximum(height[index], centre[2] + np.sqrt(np.maximum(squared, 0)))
    return height


def knotwork(rng: np.random.Generator) -> Ornament:
    """A strand that weaves over and under itself: the upper surface of a tube about a flat knot."""
    loops, around = [(5, 2), (7, 2), (7, 3), (8, 3), (3, 2), (5, 3), (4, 3)][int(rng.integers(7))]
    t = np.linspace(0, 2 * np.pi, 2600, endpoint=False)
    inner = rng.uniform(0.35, 0.6)
    r = 0.9 * (1 + inner * np.cos(loops * t)) / (1 + inner)
    width = rng.uniform(0.065, 0.1)
    path = np.stack(
        [r * np.cos(around * t), r * np.sin(around * t), width * (0.6 * np.sin(loops * t) - 0.35)], axis=1
    )
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
            total = np.maximum(total, lift * (0.8 * vault + rib))
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
    position, size = np.array(balls)[:, [0, 2, 1]], np.array(radii)
    low, high = (position[:, :2] - size[:, None]).min(axis=0), (position[:, :2] + size[:, None]).max(axis=0)
    scale = 1.6 / np.linalg.norm(high - low)
    position[:, :2] -= (low + high) / 2
    position *= scale
    size *= scale
    position[:, 2] = 0.25 * position[:, 2] - 0.45 * size  # sunk, so that outlines do not stand upright
    return lambda points: np.minimum(np.maximum(envelope(points, position, size), 0) / 0.1, 1.4)


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


CENTRED = (inscription, knotwork, mandala, beast)
ORNAMENTS = (*CENTRED, *CENTRED, sunburst, leaf, seeds, tiles, weave, ripples, terrain, maze)
