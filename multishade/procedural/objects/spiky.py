# SPDX-License-Identifier: Apache-2.0
"""A generator in, a spiny, thorny, scaly or knobbed object out: urchins, maces, cacti, durians, cones, stars."""

import numpy as np
from manifold3d import Manifold

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.mesh import Array, ObjectMesh, object_mesh
from multishade.procedural.objects.metaball import Limb, blend
from multishade.procedural.objects.noise import (
    fibonacci_sphere,
    nearest_two,
    sample_directions,
    sample_gradient_noise,
    smoothstep,
)
from multishade.procedural.objects.solids import ball, placed, ring, rod, solid, triangles, union, upright
from multishade.procedural.objects.surface import ring_faces, sphere_points, split_quads
from multishade.procedural.objects.tube import frames, resampled, sweep_closed, sweep_open, tangents

CREASE = 32.0


def spiky(rng: np.random.Generator) -> ObjectMesh:
    """One of the designs: a base with spikes set into it, or a surface raised into points."""
    design = DESIGNS[int(rng.integers(len(DESIGNS)))]
    return object_mesh(*triangles(design(rng)), 180.0 if design is durian else CREASE)


def spine(length: float, base: float, tip: float, flare: float = 0.0, bow: float = 0.0) -> Manifold:
    """A spike along z from a little below the origin: it tapers from base to tip, may flare at its foot and bow aside.

    flare: how much wider the foot is, of the base. bow: how far the tip leans along x, of the length.
    """
    t = np.concatenate([[-0.12], np.linspace(0, 1, 9 if flare or bow else 3) ** 1.3])
    path = length * np.column_stack([bow * np.maximum(t, 0) ** 2, np.zeros_like(t), t])
    radius = tip + (base - tip) * (1 - np.clip(t, 0, 1)) + flare * base * np.exp(-np.maximum(t, 0) / 0.08)
    return solid(*sweep_open(path, radius, 16))


def ball_base(rng: np.random.Generator, uneven: float = 0.0, resolution: int = 60) -> tuple[Manifold, Array]:
    """A ball or egg, perhaps uneven, as a solid, and its half axes (3,)."""
    directions, quads = sphere_points(resolution)
    size = np.array([1, 1, rng.uniform(0.7, 1.3)])
    radius = 1 + uneven * sample_gradient_noise(rng)(directions * 1.3)
    vertices = directions * radius[:, None] * size
    return solid(vertices, split_quads(vertices, quads)), size


def directions_for(rng: np.random.Generator, count: int) -> Array:
    """Even directions in a spiral's order or scattered, turned at random."""
    even = fibonacci_sphere(count) if rng.random() < 0.6 else sample_directions(rng, count, 10)
    return even @ sample_rotation(rng).T


def urchin(rng: np.random.Generator) -> Manifold:
    """Long thin spines all around a ball, of one length or waxing and waning."""
    count = int(rng.integers(50, 130))
    base, size = ball_base(rng)
    base = base.scale((0.55, 0.55, 0.55))
    length, thick = rng.uniform(0.35, 0.85), rng.uniform(0.045, 0.075)
    bow = rng.uniform(-0.3, 0.3) if rng.random() < 0.4 else 0.0
    noise, tip = sample_gradient_noise(rng), rng.uniform(0.1, 0.3)
    parts = [base]
    for direction in directions_for(rng, count):
        reach = length * (1 + 0.45 * float(noise(direction[None] * 1.3)[0])) * rng.uniform(0.9, 1.05)
        body = spine(reach, thick, thick * tip, 0.8, bow)
        parts.append(placed(body, upright(direction), 0.54 * direction * size))
    return union(parts)


