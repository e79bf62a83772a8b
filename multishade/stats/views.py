# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> checks of its cameras: distance, direction, size of the object in the frame, depth."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.render.sampling import CANONICAL
from multishade.stats.check import P_LEAST, Check, cap_p, percent, share_interval, uniform_check, uniform_p
from multishade.stats.gather import Statistics
from multishade.stats.measure import SampleFigures

Float64 = NDArray[np.float64]
CAMERAS, FRAMING = "Cameras", "Framing and depth"
OBJECT_RADIUS = 0.505  # of the bounding sphere, with the error of half floats and rims
AREAS = (0.05, 0.8)  # of the frame, for the median sample
MOST_SPECKS = 0.01  # of the samples
SPECK = 0.005  # of the frame; smaller objects are useless for training


def check_cameras(statistics: Statistics) -> Iterator[Check]:
    """Check distances and directions of the cameras."""
    views, settings = statistics.config.views, statistics.config.camera
    distances = [sample.distance for sample in statistics.samples]
    yield uniform_check(CAMERAS, "camera, distance from the object's centre", distances, *settings.distance)
    astray = max(_off_centre(sample) for sample in statistics.samples)
    yield Check(
        CAMERAS,
        "camera, looks at the object's centre",
        f"axis at most {astray:.2g}° off",
        "at most 0.01°",
        astray <= 0.01,
    )
    fixed = [sample for sample in statistics.samples if sample.view < len(views.canonical)]
    if fixed:
        turn = max(_turn(sample, views.canonical[sample.view]) for sample in fixed)
        yield Check(
            CAMERAS,
            f"canonical views ({', '.join(views.canonical)})",
            f"at most {turn:.2g}° away ({len(fixed)} views)",
            f"at most {views.jitter_degrees:g}° away",
            turn <= views.jitter_degrees + 0.01,
        )
    directions = random_views(statistics)
    if len(directions):
        p = min(1.0, 2 * min(cap_p(directions, -1.0, 2 * math.pi), uniform_p(directions[:, 1], -1, 1)))
        x, y, z = directions.mean(axis=0)
        yield Check(
            CAMERAS,
            "random views, direction from the object to the camera",
            f"mean ({x:.2f}, {y:.2f}, {z:.2f}) ({len(directions)} sampled, p {p:.2g})",
            f"uniform over the sphere: mean (0.00, 0.00, 0.00), p at least {P_LEAST:g}",
            p >= P_LEAST,
        )


def check_framing(statistics: Statistics) -> Iterator[Check]:
    """Check masks and depths."""
    areas = np.array([sample.area for sample in statistics.samples])
    groups = len({sample.group for sample in statistics.samples})
    yield Check(
        FRAMING,
        "mask, share of the frame",
        f"median {percent(float(np.median(areas)))}, {percent(float(areas.min()))} to {percent(float(areas.max()))}",
        f"median in {AREAS[0]:.0%} to {AREAS[1]:.0%}",
        _may_be_half(areas < AREAS[0], groups) and _may_be_half(areas > AREAS[1], groups),
    )
    specks = float(np.mean(areas < SPECK))
    yield Check(
        FRAMING,
        f"mask, objects smaller than {SPECK:.1%} of the frame",
        f"{percent(specks)} of the samples",
        f"at most {MOST_SPECKS:.0%}",
        share_interval(specks, groups)[0] <= MOST_SPECKS,
    )
    cut = float(np.mean([sample.at_border for sample in statistics.samples]))
    yield Check(
        FRAMING, "mask, objects that touch the border", f"{percent(cut)} of the samples", "none", cut == 0
    )
    deep = [sample for sample in statistics.samples if sample.depth is not None]
    if deep:
        beyond = [sample for sample in deep if _beyond(sample)]
        thick = [sample.depth[1] - sample.depth[0] for sample in deep if sample.depth is not None]
        yield Check(
            FRAMING,
            "depth, samples beyond the object's bounding sphere",
            f"{len(beyond)} of {len(deep)}; objects are {np.median(thick):.2f} deep (median), at most {max(thick):.2f}",
            f"none; at most {2 * OBJECT_RADIUS:.2f} deep",
            not beyond,
        )


def random_views(statistics: Statistics) -> Float64:
    """Return the directions from the object to the cameras of random views, (N, 3) in the world frame."""
    given = len(statistics.config.views.canonical)
    poses = [sample.camera_to_world for sample in statistics.samples if sample.view >= given]
    return np.array([pose[:3, 2] for pose in poses]).reshape(-1, 3)


def _off_centre(sample: SampleFigures) -> float:
    """Degrees between the camera's axis and the line to the object's centre."""
    pose = sample.camera_to_world
    return _degrees(pose[:3, 2], pose[:3, 3] / sample.distance)


def _turn(sample: SampleFigures, name: str) -> float:
    return _degrees(sample.camera_to_world[:3, 2], np.array(CANONICAL[name][0], np.float64))


def _degrees(a: Float64, b: Float64) -> float:
    # From the chord: the cosine cannot distinguish small angles from rounding errors.
    return math.degrees(2 * math.asin(min(1.0, float(np.linalg.norm(a - b)) / 2)))


def _beyond(sample: SampleFigures) -> bool:
    assert sample.depth is not None
    near, far = sample.depth
    return near < sample.distance - OBJECT_RADIUS or far > sample.distance + OBJECT_RADIUS


def _may_be_half(beyond: NDArray[np.bool_], groups: int) -> bool:
    """Whether the share of samples beyond a bound may be at most a half, so that the median is not beyond it."""
    return share_interval(float(beyond.mean()), groups)[0] <= 0.5
