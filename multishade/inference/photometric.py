# SPDX-License-Identifier: Apache-2.0
"""Images of one object under known lights -> `SolvedObject`: normals, albedo, confidence and surface at image size."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.boxes import Window
from multishade.geometry.depth import depth_to_points
from multishade.geometry.lights import require_in_front, require_spread
from multishade.inference.learned_stereo import is_learned, load_stereo, solve_learned
from multishade.inference.measures import Measures, measure
from multishade.photometry.integration import methods as integration
from multishade.photometry.near_light import PointLights, solve_near
from multishade.photometry.solvers import methods as solvers
from multishade.photometry.solvers.solution import Solution

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class SolvedObject:
    """What images under known lights determine.

    Attributes:
        normal: (H, W, 3) float32 unit vectors, camera frame; 0 where they are not determined.
        albedo: (H, W, 3) float32, linear.
        confidence: (H, W) float32, 0 to 1.
        determined: (H, W) bool.
        mask: (H, W) bool, the object.
        window: Rows and columns around the object.
        depth: (h, w) over `window`, NaN where there is no surface; None if it was not integrated.
        camera: (3, 3) intrinsics of `window` in pixels; None for an orthographic view.
        measures: What normals and lights tell about the input.
        notes: Plain sentences about what is suspect.
        unit: Of the depth if it is a true length, in words; None if only its shape is known.
    """

    normal: Float32
    albedo: Float32
    confidence: Float32
    determined: Bool
    mask: Bool
    window: Window
    depth: Float64 | None = None
    camera: Float64 | None = None
    measures: Measures | None = None
    notes: tuple[str, ...] = ()
    unit: str | None = None

    def error(self, truth: Float32) -> Float32:
        """Compute the angular error.

        Args:
            truth: (H, W, 3) true normals, 0 where there is none.

        Returns:
            (H, W) degrees; NaN off the mask, without a true normal, and where nothing is determined.
        """
        scored = self.mask & (truth != 0).any(axis=2) & self.determined
        return np.where(scored, angular_error_degrees(self.normal, truth), np.nan).astype(np.float32)

    def points(self) -> Float64:
        """Compute the surface's points, (h, w, 3) over `window`, camera frame; without a camera, one unit a pixel."""
        assert self.depth is not None
        if self.camera is None:
            return depth_to_points(self.depth, np.eye(3), "orthographic")
        return depth_to_points(self.depth, self.camera, "perspective")


