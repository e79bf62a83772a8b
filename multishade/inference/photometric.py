# SPDX-License-Identifier: Apache-2.0
"""Images of one object under known lights -> `SolvedObject`: normals, albedo, confidence and surface at image size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.boxes import Window
from multishade.geometry.depth import depth_to_points
from multishade.geometry.lights import require_in_front
from multishade.inference.measures import Measures, measure
from multishade.photometry.integration import methods as integration
from multishade.photometry.solvers import methods as solvers

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
        method: Of `multishade.photometry.solvers.methods`.
        grey: "luminance" or "mean", how colour becomes the number that is solved for normals.
        integrator: Of `multishade.photometry.integration.methods`; None for no surface.
        measured: (K, h, w) or (K, h, w, 3), False where a value is clipped and left out; None: all are measurements.
        on_step: Called with the name of each step before it begins.

    Raises:
        SolveError: If the lights or images do not fit, most lights are behind the image plane, or not one pixel is
            determined.
    """
    require_in_front(directions, "light directions")
    on_step("normals")
    solution = solvers.solve(images, directions, mask[window], method=method, grey=grey, measured=measured)
    if not solution.determined.any():
        raise SolveError("no pixel has three lights or more that are not in one plane; nothing is solved")

    def at_full_size(values: NDArray[Any]) -> NDArray[Any]:
        full = np.zeros(mask.shape + values.shape[2:], dtype=values.dtype)
        full[window] = values
        return full

    depth = None
    if integrator is not None:
        on_step("surface")
        depth = integration.integrate(
            solution.normal, solution.determined, camera=camera, method=integrator
        ).depth
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