def mace(rng: np.random.Generator) -> Manifold:
    """A ball, drum or polyhedron with stout cones or pyramids, at times on a handle."""
    count = int(rng.choice([6, 8, 12, 14, 20, 26, 32]))
    kind = str(rng.choice(["ball", "ball", "facets"]))
    body = ball(0.7, 160) if kind == "ball" else Manifold.hull_points(fibonacci_sphere(count + 8) * 0.75)
    sides = int(rng.choice([3, 4, 6, 64]))
    wide = min(1.15 * np.sqrt(4 / count) * 0.7 * rng.uniform(0.5, 0.9), 0.42)
    tall = rng.uniform(0.3, 0.75)
    parts = [body]
    for direction in directions_for(rng, count):
        spike = rod(wide, tall + 0.15, sides, 0.02 if sides == 64 else 0.0)
        parts.append(placed(spike, upright(direction), direction * (0.7 + tall / 2 - 0.1)))
    if rng.random() < 0.3:
        handle = [rod(0.13, 1.4, 96).translate((0, 0, -1.2))]
        handle += [ring(0.13, 0.05, 96, 32).translate((0, 0, -z)) for z in (1.0, 1.4, 1.8)]
        parts += [*handle, ball(0.2, 96).translate((0, 0, -1.95))]
    return union(parts)


def cactus(rng: np.random.Generator) -> Manifold:
    """Ribbed columns, upright and branching, or a barrel, with tufts of spines along the ribs."""
    ribs = int(rng.integers(8, 15))
    barrel = rng.random() < 0.45
    stems = []
    if barrel:
        stems.append((np.array([[0, 0, -0.6], [0, 0, 0.6]]), rng.uniform(0.55, 0.9)))
    else:
        tall = rng.uniform(1.2, 1.8)
        stems.append((np.array([[0, 0, -1.0], [0, 0, tall - 1.0]]), 0.3))
        for k in range(int(rng.integers(1, 4))):
            a, start, out = 2.4 * k + rng.uniform(0, 1), rng.uniform(-0.3, 0.2), rng.uniform(0.55, 0.75)
            elbow = np.array([out * np.cos(a), out * np.sin(a), start])
            up = elbow + (0, 0, rng.uniform(0.3, 0.8))
            stems.append((np.array([[0.1 * np.cos(a), 0.1 * np.sin(a), start - 0.05], elbow, up]), 0.2))
    parts = []
    for points, radius in stems:
        parts += ribbed_stem(rng, points, radius, ribs)
    return union(parts)


def ribbed_stem(rng: np.random.Generator, points: Array, radius: float, ribs: int) -> list[Manifold]:
    """One stem along rounded corners, and its spines."""
    t = np.linspace(0, 1, 200)[:, None]
    if len(points) == 3:  # a quadratic elbow
        path = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]
    else:
        path = points[0] + t * (points[1] - points[0])
    path = resampled(path, 72, False)
    around = 12 * ribs
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    s = np.linspace(0, 1, 72)
    cap = radius / length
    swell = np.sqrt(np.clip(1 - np.clip((s - 1 + cap) / cap, 0, 0.999) ** 2, 0, 1)) * (
        0.8 + 0.2 * smoothstep(0, 0.3, s)
    )
    first, second = frames(path, False)
    angle = 2 * np.pi * np.arange(around) / around
    wave = 1 + 0.16 * (np.abs(np.cos(ribs * angle / 2)) ** 0.8 - 0.6)
    ring_shape = np.stack([wave * np.cos(angle), wave * np.sin(angle)], axis=1)
    rows = path[:, None] + (radius * swell)[:, None, None] * (
        ring_shape[:, :1] * first[:, None] + ring_shape[:, 1:] * second[:, None]
    )
    along = tangents(path, False)
    ends = np.stack([path[0], path[-1] + 0.02 * radius * along[-1]])
    vertices = np.concatenate([ends[:1], rows.reshape(-1, 3), ends[1:]])
    body = solid(vertices, ring_faces([1] + [around] * 72 + [1]))
    tufts = []
    small = rod(0.012, 0.17, 12, 0.003).translate((0, 0, 0.075))
    for row in range(5, 70, max(int(0.19 / (length / 72)), 4)):
        for rib in range(ribs):
            column = 12 * rib
            position = rows[row, column]
            outward = position - path[row]
            outward /= np.linalg.norm(outward)
            for turn in (-0.5, 0.5):
                way = outward + turn * along[row] * rng.uniform(0.6, 1.2) + rng.normal(size=3) * 0.2
                tufts.append(placed(small, upright(way), position - 0.01 * outward))
    return [body, *tufts]


