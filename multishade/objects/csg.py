# SPDX-License-Identifier: Apache-2.0
"""A generator in, a sculpture of added, cut and intersected primitives out, with true edges and exact curved faces."""

import numpy as np
from manifold3d import CrossSection, JoinType, Manifold

from multishade.objects.mesh import ObjectMesh, object_mesh
from multishade.objects.noise import fibonacci_sphere, random_rotation
from multishade.objects.solids import ball, box, placed, ring, rod, subtract, triangles, union, upright

CREASE = 16.0  # curved primitives turn by less than 4 degrees at an edge, real edges by more
AXES = (np.eye(3), np.eye(3)[[2, 0, 1]], np.eye(3)[[1, 2, 0]])  # the z axis laid along z, y, x


def csg(rng: np.random.Generator) -> ObjectMesh:
    """One of the sculptural designs; flat faces stay whole, so face counts vary widely."""
    design = DESIGNS[int(rng.integers(len(DESIGNS)))]
    return object_mesh(*triangles(design(rng)), CREASE)


def die(rng: np.random.Generator) -> Manifold:
    """A cube, rounded by a ball, bored along its axes and hollowed: the textbook figure with every number drawn."""
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


def tower(rng: np.random.Generator) -> Manifold:
    """Storeys of boxes, drums, prisms, cones and balls on a common axis, with windows and grooves cut into them."""
    parts, cuts, z, width = [], [], 0.0, rng.uniform(0.8, 1.0)
    for k in range(int(rng.integers(3, 7))):
        height = rng.uniform(0.25, 0.8)
        kind = str(rng.choice(["box", "drum", "prism", "cone", "dome"]))
        if kind == "box":
            storey = box(2 * width, 2 * width, height).rotate((0, 0, rng.choice([0.0, 45.0, 22.5])))
        elif kind == "drum":
            storey = rod(width, height, 200)
        elif kind == "prism":
            storey = rod(width, height, int(rng.choice([3, 5, 6, 8])))
        elif kind == "cone":
            storey = rod(width, height, 200, width * rng.uniform(0.5, 0.8))
        else:
            storey = (
                ball(width, 176)
                .scale((1, 1, height / width))
                .trim_by_plane((0, 0, 1), 0)
                .translate((0, 0, -height / 2))
            )
        parts.append(storey.translate((0, 0, z + height / 2 - 0.01 * k)))
        if kind != "dome" and rng.random() < 0.5:
            count = int(rng.integers(3, 9))
            opening = (
                box(0.5 * width, 0.9 * width / count * 2, 0.55 * height)
                if rng.random() < 0.5
                else rod(0.26 * height, 0.5 * width, 72).rotate((0, 90, 0))
            )
            for i in range(count):
                cuts.append(opening.translate((width, 0, z + height / 2)).rotate((0, 0, 360 * i / count)))
        elif kind == "drum":
            cuts.append(ring(width, height * 0.18, 200, 48).translate((0, 0, z + height / 2)))
        z += height - 0.01
        width *= rng.uniform(0.6, 1.02)
    return subtract(union(parts), cuts)


def flange(rng: np.random.Generator) -> Manifold:
    """A machined part: plate, boss, bore, bolt circle, ribs, keyway."""
    plate, thick = rng.uniform(0.9, 1.1), rng.uniform(0.18, 0.35)
    boss, tall = rng.uniform(0.35, 0.5), rng.uniform(0.4, 1.2)
    bolts = int(rng.integers(3, 9))
    base = (
        rod(plate, thick, 220)
        if rng.random() < 0.6
        else rounded_plate(rng, plate).extrude(thick).translate((0, 0, -thick / 2))
    )
    parts = [base, rod(boss * 1.12, tall, 200, boss).translate((0, 0, (thick + tall) / 2 - 0.005))]
    if rng.random() < 0.6:
        profile = np.array([[0, 0], [plate * 0.85, 0], [boss * 0.9, tall * 0.85], [0, tall * 0.85]])
        rib = (
            CrossSection([profile])
            .extrude(0.1)
            .translate((0, 0, -0.05))
            .rotate((90, 0, 0))
            .translate((0, 0, thick / 2 - 0.01))
        )
        parts += [rib.rotate((0, 0, 360 * (k + 0.5) / bolts)) for k in range(bolts)]
    bore = boss * rng.uniform(0.45, 0.75)
    cuts = [
        rod(bore, 5, 180),
        rod(bore * 1.2, 0.16, 180, bore * 1.4).translate((0, 0, thick / 2 + tall - 0.06)),
    ]
    if rng.random() < 0.6:
        cuts.append(box(0.5 * bore, 0.4 * bore, 5).translate((bore, 0, 0)))
    for k in range(bolts):
        at = 2 * np.pi * k / bolts
        place = (0.77 * plate * np.cos(at), 0.77 * plate * np.sin(at), 0)
        cuts.append(rod(0.09, 2, 80).translate(place))
        cuts.append(rod(0.14, thick, 80).translate((*place[:2], thick * 0.75)))
    return subtract(union(parts), cuts)


