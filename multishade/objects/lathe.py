# SPDX-License-Identifier: Apache-2.0
"""A generator in, a turned piece out: vessels with an inner and an outer wall, chessmen, balusters, finials, wheels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold
from scipy.interpolate import CubicSpline, PchipInterpolator

from multishade.objects.mesh import Array, Indices, ObjectMesh, object_mesh
from multishade.objects.moulding import Profile
from multishade.objects.noise import smoothstep
from multishade.objects.solids import ball, box, solid, subtract, triangles, union
from multishade.objects.surface import ring_faces, ring_uv
from multishade.objects.tube import resampled, sweep_open

AROUND = 240  # vertices about the axis: every number of facets below divides it
CREASE = 24.0


def lathe(rng: np.random.Generator) -> ObjectMesh:
    """One of the turned designs, plain or with its wall fluted, faceted, lobed or twisted."""
    design = DESIGNS[int(rng.choice(len(DESIGNS), p=WEIGHTS))]
    return design(rng)


# From a profile to a surface


@dataclass(frozen=True)
class Dressing:
    """How the radius varies about the axis, `wave` (angle) in [-1, 0], how deep at a height, and the twist there."""

    wave: Callable[[Array], Array]
    depth: Callable[[Array], Array]
    twist: Callable[[Array], Array]


def revolve(profile: Profile, dressing: Dressing | None = None) -> tuple[Array, Indices, Array]:
    """Turn a profile about the z axis: vertices, faces, texture coordinates (F, 3, 2).

    Rings near the axis have fewer vertices, so that no fan of slivers forms there.
    """
    points = profile.points()
    widest = points[:, 0].max()
    rings, counts = [], []
    for r, z in points:
        count = AROUND if r > 1e-9 else 1
        while count % 2 == 0 and r / count < 0.35 * widest / AROUND:
            count //= 2
        angle = 2 * np.pi * np.arange(count) / count
        radius = np.full(count, r)
        if dressing is not None and count > 1:
            fade = smoothstep(0.1 * widest, 0.4 * widest, np.array(r))
            radius = r * (1 + dressing.depth(np.array(z)) * fade * dressing.wave(angle))
            angle = angle + dressing.twist(np.array(z))
        rings.append(np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)], axis=1))
        counts.append(count)
    faces = ring_faces(counts)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]) / (2 * widest)
    return np.concatenate(rings), faces, ring_uv(faces, counts, along, 3)


def revolved(profile: Profile) -> Manifold:
    """A plain turned piece as a solid."""
    return solid(*revolve(profile)[:2])


def dressing(rng: np.random.Generator, low: float, high: float, mostly_plain: float = 0.5) -> Dressing | None:
    """A random dressing between two heights, or None for a plain round wall."""
    if rng.random() < mostly_plain:
        return None
    count = int(rng.choice([4, 5, 6, 8, 10, 12, 15, 20, 24]))
    kind = str(rng.choice(["flutes", "facets", "lobes", "gadroons"]))
    if kind == "facets":
        count = min(count, 12)
    wave = {
        "flutes": lambda a: -np.sqrt(1 - (2 * np.mod(a * count / (2 * np.pi), 1) - 1) ** 2 * 0.98),
        "facets": lambda a: np.cos(np.pi / count) / np.cos(np.mod(a, 2 * np.pi / count) - np.pi / count) - 1,
        "lobes": lambda a: 0.5 * np.cos(count * a) - 0.5,
        "gadroons": lambda a: np.sqrt(1 - (2 * np.mod(a * count / (2 * np.pi), 1) - 1) ** 2 * 0.98) - 1,
    }[kind]
    deep = {
        "flutes": 0.75 / count,
        "facets": 1.0,
        "lobes": rng.uniform(0.8, 1.6) / count,
        "gadroons": 0.9 / count,
    }[kind]
    span = high - low
    turns = rng.uniform(-0.9, 0.9) if rng.random() < 0.5 else 0.0
    soft = rng.uniform(0.05, 0.15) * span

    def depth(z: Array) -> Array:
        return deep * smoothstep(low, low + soft, z) * (1 - smoothstep(high - soft, high, z))

    return Dressing(wave, depth, lambda z: turns * np.pi * np.clip((z - low) / span, 0, 1))


def turned(
    profile: Profile, rng: np.random.Generator, low: float, high: float, plain: float = 0.5
) -> ObjectMesh:
    """A piece that may be dressed between two heights."""
    vertices, faces, uv = revolve(profile, dressing(rng, low, high, plain))
    return object_mesh(vertices, faces, CREASE, uv)


# Vessels


def wall(rng: np.random.Generator, kind: str) -> Array:
    """The outer wall (M, 2) of a vessel from its foot to its lip, radius against height, as a smooth curve."""
    shapes = {  # heights, then least and greatest radius at each
        "vase": (
            [0, 0.3, 0.65, 1.35, 1.75, 2.1],
            [(0.4, 0.5), (0.5, 0.7), (0.75, 1.0), (0.5, 0.95), (0.22, 0.4), (0.35, 0.7)],
        ),
        "bottle": (
            [0, 0.1, 0.6, 1.1, 1.6, 2.4],
            [(0.5, 0.6), (0.55, 0.65), (0.55, 0.8), (0.5, 0.75), (0.15, 0.25), (0.16, 0.22)],
        ),
        "bowl": ([0, 0.12, 0.35, 0.7], [(0.35, 0.5), (0.6, 0.8), (0.9, 1.05), (1.0, 1.3)]),
        "cup": ([0, 0.1, 0.55, 1.1], [(0.4, 0.55), (0.5, 0.65), (0.6, 0.75), (0.6, 0.8)]),
        "plate": ([0, 0.06, 0.14, 0.24], [(0.6, 0.75), (0.8, 0.85), (1.1, 1.2), (1.4, 1.6)]),
        "amphora": (
            [0, 0.2, 0.9, 1.5, 1.85, 2.2],
            [(0.22, 0.3), (0.35, 0.45), (0.75, 0.95), (0.65, 0.9), (0.28, 0.36), (0.36, 0.5)],
        ),
        "jar": ([0, 0.15, 0.6, 1.2, 1.5], [(0.55, 0.7), (0.7, 0.8), (0.8, 1.0), (0.8, 1.0), (0.5, 0.7)]),
    }
    heights, ranges = shapes[kind]
    radii = [rng.uniform(*bounds) for bounds in ranges]
    z = np.array(heights) * rng.uniform(0.85, 1.15)
    fine = np.linspace(0, z[-1], 600)
    curve = CubicSpline(z, radii) if rng.random() < 0.6 else PchipInterpolator(z, radii)
    r = np.maximum(curve(fine), 0.12)
    ornament = rng.random()
    if ornament < 0.4:  # raised bands or incised lines
        width = z[-1] * rng.uniform(0.012, 0.03)
        for centre in rng.uniform(0.15, 0.9, int(rng.integers(1, 5))) * z[-1]:
            r += rng.choice([-0.5, 1.0]) * width * np.exp(-(((fine - centre) / width) ** 2))
    elif ornament < 0.55:  # the thrower's fingers
        r += (
            0.012
            * np.sin(2 * np.pi * fine / z[-1] * rng.integers(9, 18))
            * smoothstep(0, 0.15, fine)
            * (1 - smoothstep(z[-1] - 0.15, z[-1], fine))
        )
    return np.stack([r, fine], axis=1)


def inner_wall(outer: Array, thickness: float, floor: float) -> Array:
    """The part above `floor` of the curve at `thickness` inside a wall (M, 2), going up."""
    step = np.gradient(outer, axis=0)
    normal = np.stack([step[:, 1], -step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
    inner = outer - thickness * normal
    rising = np.maximum.accumulate(inner[:, 1]) <= inner[:, 1]
    inner = inner[rising & (inner[:, 0] > 0.02)]
    return inner[np.flatnonzero(inner[:, 1] > floor)[0] :]


def vessel_profile(outer: Array, thickness: float, foot: float) -> Profile:
    """The closed profile of a hollow vessel about a wall (M, 2) from foot to lip.

    The inner wall runs at `thickness` inside it, its floor meets it in a curve, the lip is a half round, and the foot
    is a ring with a recess under it.
    """
    floor = outer[0, 1] + 1.2 * thickness
    inner = inner_wall(outer, thickness, floor + 0.4 * thickness)
    r = outer[0, 0]
    ring_width = min(0.28 * r, 2 * thickness)
    profile = Profile(0.0, foot * 0.5)
    profile.line(r - ring_width - 0.5 * foot, foot * 0.5).ease(r - ring_width, 0.0)
    profile.line(r - 0.25 * foot, 0.0).bulge(r, 0.4 * foot).curve(outer)
    inside = Profile(0.0, floor).blend(inner[0], inner[1] - inner[0]).curve(inner)
    return profile.half_round(inner[-1]).extend_reversed(inside)


def vessel(rng: np.random.Generator) -> ObjectMesh:
    """A vase, bottle, bowl, cup, plate, amphora or jar, perhaps with handles."""
    kind = str(rng.choice(["vase", "vase", "bottle", "bowl", "cup", "plate", "amphora", "jar"]))
    thickness, foot = rng.uniform(0.035, 0.075), rng.uniform(0.04, 0.12)
    outer = wall(rng, kind) + [0, foot]
    profile = vessel_profile(outer, thickness, foot)
    handles = {"cup": 1, "amphora": 2, "jar": 2}.get(kind, 0)
    if handles and rng.random() < 0.75:
        middle = inner_wall(outer, 0.5 * thickness, outer[0, 1])
        core = Profile(0.0, middle[0, 1]).curve(middle).line(0.0, middle[-1, 1])
        ear = subtract(handle(outer, rng), [revolved(core)])
        ears = [ear.rotate((0, 0, 180.0 * k)) for k in range(handles)]
        return object_mesh(*triangles(union([revolved(profile), *ears])), CREASE)
    return turned(profile, rng, foot + 0.1, outer[-1, 1] * rng.uniform(0.5, 1.0), 0.35)


def handle(outer: Array, rng: np.random.Generator) -> Manifold:
    """An ear from low on the wall to high on it; its ends run through the wall, to be cut off there."""
    low, high = rng.uniform(0.2, 0.35), rng.uniform(0.75, 0.9)
    a, b = outer[int(low * len(outer))], outer[int(high * len(outer))]
    out = max(a[0], b[0]) + rng.uniform(0.25, 0.45) * (b[1] - a[1])
    r = np.array(
        [a[0] - 0.06, a[0] + 0.2 * (out - a[0]), out, out * 0.99, b[0] + 0.25 * (out - b[0]), b[0] - 0.06]
    )
    z = a[1] + (b[1] - a[1]) * np.array([0.0, -0.06, 0.3, 0.8, 1.08, 1.0])
    t = np.linspace(0, 5, 200)
    curve = np.stack([CubicSpline(np.arange(6), r)(t), 0 * t, CubicSpline(np.arange(6), z)(t)], axis=1)
    thick = rng.uniform(0.055, 0.085)
    return solid(*sweep_open(resampled(curve, 160, False), np.linspace(1.15, 0.9, 160) * thick, 32))


def goblet(rng: np.random.Generator) -> ObjectMesh:
    """A bowl on a turned stem and a spreading foot: wine glasses, chalices, trophies, candlesticks."""
    spread, stem = rng.uniform(0.45, 0.65), rng.uniform(0.06, 0.12)
    profile = Profile(0.0, 0.0).line(spread, 0.0).bulge(spread, rng.uniform(0.04, 0.1))
    profile.ease(stem * rng.uniform(1.5, 3), profile.z + rng.uniform(0.08, 0.25))
    for _ in range(int(rng.integers(0, 4))):
        profile.random_moulding(rng, stem, 2.6 * stem)
    profile.ease(stem, profile.z + rng.uniform(0.2, 0.5))
    for _ in range(int(rng.integers(0, 2))):
        profile.random_moulding(rng, stem, 2.6 * stem)
    bottom, depth, wide = profile.z, rng.uniform(0.5, 1.1), rng.uniform(0.42, 0.7)
    t = np.linspace(0, 1, 300)
    bulge = rng.uniform(0.35, 0.75)
    shape = CubicSpline(
        [0, 0.12, bulge, 1],
        [profile.r, profile.r + 0.55 * (wide - stem), wide, wide * rng.uniform(0.75, 1.15)],
    )
    outer = np.stack([shape(t), bottom + depth * (0.08 * t + 0.92 * t * t * (1.6 - 0.6 * t)) / 1.0], axis=1)
    profile.curve(outer)
    thickness, floor = rng.uniform(0.02, 0.05), bottom + 0.12 * depth
    inner = inner_wall(outer, thickness, floor + thickness)
    inside = Profile(0.0, floor).blend(inner[0], inner[1] - inner[0]).curve(inner)
    profile.half_round(inner[-1]).extend_reversed(inside)
    return turned(profile, rng, bottom + 0.15 * depth, bottom + 0.95 * depth, 0.6)


# Solid pieces


def chessman(rng: np.random.Generator) -> ObjectMesh:
    """A moulded base, a tapering body, a collar, and the head of a pawn, rook, bishop, queen or king."""
    wide = rng.uniform(0.42, 0.52)
    profile = Profile(0.0, 0.0).line(wide * 0.97, 0.0).bulge(wide, 0.16).step_in(0.05)
    profile.bead(0.09).ease(profile.r * 0.7, profile.z + 0.1)
    waist = rng.uniform(0.15, 0.2)
    profile.sag(waist, profile.z + rng.uniform(0.5, 0.95))
    collar = waist * rng.uniform(1.6, 2.1)
    profile.ease(collar, profile.z + 0.07).bead(0.05).ease(waist * 1.15, profile.z + 0.06)
    for _ in range(int(rng.integers(0, 2))):
        profile.ease(waist * 1.5, profile.z + 0.03).bead(0.04).ease(waist * 1.15, profile.z + 0.03)
    head = str(rng.choice(["pawn", "rook", "bishop", "queen", "king"]))
    top = profile.z
    if head == "pawn":
        return turned(profile.globe(rng.uniform(0.24, 0.3)), rng, 0, top, 1.0)
    if head == "rook":
        profile.ease(0.32, top + 0.16).line(0.34, top + 0.36).line(0.24, top + 0.36).line(
            0.22, top + 0.24
        ).line(0, top + 0.24)
        cut = [box(1.0, 0.09, 0.3).translate((0, 0, top + 0.43)).rotate((0, 0, a)) for a in (0, 60, 120)]
        return carved(profile, cut)
    if head == "bishop":
        mitre = profile.egg(0.24, 0.5)
        cut = [box(0.4, 1.0, 0.05).rotate((0, -38, 0)).translate((0.24, 0, top + 0.36))]
        return carved(mitre.finial(0.06), cut)
    profile.ease(0.34, top + 0.42).line(0.36, top + 0.46)
    if head == "queen":
        profile.line(0.27, top + 0.46).dome(0.0, top + 0.58).finial(0.07)
        count = int(rng.choice([8, 9, 10, 12]))
        around = 2 * np.pi * np.arange(count) / count
        cut = [ball(0.075, 48).translate((0.35 * np.cos(a), 0.35 * np.sin(a), top + 0.47)) for a in around]
        return carved(profile, cut)
    profile.line(0.3, top + 0.46).dome(0.0, top + 0.6)
    cross = [box(0.07, 0.07, 0.3), box(0.22, 0.07, 0.08).translate((0, 0, 0.04))]
    body = union([revolved(profile), *(part.translate((0, 0, top + 0.68)) for part in cross)])
    return object_mesh(*triangles(body), CREASE)


def carved(profile: Profile, cutters: list[Manifold]) -> ObjectMesh:
    return object_mesh(*triangles(subtract(revolved(profile), cutters)), CREASE)


def spindle(rng: np.random.Generator) -> ObjectMesh:
    """A baluster or table leg: a run of random mouldings, thick and thin, that may mirror about its middle."""
    slim = rng.uniform(0.12, 0.2)
    profile = Profile(0.0, 0.0).line(rng.uniform(0.3, 0.45), 0.0)
    profile.line(profile.r, rng.uniform(0.05, 0.2))
    for _ in range(int(rng.integers(5, 10))):
        profile.random_moulding(rng, slim, 0.46)
    if rng.random() < 0.5:
        profile.mirror()
    else:
        profile.ease(slim, profile.z + 0.1)
        profile.globe(rng.uniform(0.2, 0.36)) if rng.random() < 0.5 else profile.egg(
            0.22, rng.uniform(0.4, 0.8)
        ).finial(0.05)
    return turned(profile, rng, 0.25, profile.z * rng.uniform(0.5, 0.8), 0.5)


def wheel(rng: np.random.Generator) -> ObjectMesh:
    """A low piece, wide for its height: a pulley, a top, a doorknob, a stepped disc."""
    profile = Profile(0.0, 0.0)
    for _ in range(int(rng.integers(1, 4))):
        profile.line(profile.r + rng.uniform(0.1, 0.3), profile.z)
        profile.ease(profile.r + rng.uniform(0.05, 0.2), profile.z + rng.uniform(0.03, 0.2))
    rim = rng.choice(["groove", "round", "flat"])
    if rim == "groove":
        profile.line(profile.r + 0.06, profile.z).line(profile.r, profile.z + 0.08)
        profile.sag(profile.r, profile.z + rng.uniform(0.2, 0.4), rng.uniform(0.08, 0.18)).line(
            profile.r, profile.z + 0.08
        )
    elif rim == "round":
        profile.bead(rng.uniform(0.2, 0.45))
    else:
        profile.line(profile.r, profile.z + rng.uniform(0.1, 0.4))
    for _ in range(int(rng.integers(1, 4))):
        profile.line(profile.r - rng.uniform(0.04, 0.2) * profile.r, profile.z)
        profile.ease(profile.r * rng.uniform(0.5, 0.85), profile.z + rng.uniform(-0.06, 0.25))
    if rng.random() < 0.5:
        profile.dome(0.0, profile.z + rng.uniform(0.03, 0.3))
    else:
        profile.ease(min(profile.r, 0.16), profile.z + 0.15).globe(rng.uniform(0.18, 0.3))
    return turned(profile, rng, 0.0, profile.z, 0.7)


def bell(rng: np.random.Generator) -> ObjectMesh:
    """A bell, lampshade or dome, hollow below, with a knob."""
    height, wide, top = rng.uniform(0.8, 1.4), rng.uniform(0.6, 0.9), rng.uniform(0.25, 0.45)
    t = np.linspace(0, 1, 400)
    flare = rng.uniform(2.0, 5.0)
    r = (
        top * np.sqrt(np.clip(1 - (1 - np.minimum((1 - t) / 0.12, 1)) ** 2, 0.0, 1)) * 0.35
        + top * 0.65
        + (wide - top) * (1 - t) ** flare
    )
    outer = np.stack([r, height * t], axis=1)
    thickness = rng.uniform(0.04, 0.08)
    inner = inner_wall(outer, thickness, -1.0)
    inner = inner[inner[:, 1] < height - 2 * thickness]
    profile = Profile(0.0, height - 1.4 * thickness)
    profile.blend(inner[-1], inner[-2] - inner[-1])
    profile.curve(inner[::-1])
    profile.half_round(outer[0])
    profile.curve(outer)
    profile.ease(0.12, height + 0.1)
    profile.bead(0.05).globe(rng.uniform(0.12, 0.2))
    return turned(profile, rng, 0.05, height * 0.9, 0.6)


DESIGNS = (vessel, goblet, chessman, spindle, wheel, bell)
WEIGHTS = (0.4, 0.12, 0.12, 0.16, 0.1, 0.1)
