# SPDX-License-Identifier: Apache-2.0
"""Turner's mouldings in, a profile out: half of a piece's section, from the axis and back to it."""

from __future__ import annotations

import numpy as np

from multishade.procedural.objects.mesh import Array
from multishade.procedural.objects.surface import curve_density, spread

STEP = 0.02  # longest distance between profile points, of the profile's height or width
TURN = np.radians(3.0)  # largest turn between two steps of a curve
MOST = 400  # points of a profile; a longer one gets larger steps


class Profile:
    """Segments of (radius, height), each a smooth curve; where two meet at an angle the piece has an edge.

    Every method adds one moulding to the end of the profile and returns the profile. Draw anticlockwise: the bottom
    outward from the axis, the side upward, the top inward, and the axis last.
    """

    def __init__(self, r: float, z: float) -> None:
        self.r, self.z = r, z
        self.segments: list[Array] = []

    def curve(self, points: Array) -> Profile:
        """Follow (M, 2) points from where the profile stands."""
        points = np.asarray(points, dtype=np.float64)
        if np.hypot(*(points[0] - (self.r, self.z))) > 1e-9:
            points = np.concatenate([[[self.r, self.z]], points])
        self.segments.append(points)
        self.r, self.z = float(points[-1, 0]), float(points[-1, 1])
        return self

    def line(self, r: float, z: float) -> Profile:
        return self.curve(np.array([[self.r, self.z], [r, z]]))

    def ease(self, r: float, z: float) -> Profile:
        """An ogee: leaves and arrives upright."""
        t = np.linspace(0, 1, 80)
        s = t * t * (3 - 2 * t)
        return self.curve(np.stack([self.r + (r - self.r) * s, self.z + (z - self.z) * t], axis=1))

    def bulge(self, r: float, z: float) -> Profile:
        """An outward arc to a point above: a rounded edge where the radius grows, a torus where it does not."""
        t = np.linspace(0, 1, 80)
        swell = 0.5 * abs(z - self.z) * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, 1))
        return self.curve(
            np.stack(
                [self.r + (r - self.r) * t + swell, self.z + (z - self.z) * (1 - np.cos(np.pi * t)) / 2],
                axis=1,
            )
        )

    def bead(self, height: float) -> Profile:
        """A half round standing out of the side."""
        a = np.linspace(-np.pi / 2, np.pi / 2, 80)
        h = height / 2
        return self.curve(np.stack([self.r + h * np.cos(a), self.z + h + h * np.sin(a)], axis=1))

    def cove(self, height: float) -> Profile:
        """A hollow sunk into the side."""
        a = np.linspace(-np.pi / 2, np.pi / 2, 80)
        h = height / 2
        return self.curve(np.stack([self.r - 0.8 * h * np.cos(a), self.z + h + h * np.sin(a)], axis=1))

    def step_in(self, width: float) -> Profile:
        return self.line(self.r - width, self.z)

    def sag(self, r: float, z: float, depth: float | None = None) -> Profile:
        """A concave sweep to a narrower (or equal) radius: fast at first, upright at the end."""
        t = np.linspace(0, 1, 120)
        if depth is None:
            radius = r + (self.r - r) * (1 - t) ** 2.2
        else:
            radius = self.r + (r - self.r) * t - depth * np.sin(np.pi * t)
        return self.curve(np.stack([radius, self.z + (z - self.z) * t], axis=1))

    def dome(self, r: float, z: float) -> Profile:
        """A quarter ellipse up and inward, upright at first and level at the end."""
        a = np.linspace(0, np.pi / 2, 80)
        return self.curve(np.stack([r + (self.r - r) * np.cos(a), self.z + (z - self.z) * np.sin(a)], axis=1))

    def globe(self, radius: float) -> Profile:
        """A ball resting on the profile's end, closed at the axis."""
        start = -np.arccos(min(self.r / radius, 1.0))
        a = np.linspace(start, np.pi / 2, 160)
        centre = self.z - radius * np.sin(start)
        return self.curve(np.stack([radius * np.cos(a), centre + radius * np.sin(a)], axis=1))

    def egg(self, radius: float, height: float) -> Profile:
        """A pointed egg on the profile's end, closed at the axis."""
        t = np.linspace(0, 1, 160)
        body = radius * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, 1)) * (1.15 - 0.5 * t)
        join = np.exp(-((t / 0.08) ** 2))
        return self.curve(
            np.stack(
                [np.maximum(body * (1 - join), 0) + self.r * join * (t < 0.5), self.z + height * t], axis=1
            )
        )

    def finial(self, radius: float) -> Profile:
        """A small ball standing on the axis, sunk by a third."""
        last = self.segments[-1]
        neck = 0.75 * radius
        outside = np.flatnonzero(last[:, 0] >= neck)
        self.segments[-1] = last[: outside[-1] + 1]
        self.r, self.z = (float(v) for v in self.segments[-1][-1])
        return self.globe(radius)

    def half_round(self, end: Array) -> Profile:
        """A lip: half a circle from here to `end`, on the far side as seen along the profile."""
        start = np.array([self.r, self.z])
        centre, across = (start + end) / 2, (start - end) / 2
        up = np.array([-across[1], across[0]])
        a = np.linspace(0, np.pi, 60)[:, None]
        return self.curve(centre + np.cos(a) * across + np.sin(a) * up)

    def blend(self, end: Array, direction: Array) -> Profile:
        """A cubic from a level start to `end`, arriving along `direction`."""
        start = np.array([self.r, self.z])
        span = float(np.linalg.norm(end - start))
        t = np.linspace(0, 1, 120)[:, None]
        leave = np.array([np.sign(end[0] - start[0]) * span, 0.0])
        arrive = np.asarray(direction) / np.linalg.norm(direction) * span * 0.7
        h = (2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, -2 * t**3 + 3 * t**2, t**3 - t**2)
        return self.curve(h[0] * start + h[1] * leave + h[2] * end + h[3] * arrive)

    def random_moulding(self, rng: np.random.Generator, least: float, most: float) -> Profile:
        """One of the turner's shapes between two radii."""
        kind = str(rng.choice(["bead", "cove", "ogee", "ogee", "vase", "fillet", "taper"]))
        if kind == "bead":
            self.bead(min(rng.uniform(0.06, 0.22), 1.6 * max(most - self.r, 0.03)))
        elif kind == "cove":
            self.cove(min(rng.uniform(0.08, 0.22), 2 * max(self.r - 0.7 * least, 0.02)))
        elif kind == "ogee":
            self.ease(rng.uniform(least, most), self.z + rng.uniform(0.08, 0.35))
        elif kind == "vase":
            self.bulge(
                rng.uniform(least, 0.6 * most),
                self.z + min(rng.uniform(0.2, 0.5), 2 * max(most - self.r, 0.1)),
            )
        elif kind == "fillet":
            self.line(rng.uniform(least, most), self.z).line(self.r, self.z + rng.uniform(0.03, 0.07))
        else:
            self.line(rng.uniform(least, most), self.z + rng.uniform(0.2, 0.5))
        return self

    def mirror(self) -> Profile:
        """Add the profile's own mirror image above, so that it ends on the axis as it began."""
        top = self.z
        for segment in self.segments[::-1]:
            self.curve(np.stack([segment[::-1, 0], 2 * top - segment[::-1, 1]], axis=1))
        return self

    def extend_reversed(self, other: Profile) -> Profile:
        """Follow another profile from its end back to its start."""
        for segment in other.segments[::-1]:
            self.curve(segment[::-1])
        return self

    def closed_above(self, height: float) -> Profile:
        """This profile as the section of a solid: straight up from its end to a height, and back to the axis."""
        closed = Profile(float(self.segments[0][0, 0]), float(self.segments[0][0, 1]))
        for segment in self.segments:
            closed.curve(segment)
        return closed.line(closed.r, height).line(0.0, height)

    def points(self) -> Array:
        """(M, 2) points of the whole profile, close enough for its curves; the ends lie on the axis."""
        size = float(np.ptp(np.concatenate(self.segments), axis=0).max())
        curves, wanted = [], []
        for segment in self.segments:
            steps = np.linalg.norm(np.diff(segment, axis=0), axis=1)
            if steps.sum() < 1e-6 * size:
                continue
            curve = segment[np.concatenate([[True], steps > 1e-9 * size])]
            headings = np.unwrap(np.arctan2(*np.diff(curve, axis=0).T[::-1]))
            turning = float(np.abs(np.diff(headings)).sum())
            curves.append(curve)
            wanted.append(max(float(steps.sum()) / (STEP * size), turning / TURN))
        share = min(1.0, MOST / sum(wanted))
        resampled = [curves[0][:1]]
        for curve, steps_wanted in zip(curves, wanted, strict=True):
            count = 2 + int(share * steps_wanted)
            position = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
            even = np.linspace(0, position[-1], 40 * count)
            fine = np.stack([np.interp(even, position, curve[:, i]) for i in range(2)], axis=1)
            at = spread(curve_density(fine), count) * (len(fine) - 1)
            resampled.append(
                np.stack([np.interp(at, np.arange(len(fine)), fine[:, i]) for i in range(2)], axis=1)[1:]
            )
        points = np.concatenate(resampled)
        points[0, 0] = points[-1, 0] = 0.0
        return points