def solve_object(
    images: NDArray[Any],
    directions: Float64,
    mask: Bool,
    window: Window,
    camera: Float64 | None = None,
    method: str = "robust",
    grey: str = "luminance",
    integrator: str | None = "bilateral",
    measured: Bool | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> SolvedObject:
    """Solve images under known lights for normals and albedo, and integrate the normals.

    Args:
        images: (K, h, w) or (K, h, w, 3) linear, over `window`, divided by the lights' intensities.
        directions: (K, 3) unit vectors to the lights, camera frame.
        mask: (H, W), the object in the whole image.
        window: The rows and columns that `images` are of.
        camera: (3, 3) intrinsics of `window`; None for an orthographic view.
        method: Of `multishade.photometry.solvers.methods`, or a trained network ("iga-psn", "iga-psn:FOLDER").
        grey: "luminance" or "mean", how colour becomes the number that is solved for normals.
        integrator: Of `multishade.photometry.integration.methods`; None for no surface.
        measured: (K, h, w) or (K, h, w, 3), False where a value is clipped and left out; None: all are measurements.
        on_step: Called with the name of each step before it begins.

    Raises:
        SolveError: If the lights or images do not fit, most lights are behind the image plane, or not one pixel is
            determined.
        ModelError: If a network cannot be loaded.
    """
    require_in_front(directions, "light directions")
    require_spread(directions, "light directions")
    on_step("normals")
    if is_learned(method):
        solution = solve_learned(images, directions, mask[window], load_stereo(method))
    else:
        solution = solvers.solve(
            images, directions, mask[window], method=method, grey=grey, measured=measured
        )
    if not solution.determined.any():
        raise SolveError("no pixel has three lights or more that are not in one plane; nothing is solved")

    depth = None
    if integrator is not None:
        on_step("surface")
        depth = integration.integrate(
            solution.normal, solution.determined, camera=camera, method=integrator
        ).depth
    return _solved(solution, directions, mask, window, camera, depth, measured)


@dataclass(frozen=True)
class NearPlace:
    """Where an object stands among near lights, in the unit of their positions.

    Attributes:
        distance: Its mean distance from a perspective camera, along the camera's axis.
        pixel_size: Distance of neighbouring pixels of an orthographic camera.
    """

    distance: float | None = None
    pixel_size: float | None = None


def solve_near_object(
    images: NDArray[Any],
    lights: PointLights,
    place: NearPlace,
    mask: Bool,
    window: Window,
    camera: Float64 | None = None,
    grey: str = "luminance",
    integrator: str | None = "bilateral",
    measured: Bool | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[SolvedObject, Float64]:
    """Solve images under lights at known places near the object.

    Args:
        images: (K, h, w) or (K, h, w, 3) linear, over `window`, divided by the lights' intensities.
        lights: Where the lights are; for an orthographic camera the origin is the object's mean plane at the centre of
            the whole image.
        place: Where the object is.
        mask: (H, W), the object in the whole image.
        window: The rows and columns that `images` are of.
        camera: (3, 3) intrinsics of `window`; None for an orthographic view.
        grey: As for `solve_object`.
        integrator: As for `solve_object`.
        measured: As for `solve_object`.
        on_step: As for `solve_object`.

    Returns:
        The solved object, and (K, 3) the directions to the lights from the middle of its surface.

    Raises:
        SolveError: As `solve_object`, and if the place is not stated.
    """
    if place.pixel_size is not None and (camera is not None or not 0 < place.pixel_size < math.inf):
        raise SolveError(
            f"the size of a pixel on the object, {place.pixel_size:g}: expected a positive number, and only without a "
            "camera; with one give the object's distance (--distance)"
        )
    if camera is None and place.pixel_size is None:
        raise SolveError(
            "near lights and no camera: the size of a pixel on the object, in the unit of the positions, is needed "
            "(--pixel-size), or the camera (--fov-x) and the object's distance (--distance)"
        )
    pixel = place.pixel_size or 1.0
    if camera is None:
        rows, columns = window
        right = ((columns.start + columns.stop) / 2 - mask.shape[1] / 2) * pixel
        up = (mask.shape[0] / 2 - (rows.start + rows.stop) / 2) * pixel
        lights = replace(lights, positions=lights.positions - np.array([right, up, 0.0]))
    on_step("normals")
    near = solve_near(
        images,
        lights,
        mask[window],
        camera,
        place.distance or 0.0,
        pixel,
        grey,
        integrator or "poisson",
        measured,
        lambda change: on_step(f"normals change by {change:.2f} degrees"),
    )
    depth = near.depth if camera is not None else near.depth / pixel
    solved = _solved(
        near.solution, near.directions, mask, window, camera, None if integrator is None else depth, measured
    )
    return replace(
        solved, unit="unit of the light positions" if camera is not None else None
    ), near.directions


def _solved(
    solution: Solution,
    directions: Float64,
    mask: Bool,
    window: Window,
    camera: Float64 | None,
    depth: Float64 | None,
    measured: Bool | None,
) -> SolvedObject:
    """The solution of a window at the size of the images, with its measures."""

    def at_full_size(values: NDArray[Any]) -> NDArray[Any]:
        full = np.zeros(mask.shape + values.shape[2:], dtype=values.dtype)
        full[window] = values
        return full

    measures, notes = measure(
        solution.normal, solution.confidence, solution.determined, directions, measured, mask[window]
    )
    return SolvedObject(
        normal=at_full_size(solution.normal),
        albedo=at_full_size(solution.albedo),
        confidence=at_full_size(solution.confidence),
        determined=at_full_size(solution.determined),
        mask=mask,
        window=window,
        depth=depth,
        camera=camera,
        measures=measures,
        notes=notes,
    )
