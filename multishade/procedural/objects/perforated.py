# SPDX-License-Identifier: Apache-2.0
"""A generator in, a pierced body out: minimal-surface lattices, Voronoi and dotted shells, cages, lanterns, screens."""

import numpy as np
from manifold3d import CrossSection, JoinType, Manifold, OpType
from scipy.spatial import ConvexHull, SphericalVoronoi

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.mesh import Array, ObjectMesh, object_mesh
from multishade.procedural.objects.minimal_surface import lattice
from multishade.procedural.objects.noise import fibonacci_sphere, sample_directions
from multishade.procedural.objects.solids import (
    ball,
    box,
    largest,
    placed,
    prism,
    ring,
    rod,
    subtract,
    triangles,
    union,
    upright,
)

CREASE = 24.0


def perforated(rng: np.random.Generator) -> ObjectMesh:
    """One of the designs."""
    design = DESIGNS[int(rng.choice(len(DESIGNS), p=WEIGHTS))]
    return object_mesh(*triangles(design(rng)), CREASE)


def shell_between(outer: float, inner: float) -> Manifold:
    return subtract(ball(outer, 152), [ball(inner, 128)])


def voronoi(rng: np.random.Generator) -> Manifold:
    """A hollow ball whose wall is opened by the rounded cells of a spherical Voronoi diagram."""
    count = int(rng.integers(14, 56))
    centres = (
        fibonacci_sphere(count)
        if rng.random() < 0.3
        else sample_directions(rng, count, int(rng.integers(2, 9)))
    )
    cells = SphericalVoronoi(centres)
    cells.sort_vertices_of_regions()
    strut = rng.uniform(0.2, 0.4) * np.sqrt(4 / count)
    round_share = rng.uniform(0.06, 0.3)
    inner = rng.uniform(0.72, 0.9)
    cutters = []
    for centre, region in zip(cells.points, cells.regions, strict=True):
        frame = upright(centre)
        corners = cells.vertices[region] @ frame
        flat = corners[:, :2] / corners[:, 2:]
        x, y = flat.T
        turning = float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
        outline = CrossSection([flat if turning > 0 else flat[::-1]])
        rounding = round_share * np.sqrt(outline.area())
        opening = outline.offset(-strut / 2 - rounding, JoinType.Miter).offset(
            rounding, JoinType.Round, 2, 72
        )
        if opening.is_empty():
            continue
        cone = opening.scale((0.2, 0.2)).extrude(1.1, 0, 0, (6.5, 6.5)).translate((0, 0, 0.2))  # apex at 0
        cutters.append(placed(cone, frame, np.zeros(3)))
    body = subtract(shell_between(1, inner), cutters)
    return union([body, ball(rng.uniform(0.3, 0.55), 144)]) if rng.random() < 0.3 else body


def colander(rng: np.random.Generator) -> Manifold:
    """A ball, bowl or egg with round, square or star-shaped holes in even order."""
    count = int(rng.integers(20, 110))
    size = np.sqrt(4 / count) * rng.uniform(0.45, 0.78)
    shape = str(rng.choice(["round", "round", "square", "star", "hexagon", "flared"]))
    tip = np.pi * np.arange(10) / 5
    tool = {
        "round": rod(size, 1.0, 56),
        "flared": rod(0.5 * size, 0.6, 56, 1.6 * size),
        "square": box(1.5 * size, 1.5 * size, 1.0),
        "hexagon": rod(size, 1.0, 6),
        "star": prism(
            (np.where(np.arange(10) % 2, 0.45, 1.05) * size)[:, None]
            * np.stack([np.cos(tip), np.sin(tip)], axis=1),
            1.0,
        ),
    }[shape]
    body = shell_between(1, rng.uniform(0.8, 0.93))
    cuts = [placed(tool, upright(d), d) for d in fibonacci_sphere(count) @ sample_rotation(rng).T]
    opened = rng.random() < 0.4
    body = subtract(body, cuts)
    if opened:
        body = body.trim_by_plane((0, 0, -1), -rng.uniform(0.2, 0.6))
        body = largest(body)
    elif rng.random() < 0.4:
        body = union([body, ball(rng.uniform(0.45, 0.7), 160)])
    return body.scale((1, 1, rng.uniform(0.75, 1.25)))


