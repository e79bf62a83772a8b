# SPDX-License-Identifier: Apache-2.0
"""Points and a generator in, smooth random scalar fields out: gradient noise, its sums, and cellular distance."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from multishade.procedural.objects.mesh import Array, Indices


@dataclass(frozen=True, eq=False)
class GradientNoise:
    """Perlin's improved noise on a 256-periodic lattice: the hash (512,) and the gradients (256, 3) are its state."""

    hashed: Indices
    gradients: Array

    def __call__(self, points: Array) -> Array:
        """Evaluate the noise at points (N, 3): (N,) in about [-1, 1]; one feature is about one unit long."""
        cell = np.floor(points).astype(np.int64)
        x, y, z = (points - cell).T
        sx, sy, sz = (t * t * t * (t * (t * 6 - 15) + 10) for t in (x, y, z))
        cell &= 255
        total = np.zeros(len(points))
        for i in (0, 1):
            along_x = self.hashed[(cell[:, 0] + i) & 255]
            weight_x = sx if i else 1 - sx
            for j in (0, 1):
                along_y = self.hashed[along_x + ((cell[:, 1] + j) & 255)]
                weight_xy = weight_x * (sy if j else 1 - sy)
                for k in (0, 1):
                    g = self.gradients[self.hashed[along_y + ((cell[:, 2] + k) & 255)]]
                    slope = g[:, 0] * (x - i) + g[:, 1] * (y - j) + g[:, 2] * (z - k)
                    total += weight_xy * (sz if k else 1 - sz) * slope
        return total * 1.6


def sample_gradient_noise(rng: np.random.Generator) -> GradientNoise:
    """Sample a noise field; successive calls with one generator give different fields."""
    permutation = rng.permutation(256)
    gradients = rng.normal(size=(256, 3))
    gradients /= np.linalg.norm(gradients, axis=1, keepdims=True)
    return GradientNoise(np.concatenate([permutation, permutation]), gradients)


def fractal(noise: GradientNoise, points: Array, octaves: int, gain: float = 0.5) -> Array:
    """Sum octaves of noise, (N,), each of twice the frequency and `gain` times the height of the one before."""
    total, height = np.zeros(len(points)), 1.0
    for octave in range(octaves):
        total += height * noise(points * 2.0**octave + 17.3 * octave)
        height *= gain
    return total


def ridged(
    noise: GradientNoise, points: Array, octaves: int, gain: float = 0.5, softness: float = 0.06
) -> Array:
    """Sum folded octaves, (N,) in [0, ~2], with crests at the zeros of the noise; `softness` rounds the crests."""
    total, height = np.zeros(len(points)), 1.0
    for octave in range(octaves):
        value = noise(points * 2.0**octave + 17.3 * octave)
        total += height * (1 - np.sqrt(value * value + softness * softness))
        height *= gain
    return total


def nearest_two(points: Array, centres: Array) -> tuple[Array, Array, Indices]:
    """Return distances (N,) from points (N, d) to the nearest and second nearest centre, and the nearest's index."""
    distance, index = cKDTree(centres).query(points, k=2)
    return distance[:, 0], distance[:, 1], index[:, 0]


def fibonacci_sphere(count: int, turn: float = 0.0) -> Array:
    """Return unit vectors (count, 3), even over the sphere, along a golden spiral rotated by `turn` radians."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + 5**0.5) * k + turn
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def sample_directions(rng: np.random.Generator, count: int, rounds: int = 12) -> Array:
    """Sample unit vectors (count, 3) and push them apart: nearly even, without the regularity of a spiral."""
    points = rng.normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(rounds):
        apart = points[:, None] - points[None]
        distance = np.maximum((apart**2).sum(axis=-1), 1e-9)
        push = (apart / (distance**2)[..., None]).sum(axis=1)
        push -= (push * points).sum(axis=1, keepdims=True) * points
        step = np.linalg.norm(push, axis=1, keepdims=True)
        points = points + push / np.maximum(step, 1e-9) * np.minimum(step * 0.02, 1.2 / np.sqrt(count) / 2)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


def smoothstep(edge0: float | Array, edge1: float | Array, x: Array) -> Array:
    """Return 0 below edge0, 1 above edge1, and a quintic with two continuous derivatives between."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return t * t * t * (t * (t * 6 - 15) + 10)