def durian(rng: np.random.Generator) -> Manifold:
    """A surface raised into close-set pyramids or cones, as on a durian, a pineapple or a studded ball."""
    directions, quads = sphere_points(120)
    count = int(rng.integers(40, 180))
    centres = directions_for(rng, count)
    first, second, _ = nearest_two(directions, centres)
    spacing = np.sqrt(4 * np.pi / count)
    t = (second - first) / spacing if rng.random() < 0.5 else 1 - np.minimum(first / (0.56 * spacing), 1)
    height = rng.uniform(0.35, 0.7) * spacing * t ** rng.uniform(1.0, 1.6)
    vertices = directions * (1 + height)[:, None] * np.array([1, rng.uniform(0.8, 1), rng.uniform(0.8, 1.5)])
    return solid(vertices, split_quads(vertices, quads))


def scale_leaf(rng: np.random.Generator, long: float, wide: float, thick: float, curl: float) -> Manifold:
    """A pointed, curved scale along z, thick at its middle: an ellipsoid pulled to a point and bent outward (x)."""
    directions, quads = sphere_points(11)
    x, y, z = directions.T
    u = (z + 1) / 2
    taper = np.sqrt(np.clip(1 - u**3, 0.001, 1)) * (0.55 + 0.45 * np.sin(np.pi * np.clip(u, 0, 1) ** 0.7))
    points = np.stack([thick * x * taper, wide * y * taper, long * u], axis=1)
    points[:, 0] += curl * long * u**2 - 0.35 * wide * (y * taper) ** 2
    return solid(points, split_quads(points, quads))


def cone(rng: np.random.Generator) -> Manifold:
    """A pine cone, artichoke or protea: scales in spiral order over an egg, opening from the tip to the base."""
    count = int(rng.integers(60, 130))
    tall, wide = rng.uniform(0.8, 1.3), rng.uniform(0.45, 0.7)
    open_angle = rng.uniform(0.35, 1.1)
    core = ball(1, 96).scale((0.8 * wide, 0.8 * wide, tall))
    leaf = scale_leaf(rng, 0.5, rng.uniform(0.14, 0.24), 0.05, rng.uniform(0.0, 0.5))
    parts = [core]
    for k in range(count):
        t = (k + 0.5) / count
        height = tall * (1.75 * t - 0.9)
        r = wide * np.sqrt(max(1 - (height / tall) ** 2, 0.02)) * 0.78
        angle = 2.39996 * k
        radial = np.array([np.cos(angle), np.sin(angle), 0])
        lean = open_angle * (1 - 0.75 * t)
        z = np.cos(lean) * np.array([0, 0, 1.0]) + np.sin(lean) * radial
        x = np.cos(lean) * radial - np.sin(lean) * np.array([0, 0, 1.0])
        frame = np.stack([x, np.cross(z, x), z], axis=1) * (1.1 - 0.45 * t)
        parts.append(placed(leaf, frame, r * radial + np.array([0, 0, height - 0.1])))
    return union(parts)


def knobbed(rng: np.random.Generator) -> Manifold:
    """A virus or a sputnik: stalks that end in balls, cups or crowns."""
    count = int(rng.integers(14, 60))
    stalk, knob = rng.uniform(0.04, 0.08), rng.uniform(0.09, 0.17) * (30 / count) ** 0.3
    reach = rng.uniform(0.25, 0.6)
    head = str(rng.choice(["ball", "disc", "torus", "cone"]))
    top = {
        "ball": ball(knob, 44),
        "disc": rod(1.3 * knob, 0.5 * knob, 56),
        "torus": ring(knob, 0.4 * knob, 40, 20),
        "cone": rod(0.4 * knob, 1.6 * knob, 56, 1.4 * knob),
    }[head]
    one = union(
        [
            rod(stalk * 1.5, reach + 0.2, 28, stalk).translate((0, 0, reach / 2 - 0.1)),
            top.translate((0, 0, reach)),
        ]
    )
    body, size = ball_base(rng, 0.08)
    parts = [body.scale((0.7, 0.7, 0.7))]
    parts += [placed(one, upright(d), 0.68 * d * size) for d in directions_for(rng, count)]
    return union(parts)


