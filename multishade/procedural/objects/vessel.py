# SPDX-License-Identifier: Apache-2.0
"""A generator in, a hollow turned piece out: vases, bottles, bowls, cups with handles, goblets, bells."""

import numpy as np
from manifold3d import Manifold
from scipy.interpolate import CubicSpline, PchipInterpolator

from multishade.procedural.objects.mesh import Array, ObjectMesh, object_mesh
from multishade.procedural.objects.moulding import Profile
from multishade.procedural.objects.noise import smoothstep
from multishade.procedural.objects.revolution import CREASE, revolved, turned
from multishade.procedural.objects.solids import solid, subtract, triangles, union
from multishade.procedural.objects.tube import resampled, sweep_open

KINDS = {"vase": 0.26, "bottle": 0.14, "bowl": 0.14, "cup": 0.16, "plate": 0.06, "amphora": 0.1, "jar": 0.14}


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
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
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