def rounded_plate(rng: np.random.Generator, size: float) -> CrossSection:
    """A square, triangle or hexagon with round corners, as a section."""
    sides = int(rng.choice([3, 4, 6]))
    return (
        CrossSection.circle(size * 1.05, sides)
        .offset(-0.25, JoinType.Miter)
        .offset(0.25, JoinType.Round, 2.0, 160)
    )


def gear(rng: np.random.Generator) -> Manifold:
    """A spur or helical gear, or two on one shaft, with a hub and lightening holes."""
    wheels, z = [], 0.0
    for _ in range(int(rng.integers(1, 3))):
        teeth, outer, thick = int(rng.integers(9, 30)), rng.uniform(0.6, 1.0), rng.uniform(0.25, 0.6)
        depth = 2.2 * outer / (teeth + 2)
        angle = 2 * np.pi * (np.arange(teeth)[:, None] + np.array([0.0, 0.22, 0.36, 0.64, 0.78])) / teeth
        radius = np.broadcast_to(outer - depth * np.array([1, 1, 0.0, 0, 1.0]), angle.shape)
        outline = CrossSection(
            [np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)]
        )
        helix = rng.uniform(-25, 25) if rng.random() < 0.5 else 0.0
        wheel = outline.extrude(thick, 24 if helix else 0, helix)
        root = outer - depth
        if root > 0.5 and rng.random() < 0.7:
            holes, at = int(rng.integers(3, 8)), 0.66 * root
            hole = rod(min(0.5 * at * np.sin(np.pi / holes) * 1.4, 0.18), 4, 96)
            wheel = subtract(
                wheel, [hole.translate((at, 0, 0)).rotate((0, 0, 360 * k / holes)) for k in range(holes)]
            )
        recess = subtract(rod(0.86 * root, 0.24 * thick, 180), [rod(0.3, thick, 128)])
        wheels.append(subtract(wheel, [recess.translate((0, 0, thick))]).translate((0, 0, z)))
        z += thick + rng.uniform(-0.01, 0.2)
    shaft = rod(0.24, z + 0.3, 128).translate((0, 0, z / 2))
    return subtract(
        union([*wheels, shaft]), [rod(rng.uniform(0.08, 0.15), 8, 6 if rng.random() < 0.5 else 96)]
    )


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


def twisted(rng: np.random.Generator) -> Manifold:
    """A star, polygon or clover extruded with twist and taper, cut off by planes and bored."""
    points = int(rng.integers(3, 9))
    angle = 2 * np.pi * np.arange(240) / 240
    kind = str(rng.choice(["star", "clover", "polygon", "plus"]))
    if kind == "star":
        corner = 2 * np.pi * np.arange(2 * points) / (2 * points)
        radius = np.where(np.arange(2 * points) % 2, rng.uniform(0.45, 0.7), 1.0)
        section = CrossSection([np.stack([radius * np.cos(corner), radius * np.sin(corner)], axis=1)])
    elif kind == "clover":
        radius = 0.75 + 0.25 * np.cos(points * angle)
        section = CrossSection([np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)])
    elif kind == "polygon":
        section = CrossSection.circle(1.0, points)
    else:
        section = CrossSection.square((2, 0.5), True) + CrossSection.square((0.5, 2), True)
    height, twist = rng.uniform(1.2, 2.8), rng.uniform(30, 220) * rng.choice([-1, 1])
    taper = rng.uniform(0.25, 1.0)
    body = refined(section, 0.05).extrude(height, 120, twist, (taper, taper)).translate((0, 0, -height / 2))
    if rng.random() < 0.6:
        body = subtract(body, [rod(rng.uniform(0.15, 0.35) * taper**0.5, 4, 128)])
    if rng.random() < 0.5:
        body ^= ball(0.5 * height, 220).scale((1.2, 1.2, 1.0))
    else:
        normal = placed(
            box(4, 4, 2),
            upright(np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5), 1.0])),
            np.zeros(3),
        )
        body = subtract(body, [normal.translate((0, 0, 0.5 * height + 0.7))])
    return body


