# SPDX-License-Identifier: Apache-2.0
"""A generator in, knotted, woven, coiled and linked tubes out, of round, flat, square and star sections."""

import numpy as np

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.mesh import Array, Indices, ObjectMesh, object_mesh
from multishade.procedural.objects.surface import corner_values, grid_uv, split_quads
from multishade.procedural.objects.tube import (
    frames,
    loosened,
    reach,
    resampled,
    superellipse_section,
    sweep_closed,
    sweep_open,
)

ROWS, AROUND = 1050, 80


def knot(rng: np.random.Generator) -> ObjectMesh:
    """A closed knot with a swept section, a rope, a chain, a coil or a basket of arcs."""
    design = DESIGNS[int(rng.choice(len(DESIGNS), p=WEIGHTS))]
    return design(rng)


def turn_about(rng: np.random.Generator, vertices: Array) -> Array:
    return vertices @ sample_rotation(rng).T


# Closed paths


def torus_knot(rng: np.random.Generator) -> Array:
    p, q = [(2, 3), (3, 2), (2, 5), (3, 4), (3, 5), (4, 3), (5, 2), (2, 7), (5, 3), (7, 2)][
        int(rng.integers(10))
    ]
    t = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    r = 1 + rng.uniform(0.35, 0.55) * np.cos(q * t)
    return np.stack([r * np.cos(p * t), r * np.sin(p * t), rng.uniform(0.35, 0.7) * np.sin(q * t)], axis=1)


def lissajous(rng: np.random.Generator) -> Array:
    """The best of several drafts of (cos(a t + u), cos(b t + v), cos(c t)): the one with most room for a tube."""
    t = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    drafts = []
    for _ in range(10):
        a, b, c = rng.permutation(
            [(2, 3, 5), (2, 3, 7), (3, 4, 5), (1, 2, 3), (2, 3, 4)][int(rng.integers(5))]
        )
        u, v = rng.uniform(0, 2 * np.pi, 2)
        drafts.append(np.stack([np.cos(a * t + u), np.cos(b * t + v), 0.8 * np.cos(c * t)], axis=1))
    return loosened(roomiest(drafts), rng.uniform(0.04, 0.06))


def fourier(rng: np.random.Generator) -> Array:
    """The best of several random closed curves of a few harmonics."""
    t = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    drafts = []
    for _ in range(4):
        orders = np.arange(1, 6)
        weight = rng.normal(size=(2, 5, 3)) / orders[:, None] ** rng.uniform(0.1, 0.6)
        drafts.append(np.cos(t[:, None] * orders) @ weight[0] + np.sin(t[:, None] * orders) @ weight[1])
    return loosened(roomiest(drafts), rng.uniform(0.035, 0.06))


def rosette(rng: np.random.Generator) -> Array:
    """A flat flower of loops that passes over and under itself, as in interlaced ornament."""
    loops, around = [(3, 2), (4, 3), (5, 2), (5, 3), (6, 5), (7, 2), (7, 3), (8, 3)][int(rng.integers(8))]
    t = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    r = 1 + rng.uniform(0.5, 0.75) * np.cos(loops * t)
    return np.stack([r * np.cos(around * t), r * np.sin(around * t), 0.5 * np.sin(loops * t)], axis=1)


def roomiest(drafts: list[Array]) -> Array:
    """The path with the largest reach for its size."""
    room = [reach(d[::3]) / np.linalg.norm(np.ptp(d, axis=0)) for d in drafts]
    return drafts[int(np.argmax(room))]


def closed_path(rng: np.random.Generator, count: int) -> tuple[Array, float]:
    """A path (count, 3), and the radius that a tube about it may have."""
    makers = (torus_knot, torus_knot, lissajous, fourier, fourier, rosette)
    path = makers[int(rng.integers(len(makers)))](rng)
    room = reach(resampled(path, 800, True, 0.0))
    return resampled(path, count, True), room


# Objects