def thorny_ring(rng: np.random.Generator) -> Manifold:
    """A crown of thorns: a ring or a winding closed stem with spikes around it."""
    t = np.linspace(0, 2 * np.pi, 1200, endpoint=False)
    waves = int(rng.integers(0, 4))
    wobble = rng.uniform(0.05, 0.25) if waves else 0.0
    path = np.stack([np.cos(t), np.sin(t), wobble * np.sin(waves * t)], axis=1)
    thick = rng.uniform(0.1, 0.22)
    angle = 2 * np.pi * np.arange(48) / 48
    vertices, quads = sweep_closed(
        resampled(path, 240, True), thick * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    )
    parts = [solid(vertices, split_quads(vertices, quads))]
    count = int(rng.integers(24, 80))
    along = tangents(path, True)
    slant, long = rng.uniform(-0.8, 0.8), rng.uniform(1.2, 3.0) * thick
    for k in range(count):
        at = int(len(path) * (k + rng.uniform(-0.2, 0.2)) / count) % len(path)
        aside = upright(along[at])
        a = 2.4 * k
        outward = np.cos(a) * aside[:, 0] + np.sin(a) * aside[:, 1]
        thorn = spine(long * rng.uniform(0.7, 1.2), 0.3 * thick, 0.02 * thick, 0.7)
        parts.append(placed(thorn, upright(outward + slant * along[at]), path[at] + 0.93 * thick * outward))
    return union(parts)


def star(rng: np.random.Generator) -> Manifold:
    """A few long horns that melt into a small body: caltrops, starfish, morning stars."""
    count = int(rng.integers(4, 15))
    flat = rng.random() < 0.35
    if flat:
        a = 2 * np.pi * np.arange(count) / count
        directions = np.stack([np.cos(a), np.sin(a), 0.15 * np.cos(2 * a)], axis=1)
    else:
        directions = directions_for(rng, count)
    thick = rng.uniform(0.24, 0.4) * (8 / count) ** 0.3
    limbs = [Limb(np.zeros(3), d * rng.uniform(0.85, 1.15), thick, 0.025) for d in directions]
    limbs.append(Limb(np.zeros(3), np.zeros(3), 0.3, 0.3))
    vertices, faces = blend(limbs, 0.06)
    body = solid(vertices, faces)
    if rng.random() < 0.5:
        bumps = []
        for limb in limbs[:-1]:
            for u in (0.3, 0.5, 0.68):
                position = limb.end * u
                bumps.append(ball((thick * (1 - u) + 0.02) * 1.25, 56).translate(tuple(position)))
        body = union([body, *bumps])
    return body


def hedgehog(rng: np.random.Generator) -> Manifold:
    """A bean-shaped body with quills that lean back over one side of it."""
    directions, quads = sphere_points(56)
    size = np.array([1.0, rng.uniform(0.6, 0.75), rng.uniform(0.55, 0.7)])
    vertices = directions * size
    vertices[:, 0] += 0.35 * np.clip(directions[:, 0], 0, 1) ** 4
    parts = [solid(vertices, split_quads(vertices, quads))]
    for d in fibonacci_sphere(int(rng.integers(160, 280))):
        if d[2] < -0.25 or d[0] > 0.55:
            continue
        way = d + np.array([-rng.uniform(0.4, 0.8), 0, 0.15]) + rng.normal(size=3) * 0.1
        quill = spine(rng.uniform(0.28, 0.45), 0.03, 0.006)
        parts.append(placed(quill, upright(way), d * size * 0.97))
    snout = np.array([1.32, 0, -0.02])
    parts.append(ball(0.07, 48).translate(tuple(snout)))
    parts += [ball(0.055, 48).translate((0.93, side * 0.3, 0.2)) for side in (-1, 1)]
    parts += [
        ball(0.16, 64).translate((x, side * 0.35, -0.55 * size[2] / 0.62))
        for x in (-0.45, 0.5)
        for side in (-1, 1)
    ]
    return union(parts)


DESIGNS = (urchin, mace, cactus, durian, cone, knobbed, thorny_ring, star, hedgehog)
