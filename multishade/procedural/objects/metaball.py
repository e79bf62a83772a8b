# SPDX-License-Identifier: Apache-2.0
"""A generator in, a cluster of melting balls and limbs out: molecules, creatures, chains, drops, branching corals."""

from dataclasses import dataclass

import numpy as np

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.isosurface import cells_for, grid_axes, largest_part, mesh_field
from multishade.procedural.objects.mesh import Array, Indices, ObjectMesh, object_mesh
from multishade.procedural.objects.noise import fibonacci_sphere, sample_directions

FACES = 100_000
COARSE, FINEST = 48, 184  # cells along the longest side


@dataclass(frozen=True)
class Limb:
    """A round cone from `start` to `end` (3,), of radius `first` and `last` there; a ball if they are equal."""

    start: Array
    end: Array
    first: float
    last: float


def metaball(rng: np.random.Generator) -> ObjectMesh:
    """Limbs arranged by one of the designs, blended smoothly into one body."""
    arrange = DESIGNS[int(rng.integers(len(DESIGNS)))]
    limbs = arrange(rng)
    smoothness = rng.uniform(0.25, 0.6) * float(np.median([max(limb.first, limb.last) for limb in limbs]))
    vertices, faces = blend(limbs, smoothness)
    if arrange not in (creature, branching):  # these have an up and a down
        vertices = vertices @ sample_rotation(rng).T
    return object_mesh(*largest_part(vertices, faces), 180.0)


def blend(limbs: list[Limb], smoothness: float) -> tuple[Array, Indices]:
    """Mesh the soft minimum -s log(sum exp(-distance / s)) of the limbs' distances: a union with filled creases."""
    margin = np.array([max(limb.first, limb.last) + 1.5 * smoothness for limb in limbs])[:, None]
    starts, ends = np.array([limb.start for limb in limbs]), np.array([limb.end for limb in limbs])
    low, high = (
        (np.minimum(starts, ends) - margin).min(axis=0),
        (np.maximum(starts, ends) + margin).max(axis=0),
    )

    def field(points: Array) -> Array:
        coordinates = list(points.T)
        summed = sum(np.exp(np.minimum(-distance(limb, coordinates) / smoothness, 50)) for limb in limbs)
        return -smoothness * np.log(np.maximum(summed, 1e-30))

    coarse = sampled(limbs, smoothness, *grid_axes(low, high, COARSE))
    axes, spacing = grid_axes(low, high, cells_for(coarse, COARSE, FACES, FINEST))
    return mesh_field(field, sampled(limbs, smoothness, axes, spacing), low, spacing)


def sampled(limbs: list[Limb], smoothness: float, axes: list[Array], spacing: float) -> Array:
    """The blended distance on a grid (X, Y, Z); each limb is evaluated only where it adds more than a thousandth."""
    total = np.zeros([len(axis) for axis in axes])
    for limb in limbs:
        reach = max(limb.first, limb.last) + 7 * smoothness + 2 * spacing
        low, high = np.minimum(limb.start, limb.end) - reach, np.maximum(limb.start, limb.end) + reach
        near = [slice(*np.searchsorted(axis, [low[i], high[i]])) for i, axis in enumerate(axes)]
        block = np.meshgrid(
            *(axis[part] for axis, part in zip(axes, near, strict=True)), indexing="ij", sparse=True
        )
        total[tuple(near)] += np.exp(-distance(limb, block) / smoothness)
    return -smoothness * np.log(np.maximum(total, 1e-6))


def distance(limb: Limb, coordinates: list[Array]) -> Array:
    """Distance of points, given as x, y and z arrays that broadcast, to the surface of a limb."""
    along = limb.end - limb.start
    squared = float(along @ along)
    offset = [c - s for c, s in zip(coordinates, limb.start, strict=True)]
    if squared < 1e-12:
        return np.sqrt(sum(o * o for o in offset)) - limb.first
    t = np.clip(sum(o * a for o, a in zip(offset, along, strict=True)) / squared, 0, 1)
    away = np.sqrt(sum((o - t * a) ** 2 for o, a in zip(offset, along, strict=True)))
    return away - (limb.first + t * (limb.last - limb.first))