def swept(rng: np.random.Generator) -> ObjectMesh:
    """One closed path with a section that may swell, be flat, square or a star, and turn on its way."""
    path, room = closed_path(rng, ROWS)
    room *= rng.uniform(0.72, 0.9)
    kind = rng.choice(["round", "swelling", "ribbon", "square", "star", "beaded"])
    step = np.linalg.norm(np.roll(path, -1, axis=0) - path, axis=1)
    s = np.concatenate([[0.0], np.cumsum(step)[:-1]]) / step.sum()
    turn = None
    section = superellipse_section(AROUND, 1, 1)
    if kind == "swelling":
        waves = int(rng.integers(2, 9))
        section = section * (0.72 + 0.28 * np.cos(2 * np.pi * waves * s))[:, None, None]
    elif kind == "beaded":
        waves = max(int(step.sum() / room / rng.uniform(2.2, 4.0)), 6)
        section = (
            section
            * (0.55 + 0.45 * (np.sin(np.pi * waves * s) ** 2 + 0.01) ** rng.uniform(0.25, 0.45))[
                :, None, None
            ]
        )
    elif kind == "ribbon":
        section = superellipse_section(AROUND, 1, rng.uniform(0.25, 0.5), rng.uniform(0.3, 1.0))
        turn = np.pi * int(rng.integers(-4, 5)) * s
    elif kind == "square":
        section = superellipse_section(AROUND, 0.78, 0.78, rng.uniform(0.12, 0.4))
        turn = np.pi / 2 * int(rng.integers(-12, 13)) * s
    elif kind == "star":
        section, points = star_section(rng)
        turn = 2 * np.pi / points * int(rng.integers(-16, 17)) * s
    vertices, quads = sweep_closed(path, section * room, turn)
    if turn is not None:
        quads = joined(vertices, quads, AROUND)
    faces = split_quads(vertices, quads)
    repeats = max(1, round(float(step.sum()) / (2 * np.pi * room)))
    uv = corner_values(
        quads, faces, grid_uv(np.append(s, 1.0) * float(repeats), np.linspace(0, 1, AROUND + 1))
    )
    return object_mesh(turn_about(rng, vertices), faces, 180.0, uv)


def star_section(rng: np.random.Generator) -> tuple[Array, int]:
    """A lobed section and its number of lobes."""
    points = int(rng.choice([3, 4, 5, 6, 8]))
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    depth = rng.uniform(0.12, 0.28) * min(1.0, 4 / points)
    radius = 1 - depth + depth * np.cos(points * angle)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), points


def joined(vertices: Array, quads: Indices, around: int) -> Indices:
    """Meet the last ring with the first one at the shift for which their vertices lie nearest (a turned section)."""
    last, first = vertices[-around:], vertices[:around]
    shift = min(range(around), key=lambda k: float(((np.roll(first, -k, axis=0) - last) ** 2).sum()))
    wrapping = (quads[:, 2:] < around) & (quads[:, :1] >= len(vertices) - around)
    quads = quads.copy()
    quads[:, 2:] = np.where(wrapping, (quads[:, 2:] + shift) % around, quads[:, 2:])
    return quads


def rope(rng: np.random.Generator) -> ObjectMesh:
    """Two to five strands laid about a closed path; each strand is a tube of its own."""
    path, room = closed_path(rng, 1000)
    room *= rng.uniform(0.8, 0.92)
    strands = int(rng.integers(2, 6))
    ratio = np.sin(np.pi / strands) / (
        1 + np.sin(np.pi / strands)
    )  # strands that touch inside a circle of radius 1
    strand_radius = room * ratio * 0.985
    lay = room - strand_radius
    length = np.linalg.norm(np.roll(path, -1, axis=0) - path, axis=1)
    s = np.concatenate([[0.0], np.cumsum(length)[:-1]]) / length.sum()
    turns = max(int(length.sum() / (room * rng.uniform(7, 13))), 2)
    first, second = frames(path, True)
    parts, faces, offset = [], [], 0
    for k in range(strands):
        angle = 2 * np.pi * (turns * s + k / strands)[:, None]
        strand = path + lay * (np.cos(angle) * first + np.sin(angle) * second)
        slant = np.hypot(1.0, 2 * np.pi * turns * lay / length.sum())
        section = superellipse_section(28, strand_radius / slant**0.5, strand_radius / slant**0.5)
        vertices, quads = sweep_closed(resampled(strand, 1100 - 80 * strands, True), section)
        parts.append(vertices)
        faces.append(split_quads(vertices, quads) + offset)
        offset += len(vertices)
    return object_mesh(turn_about(rng, np.concatenate(parts)), np.concatenate(faces), 180.0)


