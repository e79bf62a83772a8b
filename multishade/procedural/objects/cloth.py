# SPDX-License-Identifier: Apache-2.0
"""A generator in, a folded sheet out: drapes, curtains, ruffles, scrolls, ribbons, pleats, origami, towels."""

import numpy as np

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects import drape
from multishade.procedural.objects.mesh import Array, ObjectMesh, object_mesh
from multishade.procedural.objects.noise import fractal, sample_gradient_noise, smoothstep
from multishade.procedural.objects.sheet import refined, smoothed, thickened
from multishade.procedural.objects.surface import grid_quads, split_quads
from multishade.procedural.objects.tube import frames, resampled, superellipse_section, tangents

FINE = 190  # rows and columns of a sheet


def cloth(rng: np.random.Generator) -> ObjectMesh:
    """One of the designs, as a thin closed shell."""
    design = DESIGNS[int(rng.choice(len(DESIGNS), p=WEIGHTS))]
    return design(rng)


def parameters(rows: int = FINE, columns: int = FINE, wrap: bool = False) -> tuple[Array, Array]:
    """Grids u (across the columns) and v (down the rows), both from 0 to 1."""
    u, v = np.meshgrid(np.linspace(0, 1, columns, endpoint=not wrap), np.linspace(0, 1, rows))
    return u, v


def shell(grid: Array, thickness: float, crease: float = 180.0, wrap: bool = False) -> ObjectMesh:
    vertices, faces, uv = thickened(grid, thickness, wrap)
    return object_mesh(vertices, faces, crease, uv)


