# SPDX-License-Identifier: Apache-2.0
"""A generator in, a solid turned piece out: chessmen, balusters, finials, wheels."""

import numpy as np
from manifold3d import Manifold

from multishade.procedural.objects.mesh import ObjectMesh, object_mesh
from multishade.procedural.objects.moulding import Profile
from multishade.procedural.objects.revolution import CREASE, revolved, turned
from multishade.procedural.objects.solids import ball, box, subtract, triangles, union


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