def cage(rng: np.random.Generator) -> Manifold:
    """The edges of a polyhedron as rods with a ball at every corner, and often another inside it."""
    count = int(rng.integers(8, 40))
    points = fibonacci_sphere(count) if rng.random() < 0.4 else sample_directions(rng, count)
    edges = {
        tuple(sorted((int(a), int(b))))
        for s in ConvexHull(points).simplices
        for a, b in zip(s, np.roll(s, 1), strict=True)
    }
    thick = rng.uniform(0.035, 0.07) * (20 / count) ** 0.25
    square = rng.random() < 0.25
    parts = [ball(thick * rng.uniform(1.3, 2.4), 40).translate(tuple(p)) for p in points]
    for a, b in sorted(edges):
        along = points[b] - points[a]
        length = float(np.linalg.norm(along))
        bar = box(1.8 * thick, 1.8 * thick, length) if square else rod(thick, length, 36)
        parts.append(placed(bar, upright(along), (points[a] + points[b]) / 2))
    heart = str(rng.choice(["none", "ball", "spokes"]))
    if heart == "ball":
        parts.append(ball(rng.uniform(0.3, 0.6), 144))
    elif heart == "spokes":
        parts.append(ball(0.25, 96))
        parts += [placed(rod(0.6 * thick, 1.0, 24), upright(p), p / 2) for p in points]
    return union(parts)


def nested(rng: np.random.Generator) -> Manifold:
    """Concentric pierced shells, as a carver cuts them out of one ball of ivory."""
    parts, radius = [], 1.0
    count = int(rng.choice([6, 8, 12, 14]))
    directions = np.concatenate([np.eye(3), -np.eye(3)]) if count == 6 else fibonacci_sphere(count)
    for _ in range(int(rng.integers(2, 4))):
        size = radius * np.sqrt(4 / count) * rng.uniform(0.55, 0.72)
        turned = directions @ sample_rotation(rng).T
        wall = subtract(ball(radius, 132), [ball(radius * 0.87, 116)])
        parts.append(subtract(wall, [placed(rod(size, 2, 80), upright(d), d * radius) for d in turned]))
        radius *= rng.uniform(0.68, 0.76)
    parts.append(ball(radius * 0.8, 128))
    return union(parts)


def lantern(rng: np.random.Generator) -> Manifold:
    """A drum or barrel wall pierced by rows of openings, between two rims, with a lid or without."""
    rows, around = int(rng.integers(2, 7)), int(rng.integers(6, 19))
    tall, wall = rng.uniform(1.4, 2.4), rng.uniform(0.06, 0.12)
    belly, twist = rng.uniform(-0.25, 0.35), rng.choice([0.0, 0.5])
    z = np.linspace(-tall / 2, tall / 2, 80)
    r = 0.8 + belly * np.cos(np.pi * z / tall) - 0.1 * belly
    outline = np.concatenate([np.stack([r, z], axis=1), np.stack([r - wall, z], axis=1)[::-1]])
    body = CrossSection([outline]).revolve(240)
    pitch = 0.86 * tall / rows
    wide = 2 * np.pi * 0.8 / around
    kind = str(rng.choice(["slot", "round", "lozenge", "arch"]))
    tool = {
        "slot": box(2, 0.5 * wide, 0.72 * pitch),
        "round": rod(0.38 * min(wide, pitch), 2, 96).rotate((0, 90, 0)),
        "lozenge": rod(0.46, 2, 4).scale((0.95 * pitch, 0.78 * wide, 1)).rotate((0, 90, 0)),
        "arch": union(
            [
                box(2, 0.56 * wide, 0.4 * pitch),
                rod(0.28 * wide, 2, 96).rotate((0, 90, 0)).translate((0, 0, 0.2 * pitch)),
            ]
        ),
    }[kind]
    cuts = []
    for i in range(rows):
        for k in range(around):
            turn = 360 * (k + twist * (i % 2)) / around
            cuts.append(tool.translate((1.3, 0, (i - (rows - 1) / 2) * pitch)).rotate((0, 0, turn)))
    parts = [subtract(body, cuts)]
    for end in (0, -1):
        parts.append(ring(r[end] - wall / 2, rng.uniform(0.8, 1.3) * wall, 240, 40).translate((0, 0, z[end])))
    parts.append(rod(r[0] - 0.4 * wall, wall, 240).translate((0, 0, z[0] + 0.3 * wall)))
    if rng.random() < 0.4:
        parts.append(rod(r[-1], 0.35, 240, 0.1).translate((0, 0, z[-1] + 0.2)))
        parts.append(ring(0.12, 0.04, 96, 32).rotate((90, 0, 0)).translate((0, 0, z[-1] + 0.46)))
    return union(parts)


