# SPDX-License-Identifier: Apache-2.0
"""A survey -> checks of its lights: where they come from, how strong, how tinted, which environments."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

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
        strengths = [light["strength"] for light in lights]
        yield uniform_check(SECTION, f"{kind} lights, strength", strengths, *drawn.strength, " W/m²")
        sizes, name = ("angle", "angular diameter"), settings.parallel.angle_degrees
        if kind == "point":
            sizes, name = ("radius", "radius"), settings.point.radius
        if all(sizes[0] in light for light in lights):
            yield uniform_check(
                SECTION, f"{kind} lights, {sizes[1]}", [light[sizes[0]] for light in lights], *name
            )
        yield _near_white(kind, np.array([light["colour"] for light in lights]), settings.colour_jitter)
    yield from _environments(survey, environments)


def lights_of(survey: Survey, kind: str) -> list[dict]:
    """The meta of every light of a kind; a mixed light's parallel part counts as parallel, its sky as environment."""
    kinds = {"parallel": ("parallel", "mixed"), "environment": ("environment", "mixed")}.get(kind, (kind,))
    return [light for sample in survey.samples for light in sample.lights.values() if light["type"] in kinds]


def offsets(survey: Survey) -> list[Float64]:
    """(3,) from the object's centre to each point light, camera's frame."""
    found = []
    for sample in survey.samples:
        pose = sample.camera_to_world
        centre = -pose[:3, :3].T @ pose[:3, 3]
        places = [light["position"] for light in sample.lights.values() if light["type"] == "point"]
        found += [np.asarray(place, np.float64) - centre for place in places]
    return found


def directions_of(survey: Survey, kind: str) -> Float64:
    """(N, 3) unit vectors from the object's centre to each light of a kind, camera's frame."""
    found = (
        [light["direction"] for light in lights_of(survey, kind)] if kind == "parallel" else offsets(survey)
    )
    directions = np.asarray(found, np.float64)
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
    settings, skies = survey.config.lights.environment, lights_of(survey, "environment")
    if not skies:
        return
    turns = [light["rotation"] for light in skies]
    yield uniform_check(SECTION, "environments, rotation", turns, *settings.rotation_degrees, "°")
    strengths = [light.get("environment_strength", light["strength"]) for light in skies]
    yield uniform_check(SECTION, "environments, strength", strengths, *settings.strength)
    counts = Counter(light["environment"] for light in skies)
    if known is not None:
        p, worst = shares_p(counts, {name: 1 / len(known) for name in known})
        yield Check(
            SECTION,
            "environments, how often each",
            f"{len(counts)} of {len(known)}, {min(counts.values())} to {max(counts.values())} times "
            f"({worst} {counts[worst]}, p {p:.2g})",
            f"each {len(skies) / len(known):.1f} times, p at least {P_LEAST:g}",
            p >= P_LEAST,
        )
