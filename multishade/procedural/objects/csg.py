# SPDX-License-Identifier: Apache-2.0
"""A generator in, a sculpture of added, cut and intersected primitives out, with true edges and exact curved faces."""

import numpy as np
from manifold3d import Manifold

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.construction import architecture, flange, gear, tower, twisted
from multishade.procedural.objects.mesh import ObjectMesh, object_mesh
from multishade.procedural.objects.noise import fibonacci_sphere
from multishade.procedural.objects.solids import (
    ball,
    box,
    largest,
    placed,
    ring,
    rod,
    subtract,
    triangles,
    union,
)

CREASE = 16.0  # curved primitives turn by less than 4 degrees at an edge, real edges by more
AXES = (np.eye(3), np.eye(3)[[2, 0, 1]], np.eye(3)[[1, 2, 0]])  # the z axis laid along z, y, x


def csg(rng: np.random.Generator) -> ObjectMesh:
    """One of the sculptural designs; flat faces stay whole, so face counts vary widely."""
    design = DESIGNS[int(rng.integers(len(DESIGNS)))]
    return object_mesh(*triangles(design(rng)), CREASE)


def die(rng: np.random.Generator) -> Manifold:
    """A cube, rounded by a ball, bored along its axes and hollowed: the textbook figure with random sizes."""
    side = rng.uniform(0.85, 1.15, 3)
    body = box(*(2 * side))
    if rng.random() < 0.8:
        body ^= ball(rng.uniform(1.2, 1.45), 200)
    section = rng.choice(["round", "square", "hexagon", "cross"])
    size = rng.uniform(0.3, 0.65)
    tool = {
        "round": rod(size, 4, 160),
        "square": box(1.5 * size, 1.5 * size, 4).rotate((0, 0, 45 * int(rng.integers(2)))),
        "hexagon": rod(size, 4, 6),
        "cross": union([box(2 * size, 0.6 * size, 4), box(0.6 * size, 2 * size, 4)]),
    }[str(section)]
    body = subtract(body, [placed(tool, axis, np.zeros(3)) for axis in AXES[: int(rng.integers(1, 4))]])
    if rng.random() < 0.5:
        body = subtract(body, [ball(rng.uniform(0.7, 1.0), 160)])
    if rng.random() < 0.35:
        body = union([body, ball(rng.uniform(0.4, 0.75), 144)])
    if rng.random() < 0.4:
        corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T * side
        dent = ball(rng.uniform(0.2, 0.45), 112)
        body = subtract(body, [dent.translate(tuple(corner * 0.92)) for corner in corners])
    return body


