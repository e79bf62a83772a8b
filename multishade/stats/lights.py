# SPDX-License-Identifier: Apache-2.0
"""A survey -> checks of its lights: where they come from, how strong, how tinted, which environments."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from multishade.shards.meta import EnvironmentMeta, LightMeta, MixedMeta, ParallelMeta, PointMeta
from multishade.stats.check import P_LEAST, Check, cap_p, shares_p, uniform_check
from multishade.stats.gather import Survey

Float64 = NDArray[np.float64]
SECTION = "Lights"


def check_lights(survey: Survey, environments: tuple[str, ...] | None) -> Iterator[Check]:
    """environments: ids that could be drawn, None where the manifests cannot be read."""
    settings = survey.config.lights
    for kind, drawn in (("parallel", settings.parallel), ("point", settings.point)):
        lights = lights_of(survey, kind)
        if not lights:
            continue
        yield _from_the_right_side(survey, kind)
        if kind == "point":
            reach = [float(np.linalg.norm(offset)) for offset in offsets(survey)]
            low, high = settings.point.distance
            yield uniform_check(SECTION, "point lights, distance from the object's centre", reach, low, high)
        strengths = [light.strength for light in lights]
        yield uniform_check(SECTION, f"{kind} lights, strength", strengths, *drawn.strength, " W/m²")
        size, bounds = "angular diameter", settings.parallel.angle_degrees
        if kind == "point":
            size, bounds = "radius", settings.point.radius
        sizes = [light.radius if isinstance(light, PointMeta) else light.angle for light in lights]
        known = [value for value in sizes if value is not None]
        if len(known) == len(lights):
            yield uniform_check(SECTION, f"{kind} lights, {size}", known, *bounds)
        colours = [light.colour for light in lights if light.colour is not None]
        yield _near_white(kind, np.array(colours), settings.colour_jitter)
    yield from _environments(survey, environments)


def lights_of(survey: Survey, kind: str) -> Sequence[ParallelMeta | MixedMeta | PointMeta]:
    """Every light of kind "parallel" or "point"."""
    return parallel_lights(survey) if kind == "parallel" else point_lights(survey)


def parallel_lights(survey: Survey) -> list[ParallelMeta | MixedMeta]:
    """Every parallel light, those that are mixed with an environment included."""
    return [light for light in _lights(survey) if isinstance(light, ParallelMeta | MixedMeta)]


def point_lights(survey: Survey) -> list[PointMeta]:
    """Every point light."""
    return [light for light in _lights(survey) if isinstance(light, PointMeta)]


def environments_of(survey: Survey) -> list[EnvironmentMeta | MixedMeta]:
    """Every environment, those that are mixed with a parallel light included."""
    return [light for light in _lights(survey) if isinstance(light, EnvironmentMeta | MixedMeta)]


def _lights(survey: Survey) -> Iterator[LightMeta]:
    for sample in survey.samples:
        yield from sample.lights.values()


def offsets(survey: Survey) -> list[Float64]:
    """(3,) from the object's centre to each point light, camera's frame."""
    found = []
    for sample in survey.samples:
        pose = sample.camera_to_world
        centre = -pose[:3, :3].T @ pose[:3, 3]
        places = [light.position for light in sample.lights.values() if isinstance(light, PointMeta)]
        found += [np.asarray(place, np.float64) - centre for place in places]
    return found


def directions_of(survey: Survey, kind: str) -> Float64:
    """(N, 3) unit vectors from the object's centre to each light of a kind, camera's frame."""
    if kind == "parallel":
        directions = np.array([light.direction for light in parallel_lights(survey)], np.float64)
    else:
        directions = np.array(offsets(survey), np.float64)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def region(survey: Survey) -> tuple[float, float]:
    """Where lights may come from: least z, and the range of azimuths from +x, radians."""
    settings = survey.config.lights
    lowest = math.sin(math.radians(settings.min_elevation_degrees))
    return lowest, math.pi if settings.hemisphere == "upper-front" else 2 * math.pi


def _from_the_right_side(survey: Survey, kind: str) -> Check:
    directions, (lowest, azimuths) = directions_of(survey, kind), region(survey)
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
        f"{math.degrees(math.asin(min(1.0, directions[:, 2].min()))):.0f}° ({len(directions)} drawn, p {p:.2g})",
        f"uniform by solid angle over the {survey.config.lights.hemisphere} above "
        f"{survey.config.lights.min_elevation_degrees:g}°: mean (0.00, {expected_y:.2f}, {expected_z:.2f}), "
        f"p at least {P_LEAST:g}",
        p >= P_LEAST,
    )


def _near_white(kind: str, colours: Float64, jitter: float) -> Check:
    # Tints are divided by their mean, which brings a channel somewhat beyond the jitter.
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


def _environments(survey: Survey, known: tuple[str, ...] | None) -> Iterator[Check]:
    settings, lights = survey.config.lights.environment, environments_of(survey)
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
            f"{len(counts)} of {len(known)}, {min(counts.values())} to {max(counts.values())} times "
            f"({worst} {counts[worst]}, p {p:.2g})",
            f"each {len(lights) / len(known):.1f} times, p at least {P_LEAST:g}",
            p >= P_LEAST,
        )
