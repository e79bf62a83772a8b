# SPDX-License-Identifier: Apache-2.0
"""A generator in, faceted stones out: cut gems, crystal clusters, polyhedra, stars, broken and hopper rocks."""

import numpy as np
from manifold3d import Manifold
from scipy.spatial import ConvexHull, HalfspaceIntersection

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.mesh import Array, ObjectMesh, object_mesh
from multishade.procedural.objects.noise import fractal, sample_directions, sample_gradient_noise
from multishade.procedural.objects.solids import box, placed, solid, subtract, triangles, union, upright
from multishade.procedural.objects.surface import sphere_points, split_quads

FLAT = 0.0


def crystal(rng: np.random.Generator) -> ObjectMesh:
    """One of the designs; every facet is shaded flat."""
    design = DESIGNS[int(rng.choice(len(DESIGNS), p=WEIGHTS))]
    return object_mesh(*triangles(design(rng)), FLAT)


# Convex stones


def stone(normals: Array, distances: Array) -> Array:
    """The corners (K, 3) of the convex body in which n . x <= d for every plane (N, 3), (N,); the origin is inside."""
    corners = HalfspaceIntersection(np.column_stack([normals, -distances]), np.zeros(3)).intersections
    return corners[np.isfinite(corners).all(axis=1)]


def bevelled(normals: Array, distances: Array, width: float) -> tuple[Array, Array]:
    """The planes with one more across every edge of their body, which takes off a strip of about `width`."""
    corners = stone(normals, distances)
    on = np.abs(corners @ normals.T - distances) < 1e-7
    extra, offset = [], []
    for i in range(len(normals)):
        for j in range(i):
            shared = corners[on[:, i] & on[:, j]]
            if len(shared) < 2 or np.ptp(shared, axis=0).max() < 1e-6:
                continue
            middle = normals[i] + normals[j]
            length = np.linalg.norm(middle)
            if length < 0.3 or length > 1.98:
                continue
            extra.append(middle / length)
            sine = max(1 - float(length / 2) ** 2, 0.01) ** 0.5
            offset.append(float((shared @ extra[-1]).max()) - width * sine)
    if not extra:
        return normals, distances
    return np.concatenate([normals, np.array(extra)]), np.concatenate([distances, np.array(offset)])


def hull(corners: Array) -> Manifold:
    return Manifold.hull_points(np.ascontiguousarray(corners))


def tier(count: int, elevation: float, distance: float, turn: float = 0.0) -> tuple[Array, Array]:
    """Planes evenly about the z axis: normals (count, 3) at an elevation in degrees, and distances (count,)."""
    azimuth = 2 * np.pi * (np.arange(count) + turn) / count
    e = np.radians(elevation)
    normals = np.stack(
        [np.cos(e) * np.cos(azimuth), np.cos(e) * np.sin(azimuth), np.full(count, np.sin(e))], axis=1
    )
    return normals, np.full(count, float(distance))


def gem(rng: np.random.Generator) -> Manifold:
    """A cut stone: girdle, crown in up to three tiers under a table, pavilion in up to three tiers to a culet.

    Each tier's plane is placed through the height at which the one before it ends, as a cutter indexes a stone.
    """
    fold = int(rng.choice([3, 4, 5, 6, 8, 8, 8, 10]))
    girdle = rng.uniform(0.03, 0.12)
    planes = [tier(2 * fold, 0, 1.0, 0.5)]
    for side, slopes in ((1, (55, 42, 28)), (-1, (62, 50, 40))):
        levels = int(rng.integers(1, 4))
        position = np.array([1.0, side * girdle])
        for k in range(levels):
            slope = np.radians(slopes[k] + rng.uniform(-6, 6))
            normal = np.array([np.sin(slope), side * np.cos(slope)])
            count, turn = (2 * fold, 0.5) if k == 0 and rng.random() < 0.6 else (fold, 0.5 * (k % 2))
            planes.append(tier(count, side * (90 - np.degrees(slope)), normal @ position, turn))
            run = rng.uniform(0.15, 0.35)
            position = position + run * np.array([-np.cos(slope), side * np.sin(slope)])
        if side > 0:
            planes.append((np.array([[0, 0, 1.0]]), np.array([position[1] + rng.uniform(0.0, 0.08)])))
    normals, distances = (np.concatenate(parts) for parts in zip(*planes, strict=True))
    stretch = np.array([1.0, rng.choice([1.0, rng.uniform(0.55, 0.85)]), 1.0])
    return hull(stone(normals, distances) * stretch)


def irregular_stone(rng: np.random.Generator) -> Manifold:
    """A convex stone of random planes, with or without bevelled edges."""
    count = int(rng.integers(9, 60))
    normals = sample_directions(rng, count)
    distances = rng.uniform(0.75, 1.0, count)
    stretch = rng.uniform(0.55, 1.0, 3)
    if rng.random() < 0.6 and count < 36:
        normals, distances = bevelled(normals, distances, rng.uniform(0.03, 0.09))
    return hull(stone(normals, distances) * stretch)