def chain(rng: np.random.Generator) -> ObjectMesh:
    """Links, round or long, each at a right angle to the last, along an arc or a ring."""
    wire, length = rng.uniform(0.18, 0.27), rng.uniform(0.9, 1.4)
    t = np.linspace(0, 2 * np.pi, 600, endpoint=False)
    link = np.stack(
        [(0.55 + wire * 0.4) * np.cos(t), length * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.85, 0 * t],
        axis=1,
    )
    section = superellipse_section(48, wire, wire, rng.choice([1.0, 1.0, 0.35]))
    vertices, quads = sweep_closed(resampled(link, 300, True), section)
    faces = split_quads(vertices, quads)
    pitch = 2 * (length - wire * 1.15)
    bracelet = rng.random() < 0.6
    count = 2 * int(rng.integers(3, 6)) if bracelet else int(rng.integers(2, 5))
    bend = 2 * np.pi / count if bracelet else rng.uniform(0, 1.5) / count
    parts, position, heading = [], np.zeros(2), 0.0
    for k in range(count):
        roll = k % 2 * np.pi / 2 + np.pi / 4
        c, s = np.cos(roll), np.sin(roll)
        turned = vertices @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
        c, s = np.cos(heading), np.sin(heading)
        turned = turned @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
        parts.append(turned + np.array([*position, 0]))
        heading += bend
        c, s = np.cos(heading - bend / 2), np.sin(heading - bend / 2)
        position = position + pitch * np.array([-s, c])
    both = np.concatenate([faces + k * len(vertices) for k in range(count)])
    return object_mesh(turn_about(rng, np.concatenate(parts)), both, 180.0)


def coil(rng: np.random.Generator) -> ObjectMesh:
    """An open spring, cone spiral, snail or ball of wire with round ends."""
    turns = rng.uniform(3, 8)
    t = np.linspace(0, 1, 3000)
    kind = rng.choice(["spring", "cone", "ball", "barrel", "spiral"])
    height = rng.uniform(1.2, 2.6)
    wide = {
        "spring": np.ones_like(t),
        "cone": 1 - 0.8 * t,
        "ball": np.sqrt(np.clip(1 - (1.9 * t - 0.95) ** 2, 0.02, 1)),
        "barrel": 0.6 + 0.5 * np.sin(np.pi * t),
        "spiral": 0.12 + t,
    }[str(kind)]
    rise = {"ball": (1.9 * t - 0.95), "spiral": 0.15 * np.sin(2 * np.pi * t)}.get(str(kind), height * t)
    path = np.stack(
        [wide * np.cos(2 * np.pi * turns * t), wide * np.sin(2 * np.pi * turns * t), rise], axis=1
    )
    room = reach(resampled(path, 900, False, 0.0), closed=False) * rng.uniform(0.55, 0.88)
    path = resampled(path, 1300, False)
    at = np.linspace(0, 1, len(path))
    taper = 1 - rng.uniform(0, 0.6) * at if rng.random() < 0.5 else 1 + 0 * at
    vertices, faces = sweep_open(path, room * taper, 64)
    return object_mesh(turn_about(rng, vertices), faces, 180.0)


def hoops(rng: np.random.Generator) -> ObjectMesh:
    """Linked rings that share a centre, as in an armillary sphere or Borromean rings."""
    count = int(rng.integers(3, 6))
    wire = rng.uniform(0.06, 0.12)
    t = np.linspace(0, 2 * np.pi, 420, endpoint=False)
    borromean = count == 3 and rng.random() < 0.6
    parts, faces, offset = [], [], 0
    for k in range(count):
        size = (1.0, 0.55) if borromean else (1 - 2.4 * wire * k, 1 - 2.4 * wire * k)
        ring = np.stack([size[0] * np.cos(t), size[1] * np.sin(t), 0 * t], axis=1)
        turned = np.roll(ring, k, axis=1) if borromean else ring @ sample_rotation(rng).T
        section = superellipse_section(56, wire, wire * rng.uniform(0.9, 1.9), rng.choice([0.25, 1.0]))
        vertices, quads = sweep_closed(turned, section)
        parts.append(vertices)
        faces.append(split_quads(vertices, quads) + offset)
        offset += len(vertices)
    return object_mesh(turn_about(rng, np.concatenate(parts)), np.concatenate(faces), 180.0)


DESIGNS = (swept, rope, chain, coil, hoops)
WEIGHTS = (0.56, 0.14, 0.08, 0.14, 0.08)
