# SPDX-License-Identifier: Apache-2.0
"""A generator in, a built or machined solid out: towers, flanges, gears, twisted columns, small buildings."""

import numpy as np
from manifold3d import CrossSection, JoinType, Manifold

from multishade.procedural.objects.solids import ball, box, placed, ring, rod, subtract, union, upright


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
        position = (0.77 * plate * np.cos(at), 0.77 * plate * np.sin(at), 0)
        cuts.append(rod(0.09, 2, 80).translate(position))
        cuts.append(rod(0.14, thick, 80).translate((*position[:2], thick * 0.75)))
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
