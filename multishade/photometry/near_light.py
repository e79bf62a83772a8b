# SPDX-License-Identifier: Apache-2.0
"""Images under lights at known places near the object -> normals, albedo and depth.

Direction and distance of a near light differ from pixel to pixel, so they follow from the surface, and the surface from
them: solve, integrate, place the lights again, until the normals stay. Model: I = a max(0, n . l) / r^2 (times the
cosine to the axis of an LED, to a power), as in Queau et al., "LED-based photometric stereo", JMIV 2018.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.depth import depth_to_points
from multishade.photometry.integration import methods as integration
from multishade.photometry.solvers.normal_equations import confidence, solve_symmetric, spread, usable
from multishade.photometry.solvers.observations import GREY_WEIGHTS
from multishade.photometry.solvers.solution import Solution
from multishade.threads import one_blas_thread

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

MOST_ROUNDS, ENOUGH_DEGREES = 20, 0.01
FITS = 4  # of each pixel: the first over all lit lights, then with outliers weighted down
SHADOW = 0.05  # of a pixel's largest corrected value; below it counts as in shadow
OUTLIER = 0.05  # of the albedo: where a residual gets half its weight
BLOCK = 8192


@dataclass(frozen=True)
class PointLights:
    """Lights near an object, in the camera frame and one unit of length.

    Attributes:
        positions: (K, 3). Perspective camera: the camera is the origin. Orthographic: the origin is the object's mean
            plane at the centre of the images.
        axes: (K, 3) unit vectors, the way each light points; None for lights that shine equally in all directions.
        falloff: (K,) exponents of the cosine to the axis; None likewise.
    """

    positions: Float64
    axes: Float64 | None = None
    falloff: Float64 | None = None


@dataclass(frozen=True)
class NearSolution:
    """Normals and albedo, and the surface in the unit of the lights.

    Attributes:
        solution: Normals, albedo (radiance at the mean distance from the lights) and confidence.
        depth: (H, W) along the camera's axis, NaN where there is none.
        directions: (K, 3) unit vectors to the lights from the middle of the surface.
        rounds: How often the lights were placed again.
        change_degrees: Median change of the normals in the last round.
    """

    solution: Solution
    depth: Float64
    directions: Float64
    rounds: int
    change_degrees: float


@one_blas_thread()
def solve_near(
    images: NDArray[Any],
    lights: PointLights,
    mask: Bool,
    camera: Float64 | None,
    distance: float = 0.0,
    pixel_size: float = 1.0,
    grey: str = "luminance",
    integrator: str = "bilateral",
    measured: Bool | None = None,
    on_round: Callable[[float], object] = lambda change: None,
) -> NearSolution:
    """Solve images under near lights.

    Args:
        images: (K, H, W) or (K, H, W, 3) linear, divided by the lights' intensities.
        lights: Where they are.
        mask: (H, W), the object.
        camera: (3, 3) intrinsics of the images; None for an orthographic view.
        distance: Mean distance of the object along the camera's axis; perspective only.
        pixel_size: Distance of neighbouring pixels; orthographic only.
        grey: Key of GREY_WEIGHTS.
        integrator: Of `multishade.photometry.integration.methods`, for the surface at the end; in between it is
            "poisson".
        measured: (K, H, W) or (K, H, W, 3), False where a value is clipped; None: all are measurements. A pixel counts
            if all its channels do.
        on_round: Called with the change in degrees after each round.

    Returns:
        The solution.

    Raises:
        SolveError: If there are fewer than three lights, or the numbers do not fit.
    """
    count = len(lights.positions)
    if count < 3:
        raise SolveError(f"{count} lights; a normal needs at least 3")
    if len(images) != count:
        raise SolveError(f"{len(images)} images but {count} light positions; each image needs its own")
    if camera is not None and not 0 < distance < np.inf:
        raise SolveError(
            "near lights and a perspective camera: the object's mean distance from the camera, in the unit of the "
            "positions, is needed (--distance)"
        )
    values = np.asarray(images, np.float64)
    single = values if values.ndim == 3 else values @ np.asarray(GREY_WEIGHTS[grey])
    shown = np.ones(single.shape, bool) if measured is None else measured
    if shown.ndim == 4:
        shown = shown.all(axis=3)

    def points_of(depth: Float64) -> Float64:
        if camera is not None:
            return depth_to_points(depth, camera, "perspective")
        height, width = mask.shape
        k = np.array([[1 / pixel_size, 0, width / 2], [0, 1 / pixel_size, height / 2], [0, 0, 1]])
        return depth_to_points(depth, k, "orthographic")

    def integrated(solution: Solution, method: str) -> Float64:
        found = integration.integrate(
            solution.normal, solution.determined, camera=camera, method=method, pixel_size=pixel_size
        ).depth
        if camera is None:
            return found - np.nanmean(found)
        return found * (distance / np.nanmean(found))

    depth = np.where(mask, distance if camera is not None else 0.0, np.nan)
    solution, before, change = None, None, np.inf
    rounds = 0
    while rounds < MOST_ROUNDS and change > ENOUGH_DEGREES:
        # Where the surface has no depth yet, the nearest pixel's stands in.
        solution = _fit(single, shown, lights, points_of(_filled(depth)), mask)
        if not solution.determined.any():
            raise SolveError("no pixel has three lights or more that are not in one plane; nothing is solved")
        if before is not None:
            both = solution.determined & before.determined
            change = float(np.median(angular_error_degrees(solution.normal[both], before.normal[both])))
            on_round(change)
        before = solution
        depth = integrated(solution, "poisson")
        rounds += 1
    assert solution is not None
    if integrator != "poisson":
        depth = integrated(solution, integrator)
    points = points_of(_filled(depth))
    if values.ndim == 4:
        solution = replace(solution, albedo=_colours(values, shown, lights, points, solution))
    middle = points[solution.determined].mean(axis=0)
    toward = lights.positions - middle
    return NearSolution(
        solution, depth, toward / np.linalg.norm(toward, axis=1, keepdims=True), rounds, change
    )


def irradiance_vectors(lights: PointLights, points: Float64, reference: float) -> Float64:
    """Compute what n is multiplied with to get the irradiance of each light.

    Args:
        lights: K lights.
        points: (N, 3).
        reference: The distance at which a light's intensity is stated.

    Returns:
        (K, N, 3): the direction to the light, times (reference / distance)^2, times the LED's fall-off.
    """
    toward = lights.positions[:, None] - points
    distance = np.linalg.norm(toward, axis=2, keepdims=True)
    unit = toward / distance
    scaled = unit * (reference / distance) ** 2
    if lights.axes is not None and lights.falloff is not None:
        cosine = np.maximum(-np.einsum("kni,ki->kn", unit, lights.axes), 1e-6)
        scaled *= (cosine ** lights.falloff[:, None])[..., None]
    return scaled


def reference_distance(lights: PointLights, points: Float64) -> float:
    """Compute the mean distance of the lights from the middle of points (N, 3)."""
    return float(np.linalg.norm(lights.positions - points.mean(axis=0), axis=1).mean())


def _fit(grey: Float64, shown: Bool, lights: PointLights, points: Float64, mask: Bool) -> Solution:
    shape = mask.shape
    normal = np.zeros((*shape, 3), np.float32)
    albedo, residual, trust = (np.zeros(shape, np.float32) for _ in range(3))
    determined = np.zeros(shape, bool)
    rows, columns = np.nonzero(mask)
    reference = reference_distance(lights, points[mask])
    for start in range(0, len(rows), BLOCK):
        place = rows[start : start + BLOCK], columns[start : start + BLOCK]
        vectors = irradiance_vectors(lights, points[place], reference)
        values = grey[:, place[0], place[1]]
        used = shown[:, place[0], place[1]]
        size = np.linalg.norm(vectors, axis=2)
        corrected = values / np.maximum(size, 1e-12)
        weight = (used & (corrected > SHADOW * np.where(used, corrected, 0).max(axis=0))).astype(np.float64)
        fit = np.zeros((3, values.shape[1]))
        for number in range(FITS):
            matrix = np.stack(
                [
                    np.einsum("kn,kn,kn->n", weight, vectors[..., i], vectors[..., j])
                    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
                ]
            )
            right = np.einsum("kn,kni,kn->in", weight, vectors, values)
            with np.errstate(all="ignore"):
                fit, determinant, inverse_trace = solve_symmetric(matrix, right)
                fit = np.nan_to_num(fit)
                missing = np.einsum("kni,in->kn", vectors, fit) - values
                length = np.linalg.norm(fit, axis=0)
                if number + 1 < FITS:
                    lit = np.einsum("kni,in->kn", vectors, fit) > SHADOW * length * size * 0.5
                    relative = missing / np.maximum(size * length, 1e-30)
                    weight = (used & lit & (values > 0)) / (1 + (relative / OUTLIER) ** 2)
        with np.errstate(all="ignore"):
            total = (weight * size**2).sum(axis=0)
            good = usable(fit, spread(determinant, total), (weight > 0).sum(axis=0))
            good &= length > 0
            misfit = (weight * missing**2).sum(axis=0)
            unit = fit / length
            normal[place] = np.where(good, unit, 0).T
            albedo[place] = np.where(good, length, 0)
            residual[place] = np.where(good, np.sqrt(misfit / np.maximum(weight.sum(axis=0), 1e-30)), 0)
            judged = confidence(misfit, weight.sum(axis=0), length**2, inverse_trace)
            trust[place] = np.where(good, np.nan_to_num(judged), 0)
        determined[place] = good
    return Solution(normal, albedo, residual, trust, determined)


def _colours(
    values: Float64, shown: Bool, lights: PointLights, points: Float64, solution: Solution
) -> NDArray[np.float32]:
    """(H, W, 3) albedo of each channel that fits best, given the normals."""
    albedo = np.zeros((*solution.determined.shape, 3), np.float32)
    rows, columns = np.nonzero(solution.determined)
    reference = reference_distance(lights, points[solution.determined])
    for start in range(0, len(rows), BLOCK):
        place = rows[start : start + BLOCK], columns[start : start + BLOCK]
        vectors = irradiance_vectors(lights, points[place], reference)
        shading = np.einsum("kni,ni->kn", vectors, solution.normal[place])
        weight = shown[:, place[0], place[1]] & (shading > 0)
        squares = np.maximum((weight * shading**2).sum(axis=0), 1e-30)
        colours = np.einsum("kn,knc->nc", weight * shading, values[:, place[0], place[1]])
        albedo[place] = colours / squares[:, None]
    return albedo


def _filled(depth: Float64) -> Float64:
    """The depth with NaN replaced by the nearest depth."""
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(~np.isfinite(depth), return_distances=False, return_indices=True)
    return depth[nearest[0], nearest[1]]
