# SPDX-License-Identifier: Apache-2.0
"""A profile in, the surface that it sweeps about an axis out: plain, or fluted, faceted, lobed and twisted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold

from multishade.procedural.objects.mesh import Array, Indices, ObjectMesh, object_mesh
from multishade.procedural.objects.moulding import Profile
from multishade.procedural.objects.noise import smoothstep
from multishade.procedural.objects.solids import solid
from multishade.procedural.objects.surface import ring_faces, ring_uv

AROUND = 240  # vertices about the axis: every number of facets below divides it
CREASE = 24.0


@dataclass(frozen=True)
class WallPattern:
    """How the radius varies about the axis, `wave` (angle) in [-1, 0], how deep at a height, and the twist there."""

    wave: Callable[[Array], Array]
    depth: Callable[[Array], Array]
    twist: Callable[[Array], Array]


def revolve(profile: Profile, pattern: WallPattern | None = None) -> tuple[Array, Indices, Array]:
    """Turn a profile about the z axis: vertices, faces, texture coordinates (F, 3, 2).

    Rings near the axis have fewer vertices, so that no fan of slivers forms there.
    """
    points = profile.points()
    widest = points[:, 0].max()
    rings, counts = [], []
    for r, z in points:
        count = AROUND if r > 1e-9 else 1
        while count % 2 == 0 and r / count < 0.35 * widest / AROUND:
            count //= 2
        angle = 2 * np.pi * np.arange(count) / count
        radius = np.full(count, r)
        if pattern is not None and count > 1:
            fade = smoothstep(0.1 * widest, 0.4 * widest, np.array(r))
            radius = r * (1 + pattern.depth(np.array(z)) * fade * pattern.wave(angle))
            angle = angle + pattern.twist(np.array(z))
        rings.append(np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)], axis=1))
        counts.append(count)
    faces = ring_faces(counts)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]) / (2 * widest)
    return np.concatenate(rings), faces, ring_uv(faces, counts, along, 3)


def revolved(profile: Profile) -> Manifold:
    """A plain turned piece as a solid."""
    return solid(*revolve(profile)[:2])


def sample_wall_pattern(
    rng: np.random.Generator, low: float, high: float, mostly_plain: float = 0.5
) -> WallPattern | None:
    """Sample a pattern of the wall between two heights, or None for a plain round wall."""
    if rng.random() < mostly_plain:
        return None
    count = int(rng.choice([4, 5, 6, 8, 10, 12, 15, 20, 24]))
    kind = str(rng.choice(["flutes", "facets", "lobes", "gadroons"]))
    if kind == "facets":
        count = min(count, 12)
    wave = {
        "flutes": lambda a: -np.sqrt(1 - (2 * np.mod(a * count / (2 * np.pi), 1) - 1) ** 2 * 0.98),
        "facets": lambda a: np.cos(np.pi / count) / np.cos(np.mod(a, 2 * np.pi / count) - np.pi / count) - 1,
        "lobes": lambda a: 0.5 * np.cos(count * a) - 0.5,
        "gadroons": lambda a: np.sqrt(1 - (2 * np.mod(a * count / (2 * np.pi), 1) - 1) ** 2 * 0.98) - 1,
    }[kind]
    deep = {
        "flutes": 0.75 / count,
        "facets": 1.0,
        "lobes": rng.uniform(0.8, 1.6) / count,
        "gadroons": 0.9 / count,
    }[kind]
    span = high - low
    turns = rng.uniform(-0.9, 0.9) if rng.random() < 0.5 else 0.0
    soft = rng.uniform(0.05, 0.15) * span

    def depth(z: Array) -> Array:
        return deep * smoothstep(low, low + soft, z) * (1 - smoothstep(high - soft, high, z))

    return WallPattern(wave, depth, lambda z: turns * np.pi * np.clip((z - low) / span, 0, 1))


def turned(
    profile: Profile, rng: np.random.Generator, low: float, high: float, plain: float = 0.5
) -> ObjectMesh:
    """A piece whose wall may have a pattern between two heights."""
    vertices, faces, uv = revolve(profile, sample_wall_pattern(rng, low, high, plain))
    return object_mesh(vertices, faces, CREASE, uv)
