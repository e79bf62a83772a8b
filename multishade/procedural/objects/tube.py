# SPDX-License-Identifier: Apache-2.0
"""A path in space and a section in, the surface swept along it out: closed without a seam, or open with round ends."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from multishade.procedural.objects.mesh import Array, Indices
from multishade.procedural.objects.surface import curve_density, grid_quads, ring_faces, spread

Ring = tuple[Array, float, Array, Array, int]  # centre, radius, two axes, number of vertices


def resampled(path: Array, count: int, closed: bool, turn_weight: float = 0.5) -> Array:
    """(count, 3) points along a finely sampled path, crowded where it bends; a closed path's first point comes once."""
    around = np.concatenate([path, path[:1]]) if closed else path
    at = spread(curve_density(around, turn_weight), count, periodic=closed) * (len(around) - 1)
    return np.stack(
        [np.interp(at, np.arange(len(around)), around[:, i]) for i in range(path.shape[1])], axis=1
    )


def tangents(path: Array, closed: bool) -> Array:
    """Unit tangents (M, 3) by central differences."""
    if closed:
        along = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        along = np.gradient(path, axis=0)
    return along / np.linalg.norm(along, axis=1, keepdims=True)


def frames(path: Array, closed: bool) -> tuple[Array, Array]:
    """Two unit vectors (M, 3) across a path that turn about it as little as possible, so the surface does not twist.

    Double reflection (Wang, Juettler, Zheng, Liu 2008). On a closed path the angle by which the frame comes back
    turned is spread evenly, so there is no seam. (first, second, tangent) is right-handed.
    """
    along = tangents(path, closed)
    first = np.empty_like(path)
    start = np.eye(3)[int(np.abs(along[0]).argmin())]
    first[0] = np.cross(along[0], start) / np.linalg.norm(np.cross(along[0], start))
    count = len(path)
    for i in range(count if closed else count - 1):
        j = (i + 1) % count
        step = path[j] - path[i]
        squared = step @ step
        r = first[i] - 2 / squared * (step @ first[i]) * step
        t = along[i] - 2 / squared * (step @ along[i]) * step
        across = along[j] - t
        r = r - 2 / max(across @ across, 1e-30) * (across @ r) * across
        if j == 0:
            second = np.cross(along[0], first[0])
            turned = np.arctan2(r @ second, r @ first[0])
            angle = -turned * np.arange(count)[:, None] / count
            other = np.cross(along, first)
            first = np.cos(angle) * first + np.sin(angle) * other
        else:
            first[j] = r - (r @ along[j]) * along[j]
            first[j] /= np.linalg.norm(first[j])
    return first, np.cross(along, first)


def sweep_closed(path: Array, section: Array, turn: Array | None = None) -> tuple[Array, Indices]:
    """A closed tube along a path (M, 3), as vertices and quads.

    section: (N, 2), counter-clockwise, or one for each point of the path, (M, N, 2).
    turn: (M,) radians by which the section is rotated on its way; its end must agree with its start.
    """
    first, second = frames(path, True)
    section = np.broadcast_to(section, (len(path), *section.shape[-2:]))
    if turn is not None:
        c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
        section = np.stack(
            [c * section[..., 0] - s * section[..., 1], s * section[..., 0] + c * section[..., 1]], axis=-1
        )
    rings = path[:, None] + section[..., :1] * first[:, None] + section[..., 1:] * second[:, None]
    return rings.reshape(-1, 3), grid_quads(len(path), section.shape[1], True, True)


def sweep_open(path: Array, radius: Array, around: int) -> tuple[Array, Indices]:
    """A round tube with hemispherical ends: path (M, 3), radius (M,), `around` vertices (a power of two) about it."""
    first, second = frames(path, False)
    along = tangents(path, False)
    caps: tuple[list[Ring], list[Ring]] = ([], [])
    levels = around // 4
    for end, sign in ((0, -1), (len(path) - 1, 1)):
        for k in range(1, levels + 1):
            latitude = np.pi / 2 * k / levels
            count = (
                1
                if k == levels
                else min(around, 2 ** int(np.ceil(np.log2(max(around * np.cos(latitude) * 1.2, 8)))))
            )
            centre = path[end] + sign * along[end] * radius[end] * np.sin(latitude)
            caps[sign > 0].append(
                (centre, radius[end] * np.cos(latitude) * (k < levels), first[end], second[end], count)
            )
    body = [(path[i], radius[i], first[i], second[i], around) for i in range(len(path))]
    rings = caps[0][::-1] + body + caps[1]
    points = []
    for centre, r, u, v, count in rings:
        angle = 2 * np.pi * np.arange(count)[:, None] / count
        points.append(centre + r * (np.cos(angle) * u + np.sin(angle) * v))
    return np.concatenate(points), ring_faces([ring[-1] for ring in rings])


