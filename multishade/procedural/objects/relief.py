# SPDX-License-Identifier: Apache-2.0
"""A generator in, a bas-relief out: a coin, medal, plaque or tile with two faces, an edge, a border and an ornament."""

from collections.abc import Callable

import numpy as np

from multishade.procedural.objects.mesh import Array, Indices, ObjectMesh, object_mesh
from multishade.procedural.objects.noise import smoothstep
from multishade.procedural.objects.ornament import ORNAMENTS
from multishade.procedural.objects.stroke import CELL, Ornament, glyph, ring_of_glyphs, stroked
from multishade.procedural.objects.surface import ring_faces

RINGS = round(1 / CELL)
BACK_RINGS = 72
EDGE_RINGS = 18

Height = Callable[
    [Array, Array], Array
]  # points (N, 2) and their share (N,) of the way to the outline -> heights (N,)


def relief(rng: np.random.Generator) -> ObjectMesh:
    """A slab under one of the outlines; the back is plain or carries a relief of its own."""
    kind = str(rng.choice(["round", "round", "oval", "square", "oblong", "polygon", "scalloped", "shield"]))
    outline = sample_outline(rng, kind)
    thickness = rng.uniform(0.05, 0.16)
    domed = kind in ("round", "oval", "scalloped")
    front = face(rng, rng.uniform(0.035, 0.06), domed)
    back = face(rng, 0.03, domed) if rng.random() < 0.6 else None
    reeds = int(rng.choice([0, 73, 146])) if rng.random() < 0.4 else 0
    vertices, faces, uv = slab(outline, thickness, front, back, reeds)
    vertices = bent(rng, vertices) @ leaning(rng).T
    return object_mesh(vertices, faces, 180.0, uv)


def sample_outline(rng: np.random.Generator, kind: str) -> Array:
    """A closed outline (6 RINGS, 2) of one kind, counter-clockwise, in even steps; corners are rounded."""
    angle = np.linspace(0, 2 * np.pi, 40 * RINGS + 1)
    c, s = np.cos(angle), np.sin(angle)
    radius = np.ones_like(angle)
    size = np.ones(2)
    if kind in ("oval", "oblong"):
        size = np.array([1.0, rng.uniform(0.6, 0.85)])[:: int(rng.choice([-1, 1]))]
    if kind in ("square", "oblong"):
        power = rng.uniform(6, 24)
        radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    elif kind == "polygon":
        sides = int(rng.integers(5, 9))
        power = rng.uniform(25, 60)
        facing = np.cos(angle[:, None] - 2 * np.pi * np.arange(sides) / sides)
        radius = (np.maximum(facing, 0) ** power).sum(axis=1) ** (-1 / power)
    elif kind == "scalloped":
        lobes = int(rng.integers(6, 15))
        radius = 1 + 0.25 / lobes * (np.sqrt(np.cos(lobes * angle / 2) ** 2 + 0.03) - 1)
    elif kind == "shield":
        radius = (np.abs(c) ** 5 + np.maximum(s, 0) ** 5 + np.maximum(-s, 0) ** 1.6 * 0.55) ** (-1 / 5)
    fine = np.stack([radius * c, radius * s], axis=1) * size
    position = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    even = np.linspace(0, position[-1], 6 * RINGS, endpoint=False)
    return np.stack([np.interp(even, position, fine[:, i]) for i in range(2)], axis=1)


def face(rng: np.random.Generator, height: float, domed: bool) -> Height:
    """One side: an ornament in the field, a raised rim, and at times a border of beads or letters between them.

    domed: whether the field may bulge or sink; on an outline with corners it would get ridges toward them.
    """
    ornament = ORNAMENTS[int(rng.integers(len(ORNAMENTS)))](rng)
    rim = rng.uniform(0.04, 0.09) if rng.random() < 0.8 else 0.0
    border_kind = str(rng.choice(["none", "none", "beads", "letters", "groove"])) if rim else "none"
    band = rng.uniform(0.14, 0.19) if border_kind in ("beads", "letters") else 0.05
    border = make_border(rng, border_kind, 1 - rim - band / 2 - 0.02, band)
    field = 1 - rim - (band if border_kind != "none" else 0.0) - 0.05
    sunk = -1.0 if rng.random() < 0.2 else 1.0
    dome = rng.uniform(-0.1, 0.16) if domed and rng.random() < 0.5 else 0.0

    def heights(points: Array, share: Array) -> Array:
        inside = 1 - smoothstep(field - 0.06, field, share)
        total = sunk * height * inside * ornament(points / field)
        if border_kind != "none":
            total = total + 0.7 * height * border(points, share)
        if rim:
            total = total + 0.9 * height * smoothstep(1 - rim - 0.07, 1 - rim, share)
        return total + dome * (1 - share**2)

    return heights


