# SPDX-License-Identifier: Apache-2.0
"""A generator in, a superquadric out: ellipsoids and toroids of sharp and round exponents, deformed and combined."""

import numpy as np
from manifold3d import Manifold
from scipy.ndimage import gaussian_filter1d

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.mesh import Array, Indices, ObjectMesh, object_mesh
from multishade.procedural.objects.solids import placed, solid, subtract, triangles, union
from multishade.procedural.objects.surface import cube_sphere, curve_density, grid_quads, split_quads, spread

CREASE = 34.0


def superquadric(rng: np.random.Generator) -> ObjectMesh:
    """One body, a toroid, or a composition of several (exponents from nearly square to pinched)."""
    design = rng.choice(
        ["body", "deformed", "toroid", "stack", "crossed", "crown", "bored"],
        p=[0.16, 0.2, 0.2, 0.14, 0.1, 0.1, 0.1],
    )
    if design == "body":
        return object_mesh(*ellipsoid(exponent(rng), exponent(rng), rng.uniform(0.5, 1, 3), 72), CREASE)
    if design == "deformed":
        size = np.array([1.0, rng.uniform(0.5, 1), rng.uniform(1.1, 2.2)])
        vertices, faces = ellipsoid(exponent(rng, 0.9), exponent(rng), size, 88)
        return object_mesh(deformed(vertices, rng), faces, CREASE)
    if design == "toroid":
        vertices, faces = sample_toroid(rng, 320, 128)
        return object_mesh(vertices, faces, CREASE)
    compose = {"stack": stack, "crossed": crossed, "crown": crown, "bored": bored}[str(design)]
    return object_mesh(*triangles(compose(rng)), 26.0)


def exponent(rng: np.random.Generator, most: float = 2.3) -> float:
    """A shape exponent: below 0.4 nearly square, 1 round, 2 flat facets, above that pinched to a star."""
    kind = rng.choice(["square", "round", "bevelled", "pinched"], p=[0.4, 0.25, 0.2, 0.15])
    low, high = {"square": (0.1, 0.4), "round": (0.6, 1.2), "bevelled": (1.4, 1.95), "pinched": (2.05, 2.5)}[
        str(kind)
    ]
    return float(min(rng.uniform(low, high), most))


def superellipse(e: float, samples: int, start: float, stop: float) -> Array:
    """Points (samples, 2) of |x|^(2/e) + |y|^(2/e) = 1 at even polar angles from start to stop (radians)."""
    angle = np.linspace(start, stop, samples)
    c, s = np.cos(angle), np.sin(angle)
    radius = (np.abs(c) ** (2 / e) + np.abs(s) ** (2 / e)) ** (-e / 2)
    return np.stack([radius * c, radius * s], axis=1)


def polished(density: Array, mode: str) -> Array:
    """A vertex density blurred and bounded, so that neighbouring cells differ little in size."""
    limited = np.clip(density / density.mean(), 0.25, 10)
    return np.clip(gaussian_filter1d(limited, len(density) / 100, mode=mode), 0.3, 8)