def ball(centre: Array, radius: float) -> Limb:
    return Limb(np.asarray(centre, float), np.asarray(centre, float), radius, radius)


def cluster(rng: np.random.Generator) -> list[Limb]:
    """Balls of mixed size, each touching an earlier one."""
    limbs = [ball(np.zeros(3), rng.uniform(0.5, 0.8))]
    for direction in sample_directions(rng, int(rng.integers(5, 16))):
        other = limbs[int(rng.integers(len(limbs)))]
        radius = rng.uniform(0.2, 0.6)
        limbs.append(ball(other.start + direction * (other.first + radius) * rng.uniform(0.7, 0.95), radius))
    return limbs


def chain(rng: np.random.Generator) -> list[Limb]:
    """Beads along a winding path, thick and thin in turn, like a caterpillar."""
    heading, position = sample_directions(rng, 1)[0], np.zeros(3)
    phase, beads = rng.uniform(0.5, 1.2), []
    for k in range(int(rng.integers(9, 20))):
        radius = 0.3 + 0.12 * np.sin(phase * k) + rng.uniform(-0.05, 0.05)
        beads.append(ball(position, radius))
        heading = heading + rng.normal(size=3) * 0.45
        heading /= np.linalg.norm(heading)
        position = position + heading * radius * 1.5
    return beads


def molecule(rng: np.random.Generator) -> list[Limb]:
    """A core with arms, each ending in a ball, regular or scattered."""
    count = int(rng.integers(4, 13))
    directions = fibonacci_sphere(count) if rng.random() < 0.5 else sample_directions(rng, count)
    core, reach, rod, end = (
        rng.uniform(0.3, 0.7),
        rng.uniform(0.9, 1.3),
        rng.uniform(0.07, 0.16),
        rng.uniform(0.18, 0.34),
    )
    limbs = [ball(np.zeros(3), core)]
    for direction in directions:
        tip = direction * reach * rng.uniform(0.85, 1.1)
        limbs += [Limb(np.zeros(3), tip, rod * 1.4, rod), ball(tip, end * rng.uniform(0.8, 1.2))]
    return limbs


def creature(rng: np.random.Generator) -> list[Limb]:
    """A body, a head, jointed legs in mirrored pairs and a tail: symmetric, as animals and toys are."""
    length, girth = rng.uniform(0.5, 1.0), rng.uniform(0.25, 0.42)
    limbs = [
        Limb(
            np.array([-length, 0, 0]),
            np.array([length, 0, rng.uniform(0, 0.3)]),
            girth * rng.uniform(0.8, 1.2),
            girth,
        )
    ]
    limbs += [
        ball(np.array([x, 0, 0.06]), girth * rng.uniform(1.0, 1.35)) for x in (-0.8 * length, 0.75 * length)
    ]
    head = np.array([length + girth * 1.1, 0, rng.uniform(0.3, 0.9)])
    skull = girth * rng.uniform(0.6, 1.0)
    limbs += [Limb(np.array([length, 0, 0.2]), head, girth * 0.6, girth * 0.45), ball(head, skull)]
    limbs.append(Limb(head, head + np.array([skull * 1.5, 0, -0.3 * skull]), skull * 0.6, skull * 0.4))
    tail = np.array([-length - rng.uniform(0.3, 0.9), rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.8)])
    limbs.append(Limb(np.array([-length, 0, 0]), tail, girth * 0.45, girth * 0.16))
    for x in np.linspace(-length, length, int(rng.integers(2, 4))):
        knee = np.array(
            [x + rng.uniform(-0.2, 0.2), girth * rng.uniform(0.9, 1.5), -girth - rng.uniform(0.05, 0.3)]
        )
        foot = knee + np.array([rng.uniform(-0.2, 0.25), 0.05, -rng.uniform(0.3, 0.6)])
        for mirror in (np.ones(3), np.array([1.0, -1.0, 1.0])):
            limbs.append(
                Limb(np.array([x, 0.4 * girth, 0]) * mirror, knee * mirror, girth * 0.5, girth * 0.36)
            )
            limbs.append(Limb(knee * mirror, foot * mirror, girth * 0.34, girth * 0.26))
            limbs.append(
                Limb(foot * mirror, (foot + np.array([0.16, 0, 0])) * mirror, girth * 0.28, girth * 0.22)
            )
    for side in (1, -1):
        ear = head + np.array([-0.1, side * skull * 0.9, skull * 1.1])
        limbs.append(
            Limb(head + np.array([0, side * 0.5 * skull, 0.5 * skull]), ear, skull * 0.32, skull * 0.14)
        )
    return limbs