def solid_figure(rng: np.random.Generator) -> Manifold:
    """A polyhedron of high symmetry: planes of the cube, the octahedron and others at random distances, bevelled."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T.astype(float)
    golden = (1 + 5**0.5) / 2
    cyclic = [
        np.roll(v, k)
        for v in ([0, 1, golden], [0, -1, golden], [0, 1, -golden], [0, -1, -golden])
        for k in range(3)
    ]
    dodeca = np.concatenate(
        [
            signs,
            *[[np.roll([0, a / golden, b * golden], k) for k in range(3)] for a in (-1, 1) for b in (-1, 1)],
        ]
    )
    kinds = {
        "cube": np.concatenate([np.eye(3), -np.eye(3)]),
        "octahedron": signs,
        "rhombic": np.array(
            [np.roll([0, a, b], k) for a in (-1, 1) for b in (-1, 1) for k in range(3)], float
        ),
        "dodecahedron": np.array(cyclic),
        "icosahedron": dodeca,
        "pyritohedron": np.array(
            [np.roll([0, a, 2 * b], k) for a in (-1, 1) for b in (-1, 1) for k in range(3)], float
        ),
    }
    groups = [["cube", "octahedron", "rhombic", "pyritohedron"], ["dodecahedron", "icosahedron"]][
        int(rng.integers(2))
    ]
    chosen = rng.permutation(groups)[: int(rng.integers(1, len(groups) + 1))]
    normals, distances = [], []
    for k, name in enumerate(chosen):
        n = kinds[str(name)]
        normals.append(n / np.linalg.norm(n, axis=1, keepdims=True))
        distances.append(np.full(len(n), 1.0 if k == 0 else rng.uniform(0.88, 1.12)))
    n, d = np.concatenate(normals), np.concatenate(distances)
    if len(n) < 14 or rng.random() < 0.6:
        n, d = bevelled(n, d, rng.uniform(0.03, 0.12))
    return hull(stone(n, d) @ sample_rotation(rng).T)


# Clusters


def point(rng: np.random.Generator, length: float, radius: float, sides: int = 6) -> Manifold:
    """A prism along z with a pyramid of uneven faces on top, as quartz grows; it starts below the origin."""
    normals, distances = tier(sides, 0, radius)
    distances = distances * rng.uniform(0.75, 1.15, sides)
    top, top_distance = tier(sides, rng.uniform(32, 46), 1.0)
    top_distance = length * top[:, 2] * rng.uniform(0.9, 1.0, sides)
    ends = np.array([[0, 0, -1.0]]), np.array([0.4 * length])
    return hull(
        stone(np.concatenate([normals, top, ends[0]]), np.concatenate([distances, top_distance, ends[1]]))
    )


def cluster(rng: np.random.Generator) -> Manifold:
    """Quartz points that grow out of a broken rock, tallest in the middle."""
    rock = placed(boulder(rng, 10), np.diag([0.75, 0.75, 0.4]), np.array([0, 0, -0.1]))
    parts = [rock]
    count, sides, slim = int(rng.integers(6, 20)), int(rng.choice([3, 4, 6, 6, 6])), rng.uniform(0.12, 0.24)
    for k in range(count):
        lean = rng.uniform(0, 0.9) * (k / count) ** 0.5
        azimuth = 2.4 * k + rng.uniform(-0.4, 0.4)
        direction = np.array([np.sin(lean) * np.cos(azimuth), np.sin(lean) * np.sin(azimuth), np.cos(lean)])
        length = rng.uniform(0.6, 1.0) * (1.5 - lean)
        spot = 0.4 * (k / count) ** 0.5 * np.array([np.cos(azimuth), np.sin(azimuth), 0.3])
        shard = point(rng, length, slim * rng.uniform(0.6, 1.2) * (0.5 + 0.5 * length), sides)
        parts.append(placed(shard, upright(direction) @ spin(rng), spot))
    return union(parts)


def spin(rng: np.random.Generator) -> Array:
    a = rng.uniform(0, 2 * np.pi)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])


def burst(rng: np.random.Generator) -> Manifold:
    """Blades or points in all directions from one centre."""
    count, sides = int(rng.integers(12, 40)), int(rng.choice([3, 4, 4, 6]))
    slim, flat = rng.uniform(0.08, 0.2), rng.choice([1.0, 0.35])
    parts = [boulder(rng, 6).scale((0.5, 0.5, 0.5))]
    for direction in sample_directions(rng, count):
        shard = point(rng, rng.uniform(0.6, 1.1), slim * rng.uniform(0.7, 1.3), sides).scale((1.0, flat, 1.0))
        parts.append(placed(shard, upright(direction) @ spin(rng), np.zeros(3)))
    return union(parts)


def twins(rng: np.random.Generator) -> Manifold:
    """Cubes, octahedra or prisms of many sizes grown through one another, as pyrite and fluorite do."""
    count = int(rng.integers(4, 15))
    aligned = rng.random() < 0.4
    kind = str(rng.choice(["cube", "octahedron", "dodecahedron"]))
    parts, places = [], [np.zeros(3)]
    for k in range(count):
        size = rng.uniform(0.25, 0.6) * (1.4 if k == 0 else 1.0)
        if kind == "cube":
            shape = box(2 * size, 2 * size * rng.uniform(0.8, 1.2), 2 * size)
        else:
            e = np.concatenate([np.eye(3), -np.eye(3)]) * 1.5 if kind == "octahedron" else golden_corners()
            shape = hull(e * size)
        anchor = places[int(rng.integers(len(places)))]
        way = sample_directions(rng, 1)[0]
        if aligned:
            way = np.eye(3)[int(np.abs(way).argmax())] * np.sign(way[int(np.abs(way).argmax())]) + 0.25 * way
        position = anchor + (0.7 * way * rng.uniform(0.6, 1.0) if k else 0)
        places.append(position)
        parts.append(placed(shape, np.eye(3) if aligned else sample_rotation(rng), position))
    return union(parts)


def golden_corners() -> Array:
    """Corners of a regular dodecahedron (20, 3)."""
    g = (1 + 5**0.5) / 2
    cube = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    others = [np.roll([0, a / g, b * g], k) for a in (-1, 1) for b in (-1, 1) for k in range(3)]
    return np.concatenate([cube, np.array(others)])


def star(rng: np.random.Generator) -> Manifold:
    """A polyhedron with a pyramid raised or sunk on every facet."""
    corners = [
        golden_corners(),
        np.concatenate([np.eye(3), -np.eye(3)]) * 1.6,
        sample_directions(rng, int(rng.integers(10, 40))) * 1.6,
    ]
    points = corners[int(rng.integers(3))] @ sample_rotation(rng).T
    body = ConvexHull(points)
    lift = rng.uniform(0.25, 1.1)
    parts = [hull(points)]
    facets: dict[tuple[float, ...], list[Array]] = {}
    for simplex, equation in zip(body.simplices, body.equations, strict=True):
        facets.setdefault(tuple(np.round(equation, 5)), []).append(points[simplex])
    for equation, pieces in facets.items():
        face = np.unique(np.concatenate(pieces).round(9), axis=0)
        normal = np.array(equation[:3])
        tip = face.mean(axis=0) + normal * lift * np.linalg.norm(face - face.mean(axis=0), axis=1).mean()
        parts.append(hull(np.concatenate([face, face - 0.02 * normal, tip[None]])))
    return union(parts)


# Rough stones


def boulder(rng: np.random.Generator, resolution: int) -> Manifold:
    """A rough ball of large flat triangles: noise on a coarse sphere."""
    directions, quads = sphere_points(resolution)
    directions = directions + rng.normal(size=directions.shape) * 0.25 / resolution
    radius = 1 + 0.35 * fractal(sample_gradient_noise(rng), directions * 1.4, 3)
    vertices = directions * radius[:, None]
    return solid(vertices, split_quads(vertices, quads))


def rock(rng: np.random.Generator) -> Manifold:
    """A boulder of large facets, stretched."""
    return placed(
        boulder(rng, int(rng.integers(5, 18))),
        sample_rotation(rng) @ np.diag(rng.uniform(0.6, 1.0, 3)),
        np.zeros(3),
    )


def hopper(rng: np.random.Generator) -> Manifold:
    """Stepped, hollow-faced cubes as bismuth grows: nested square terraces sunk into every side."""
    parts = []
    for k in range(int(rng.integers(1, 5))):
        steps = int(rng.integers(3, 7))
        size = np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.6, 1.2)])
        body = box(*(2 * size))
        cuts = []
        for axis in range(3):
            for side in (-1, 1):
                for step in range(1, steps):
                    shrink = 1 - step / steps
                    sides = 2 * size * shrink * 0.98
                    sides[axis] = 2 * size[axis] * 0.5 * step / steps
                    centre = np.zeros(3)
                    centre[axis] = side * size[axis]
                    cuts.append(box(*sides).translate(tuple(centre)))
        body = subtract(body, cuts)
        scale = 1.0 if k == 0 else rng.uniform(0.35, 0.7)
        offset = np.zeros(3) if k == 0 else sample_directions(rng, 1)[0] * 1.1
        parts.append(
            placed(body, (np.eye(3) if rng.random() < 0.6 else sample_rotation(rng)) * scale, offset)
        )
    return union(parts)


DESIGNS = (gem, irregular_stone, solid_figure, cluster, burst, twins, star, rock, hopper)
WEIGHTS = (0.2, 0.12, 0.12, 0.16, 0.08, 0.1, 0.08, 0.06, 0.08)