def screen(rng: np.random.Generator) -> Manifold:
    """A pierced panel: stars, hexagons, circles or lozenges through a slab in a frame, flat or bent round."""
    pitch = rng.uniform(0.24, 0.42)
    kind = str(rng.choice(["star", "hexagon", "circle", "lozenge", "cross"]))
    tip = np.pi * np.arange(16) / 8
    shapes = {
        "star": np.where(np.arange(16) % 2, 0.3, 0.46)[:, None]
        * np.stack([np.cos(tip), np.sin(tip)], axis=1),
        "hexagon": 0.5
        * np.stack(
            [np.cos(np.pi * (np.arange(6) + 0.5) / 3), np.sin(np.pi * (np.arange(6) + 0.5) / 3)], axis=1
        ),
        "circle": 0.42
        * np.stack([np.cos(np.pi * np.arange(64) / 32), np.sin(np.pi * np.arange(64) / 32)], axis=1),
        "lozenge": np.array([[0.46, 0], [0, 0.4], [-0.46, 0], [0, -0.4]]),
        "cross": np.array(
            [
                [1, 3],
                [-1, 3],
                [-1, 1],
                [-3, 1],
                [-3, -1],
                [-1, -1],
                [-1, -3],
                [1, -3],
                [1, -1],
                [3, -1],
                [3, 1],
                [1, 1],
            ]
        )
        * 0.14,
    }
    stagger = kind in ("hexagon", "circle", "lozenge")
    row = pitch * (0.87 if stagger else 1.0)
    half = np.array([rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.3)])
    places = []
    rows = int((half[1] - 0.14) / row)
    for j in range(-rows, rows + 1):
        shift = 0.5 * pitch if stagger and j % 2 else 0.0
        columns = int((half[0] + pitch) / pitch)
        places += [(i * pitch + shift, j * row) for i in range(-columns, columns + 1)]
    room = half - 0.1 - 0.42 * pitch
    holes = [
        CrossSection([shapes[kind] * pitch]).translate(p)
        for p in places
        if abs(p[0]) < room[0] and abs(p[1]) < room[1]
    ]
    thick = rng.uniform(0.07, 0.16)
    panel = CrossSection.square(tuple(2 * half), True) - CrossSection.batch_boolean(holes, OpType.Add)
    body = panel.extrude(thick).translate((0, 0, -thick / 2))
    frame = CrossSection.square(tuple(2 * half + 0.08), True) - CrossSection.square(
        tuple(2 * half - 0.12), True
    )
    body = union([body, frame.extrude(thick + 0.1).translate((0, 0, -thick / 2 - 0.05))])
    if rng.random() < 0.5:
        radius = rng.uniform(0.8, 2.0)
        body = body.refine_to_length(0.035).warp_batch(lambda p: rolled(p, radius))
    return body.rotate((90, 0, 0)).rotate((0, 0, rng.uniform(20, 60)))


def rolled(points: Array, radius: float) -> Array:
    """Points (N, 3) of a flat slab laid on a cylinder about the y axis."""
    x, y, z = np.asarray(points).T
    return np.stack(
        [(radius + z) * np.sin(x / radius), y, (radius + z) * np.cos(x / radius) - radius], axis=1
    )


def cheese(rng: np.random.Generator) -> Manifold:
    """A block, wheel or wedge full of round holes of many sizes."""
    body = {
        "ball": lambda: ball(1, 176),
        "block": lambda: box(1.8, 1.4, 1.2),
        "wheel": lambda: rod(1, 0.9, 240),
        "wedge": lambda: rod(1.6, 0.9, 280) ^ prism(np.array([[0, 0], [3, 0], [1.2, 2.2]]), 2),
    }[str(rng.choice(["ball", "block", "wheel", "wedge"]))]()
    low, high = np.array(body.bounding_box()).reshape(2, 3)
    cuts = []
    for _ in range(int(rng.integers(50, 110))):
        radius = min(0.1 + 0.1 * rng.pareto(2.0), 0.36)
        cuts.append(ball(radius, int(52 + 130 * radius)).translate(tuple(rng.uniform(low, high))))
    return largest(subtract(body, cuts))


DESIGNS = (lattice, voronoi, colander, cage, nested, lantern, screen, cheese)
WEIGHTS = (0.3, 0.12, 0.12, 0.12, 0.08, 0.1, 0.08, 0.08)