def sponge(rng: np.random.Generator) -> Manifold:
    """A cube with a recursive pattern of square or round shafts through it."""
    tool = (lambda s: box(s, s, 4)) if rng.random() < 0.6 else (lambda s: rod(s / 2, 4, 64))
    pattern = [(0.0, 0.0, rng.uniform(0.5, 0.75))]
    third = rng.uniform(0.58, 0.7)
    small = rng.uniform(0.16, 0.26)
    pattern += [(third * i, third * j, small) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    if rng.random() < 0.4:
        pattern = [entry for entry in pattern if entry[0] * entry[1] == 0]
    body = box(2, 2, 2) if rng.random() < 0.6 else ball(1.25, 220)
    cuts = [tool(s).translate((x, y, 0)) for x, y, s in pattern]
    shafts = union(cuts)
    return subtract(body, [placed(shafts, axis, np.zeros(3)) for axis in AXES])


def rosette(rng: np.random.Generator) -> Manifold:
    """An n-fold wheel: primitives repeated about an axis, joined by a ring and cut by others in between."""
    fold = int(rng.integers(3, 10))
    kinds = {
        "ball": lambda s: ball(s, 112),
        "box": lambda s: box(1.5 * s, 1.5 * s, 1.5 * s).rotate((0, 45, 0)),
        "rod": lambda s: rod(0.6 * s, 3 * s, 96).rotate((0, rng.choice([0.0, 60.0]), 0)),
        "cone": lambda s: rod(0.9 * s, 2.2 * s, 128, 0.05).rotate((0, 90, 0)),
        "torus": lambda s: ring(0.8 * s, 0.25 * s, 112, 40).rotate((90, 0, 0)),
    }
    names = list(kinds)
    add, cut = (kinds[str(rng.choice(names))] for _ in range(2))
    size = rng.uniform(0.7, 1.0) * min(np.pi / fold, 0.55)
    parts = [
        ring(1.0, rng.uniform(0.12, 0.3), 220, 64)
        if rng.random() < 0.6
        else rod(1.05, rng.uniform(0.2, 0.5), 220)
    ]
    parts += [add(size).translate((1.0, 0, 0)).rotate((0, 0, 360 * k / fold)) for k in range(fold)]
    if rng.random() < 0.6:
        parts.append(ball(rng.uniform(0.35, 0.6), 160))
        parts.append(union([box(2.0, 0.14, 0.14).rotate((0, 0, 180 * k / fold)) for k in range(fold)]))
    hole = cut(size * 0.62)
    cuts = [hole.translate((1.0, 0, 0.1)).rotate((0, 0, 360 * (k + 0.5) / fold)) for k in range(fold)]
    return subtract(union(parts), cuts)


def burr(rng: np.random.Generator) -> Manifold:
    """Interlocked bars along three axes with notches, or slabs slotted through one another."""
    bars, width = int(rng.choice([1, 2, 2, 3])), rng.uniform(0.24, 0.36)
    length, gap = rng.uniform(1.7, 2.4), rng.uniform(0.02, 0.3)
    round_bar = rng.random() < 0.35
    parts = []
    for axis in AXES:
        for k in range(bars):
            offset = (k - (bars - 1) / 2) * (width + gap)
            bar = rod(width / 2, length, 112) if round_bar else box(width, width, length)
            parts.append(
                placed(bar.translate((offset, offset * rng.choice([0, 0, 1]), 0)), axis, np.zeros(3))
            )
    body = union(parts)
    if rng.random() < 0.5:
        body = union([body, ball(rng.uniform(0.45, 0.65), 160)])
    notch = box(0.4 * width, 3, 0.5 * width)
    ends = [
        placed(notch.translate((0, 0, s * length / 2)), axis, np.zeros(3)) for axis in AXES for s in (-1, 1)
    ]
    return subtract(body, ends) if rng.random() < 0.6 else body


def carved_ball(rng: np.random.Generator) -> Manifold:
    """A ball or lens with bowls scooped out of it, or built up of caps, in even directions."""
    count = int(rng.integers(4, 22))
    directions = fibonacci_sphere(count) @ sample_rotation(rng).T
    reach = np.sqrt(4 / count)
    scoop = ball(reach * rng.uniform(0.55, 0.85), 120)
    body = subtract(ball(1, 240), [scoop.translate(tuple(d * rng.uniform(0.95, 1.1))) for d in directions])
    if rng.random() < 0.5:
        pearl = ball(reach * 0.3, 72)
        body = union(
            [body, ball(0.6, 144), *(pearl.translate(tuple(d * (1 - 0.38 * reach))) for d in directions)]
        )
    return body


def monument(rng: np.random.Generator) -> Manifold:
    """An abstract sculpture: a few large primitives in tension, a block pierced by a ball, a cone and a slab."""
    parts = [box(*rng.uniform([0.7, 0.7, 1.2], [1.1, 1.1, 2.2])).rotate((0, rng.uniform(-12, 12), 0))]
    for _ in range(int(rng.integers(2, 5))):
        kind = str(rng.choice(["ball", "slab", "cone", "torus", "drum"]))
        size = rng.uniform(0.35, 0.7)
        piece = {
            "ball": lambda s: ball(s, 160),
            "slab": lambda s: box(2.6 * s, 1.6 * s, 0.25 * s),
            "cone": lambda s: rod(s, 2.2 * s, 180, 0.02),
            "torus": lambda s: ring(1.2 * s, 0.3 * s, 180, 64),
            "drum": lambda s: rod(0.7 * s, 2.2 * s, 160),
        }[kind](size)
        parts.append(placed(piece, sample_rotation(rng), rng.uniform(-0.6, 0.6, 3) * (1, 1, 1.5)))
    cuts = []
    for _ in range(int(rng.integers(1, 4))):
        tool = (
            rod(rng.uniform(0.15, 0.4), 6, 144) if rng.random() < 0.6 else ball(rng.uniform(0.35, 0.6), 144)
        )
        cuts.append(placed(tool, sample_rotation(rng), rng.uniform(-0.7, 0.7, 3)))
    return largest(subtract(union(parts), cuts))


DESIGNS = (die, tower, flange, gear, sponge, rosette, twisted, burr, architecture, carved_ball, monument)