def ellipsoid(e1: float, e2: float, size: Array, resolution: int) -> tuple[Array, Indices]:
    """A superellipsoid: (|x|^(2/e2) + |y|^(2/e2))^(e2/e1) + |z|^(2/e1) = 1, scaled by `size`.

    Barr 1981. The vertices lie on a cube sphere, so there is no pole, and are crowded where the surface turns.
    """
    angle = np.linspace(0, np.pi / 4, 2001)
    density = sum(curve_density(superellipse(e, 2001, 0, np.pi / 4)) for e in (e1, e2))
    at = np.tan(
        np.interp(
            spread(polished(np.asarray(density), "nearest"), resolution // 2 + 1), angle / angle[-1], angle
        )
    )
    at[-1] = 1
    points, quads = cube_sphere(np.concatenate([-at[:0:-1], at]))
    x, y, z = np.abs(points.T)
    value = (x ** (2 / e2) + y ** (2 / e2)) ** (e2 / e1) + z ** (2 / e1)
    vertices = points * (value ** (-e1 / 2))[:, None] * size
    return vertices, split_quads(vertices, quads)


def closed_superellipse(e: float, count: int) -> Array:
    """(count, 2) points around a superellipse, crowded where it turns, with one on each axis; count divides by 8."""
    quarter = superellipse(e, 4001, 0, np.pi / 2)
    at = spread(polished(curve_density(quarter), "reflect"), count // 4 + 1)[:-1] * np.pi / 2
    angle = np.concatenate([at + k * np.pi / 2 for k in range(4)])
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c, s], axis=1) * ((np.abs(c) ** (2 / e) + np.abs(s) ** (2 / e)) ** (-e / 2))[:, None]


