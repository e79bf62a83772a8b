# SPDX-License-Identifier: Apache-2.0
"""Paths of lights, and text files -> light directions (K, 3): unit vectors toward the lights in the camera frame."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.light_files import LightTable, read_light_table

Float64 = NDArray[np.float64]

# Text files have four to six decimals; a vector farther from unit length is not a direction.
UNIT_TOLERANCE = 1e-2
# Lights whose directions, rounded to four decimals, lie in one plane have a condition above this.
WORST_CONDITION = 1e4
NEAR_AXIS = 0.05  # sine to the view axis; a light nearer than this is on no side


def ring(count: int, elevation_degrees: float = 45.0) -> Float64:
    """Place lights on a circle around the view axis.

    light[k] = (cos e sin a, cos e cos a, sin e) with a = 360 k / count degrees: the first light is above (+y), the next
    follow clockwise as seen from the camera.

    Args:
        count: K, the number of lights.
        elevation_degrees: e, the angle above the image plane.

    Returns:
        (K, 3) float64 unit vectors toward the lights.

    Raises:
        SolveError: If `count` is below 1.
    """
    _require_count(count)
    azimuth = 2 * np.pi * np.arange(count) / count
    return _from_angles(azimuth, np.full(count, np.radians(elevation_degrees)))


def spiral(count: int, min_elevation_degrees: float = 30.0, turns: float = 3.0) -> Float64:
    """Place lights along a spiral from the view axis down to a least elevation, at equal steps of solid angle.

    Neighbours in the sequence are neighbouring directions, as video models need them.

    Args:
        count: K, the number of lights.
        min_elevation_degrees: The least angle above the image plane, 0 to below 90.
        turns: Turns around the view axis.

    Returns:
        (K, 3) float64 unit vectors toward the lights.

    Raises:
        SolveError: If an argument is out of range.
    """
    _require_count(count)
    lowest = _sine_of_elevation(min_elevation_degrees)
    step = (np.arange(count) + 0.5) / count
    # Equal steps of sin(elevation) are equal solid angles; the root spaces the turns evenly as seen from the camera.
    return _from_angles(2 * np.pi * turns * np.sqrt(step), np.arcsin(1 - (1 - lowest) * step))


def hemisphere(
    count: int, min_elevation_degrees: float = 0.0, rng: np.random.Generator | None = None
) -> Float64:
    """Place lights over the part of the front hemisphere above a least elevation.

    Args:
        count: K, the number of lights.
        min_elevation_degrees: The least angle above the image plane, 0 to below 90.
        rng: Source of independent samples, uniform in solid angle. None: a Fibonacci lattice (equal areas, golden-angle
            steps), which is always the same.

    Returns:
        (K, 3) float64 unit vectors toward the lights.

    Raises:
        SolveError: If an argument is out of range.
    """
    _require_count(count)
    lowest = _sine_of_elevation(min_elevation_degrees)
    if rng is None:
        golden_angle = np.pi * (3 - np.sqrt(5))
        azimuth = golden_angle * np.arange(count)
        height = (np.arange(count) + 0.5) / count
    else:
        azimuth = rng.uniform(0, 2 * np.pi, count)
        height = rng.uniform(0, 1, count)
    return _from_angles(azimuth, np.arcsin(1 - (1 - lowest) * height))


def read_directions(path: str | Path) -> Float64:
    """Read light directions from a file.

    The format of DiLiGenT's light_directions.txt and of CyclesPS's light.txt, whose axes are those of the camera frame:
    one light per line, three numbers separated by spaces, tabs or commas. Empty lines and lines that begin with # are
    skipped. Also read: RTI's .lp, tables with a header, 3 x K, .npy, .npz and .mat (see `light_files`).

    Args:
        path: The file.

    Returns:
        (K, 3) float64 unit vectors.

    Raises:
        SolveError: If the file cannot be read, or a line is not a unit direction; the message names file:line.
    """
    return read_named_directions(path).rows


def read_named_directions(path: str | Path) -> LightTable:
    """Read light directions, as `read_directions`, with the photographs' names and intensities that the file has.

    Args:
        path: The file.

    Returns:
        The table; its rows are unit vectors.

    Raises:
        SolveError: As `read_directions`.
    """
    table = read_light_table(Path(path))
    lengths = np.linalg.norm(table.rows, axis=1)
    wrong = np.abs(lengths - 1) > UNIT_TOLERANCE
    if wrong.any():
        first = int(wrong.argmax())
        raise SolveError(
            f"{table.places[first]}: a light direction of length {lengths[first]:.4g}; expected a unit vector "
            "(are these positions, or intensities?). Positions of far lights about the object become directions if "
            "each is divided by its length"
        )
    return replace(table, rows=table.rows / lengths[:, None])


def require_in_front(directions: Float64, source: str) -> None:
    """Check that most lights are on the camera's side of the image plane.

    Args:
        directions: (K, 3) unit vectors toward the lights.
        source: How the message names them.

    Raises:
        SolveError: If most are behind it: they are in another frame.
    """
    behind = int((directions[:, 2] <= 0).sum())
    if 2 * behind > len(directions):
        raise SolveError(
            f"{source}: {behind} of {len(directions)} lights lie behind the image plane (z <= 0), where they cannot "
            "light what the camera sees. Here a direction points from the object to the light with x right, y up and z "
            "toward the camera: if z points into the scene in your file, change the sign of z (and of y, if y points "
            "down in it); if the directions point from the light to the object, change all three"
        )


def condition(directions: Float64) -> float:
    """Compute the condition number of light directions: by how much noise grows in the normals solved from them.

    Args:
        directions: (K, 3) unit vectors.

    Returns:
        The largest over the smallest singular value; infinite for lights in one plane.
    """
    values = np.linalg.svd(directions, compute_uv=False)
    return float(values[0] / values[-1]) if len(values) == 3 and values[-1] > 1e-9 else float("inf")


def largest_gap_degrees(directions: Float64) -> float:
    """Compute the largest angle around the view axis without a light.

    Args:
        directions: (K, 3) unit vectors; those nearly along the view axis count for every side.

    Returns:
        0 to 360 degrees; above 180, all lights are on one side. 0 if all lights are near the view axis.
    """
    aside = directions[np.hypot(directions[:, 0], directions[:, 1]) > NEAR_AXIS]
    if not len(aside):
        return 0.0
    azimuth = np.sort(np.degrees(np.arctan2(aside[:, 1], aside[:, 0])))
    return float(np.diff(azimuth, append=azimuth[0] + 360).max())


def require_spread(directions: Float64, source: str) -> None:
    """Check that lights determine normals.

    Args:
        directions: (K, 3) unit vectors toward the lights.
        source: How the message names them.

    Raises:
        SolveError: If there are fewer than three, or all lie in one plane.
    """
    if len(directions) < 3:
        raise SolveError(f"{source}: {len(directions)} lights; a normal needs at least 3")
    number = condition(directions)
    if number > WORST_CONDITION:
        raise SolveError(
            f"{source}: all {len(directions)} lights lie in one plane (condition {number:.3g}; above "
            f"{WORST_CONDITION:g} nothing can be solved): add a light outside of it"
        )


def read_intensities(path: str | Path) -> Float64:
    """Read light intensities from a file, the format of DiLiGenT's light_intensities.txt.

    Args:
        path: The file; one light per line, one number or three (RGB); also .npy, .npz and .mat.

    Returns:
        (K,) or (K, 3) float64, all above 0: divide image k by entry k.

    Raises:
        SolveError: If the file cannot be read, or a line is no intensity; the message names file:line.
    """
    table = read_light_table(Path(path), (3, 1))
    for row, place in zip(table.rows, table.places, strict=True):
        if min(row) <= 0:
            raise SolveError(
                f"{place}: an intensity of {min(row):g}; images are divided by it, so it must be positive"
            )
    return table.rows[:, 0] if table.rows.shape[1] == 1 else table.rows


def unit_directions(directions: NDArray[Any], name: str = "directions") -> Float64:
    """Check light directions and normalise them.

    Args:
        directions: (K, 3) vectors of unit length to 1 %.
        name: The argument's name, for messages.

    Returns:
        (K, 3) float64 exact unit vectors.

    Raises:
        SolveError: If the shape or a length is wrong.
    """
    lights = np.asarray(directions, dtype=np.float64)
    if lights.ndim != 2 or lights.shape[1] != 3:
        raise SolveError(f"{name}: expected (K, 3), got {lights.shape}")
    lengths = np.linalg.norm(lights, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
    if len(wrong):
        raise SolveError(
            f"{name}: light {wrong[0]} has length {lengths[wrong[0]]:.4g}; expected unit vectors "
            "(a light's strength goes into light_intensities)"
        )
    return lights / lengths[:, None]


def _from_angles(azimuth: Float64, elevation: Float64) -> Float64:
    across = np.cos(elevation)
    return np.stack([across * np.sin(azimuth), across * np.cos(azimuth), np.sin(elevation)], axis=1)


def _sine_of_elevation(degrees: float) -> float:
    if not 0 <= degrees < 90:
        raise SolveError(
            f"min_elevation_degrees: {degrees:g}; expected 0 (grazing) to below 90 (the view axis)"
        )
    return float(np.sin(np.radians(degrees)))


def _require_count(count: int) -> None:
    if count < 1:
        raise SolveError(f"count: {count} lights; at least 1 is needed")
