# SPDX-License-Identifier: Apache-2.0
"""A generator in, a noise-displaced ball out: pebbles, walnuts, asteroids, terraced rocks, corals, gourds, berries."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from multishade.geometry.rotations import sample_rotation
from multishade.procedural.objects.mesh import Array, ObjectMesh, object_mesh
from multishade.procedural.objects.noise import (
    fibonacci_sphere,
    fractal,
    nearest_two,
    ridged,
    sample_directions,
    sample_gradient_noise,
    smoothstep,
)
from multishade.procedural.objects.surface import sphere_points, split_quads


def blob(rng: np.random.Generator) -> ObjectMesh:
    """A sphere pushed in and out along its radii by one of the relief designs, then stretched and warped in space."""
    design = DESIGNS[int(rng.integers(len(DESIGNS)))]
    directions, quads = sphere_points(design.resolution)
    vertices = directions * design.radius(rng, directions)[:, None] * rng.uniform(0.65, 1.0, 3)
    if design.warped:
        vertices = warped(rng, vertices)
    vertices = vertices @ sample_rotation(rng).T
    return object_mesh(vertices, split_quads(vertices, quads), 180.0)


def warped(rng: np.random.Generator, points: Array) -> Array:
    """Bend space by a slow vector noise, too weak to fold it (its gradient stays below one): no more a star shape."""
    frequency = rng.uniform(0.5, 1.0)
    strength = rng.uniform(0.15, 0.4) / frequency
    return points + strength * np.stack(
        [sample_gradient_noise(rng)(points * frequency + 5.5) for _ in range(3)], axis=1
    )


def slow(rng: np.random.Generator, directions: Array, height: float) -> Array:
    """A base radius (V,) that undulates gently about 1."""
    return 1 + height * sample_gradient_noise(rng)(directions * rng.uniform(0.8, 1.4) + 9.1)


def pebble(rng: np.random.Generator, directions: Array) -> Array:
    frequency = rng.uniform(0.7, 1.5)
    return 1 + rng.uniform(0.25, 0.5) * fractal(
        sample_gradient_noise(rng), directions * frequency, 2, rng.uniform(0.2, 0.45)
    )


def organic(rng: np.random.Generator, directions: Array) -> Array:
    frequency = rng.uniform(1.2, 2.2)
    bent = directions + 0.25 * np.stack(
        [sample_gradient_noise(rng)(directions * 1.5) for _ in range(3)], axis=1
    )
    return 1 + rng.uniform(0.22, 0.4) * fractal(
        sample_gradient_noise(rng), bent * frequency, 3, rng.uniform(0.26, 0.38)
    )


def walnut(rng: np.random.Generator, directions: Array) -> Array:
    frequency = rng.uniform(1.4, 2.8)
    folds = ridged(sample_gradient_noise(rng), directions * frequency, 3, rng.uniform(0.25, 0.4))
    return slow(rng, directions, 0.25) + rng.choice([-1, 1]) * rng.uniform(0.2, 0.34) / frequency * 1.6 * (
        folds - 0.8
    )


def berry(rng: np.random.Generator, directions: Array) -> Array:
    """Round bumps that meet in soft valleys, one for each of many centres."""
    count = int(rng.integers(12, 130))
    centres = fibonacci_sphere(count) if rng.random() < 0.5 else sample_directions(rng, count)
    reach = np.sqrt(4 / count)
    bumps = np.zeros(len(directions))
    for centre in centres:
        closeness = directions @ centre
        bumps += np.exp((closeness - 1) * 14 / reach**2)
    height = np.log(bumps + 1e-3) / 14 * reach**2
    return (
        slow(rng, directions, 0.2)
        + rng.uniform(0.9, 1.4) * np.sqrt(np.maximum(reach**2 * 1.1 + height, 1e-3))
        - reach
    )


def hammered(rng: np.random.Generator, directions: Array) -> Array:
    """Shallow dents struck at random over each other, each keeping the deeper floor (a soft minimum)."""
    count = int(rng.integers(40, 200))
    centres = sample_directions(rng, count, 4)
    size = rng.uniform(1.1, 1.6) * np.sqrt(4 / count) * rng.uniform(0.7, 1.2, count)
    depth = rng.uniform(0.12, 0.3)
    sharpness = 40.0 / np.sqrt(4 / count)
    total = np.ones(len(directions))
    for centre, reach in zip(centres, size, strict=True):
        away = np.sqrt(np.maximum(2 - 2 * (directions @ centre), 0))
        near = away < 1.5 * reach
        bowl = depth * reach * (1 - (away[near] / reach) ** 2)
        total[near] += np.exp(np.minimum(sharpness * bowl, 60))
    return slow(rng, directions, 0.15) - np.log(total) / sharpness


def asteroid(rng: np.random.Generator, directions: Array) -> Array:
    """Craters with rims of many sizes on an uneven body."""
    radius = slow(rng, directions, 0.3) + 0.05 * fractal(sample_gradient_noise(rng), directions * 2.2, 3)
    count = int(rng.integers(20, 70))
    sizes = np.sort(np.minimum(0.1 * rng.pareto(1.6, count) + 0.08, 0.6))[::-1]
    centres = rng.normal(size=(count, 3))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    for centre, reach in zip(centres, sizes, strict=True):
        t = np.sqrt(np.maximum(2 - 2 * (directions @ centre), 0)) / reach
        near = t < 2
        x = t[near]
        bowl = -0.34 * (1 - smoothstep(0.25, 1.0, x)) + 0.1 * np.exp(-(((x - 1.05) / 0.22) ** 2))
        radius[near] += reach * bowl
    return radius


def terraced(rng: np.random.Generator, directions: Array) -> Array:
    """A hilly body cut into level steps whose risers are steep but rounded."""
    height = fractal(sample_gradient_noise(rng), directions * rng.uniform(1.0, 1.7), 3, 0.35)
    steps = rng.uniform(3, 6)
    level = (height + 1) * steps
    whole = np.floor(level)
    riser = smoothstep(0.0, rng.uniform(0.55, 0.85), level - whole)
    return 1 + rng.uniform(0.25, 0.36) * ((whole + riser) / steps - 1)


def coral(rng: np.random.Generator, directions: Array) -> Array:
    """Winding ridges of even width, as on brain coral: a wave of a warped noise's value."""
    frequency = rng.uniform(0.8, 1.4)
    bent = directions + 0.3 * np.stack(
        [sample_gradient_noise(rng)(directions * 1.3) for _ in range(3)], axis=1
    )
    phase = fractal(sample_gradient_noise(rng), bent * frequency, 2, 0.4) * rng.uniform(9, 14)
    wave = np.cos(phase)
    rounded = np.sign(wave) * np.abs(wave) ** rng.uniform(0.7, 1.0) if rng.random() < 0.3 else wave
    return slow(rng, directions, 0.25) + rng.uniform(0.025, 0.05) * rounded


