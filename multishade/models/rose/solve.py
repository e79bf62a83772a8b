# SPDX-License-Identifier: Apache-2.0
"""The output of a model for one photo -> normals, confidence and mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.models.rose.settings import RoseSettings
from multishade.photometry.solvers import methods

Float32 = NDArray[np.float32]
DEFAULT_SOLVER = "relu"
OBJECT_LENGTH = 0.5
COVERED = 0.5


@dataclass(frozen=True)
class Solved:
    """normal: (H, W, 3) unit vectors, 0 if there is none. confidence: (H, W), 0 to 1. mask: (H, W), the object."""

    normal: Float32
    confidence: Float32
    mask: NDArray[np.bool_]


def solve(
    settings: RoseSettings,
    generated: Float32,
    mask: NDArray[np.bool_] | None = None,
    solver: str = DEFAULT_SOLVER,
    coverage: Float32 | None = None,
    error: Float32 | None = None,
) -> Solved:
    """Solve what `RoSE.generate` gives for one photo.

    Args:
        generated: Shading (K, H, W), or normals (3, H, W) of any length.
        mask: (H, W), the object; default: where the model detects one.
        solver: Of `multishade.photometry.solvers.methods`.
        coverage: (H, W), 0 to 1, as the model predicts it: the object, if there is no mask, is where it is above one
            half. None: derived from the brightest frame.
        error: (H, W) expected angular error, radians, as the model predicts it. The confidence is 1 less its share of
            a right angle. None: the confidence is the solver's, or the length of a normal predicted directly, up to 1.

    Raises:
        SolveError: If the solver is unknown.
    """
    if mask is None and coverage is not None:
        mask = coverage > COVERED
    solved = _solve(settings, generated, mask, solver)
    if error is None:
        return solved
    given = (solved.normal != 0).any(axis=2)
    confidence = np.where(given, np.clip(1 - error / (np.pi / 2), 0, 1), 0).astype(np.float32)
    return Solved(solved.normal, confidence, solved.mask)


def _solve(settings: RoseSettings, generated: Float32, mask: NDArray[np.bool_] | None, solver: str) -> Solved:
    if settings.target == "shading":
        shading = np.maximum(generated, 0)
        inside = shading.max(axis=0) > _faintest(settings) / 2 if mask is None else mask
        if not inside.any():
            return Solved(
                np.zeros((*inside.shape, 3), np.float32), np.zeros(inside.shape, np.float32), inside
            )
        solution = methods.solve(shading, settings.directions, inside, method=solver)
        return Solved(solution.normal, solution.confidence, inside)
    length = np.linalg.norm(generated, axis=0)
    inside = length > OBJECT_LENGTH if mask is None else mask
    usable = inside & (length > 0)
    normal = np.where(usable, generated / np.where(usable, length, 1), 0).astype(np.float32)
    return Solved(
        np.moveaxis(normal, 0, 2), np.where(usable, np.minimum(length, 1), 0).astype(np.float32), inside
    )


def _faintest(settings: RoseSettings) -> float:
    """The least that the brightest frame of a surface turned to the camera can be; off the object it is 0.

    A normal at theta from the view axis has n . l >= cos e cos(180 / K) sin theta + sin e cos theta under its nearest
    light of the ring, least at one of the ends, theta = 0 or 90 degrees.
    """
    elevation = np.radians(settings.elevation_degrees)
    return float(min(np.sin(elevation), np.cos(elevation) * np.cos(np.pi / settings.lights)))


def solve_batch(
    settings: RoseSettings,
    frames: Float32,
    masks: NDArray[np.bool_] | None = None,
    solver: str = DEFAULT_SOLVER,
    coverage: Float32 | None = None,
    error: Float32 | None = None,
) -> tuple[Float32, Float32, NDArray[np.bool_]]:
    """Solve each photo of a batch, as `solve`.

    Args:
        frames: (B, K or 3, H, W).
        masks: (B, H, W).
        coverage, error: (B, 1, H, W).

    Returns:
        Normals (B, 3, H, W), confidence (B, 1, H, W) and masks (B, 1, H, W).
    """
    results = [
        solve(
            settings,
            frames[place],
            None if masks is None else masks[place],
            solver,
            None if coverage is None else coverage[place, 0],
            None if error is None else error[place, 0],
        )
        for place in range(len(frames))
    ]
    return (
        np.stack([np.moveaxis(result.normal, 2, 0) for result in results]),
        np.stack([result.confidence[None] for result in results]),
        np.stack([result.mask[None] for result in results]),
    )