def refined(section: CrossSection, length: float) -> CrossSection:
    """The section with points added along its edges, so that twisted sides are finely divided."""
    polygons = []
    for polygon in section.to_polygons():
        points = np.asarray(polygon)
        pieces = []
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
            count = max(int(np.ceil(np.linalg.norm(b - a) / length)), 1)
            pieces.append(a + (b - a) * (np.arange(count) / count)[:, None])
        polygons.append(np.concatenate(pieces))
    return CrossSection(polygons)


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


def architecture(rng: np.random.Generator) -> Manifold:
    """A small building: a plinth of steps, columns or arches, a slab, a dome or a gable."""
    parts, z = [], 0.0
    steps = int(rng.integers(1, 5))
    for k in range(steps):
        parts.append(box(2.4 - 0.2 * k, 1.9 - 0.2 * k, 0.09).translate((0, 0, z + 0.045)))
        z += 0.088
    wide, deep = 2.4 - 0.2 * steps, 1.9 - 0.2 * steps
    tall = rng.uniform(0.7, 1.2)
    cuts = []
    if rng.random() < 0.5:
        n = int(rng.integers(3, 6))
        for x in np.linspace(-0.42, 0.42, n) * wide:
            for y in (-0.4 * deep, 0.4 * deep):
                parts.append(rod(0.09, tall + 0.02, 96, 0.075).translate((x, y, z + tall / 2)))
                parts += [box(0.25, 0.25, 0.07).translate((x, y, z + t)) for t in (0.03, tall - 0.03)]
        parts.append(box(0.5 * wide, 0.4 * deep, tall).translate((0, 0, z + tall / 2)))
    else:
        parts.append(box(0.92 * wide, 0.88 * deep, tall).translate((0, 0, z + tall / 2)))
        n, span = int(rng.integers(1, 4)), 0.8 * wide
        r = min(0.36 * span / n, 0.4 * tall)
        arch = union(
            [
                box(2 * r, 4, tall - 1.35 * r),
                rod(r, 4, 128).rotate((90, 0, 0)).translate((0, 0, (tall - 1.35 * r) / 2)),
            ]
        )
        for k in range(n):
            cuts.append(arch.translate(((k - (n - 1) / 2) * span / n, 0, z + (tall - 1.35 * r) / 2)))
        side = rod(0.28 * tall, 4, 112).rotate((0, 90, 0)).translate((0, 0, z + 0.5 * tall))
        cuts.append(side)
    z += tall
    parts.append(box(wide, deep, 0.12).translate((0, 0, z + 0.05)))
    z += 0.1
    roof = str(rng.choice(["dome", "gable", "stepped"]))
    if roof == "dome":
        r = 0.42 * deep
        parts.append(rod(r * 1.05, 0.2, 180).translate((0, 0, z + 0.09)))
        parts.append(ball(r, 180).trim_by_plane((0, 0, 1), 0).translate((0, 0, z + 0.18)))
        parts.append(rod(0.07, 0.3, 64, 0.03).translate((0, 0, z + 0.3 + r)))
    elif roof == "gable":
        outline = CrossSection([[(-wide / 2, 0), (wide / 2, 0), (0, rng.uniform(0.3, 0.6))]])
        parts.append(
            outline.extrude(deep * 0.96)
            .translate((0, 0, -deep * 0.48))
            .rotate((90, 0, 0))
            .translate((0, 0, z))
        )
    else:
        for k in range(3):
            parts.append(
                box(wide * (0.7 - 0.2 * k), deep * (0.7 - 0.2 * k), 0.14).translate(
                    (0, 0, z + 0.06 + 0.12 * k)
                )
            )
    return subtract(union(parts), cuts)


def carved_ball(rng: np.random.Generator) -> Manifold:
    """A ball or lens with bowls scooped out of it, or built up of caps, in even directions."""
    count = int(rng.integers(4, 22))
    directions = fibonacci_sphere(count) @ random_rotation(rng).T
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
        parts.append(placed(piece, random_rotation(rng), rng.uniform(-0.6, 0.6, 3) * (1, 1, 1.5)))
    cuts = []
    for _ in range(int(rng.integers(1, 4))):
        tool = (
            rod(rng.uniform(0.15, 0.4), 6, 144) if rng.random() < 0.6 else ball(rng.uniform(0.35, 0.6), 144)
        )
        cuts.append(placed(tool, random_rotation(rng), rng.uniform(-0.7, 0.7, 3)))
    return largest(subtract(union(parts), cuts))


def largest(body: Manifold) -> Manifold:
    """The piece of greatest volume: cutting may part a body, and crumbs would float."""
    return max(body.decompose(), key=lambda piece: piece.volume())


DESIGNS = (
    die,
    tower,
    flange,
    gear,
    sponge,
    rosette,
    twisted,
    burr,
    architecture,
    carved_ball,
    monument,
)