def gourd(rng: np.random.Generator, directions: Array) -> Array:
    """Lobes around an axis that fade into a dimple at each end, with a bottle's waist now and then."""
    lobes = int(rng.integers(5, 17))
    x, y, z = directions.T
    belt = np.clip(1 - z * z, 0, 1)
    angle = np.arctan2(y, x) + rng.uniform(-1.2, 1.2) * z
    wave = (
        np.sqrt(np.cos(lobes * angle / 2) ** 2 + 0.02)
        if rng.random() < 0.6
        else 0.5 + 0.5 * np.cos(lobes * angle)
    )
    depth = rng.uniform(0.1, 0.3) * min(1.0, 9 / lobes)
    radius = slow(rng, directions, 0.15) + depth * (wave - 0.7) * smoothstep(0.0, 0.55, belt)
    radius -= rng.uniform(0.1, 0.4) * np.exp(-belt / rng.uniform(0.05, 0.12))
    if rng.random() < 0.4:
        radius += 0.35 * np.exp(-(((z - 0.75) / 0.35) ** 2)) - 0.3 * np.exp(-(((z - 0.3) / 0.3) ** 2))
    return radius


def eroded(rng: np.random.Generator, directions: Array) -> Array:
    """Noise stretched along one way, like wind-cut sandstone or wood grain in relief."""
    stretch = np.diag([1.0, rng.uniform(1.2, 2.0), rng.uniform(3, 5.5)]) @ sample_rotation(rng)
    bent = directions + 0.12 * np.stack(
        [sample_gradient_noise(rng)(directions * 2) for _ in range(3)], axis=1
    )
    grain = ridged(sample_gradient_noise(rng), bent @ stretch.T, 2, 0.35, softness=0.1)
    return slow(rng, directions, 0.35) + rng.choice([-1, 1]) * rng.uniform(0.08, 0.16) * (grain - 0.8)


def harmonic(rng: np.random.Generator, directions: Array) -> Array:
    """A few waves of the sphere: products of sines of latitude and longitude about random axes."""
    radius = np.ones(len(directions))
    for _ in range(int(rng.integers(1, 4))):
        x, y, z = (directions @ sample_rotation(rng)).T
        order, belt = int(rng.integers(2, 8)), np.sqrt(np.clip(1 - z * z, 0, 1))
        degree = int(rng.integers(0, 4))
        around = ((x + 1j * y) ** order).real if order else np.ones_like(x)
        wave = around * np.cos(degree * np.pi * z)
        radius += rng.uniform(0.2, 0.45) / order**0.5 * wave / np.abs(wave * np.maximum(belt, 0.1)).max()
    return (
        np.maximum(radius, 0.3)
        if radius.min() > 0.3
        else 0.3 + 0.7 * (radius - radius.min()) / np.ptp(radius)
    )


def cracked(rng: np.random.Generator, directions: Array) -> Array:
    """Plates of a tortoise shell: flat cells parted by grooves."""
    centres = sample_directions(rng, int(rng.integers(14, 60)))
    first, second, _ = nearest_two(directions, centres)
    return slow(rng, directions, 0.2) + 0.07 * smoothstep(0.0, 0.2, second - first)


@dataclass(frozen=True)
class Design:
    """A radius for every direction, the cells along a side of the cube sphere that its finest detail needs (a mesh has
    12 resolution^2 triangles), and whether space may be warped afterwards."""

    radius: Callable[[np.random.Generator, Array], Array]
    resolution: int
    warped: bool = True


DESIGNS = (
    Design(pebble, 84),
    Design(organic, 116),
    Design(walnut, 124),
    Design(berry, 124),
    Design(hammered, 116, warped=False),
    Design(asteroid, 128, warped=False),
    Design(terraced, 128),
    Design(coral, 128),
    Design(gourd, 112),
    Design(eroded, 124),
    Design(harmonic, 100, warped=False),
    Design(cracked, 128, warped=False),
)