def branching(rng: np.random.Generator) -> list[Limb]:
    """A trunk that forks again and again and thins as it goes, on a foot."""
    limbs = [ball(0.3 * np.array([np.cos(a), np.sin(a), -0.2]), 0.2) for a in 2 * np.pi * np.arange(6) / 6]

    def grow(start: Array, direction: Array, length: float, radius: float, depth: int) -> None:
        end = start + direction * length
        limbs.append(Limb(start, end, radius, radius * 0.78))
        if depth == 0:
            limbs.append(ball(end, radius * knob))
            return
        turned = sample_rotation(rng)
        for k in range(forks):
            c, s = np.cos(2 * np.pi * k / forks), np.sin(2 * np.pi * k / forks)
            aside = np.cross(direction, turned[0])
            aside /= np.linalg.norm(aside)
            way = direction + spread * (c * aside + s * np.cross(direction, aside)) + np.array([0, 0, 0.15])
            grow(end, way / np.linalg.norm(way), length * rng.uniform(0.65, 0.85), radius * 0.76, depth - 1)

    forks = int(rng.integers(2, 4))
    knob, spread = rng.uniform(0.9, 1.8), rng.uniform(0.6, 0.95)
    grow(np.zeros(3), np.array([0, 0, 1.0]), rng.uniform(0.6, 0.9), 0.22, 3 if forks == 2 else 2)
    return limbs


def drops(rng: np.random.Generator) -> list[Limb]:
    """Drops of many sizes standing out of a larger ball or an egg."""
    count = int(rng.integers(10, 40))
    limbs = [Limb(np.array([0, 0, -0.25]), np.array([0, 0, 0.25]), 0.75, rng.uniform(0.5, 0.8))]
    for direction in sample_directions(rng, count):
        radius = rng.uniform(0.1, 0.3) * (16 / count) ** 0.3
        limbs.append(ball(direction * np.array([0.78, 0.78, 0.98]) * rng.uniform(0.95, 1.12), radius))
    return limbs


def wreath(rng: np.random.Generator) -> list[Limb]:
    """Balls in a closed, waving ring, sometimes with a second ring linked through spokes."""
    count = int(rng.integers(7, 15))
    waves, height = int(rng.integers(0, 5)), rng.uniform(0.1, 0.35)
    angle = 2 * np.pi * np.arange(count) / count
    places = np.stack([np.cos(angle), np.sin(angle), height * np.cos(waves * angle)], axis=1)
    size = np.pi / count * rng.uniform(0.75, 1.05)
    limbs = [ball(position, size * (1 + 0.25 * np.cos(k * np.pi))) for k, position in enumerate(places)]
    limbs += [
        Limb(a, b, size * 0.55, size * 0.55) for a, b in zip(places, np.roll(places, -1, axis=0), strict=True)
    ]
    if rng.random() < 0.5:
        hub = np.array([0, 0, rng.uniform(-0.5, 0.5)])
        limbs += [Limb(position, hub, size * 0.4, size * 0.5) for position in places] + [
            ball(hub, size * rng.uniform(1, 1.8))
        ]
    return limbs


def lattice(rng: np.random.Generator) -> list[Limb]:
    """A few cells of a crystal lattice of balls joined by rods, with some of the joints missing."""
    n = rng.integers(2, 4, 3)
    radius, rod = rng.uniform(0.2, 0.36), rng.uniform(0.1, 0.17)
    limbs, axes = [], np.eye(3)
    for site in np.ndindex(*(int(k) for k in n)):
        centre = np.array(site, float)
        limbs.append(ball(centre, radius * rng.uniform(0.8, 1.2)))
        for k in range(3):
            if site[k] + 1 < n[k] and (rng.random() < 0.85 or site.count(0) == 2):
                limbs.append(Limb(centre, centre + axes[k], rod, rod))
    return limbs


DESIGNS = (cluster, chain, molecule, creature, creature, branching, drops, wreath, lattice)