def draped(rng: np.random.Generator) -> ObjectMesh:
    """A square or round cloth that has fallen over something that is not there any more, or hangs from pins."""
    n = 52
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n))
    if rng.random() < 0.4:  # a round cloth: the square grid pressed into a disc
        x, y = x * np.sqrt(1 - y * y / 2), y * np.sqrt(1 - x * x / 2)
    turn = rng.uniform(0, np.pi / 2)
    flat = np.stack(
        [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), np.zeros_like(x)], axis=-1
    )
    kind = str(rng.choice(["table", "ball", "box", "balls", "hoop", "cone", "pinned"]))
    bodies = {
        "table": lambda: drape.disc(rng.uniform(0.35, 0.6), 0.5, 0.06),
        "ball": lambda: drape.ball(rng.uniform(0.35, 0.6)),
        "box": lambda: drape.rounded_box(rng.uniform(0.28, 0.55, 3), 0.06),
        "balls": lambda: drape.balls(
            rng.uniform(-0.5, 0.5, (5, 3)) * (1, 1, 0.4), rng.uniform(0.14, 0.34, 5)
        ),
        "hoop": lambda: drape.hoop(rng.uniform(0.4, 0.6), 0.08),
        "cone": lambda: drape.cone(0.5, 0.7, 0.08),
    }
    pinned = None
    if kind == "pinned":
        pinned = np.zeros((n, n), dtype=bool)
        corners = [(0, 0), (0, -1), (-1, -1), (-1, 0), (0, n // 2), (n // 2, n // 2)]
        for r, c in [corners[k] for k in rng.choice(6, int(rng.integers(2, 4)), replace=False)]:
            pinned[r, c] = True
        x_scale = rng.uniform(0.6, 0.9)  # pins closer than the cloth is wide, so that it sags
        start = flat * (x_scale, 1, 1)
        positions = drape.fallen(start, None, rng, pinned)
    else:
        body = bodies[kind]()
        top = next(
            z
            for z in np.arange(1.2, -1.2, -0.02)
            if (body(flat.reshape(-1, 3) * (0.9, 0.9, 0) + (0, 0, z)) < 0.04).any()
        )
        positions = drape.fallen(flat + (0, 0, top + 0.03), body, rng)
    return shell(refined(smoothed(positions, 6), FINE, FINE), rng.uniform(0.018, 0.03))


def curtain(rng: np.random.Generator) -> ObjectMesh:
    """Hanging pleats, gathered at the top or held by a tie in the middle."""
    u, v = parameters(150, 330)
    tie = rng.uniform(0.35, 0.7) if rng.random() < 0.5 else None
    pleats = rng.uniform(4, 6.5) if tie else rng.uniform(5, 10)
    wander = sample_gradient_noise(rng)(np.stack([u * 4, v * 1.2, 0 * u], axis=-1).reshape(-1, 3)).reshape(
        u.shape
    )
    phase = 2 * np.pi * pleats * u + 1.1 * wander + rng.uniform(0, 6)
    width = 1 + 0.12 * v
    if tie is not None:
        width = width - rng.uniform(0.4, 0.55) * np.exp(-(((v - tie) / 0.2) ** 2))
    pitch = 1.6 * width / pleats
    deep = (
        rng.uniform(0.16, 0.24) * pitch * (0.6 + 0.4 * v)
    )  # deeper pleats would fold tighter than the cloth is thick
    x = (u - 0.5) * 1.6 * width + 0.2 * deep * np.sin(2 * phase)
    y = deep * np.sin(phase) + 0.08 * np.sin(3 * v + 2 * u)
    return shell(np.stack([x, y, -1.9 * v], axis=-1), rng.uniform(0.008, 0.013))


def flag(rng: np.random.Generator) -> ObjectMesh:
    """A sheet in the wind: waves that travel and grow away from the pole, with folds of noise."""
    u, v = parameters()
    wind, slant = rng.uniform(1.2, 2.6), rng.uniform(-0.8, 0.8)
    wave = np.sin(2 * np.pi * (wind * u**0.9 + slant * v) + rng.uniform(0, 6))
    folds = fractal(
        sample_gradient_noise(rng), np.stack([1.5 * u, 1.2 * v, 0 * u], axis=-1).reshape(-1, 3), 3, 0.35
    ).reshape(u.shape)
    height = (0.13 * wave + 0.28 * folds) * smoothstep(0.0, 0.5, u + 0.15)
    return shell(
        np.stack([1.6 * u, height, -v - 0.12 * np.sin(np.pi * u) * u], axis=-1), rng.uniform(0.015, 0.03)
    )


def ruffle(rng: np.random.Generator) -> ObjectMesh:
    """A collar, flower or coral: a ring of cloth whose rim is far longer than its circle, so that it waves."""
    u, v = parameters(116, 420, wrap=True)
    angle = 2 * np.pi * u
    waves = int(rng.integers(3, 8))
    inner, cup = rng.uniform(0.12, 0.4), rng.uniform(-0.5, 0.9)
    r = inner + (1 - inner) * v
    fine = int(rng.choice([0, 2, 3])) * waves
    swing = 0.34 * v**1.3 * np.sin(waves * angle + rng.uniform(-1.5, 1.5) * v)
    small = 0.09 * smoothstep(0.45, 1.0, v) * np.sin(fine * angle) if fine else 0 * v
    lean = rng.uniform(0.2, 0.6) * v**2 * np.cos(waves * angle) / waves * 1.5
    a = angle + lean
    z = cup * v**1.5 + swing + small
    out = r * (1 - 0.25 * abs(cup) * v)
    return shell(
        np.stack([out * np.cos(a), out * np.sin(a), z], axis=-1), rng.uniform(0.02, 0.035), wrap=True
    )


def skirt(rng: np.random.Generator) -> ObjectMesh:
    """A hanging tube: a skirt, a tent or a lampshade, smooth above and pleated toward the hem."""
    u, v = parameters(116, 420, wrap=True)
    pleats = int(rng.integers(6, 19))
    angle = 2 * np.pi * u
    wander = sample_gradient_noise(rng)(
        np.stack([np.cos(angle) * 1.4, np.sin(angle) * 1.4, v], axis=-1).reshape(-1, 3)
    ).reshape(u.shape)
    fold = np.sin(pleats * angle + 1.2 * wander + rng.uniform(-1, 1) * v)
    flare, top = rng.uniform(0.3, 0.9), rng.uniform(0.25, 0.6)
    r = top + flare * v ** rng.uniform(0.8, 1.6)
    depth = 0.55 / pleats * r * smoothstep(0.0, 0.9, v + 0.1)
    r = r + depth * fold + 0.05 * wander * v
    return shell(
        np.stack([r * np.cos(angle), r * np.sin(angle), -1.4 * v], axis=-1),
        rng.uniform(0.014, 0.022),
        wrap=True,
    )


def extruded(
    rng: np.random.Generator, line: Array, width: float, thickness: float, sway: float
) -> ObjectMesh:
    """A sheet whose section is a plane curve (M, 2), with a little noise across its width."""
    line = resampled(line, 420, False, 0.6)
    v = np.linspace(-width / 2, width / 2, 110)[:, None]
    x, z = np.broadcast_to(line[:, 0], (110, 420)), np.broadcast_to(line[:, 1], (110, 420))
    grid = np.stack([x, np.broadcast_to(v, x.shape), z], axis=-1)
    bend = np.stack(
        [fractal(sample_gradient_noise(rng), grid.reshape(-1, 3) * 1.1, 2) for _ in range(3)], axis=-1
    )
    return shell(grid + sway * bend.reshape(grid.shape), thickness)


def scroll(rng: np.random.Generator) -> ObjectMesh:
    """A sheet of paper rolled up at one end or both."""
    turns, gap = rng.uniform(1.2, 3.2), rng.uniform(0.05, 0.09)
    core = rng.uniform(0.1, 0.2)

    def roll(side: float) -> Array:
        a = np.linspace(2 * np.pi * turns, 0, 500)
        r = core + gap * (1 - a / (2 * np.pi * turns)) * turns
        return np.stack([r * np.sin(a) * side, r[-1] - r * np.cos(a)], axis=1)

    left = roll(-1.0)
    flat = np.stack([np.linspace(0.01, rng.uniform(0.5, 1.4), 200), np.zeros(200)], axis=1)
    line = np.concatenate([left, flat])
    if rng.random() < 0.6:
        other = rng.choice([-1.0, 1.0])
        right = roll(1.0)[::-1] * (1, other)
        right = np.stack([right[:, 0] * -1, right[:, 1]], axis=1) * (-1, 1)
        line = np.concatenate([line, right[1:] + (flat[-1, 0], 0)])
    return extruded(rng, line, rng.uniform(0.8, 1.6), 0.4 * gap, 0.02)


def towel(rng: np.random.Generator) -> ObjectMesh:
    """A thick cloth folded back and forth in layers."""
    layers, gap, length = int(rng.integers(3, 7)), rng.uniform(0.1, 0.15), rng.uniform(0.8, 1.2)
    pieces, z, start = [], 0.0, -length / 2
    for k in range(layers):
        stop = (length / 2 if k % 2 == 0 else -length / 2) + rng.uniform(-0.05, 0.05)
        x = np.linspace(start, stop, 120)
        start = stop
        pieces.append(np.stack([x, np.full(120, z)], axis=1))
        if k + 1 < layers:
            side = 1 if k % 2 == 0 else -1
            a = np.linspace(-np.pi / 2, np.pi / 2, 80)[1:-1]
            pieces.append(
                np.stack([x[-1] + side * gap * 0.5 * np.cos(a), z + gap / 2 + gap / 2 * np.sin(a)], axis=1)
            )
        z += gap
    line = np.concatenate(pieces)
    line[:, 1] += 0.05 * np.cos(line[:, 0] * 2) * rng.choice([-1, 1])
    return extruded(rng, line, rng.uniform(0.7, 1.3), gap * rng.uniform(0.5, 0.65), 0.03)


def ribbon(rng: np.random.Generator) -> ObjectMesh:
    """A band along a winding or coiling path that turns about it; closed bands may have a half twist (Moebius)."""
    closed = rng.random() < 0.5
    t = np.linspace(0, 1, 2000, endpoint=not closed)
    if closed:
        waves = int(rng.integers(2, 5))
        a = 2 * np.pi * t
        path = np.stack([np.cos(a), np.sin(a), rng.uniform(0.05, 0.3) * np.sin(waves * a)], axis=1)
        half_turns = int(rng.integers(0, 8))
    else:
        a = 2 * np.pi * rng.uniform(1.2, 3.0) * t
        wide = 0.5 + 0.4 * np.sin(np.pi * t * rng.uniform(0.8, 1.6))
        path = np.stack([wide * np.cos(a), wide * np.sin(a), rng.uniform(1.2, 2.2) * t], axis=1)
        half_turns = int(rng.integers(0, 4))
    path = resampled(path, 520, closed, 0.3)
    first, second = frames(path, closed)
    turn = np.pi * half_turns * np.arange(len(path)) / len(path) + rng.uniform(0, np.pi)
    across = np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second
    if not closed:
        up = np.array([0, 0, 1.0]) - tangents(path, False) * tangents(path, False)[:, 2:]
        across = up / np.linalg.norm(up, axis=1, keepdims=True) if half_turns == 0 else across
    wide = rng.uniform(0.14, 0.26)
    thick = rng.uniform(0.03, 0.06)
    if closed:
        return band(
            rng, path, across, np.cross(tangents(path, True), across), wide, thick, half_turns % 2 == 1
        )
    v = np.linspace(-wide, wide, 48)[:, None, None]
    return shell(path[None] + v * across[None], thick)


def band(
    rng: np.random.Generator, path: Array, across: Array, normal: Array, wide: float, thick: float, odd: bool
) -> ObjectMesh:
    """A closed band of rectangular section with round edges; with an odd number of half turns it joins upside down."""
    count = 96
    section = superellipse_section(count, wide, thick / 2, 0.25)
    rings = path[:, None] + section[None, :, :1] * across[:, None] + section[None, :, 1:] * normal[:, None]
    vertices = rings.reshape(-1, 3)
    quads = grid_quads(len(path), count, True, True)
    if odd:
        wrapping = (quads[:, 2:] < count) & (quads[:, :1] >= (len(path) - 1) * count)
        quads[:, 2:] = np.where(wrapping, (quads[:, 2:] + count // 2) % count, quads[:, 2:])
    faces = split_quads(vertices, quads)
    return object_mesh(vertices @ sample_rotation(rng).T, faces, 180.0)


def origami(rng: np.random.Generator) -> ObjectMesh:
    """A sheet folded along the zigzags of Miura, along straight pleats, or as a fan; folds are sharp."""
    kind = str(rng.choice(["miura", "pleats", "fan"]))
    n, m, per = int(rng.integers(4, 9)), int(rng.integers(4, 9)), 8
    if kind == "fan":
        n = 2 * int(rng.integers(7, 15))
    u, v = np.meshgrid(np.arange(n * per + 1) / per, np.arange(m * per + 1) / per)
    zig = np.abs(np.mod(u + 1, 2) - 1)
    zag = np.abs(np.mod(v + 1, 2) - 1)
    lift, shear = rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.6)
    if kind == "miura":
        grid = np.stack(
            [u * np.sqrt(1 - lift**2), 0.8 * v + shear * zig, 0.9 * lift * zig + 0.5 * zag], axis=-1
        )
    elif kind == "pleats":
        grid = np.stack([u * np.sqrt(1 - lift**2), v, lift * zig], axis=-1)
        bow = rng.uniform(0.0, 0.25)
        grid[..., 2] += bow * (v - m / 2) ** 2 / m
    else:
        angle = (u / n - 0.5) * rng.uniform(1.8, 4.5)
        r = 0.18 * m + 0.9 * v
        grid = np.stack([r * np.sin(angle), r * np.cos(angle), 1.2 * zig * r * 2.2 / n], axis=-1)
    return shell(grid @ sample_rotation(rng).T, 0.09, crease=20.0)


def crumpled(rng: np.random.Generator) -> ObjectMesh:
    """Paper that was crushed and opened again: straight creases of many directions, rounded a little."""
    u, v = parameters(230, 230)
    p = np.stack([u, v], axis=-1) * 2 - 1
    height = np.zeros_like(u)
    bend = fractal(
        sample_gradient_noise(rng), np.stack([u * 1.5, v * 1.5, 0 * u], axis=-1).reshape(-1, 3), 2
    ).reshape(u.shape)
    for k in range(int(rng.integers(24, 48))):
        a = rng.uniform(0, 2 * np.pi)
        centre = rng.uniform(-0.9, 0.9, 2)
        away = (p - centre) @ np.array([np.cos(a), np.sin(a)]) + 0.04 * bend
        reach = 1.0 if k < 4 else np.exp(-((p - centre) ** 2).sum(axis=-1) / rng.uniform(0.08, 0.5))
        height += rng.normal() * (0.25 if k < 4 else 0.55) * np.sqrt(away**2 + 0.022**2) * reach
    height *= min(1.0, 0.16 / height.std())
    grid = np.concatenate([p + 0.05 * bend[..., None], (height + 0.2 * bend)[..., None]], axis=-1)
    return shell(grid @ sample_rotation(rng).T, rng.uniform(0.014, 0.022))


DESIGNS = (draped, curtain, flag, ruffle, skirt, scroll, towel, ribbon, origami, crumpled)
WEIGHTS = (0.28, 0.08, 0.07, 0.1, 0.09, 0.08, 0.06, 0.09, 0.07, 0.08)