def toroid(
    section: Array, plan: Array, hole: float, size: tuple[float, float], quarter_turns: int = 0
) -> tuple[Array, Indices]:
    """A supertoroid: a section (M, 2) swept along a plan (N, 2); it may twist by quarter turns on the way round."""
    angle = np.unwrap(np.arctan2(plan[:, 1], plan[:, 0]))
    turn = quarter_turns * (angle - angle[0]) / 4
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    across = hole + size[0] * (c * section[:, 0] - s * section[:, 1])
    up = size[1] * (s * section[:, 0] + c * section[:, 1])
    grid = np.stack([across * plan[:, :1], across * plan[:, 1:], up], axis=-1)
    vertices = grid.reshape(-1, 3)
    rows, columns = grid.shape[:2]
    quads = grid_quads(rows, columns, True, True)
    if quarter_turns:  # the last row meets the first one a number of quarter sections on
        first_row = (quads[:, 2:] < columns) & (quads[:, :1] >= (rows - 1) * columns)
        quads[:, 2:] = np.where(
            first_row, (quads[:, 2:] + quarter_turns * columns // 4) % columns, quads[:, 2:]
        )
    return vertices, split_quads(vertices, quads)[:, ::-1]


def sample_toroid(rng: np.random.Generator, rows: int, columns: int) -> tuple[Array, Indices]:
    """A supertoroid of random exponents, girth and twist."""
    e1 = exponent(rng)
    quarter_turns = int(rng.integers(1, 5)) if rng.random() < 0.4 else 0
    e2 = rng.uniform(0.6, 1.0) if quarter_turns else exponent(rng, 1.9)
    girth = rng.uniform(0.2, 0.42)
    size = (girth, girth) if quarter_turns else (girth, girth * rng.uniform(0.5, 2.0))
    section, plan = closed_superellipse(e1, columns), closed_superellipse(e2, rows)
    return toroid(section, plan, 1.0, size, quarter_turns)


def deformed(vertices: Array, rng: np.random.Generator) -> Array:
    """Taper, twist and bend along z (Barr 1984), each of random strength."""
    height = np.abs(vertices[:, 2]).max()
    t = vertices[:, 2] / height
    taper = rng.uniform(-0.55, 0.55) if rng.random() < 0.7 else 0.0
    scale = 1 + taper * t + rng.uniform(-0.25, 0.1) * (1 - t * t)
    twist = rng.uniform(0.5, 2.4) * rng.choice([-1, 1]) if rng.random() < 0.75 else 0.0
    c, s = np.cos(twist * t), np.sin(twist * t)
    x, y = scale * vertices[:, 0], scale * vertices[:, 1]
    x, y, z = c * x - s * y, s * x + c * y, vertices[:, 2]
    if rng.random() < 0.5:
        radius = height / rng.uniform(0.4, 0.9)
        z, x = (radius - x) * np.sin(z / radius), radius - (radius - x) * np.cos(z / radius)
    return np.stack([x, y, z], axis=1)


def part(rng: np.random.Generator, size: Array, resolution: int = 48, most: float = 1.9) -> Manifold:
    """One superellipsoid as a solid."""
    return solid(*ellipsoid(exponent(rng, most), exponent(rng, most), size, resolution))


def stack(rng: np.random.Generator) -> Manifold:
    """Bodies on a common axis, each sunk a little into the one below, like a turned finial."""
    bodies, base = [], 0.0
    width = rng.uniform(0.8, 1.1)
    for _ in range(int(rng.integers(3, 6))):
        size = np.array([width, width, rng.uniform(0.16, 0.75)])
        body = part(rng, size) if rng.random() < 0.75 else ring_part(rng, width)
        bodies.append(body.translate((0, 0, base + size[2] * 0.85)))
        base += size[2] * 1.6
        width *= rng.uniform(0.55, 1.1)
    return union(bodies)


def ring_part(rng: np.random.Generator, width: float) -> Manifold:
    """A toroid filled by a smaller body, as one storey of a stack."""
    vertices, faces = toroid(
        closed_superellipse(exponent(rng, 1.9), 64),
        closed_superellipse(exponent(rng, 1.5), 192),
        0.75,
        (0.25, 0.2),
    )
    core = ellipsoid(0.2, 1.0, np.array([0.78, 0.78, 0.16]), 40)
    return union([solid(vertices * width, faces), solid(core[0] * width, core[1])])


def crossed(rng: np.random.Generator) -> Manifold:
    """The same long body along two or three axes."""
    slim = rng.uniform(0.25, 0.5)
    e1, e2 = exponent(rng, 1.5), exponent(rng)
    vertices, faces = ellipsoid(e1, e2, np.array([slim, slim * rng.uniform(0.5, 1), 1.0]), 60)
    axes = [np.eye(3), np.eye(3)[[2, 0, 1]], np.eye(3)[[1, 2, 0]]][: int(rng.integers(2, 4))]
    arms = [solid(vertices @ axis.T, faces) for axis in axes]
    if rng.random() < 0.5:
        arms.append(part(rng, np.full(3, rng.uniform(0.45, 0.65)), 56))
    return union(arms)


def crown(rng: np.random.Generator) -> Manifold:
    """A body with copies of another set around its waist."""
    count = int(rng.integers(3, 9))
    e1, e2 = exponent(rng, 1.6), exponent(rng, 1.9)
    body = solid(*ellipsoid(e1, e2, np.array([0.8, 0.8, rng.uniform(0.4, 1.0)]), 64))
    reach = min(0.7 * np.pi / count, 0.42)
    size = np.array([reach, reach, rng.uniform(0.3, 0.8)])
    vertices, faces = ellipsoid(exponent(rng, 1.5), exponent(rng, 1.6), size, 40)
    tilt = sample_rotation(rng) if rng.random() < 0.3 else np.eye(3)
    around = []
    for k in range(count):
        c, s = np.cos(2 * np.pi * k / count), np.sin(2 * np.pi * k / count)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        waist = 0.8 * (abs(c) ** (2 / e2) + abs(s) ** (2 / e2)) ** (-e2 / 2)
        around.append(
            placed(solid(vertices @ tilt.T, faces), turn, turn @ np.array([waist + 0.3 * reach, 0, 0]))
        )
    return union([body, *around])


def bored(rng: np.random.Generator) -> Manifold:
    """A body with one, two or three tunnels of superelliptic section through it."""
    body = part(rng, rng.uniform(0.75, 1, 3), 72, most=1.6)
    section = rng.uniform(0.25, 0.5, 2)
    vertices, faces = ellipsoid(0.1, exponent(rng), np.array([*section, 2.0]), 56)
    axes = [np.eye(3), np.eye(3)[[2, 0, 1]], np.eye(3)[[1, 2, 0]]][: int(rng.integers(1, 4))]
    return subtract(body, [solid(vertices @ axis.T, faces) for axis in axes])