def reach(path: Array, closed: bool = True) -> float:
    """Largest radius at which a round tube about the path neither meets itself nor folds in a bend.

    The smaller of the least radius of curvature and half the least distance between parts of the path that are not
    neighbours along it.
    """
    step = np.linalg.norm(np.roll(path, -1, axis=0) - path, axis=1)
    along = tangents(path, closed)
    turned = np.linalg.norm(np.roll(along, -1, axis=0) - along, axis=1)
    bend = float((step / np.maximum(turned, 1e-12))[: None if closed else -1].min())
    position = np.concatenate([[0.0], np.cumsum(step)])
    total = position[-1]
    pairs = np.array(sorted(cKDTree(path).query_pairs(min(2.2 * bend, total / 8))), dtype=np.int64).reshape(
        -1, 2
    )
    arc = np.abs(position[pairs[:, 0]] - position[pairs[:, 1]])
    if closed:
        arc = np.minimum(arc, total - arc)
    apart = np.linalg.norm(path[pairs[:, 0]] - path[pairs[:, 1]], axis=1)
    far = arc > np.pi / 2 * np.maximum(apart, 1e-9) * 1.05
    return min(bend, float(apart[far].min() / 2) if far.any() else bend)


def loosened(path: Array, thickness: float, rounds: int = 160, points: int = 200) -> Array:
    """A closed path (M, 3) whose passes were pushed apart to about `thickness` (a share of its length) and smoothed.

    What a rope does by its own girth: parts that are not neighbours along it repel, bends stiffen, the length stays.
    """
    curve = resampled(path, points, True, 0.0)
    curve /= np.linalg.norm(np.roll(curve, -1, axis=0) - curve, axis=1).sum()
    lag = np.abs(np.arange(points)[:, None] - np.arange(points)[None])
    lag = np.minimum(lag, points - lag) / points
    far = lag > 1.6 * thickness
    for _ in range(rounds):
        apart = curve[:, None] - curve[None]
        distance = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart)) + 1e-9
        push = np.where(far, np.maximum(thickness - distance, 0) / distance, 0)
        curve = (
            curve
            + 0.35
            * np.einsum("ij,ijk->ik", push, apart)
            / np.maximum((push > 0).sum(axis=1), 1)[:, None] ** 0.5
        )
        for _ in range(3):
            curve = curve + 0.3 * (np.roll(curve, 1, axis=0) + np.roll(curve, -1, axis=0) - 2 * curve)
        curve -= curve.mean(axis=0)
        curve /= np.linalg.norm(np.roll(curve, -1, axis=0) - curve, axis=1).sum()
    knots = np.arange(points + 1)
    return CubicSpline(knots, np.concatenate([curve, curve[:1]]), bc_type="periodic")(
        np.arange(0, points, 0.1)
    )


def superellipse_section(count: int, width: float, height: float, exponent: float = 1.0) -> Array:
    """A section (count, 2), counter-clockwise: |x/width|^(2/e) + |y/height|^(2/e) = 1, crowded where it turns."""
    angle = np.linspace(0, 2 * np.pi, 8 * count + 1)
    c, s = np.cos(angle), np.sin(angle)
    fine = np.stack(
        [np.sign(c) * width * np.abs(c) ** exponent, np.sign(s) * height * np.abs(s) ** exponent], axis=1
    )
    at = spread(curve_density(fine), count, periodic=True) * (len(fine) - 1)
    return np.stack([np.interp(at, np.arange(len(fine)), fine[:, i]) for i in range(2)], axis=1)
