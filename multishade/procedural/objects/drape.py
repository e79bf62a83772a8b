# SPDX-License-Identifier: Apache-2.0
"""A shape to cover in, a cloth that has fallen over it out: position-based dynamics of a square grid."""

from collections.abc import Callable

import numpy as np

from multishade.procedural.objects.mesh import Array

STEPS, ROUNDS = 150, 2
SPRINGS = (
    (0, 1, 1.0),
    (1, 0, 1.0),
    (1, 1, 0.6),
    (1, -1, 0.6),
    (0, 2, 0.25),
    (2, 0, 0.25),
)  # rows, columns, stiffness
Distance = Callable[[Array], Array]  # (N, 3) points -> (N,) signed distances, negative inside


def fallen(
    start: Array, body: Distance | None, rng: np.random.Generator, pinned: Array | None = None
) -> Array:
    """Let a cloth (n, n, 3) of square cells fall along -z over a body, and return where it comes to rest.

    Position-based dynamics (Mueller et al. 2007): stretch, shear and bend as distances between grid neighbours, each
    set corrected in turn; contact pushes points out of the body along its gradient and stops their sliding in part.
    pinned: (n, n) bool, points that stay.
    """
    positions, speed = start.copy(), np.zeros_like(start)
    positions += rng.normal(size=positions.shape) * 1e-3
    cell = float(np.linalg.norm(start[0, 1] - start[0, 0]))
    gravity = np.array([0, 0, -0.014 * cell])
    for _ in range(STEPS):
        before = positions
        speed = 0.985 * speed + gravity
        positions = positions + speed
        for _ in range(ROUNDS):
            for down, right, stiffness in SPRINGS:
                satisfy(positions, down, right, stiffness, cell)
            if pinned is not None:
                positions[pinned] = start[pinned]
        if body is not None:
            flat = positions.reshape(-1, 3)
            near = np.flatnonzero(body(flat) < 0.35 * cell)
            if len(near):
                flat[near] = contact(flat[near], before.reshape(-1, 3)[near], body, 0.35 * cell)
        speed = np.clip(positions - before, -cell, cell)
    return positions


def satisfy(positions: Array, down: int, right: int, stiffness: float, cell: float) -> None:
    """Move points `down` rows and `right` columns apart toward their rest distance, in passes that do not overlap."""
    rows, columns = positions.shape[:2]
    rest = cell * float(np.hypot(down, right))
    stride = 2 * max(down, abs(right))
    for shift in range(stride):
        if down:
            a, b = positions[shift : rows - down : stride], positions[shift + down :: stride]
            if right > 0:
                a, b = a[:, :-right], b[:, right:]
            elif right < 0:
                a, b = a[:, -right:], b[:, :right]
        else:
            a, b = positions[:, shift : columns - right : stride], positions[:, shift + right :: stride]
        apart = b - a
        length = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart)) + 1e-12
        apart *= (0.5 * stiffness * (1 - rest / length))[..., None]
        a += apart
        b -= apart


def contact(points: Array, before: Array, body: Distance, margin: float) -> Array:
    """Points pushed out to a margin from the body, with half their sliding over it taken back."""
    h = 1e-4
    value = body(points)
    gradient = np.stack([(body(points + h * axis) - value) / h for axis in np.eye(3)], axis=1)
    gradient /= np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-9)
    moved = points + (margin - value)[:, None] * gradient
    slide = moved - before
    slide -= np.einsum("ij,ij->i", slide, gradient)[:, None] * gradient
    return moved - 0.5 * slide


def ball(radius: float) -> Distance:
    return lambda p: np.linalg.norm(p, axis=1) - radius


def rounded_box(half: Array, corner: float) -> Distance:
    def distance(p: Array) -> Array:
        q = np.abs(p) - (half - corner)
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0) - corner

    return distance


def disc(radius: float, height: float, corner: float) -> Distance:
    """An upright drum with rounded edges: a table."""

    def distance(p: Array) -> Array:
        q = np.stack(
            [np.hypot(p[:, 0], p[:, 1]) - radius + corner, np.abs(p[:, 2]) - height + corner], axis=1
        )
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0) - corner

    return distance


def balls(centres: Array, radii: Array) -> Distance:
    """Several balls, slightly blended so that the cloth does not catch between them."""

    def distance(p: Array) -> Array:
        each = np.linalg.norm(p[:, None] - centres[None], axis=2) - radii
        return -0.05 * np.log(np.exp(np.clip(-each / 0.05, -60, 60)).sum(axis=1))

    return distance


def hoop(major: float, minor: float) -> Distance:
    return lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - major, p[:, 2]) - minor


def cone(radius: float, height: float, corner: float) -> Distance:
    """A cone with its tip at height above the origin and a rounded tip."""
    slope = np.array([height, radius]) / np.hypot(radius, height)

    def distance(p: Array) -> Array:
        r = np.hypot(p[:, 0], p[:, 1])
        side = (r - radius) * slope[0] + p[:, 2] * slope[1]
        tip = np.hypot(r, p[:, 2] - height * 0.9) - corner
        return np.minimum(np.maximum(side, -p[:, 2] - 1.0), tip)

    return distance
