# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> checks of its lights: directions, distances, strengths, colours, environments."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from multishade.shards.meta import EnvironmentMeta, LightMeta, MixedMeta, ParallelMeta, PointMeta
from multishade.stats.check import P_LEAST, Check, cap_p, shares_p, times, uniform_check
from multishade.stats.gather import Statistics

Float64 = NDArray[np.float64]
SECTION = "Lights"


def check_lights(statistics: Statistics, environments: tuple[str, ...] | None) -> Iterator[Check]:
    """Check all lights. environments: ids that they were sampled from; None if the manifests cannot be read."""
    settings = statistics.config.lights
    for kind, ranges in (("parallel", settings.parallel), ("point", settings.point)):
        lights = lights_of(statistics, kind)
        if not lights:
            continue
        yield _check_directions(statistics, kind)
        if kind == "point":
            reach = [float(np.linalg.norm(offset)) for offset in offsets(statistics)]
            low, high = settings.point.distance
            yield uniform_check(SECTION, "point lights, distance from the object's centre", reach, low, high)
        strengths = [light.strength for light in lights]
        yield uniform_check(SECTION, f"{kind} lights, strength", strengths, *ranges.strength, " W/m²")
        size, bounds = "angular diameter", settings.parallel.angle_degrees
        if kind == "point":
            size, bounds = "radius", settings.point.radius
        sizes = [light.radius if isinstance(light, PointMeta) else light.angle for light in lights]
        known = [value for value in sizes if value is not None]
        if len(known) == len(lights):
            yield uniform_check(SECTION, f"{kind} lights, {size}", known, *bounds)
        colours = [light.colour for light in lights if light.colour is not None]
        yield _check_colours(kind, np.array(colours), settings.colour_jitter)
    yield from _check_environments(statistics, environments)


def lights_of(statistics: Statistics, kind: str) -> Sequence[ParallelMeta | MixedMeta | PointMeta]:
    """Return all lights of kind "parallel" or "point"."""
    return parallel_lights(statistics) if kind == "parallel" else point_lights(statistics)


def parallel_lights(statistics: Statistics) -> list[ParallelMeta | MixedMeta]:
    """Return all parallel lights, including those mixed with an environment."""
    return [light for light in _lights(statistics) if isinstance(light, ParallelMeta | MixedMeta)]


def point_lights(statistics: Statistics) -> list[PointMeta]:
    """Return all point lights."""
    return [light for light in _lights(statistics) if isinstance(light, PointMeta)]


def environments_of(statistics: Statistics) -> list[EnvironmentMeta | MixedMeta]:
    """Return all environments, including those mixed with a parallel light."""
    return [light for light in _lights(statistics) if isinstance(light, EnvironmentMeta | MixedMeta)]


def _lights(statistics: Statistics) -> Iterator[LightMeta]:
    for sample in statistics.samples:
        yield from sample.lights.values()


def offsets(statistics: Statistics) -> list[Float64]:
    """Return the vector from the object's centre to each point light, (3,) in the camera frame."""
    found = []
    for sample in statistics.samples:
        pose = sample.camera_to_world
        centre = -pose[:3, :3].T @ pose[:3, 3]
        places = [light.position for light in sample.lights.values() if isinstance(light, PointMeta)]
        found += [np.asarray(place, np.float64) - centre for place in places]
    return found


def directions_of(statistics: Statistics, kind: str) -> Float64:
    """Return unit vectors (N, 3) from the object's centre to the lights of a kind, in the camera frame."""
    if kind == "parallel":
        directions = np.array([light.direction for light in parallel_lights(statistics)], np.float64)
    else:
        directions = np.array(offsets(statistics), np.float64)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def region(statistics: Statistics) -> tuple[float, float]:
    """Return the region of light directions: least z, and the range of azimuths from +x in radians."""
    settings = statistics.config.lights
    lowest = math.sin(math.radians(settings.min_elevation_degrees))
    return lowest, math.pi if settings.hemisphere == "upper-front" else 2 * math.pi


def _check_directions(statistics: Statistics, kind: str) -> Check:
    directions, (lowest, azimuths) = directions_of(statistics, kind), region(statistics)
    p = cap_p(directions, lowest, azimuths)
    x, y, z = directions.mean(axis=0)
    expected_z = (1 + lowest) / 2
    # Over half a turn of azimuth the mean of sin is 2 / pi, over a whole one 0.
    across = (math.pi / 2 - math.asin(lowest) - lowest * math.sqrt(1 - lowest**2)) / 2 / (1 - lowest)
    expected_y = across * 2 / math.pi if azimuths < 4 else 0.0
    return Check(
        SECTION,
        f"{kind} lights, direction seen from the object",
        f"mean ({x:.2f}, {y:.2f}, {z:.2f}), least elevation "
        f"{math.degrees(math.asin(min(1.0, directions[:, 2].min()))):.0f}° ({len(directions)} sampled, p {p:.2g})",
        f"uniform by solid angle over the {statistics.config.lights.hemisphere} above "
        f"{statistics.config.lights.min_elevation_degrees:g}°: mean (0.00, {expected_y:.2f}, {expected_z:.2f}), "
        f"p at least {P_LEAST:g}",
        p >= P_LEAST,
    )


def _check_colours(kind: str, colours: Float64, jitter: float) -> Check:
    # Tints are divided by their mean, so a channel may exceed the jitter slightly.
    furthest = float(np.abs(colours - 1).max())
    bound = (1 + jitter) / (1 - jitter / 3) - 1
    tint = np.abs(colours.mean(axis=0) - 1).max()
    allowed = 4 * jitter / math.sqrt(3 * len(colours)) + 1e-6
    return Check(
        SECTION,
        f"{kind} lights, colour",
        f"channels within {furthest:.3f} of white, their means within {tint:.4f}",
        f"within {bound:.3f}, means within {allowed:.4f}",
        furthest <= bound + 1e-6 and bool(tint <= allowed),
    )


def _check_environments(statistics: Statistics, known: tuple[str, ...] | None) -> Iterator[Check]:
    settings, lights = statistics.config.lights.environment, environments_of(statistics)
    if not lights:
        return
    turns = [light.rotation for light in lights]
    yield uniform_check(SECTION, "environments, rotation", turns, *settings.rotation_degrees, "°")
    strengths = [
        light.environment_strength if isinstance(light, MixedMeta) else light.strength for light in lights
    ]
    yield uniform_check(SECTION, "environments, strength", strengths, *settings.strength)
    counts = Counter(light.environment for light in lights)
    if known is not None:
        p, worst = shares_p(counts, {name: 1 / len(known) for name in known})
        yield Check(
            SECTION,
            "environments, how often each",
            f"{len(counts)} of {len(known)}, {times(min(counts.values()), max(counts.values()))} "
            f"({worst} {counts[worst]}, p {p:.2g})",
            f"each {len(lights) / len(known):.1f} times, p at least {P_LEAST:g}",
            p >= P_LEAST,
        )
