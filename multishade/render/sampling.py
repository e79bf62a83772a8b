# SPDX-License-Identifier: Apache-2.0
"""A generator and settings -> the camera, lights and shading sequence of one view, and the rotation of an object.

World frame: z up, the object at the origin. Camera frame: +x right, +y up, +z toward the camera.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from multishade.config import models
from multishade.geometry.lights import hemisphere, ring, spiral
from multishade.geometry.rotations import sample_rotation
from multishade.protocol import scene
from multishade.shards.fields import light_names

Array = NDArray[np.float64]

# View -> (direction from the object to the camera, up), both in the world's frame.
CANONICAL: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "front": ((0, -1, 0), (0, 0, 1)),
    "back": ((0, 1, 0), (0, 0, 1)),
    "left": ((-1, 0, 0), (0, 0, 1)),
    "right": ((1, 0, 0), (0, 0, 1)),
    "top": ((0, 0, 1), (0, 1, 0)),
    "bottom": ((0, 0, -1), (0, -1, 0)),
}


def sample_camera(
    settings: models.Camera, views: models.Views, number: int, rng: np.random.Generator
) -> scene.Camera:
    """Sample the camera of one view, which looks at the origin.

    Args:
        settings: Projection, image size, and the range of distances.
        views: The canonical views; further views have a direction uniform on the sphere.
        number: Number of the view in its group.
        rng: Source of the sample.

    Returns:
        The camera.
    """
    if number < len(views.canonical):
        back, up = (np.array(vector, dtype=np.float64) for vector in CANONICAL[views.canonical[number]])
        if views.jitter_degrees > 0:
            back = _jitter(back, math.radians(views.jitter_degrees), rng)
    else:
        back = _on_sphere(rng)
        up = np.array((0.0, 0.0, 1.0) if abs(back[2]) < 0.999 else (0.0, 1.0, 0.0))
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = right, np.cross(back, right), back
    matrix[:3, 3] = back * rng.uniform(*settings.distance)
    longer = max(settings.width, settings.height) / min(settings.width, settings.height)
    return scene.Camera(
        type=settings.type,
        width=settings.width,
        height=settings.height,
        camera_to_world=_nested(matrix),  # type: ignore[arg-type]
        focal_mm=settings.focal_mm,
        sensor_mm=settings.sensor_mm,
        orthographic_scale=settings.orthographic_extent * longer,
        fill=settings.fill if settings.fit == "outline" else None,
    )


def sample_lights(
    settings: models.Lights, environments: Sequence[str], rng: np.random.Generator, distance: float = 0.0
) -> tuple[scene.Light, ...]:
    """Sample the light of each input image of a view.

    Args:
        settings: Kinds, counts and ranges.
        environments: Paths or `studio:` names; if there are enough, all images of the view have different ones.
        rng: Source of the samples.
        distance: From the camera to the object's centre. Point lights are sampled around that centre and given in the
            camera frame, whose origin is the camera.

    Returns:
        The lights in the order parallel, point, environment, mixed.
    """
    needed = settings.environment.count + settings.mixed.count
    maps: list[str] = []
    while len(maps) < needed:
        maps += [environments[index] for index in rng.permutation(len(environments))]
    sampled = [
        _parallel(f"image_parallel{suffix}", settings, rng) for suffix in _suffixes(settings.parallel.count)
    ]
    sampled += [
        _point(f"image_point{suffix}", settings, rng, distance) for suffix in _suffixes(settings.point.count)
    ]
    sampled += [
        _environment(f"image_env{i}", maps[i], settings, rng) for i in range(settings.environment.count)
    ]
    for i in range(settings.mixed.count):
        parallel = _parallel(f"image_mixed{i}", settings, rng)
        environment = _environment(parallel.field, maps[settings.environment.count + i], settings, rng)
        sampled.append(
            dataclasses.replace(
                parallel,
                kind="mixed",
                environment=environment.environment,
                environment_strength=environment.environment_strength,
                rotation_degrees=environment.rotation_degrees,
            )
        )
    return tuple(sampled)


def resample_light(
    light: scene.Light, settings: models.Lights, rng: np.random.Generator, distance: float
) -> scene.Light:
    """Sample another parallel, point or mixed light for an image; a mixed one keeps its environment.

    Args:
        light: The light to replace; its kind and field stay.
        settings: Kinds and ranges.
        rng: Source of the sample.
        distance: From the camera to the object's centre.

    Returns:
        The other light.
    """
    if light.kind == "point":
        return _point(light.field, settings, rng, distance)
    parallel = _parallel(light.field, settings, rng)
    return dataclasses.replace(
        parallel,
        kind=light.kind,
        environment=light.environment,
        environment_strength=light.environment_strength,
        rotation_degrees=light.rotation_degrees,
    )


def _environment(field: str, path: str, settings: models.Lights, rng: np.random.Generator) -> scene.Light:
    return scene.Light(
        field,
        "environment",
        environment=path,
        environment_strength=float(rng.uniform(*settings.environment.strength)),
        rotation_degrees=float(rng.uniform(*settings.environment.rotation_degrees)),
    )


def sample_sequence(
    settings: models.Shading, lighting: models.Lights, environments: Sequence[str], rng: np.random.Generator
) -> scene.Sequence:
    """Sample the lights of the shading sequence; only the ambient environment of mode photometric is random.

    Args:
        settings: Mode and light path.
        lighting: Range of the rotations of environments.
        environments: Paths or `studio:` names.
        rng: Source of the sample.

    Returns:
        The sequence.
    """
    directions = sequence_directions(settings)
    ambient = None
    if settings.environment_strength[1] > 0:
        environment = _environment("shading", environments[rng.integers(len(environments))], lighting, rng)
        strength = float(rng.uniform(*settings.environment_strength))
        ambient = dataclasses.replace(environment, environment_strength=strength)
    return scene.Sequence(settings.mode, _nested(directions), ambient)  # type: ignore[arg-type]


def sequence_directions(settings: models.Shading) -> Array:
    """Return the light directions of a shading sequence: (K, 3) unit vectors in the camera frame."""
    if settings.path == "ring":
        return ring(settings.count, settings.elevation_degrees)
    if settings.path == "spiral":
        return spiral(settings.count)
    return hemisphere(settings.count)


def basis_lights(settings: models.LightBasis | None) -> tuple[scene.Light, ...]:
    """Return the lights of a light basis, which are the same for all views.

    They are white and have irradiance pi, under which a white diffuse surface has radiance 1.
    """
    if settings is None:
        return ()
    path = spiral if settings.path == "spiral" else hemisphere
    directions = path(settings.count, settings.min_elevation_degrees)
    return tuple(
        scene.Light(name, "parallel", direction=(x, y, z), strength=math.pi, size=settings.angle_degrees)
        for name, (x, y, z) in zip(light_names(settings.count), directions.tolist(), strict=True)
    )


def sample_object_rotation(kind: str, rng: np.random.Generator) -> scene.Matrix3:
    """Sample the rotation of the object: "none", "yaw" (about z) or "full" (uniform over SO(3))."""
    if kind == "none":
        return scene.ObjectSource("monkey").rotation
    if kind == "yaw":
        angle = rng.uniform(0, 2 * math.pi)
        c, s = math.cos(angle), math.sin(angle)
        return ((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0))
    return _nested(sample_rotation(rng))  # type: ignore[return-value]


def _parallel(field: str, settings: models.Lights, rng: np.random.Generator) -> scene.Light:
    return scene.Light(
        field,
        "parallel",
        colour=_colour(settings.colour_jitter, rng),
        direction=_upper_front(settings, rng),
        strength=float(rng.uniform(*settings.parallel.strength)),
        size=float(rng.uniform(*settings.parallel.angle_degrees)),
    )


def _point(
    field: str, settings: models.Lights, rng: np.random.Generator, camera_distance: float
) -> scene.Light:
    colour = _colour(settings.colour_jitter, rng)
    distance = rng.uniform(*settings.point.distance)
    x, y, z = (distance * axis for axis in _upper_front(settings, rng))
    return scene.Light(
        field,
        "point",
        colour=colour,
        position=(float(x), float(y), float(z - camera_distance)),
        strength=float(rng.uniform(*settings.point.strength)),
        size=float(rng.uniform(*settings.point.radius)),
    )


def _upper_front(settings: models.Lights, rng: np.random.Generator) -> scene.Vector:
    """A direction, uniform in solid angle over the part of the front hemisphere where lights may be."""
    z = rng.uniform(math.sin(math.radians(settings.min_elevation_degrees)), 1.0)
    azimuth = rng.uniform(0, math.pi if settings.hemisphere == "upper-front" else 2 * math.pi)
    across = math.sqrt(1 - z * z)
    return (across * math.cos(azimuth), across * math.sin(azimuth), float(z))


def _colour(jitter: float, rng: np.random.Generator) -> scene.Vector:
    """White, or a tint with the same mean."""
    tint = 1 + jitter * rng.uniform(-1, 1, size=3)
    red, green, blue = (tint / tint.mean()).tolist()
    return (red, green, blue)


def _suffixes(count: int) -> list[str]:
    """Numbers of the lights of one kind; none if there is only one."""
    return [""] if count == 1 else [str(i) for i in range(count)]


def _on_sphere(rng: np.random.Generator) -> Array:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def _jitter(direction: Array, largest: float, rng: np.random.Generator) -> Array:
    """Rotate a unit vector by at most `largest` radians, uniformly over the cap."""
    cosine = rng.uniform(math.cos(largest), 1.0)
    azimuth = rng.uniform(0, 2 * math.pi)
    first = np.cross(direction, (1.0, 0.0, 0.0) if abs(direction[0]) < 0.9 else (0.0, 1.0, 0.0))
    first /= np.linalg.norm(first)
    second = np.cross(direction, first)
    across = math.sqrt(1 - cosine * cosine)
    return cosine * direction + across * (math.cos(azimuth) * first + math.sin(azimuth) * second)


def _nested(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
