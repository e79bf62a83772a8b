# SPDX-License-Identifier: Apache-2.0
"""An object photographed beside a ball, without known lights -> the same object with the lights that the ball shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from multishade.errors import EvaluationError
from multishade.evaluation.objects import RGB, BenchmarkObject
from multishade.geometry.boxes import bounding_window
from multishade.geometry.camera import view_directions
from multishade.imaging.read import read_mask
from multishade.photometry.balls import AXIS, Circle, circle_of_mask, find_circle, lights_of_ball

ROOM = 1.1  # radii around the ball that are no part of the object


def with_ball_lights(target: BenchmarkObject, kind: str, mask_file: Path | None = None) -> BenchmarkObject:
    """Compute the lights by a ball in the photographs.

    Args:
        target: The object; its own directions, if it has any, are replaced.
        kind: "chrome" or "matte".
        mask_file: The ball is white in it; None: it is searched.

    Returns:
        The object with directions, and with intensities if the ball is matt and the object has none; the ball is taken
        out of its mask, unless the mask holds nothing else.

    Raises:
        EvaluationError: If the mask does not fit the photographs.
        SolveError: If there is no ball, or it does not show the lights.
    """
    circle = _circle(target, mask_file)
    room = circle.inside(target.mask.shape, ROOM)
    window = bounding_window(circle.inside(target.mask.shape), margin=2)
    images, measured = target.measurements(RGB, window)
    local = replace(circle, u=circle.u - window[1].start, v=circle.v - window[0].start)
    view = AXIS
    if target.camera is not None and not target.orthographic:
        middle = min(int(circle.v), len(room) - 1), min(int(circle.u), room.shape[1] - 1)
        x, y, z = view_directions(target.mask.shape, target.camera, "perspective")[middle]
        view = float(x), float(y), float(z)
    lights = lights_of_ball(images, local, kind, measured, view)
    notes = [
        f"The lights are those of the {'chrome' if kind == 'chrome' else 'matt'} ball at column {circle.u:.0f}, row "
        f"{circle.v:.0f}, radius {circle.radius:.1f} pixels."
    ]
    if target.directions is not None:
        notes.append("The directions of the file of lights are not used.")
    strengths = target.light_intensities
    if strengths is None and lights.strengths is not None:
        strengths = lights.strengths
        notes.append("The intensities of the lights are those of the ball, too.")
    mask = target.mask & ~room
    kept = [note for note in target.notes if strengths is None or "count as equally strong" not in note]
    return replace(
        target,
        directions=lights.directions,
        light_intensities=strengths,
        mask=mask if mask.any() else target.mask,
        notes=(*kept, *notes),
    )


def _circle(target: BenchmarkObject, mask_file: Path | None) -> Circle:
    if mask_file is not None:
        mask = read_mask(mask_file)
        if mask.shape != target.mask.shape:
            raise EvaluationError(
                f"{mask_file}: a mask of {mask.shape[1]} x {mask.shape[0]} pixels for photographs of "
                f"{target.mask.shape[1]} x {target.mask.shape[0]}"
            )
        return circle_of_mask(mask, str(mask_file))
    brightest = np.zeros(target.mask.shape, np.float32)
    for index in range(len(target.image_names)):
        np.maximum(brightest, target.image(index).mean(axis=2), out=brightest)
    return find_circle(brightest[None], target.name)