def make_border(
    rng: np.random.Generator, kind: str, radius: float, band: float
) -> Callable[[Array, Array], Array]:
    """Beads, letters or a groove along the outline; each runs at a constant share of the way to it."""
    count = int(2 * np.pi * radius / (0.75 * band))
    letters: Ornament | None = None
    if kind == "letters":
        alphabet = [glyph(rng) for _ in range(9)]
        letters = stroked(ring_of_glyphs(rng, alphabet, radius, band * 0.9), 0.024, True)

    def height(points: Array, share: Array) -> Array:
        angle = np.arctan2(points[:, 1], points[:, 0])
        if letters is not None:
            return letters(share[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))
        if kind == "beads":
            along = (np.mod(angle * count / (2 * np.pi), 1) - 0.5) * 2 * np.pi * radius / count
            squared = (along**2 + (share - radius) ** 2) / (0.3 * band) ** 2
            return np.clip(1 - squared, 0, 1) ** 0.75
        return -np.exp(-(((share - radius) / 0.02) ** 2))

    return height


def slab(
    outline: Array, thickness: float, front: Height, back: Height | None, reeds: int
) -> tuple[Array, Indices, Array]:
    """Rings from the middle of the back, over the edge, to the middle of the front: vertices, faces, uv (planar).

    Ring k of n has 6 k vertices, so the triangles are nearly equal all over the face. A plain back has few rings.
    """
    n = len(outline)
    bevel = min(0.35 * thickness, 0.03)
    if back is None:
        counts = [1, 6, 12, 24, 48, n // 8, n // 4, n // 2]
        below = [(count, min(count / n * 1.6, 0.9)) for count in counts]
    else:
        below = [(max(6 * k, 1), k / BACK_RINGS * (1 - bevel)) for k in range(BACK_RINGS)]
    above = [(max(6 * k, 1), k / RINGS * (1 - bevel)) for k in range(RINGS - 1, -1, -1)]
    sides = [face_points(outline, below, -thickness, back)]
    sides.append(edge_points(outline, thickness, bevel, front, back, reeds))
    sides.append(face_points(outline, above, thickness, front))
    vertices = np.concatenate(sides)
    faces = ring_faces([count for count, _ in below] + [n] * EDGE_RINGS + [count for count, _ in above])
    return vertices, faces, vertices[faces][:, :, :2] * 1.5


def edge_points(
    outline: Array, thickness: float, bevel: float, front: Height, back: Height | None, reeds: int
) -> Array:
    """The rounded edge of a slab, EDGE_RINGS rings from the back's outline to the front's; it may be reeded."""
    n = len(outline)
    angle = np.linspace(-np.pi / 2, np.pi / 2, EDGE_RINGS)[:, None]
    milled = 0.008 * (0.5 + 0.5 * np.cos(2 * np.pi * reeds * np.arange(n) / n)) if reeds else np.zeros(n)
    scale = (1 - bevel * (1 - np.cos(angle))) * (1 - milled * smoothstep(0.3, 1.0, np.cos(angle)))
    z = np.sign(angle) * (thickness - bevel) + bevel * np.sin(angle)
    edge = np.concatenate(
        [scale[..., None] * outline, np.broadcast_to(z[..., None], (EDGE_RINGS, n, 1))], axis=2
    )
    half = EDGE_RINGS // 2
    edge[half:, :, 2] += front(edge[-1, :, :2], np.ones(n))
    if back is not None:
        edge[:half, :, 2] -= back(edge[0, :, :2], np.ones(n))
    return edge.reshape(-1, 3)


def face_points(outline: Array, rings: list[tuple[int, float]], z: float, height: Height | None) -> Array:
    """Rings of (count, share of the way to the outline) as points (N, 3), raised away from the slab's middle."""
    flat, shares = [], []
    for count, share in rings:
        at = np.arange(count) * (len(outline) / count)
        whole = at.astype(np.int64)
        part = (at - whole)[:, None]
        flat.append(share * ((1 - part) * outline[whole] + part * outline[(whole + 1) % len(outline)]))
        shares.append(np.full(count, share))
    points, share_of_each = np.concatenate(flat), np.concatenate(shares)
    lift = np.zeros(len(points)) if height is None else height(points, share_of_each) * np.sign(z)
    return np.column_stack([points, z + lift])


def bent(rng: np.random.Generator, vertices: Array) -> Array:
    """The slab lying flat, or curved as if it had been laid on a cylinder."""
    if rng.random() < 0.75:
        return vertices
    radius = rng.uniform(1.1, 2.5) * rng.choice([-1, 1])
    x, y, z = vertices.T
    return np.stack(
        [(radius + z) * np.sin(x / radius), y, (radius + z) * np.cos(x / radius) - radius], axis=1
    )


def leaning(rng: np.random.Generator) -> Array:
    """A rotation that stands the slab up, its face between the axes: toward -y (the front), a side, and up.

    So no camera on an axis sees it edge on.
    """
    facing = rng.uniform([0.4, 0.6, 0.3], [0.9, 1.0, 0.7]) * (rng.choice([-1, 1]), -1, 1)
    facing /= np.linalg.norm(facing)
    up = np.array([0, 0, 1.0]) - facing[2] * facing
    up /= np.linalg.norm(up)
    return np.stack([np.cross(up, facing), up, facing], axis=1)
