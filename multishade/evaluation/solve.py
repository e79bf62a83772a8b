# SPDX-License-Identifier: Apache-2.0
"""Photographs under known lights, or beside a ball -> `Results`, for `multishade solve` and the studio."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from multishade.errors import SolveError
from multishade.evaluation.objects import BenchmarkObject, Float32, Float64, NearLights
from multishade.evaluation.readers.ball import with_ball_lights
from multishade.geometry.boxes import bounding_window
from multishade.geometry.lights import require_in_front
from multishade.inference.photometric import NearPlace, SolvedObject, solve_near_object, solve_object
from multishade.inference.results import Results, results_of_solved
from multishade.inference.view import view_of_object
from multishade.photometry.near_light import PointLights

NEAR = "near"


@dataclass(frozen=True)
class SolveOptions:
    """How an object is solved.

    Attributes:
        method: Of `photometry.solvers.methods`, or a trained network; NEAR for lights near by of which directions are
            known, too. If only their places are, its solver serves whatever the method.
        grey: "luminance" or "mean".
        integrator: Of `photometry.integration.methods`; None for no surface.
        fov_x: Angle of view across the width in degrees, which counts more than the object's camera; or None.
        ball: "chrome" or "matte", a ball in the photographs that tells the lights; None: they are known.
        ball_mask: The ball is white in it; None: it is searched.
        place: Where the object is among near lights.
        facts: Further entries for record.json.
    """

    method: str = "robust"
    grey: str = "luminance"
    integrator: str | None = "bilateral"
    fov_x: float | None = None
    ball: str | None = None
    ball_mask: Path | None = None
    place: NearPlace = NearPlace()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SolvedTarget:
    """A solved object.

    Attributes:
        target: The object, with the lights that a ball shows.
        solved: What they determine.
        results: What is written.
        error: Mean and median angular error in degrees; None without a true normal.
    """

    target: BenchmarkObject
    solved: SolvedObject
    results: Results
    error: tuple[float, float] | None


def solve_target(
    target: BenchmarkObject,
    options: SolveOptions,
    on_image: Callable[[], object] = lambda: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> SolvedTarget:
    """Solve one object.

    Args:
        target: With photographs, and lights unless a ball tells them.
        options: How.
        on_image: Called after each photograph that is read.
        on_step: Called with the name of each later step before it begins.

    Returns:
        The solved object.

    Raises:
        SolveError: As `solve_object` and `solve_near_object`, and if the ball tells no lights.
        EvaluationError: If photographs and mask do not fit.
    """
    height, width = target.mask.shape
    view = view_of_object(width, height, None if target.orthographic else target.camera, options.fov_x)
    target = replace(target, camera=view.camera, orthographic=view.camera is None)
    if options.ball is not None:
        target = with_ball_lights(target, options.ball, options.ball_mask)
    near = target.near_lights if target.directions is None or options.method == NEAR else None
    if near is None and options.method == NEAR:
        raise SolveError(
            f"{target.name}: --method {NEAR} needs to know where the lights are (--light-positions)"
        )
    if near is not None and target.directions is not None:
        # With directions, the photographs are those under lights that count as far; the inputs are untouched.
        target = replace(target, directions=None, load_image=target.load_input, notes=())
    try:
        images, solved, directions = _solve(target, near, options, on_image, on_step)
    except SolveError as problem:
        raise SolveError(f"{target.name}: {problem}") from problem
    record = {
        "name": target.name,
        "method": options.method if near is None else NEAR,
        "grey": options.grey,
        "integrator": options.integrator or "none",
        "images": list(target.image_names),
        "directions": np.round(directions, 6).tolist(),
        "pixels": int(target.mask.sum()),
        "ball": options.ball,
        "positions": None if near is None else near.positions.tolist(),
        **options.facts,
        "notes": list(target.notes),
    }
    error = None
    if target.normal is not None:
        degrees = solved.error(target.normal)
        error = float(np.nanmean(degrees)), float(np.nanmedian(degrees))
        record["mean_error_degrees"] = round(error[0], 4)
    frontal = int(np.argmax(directions[:, 2]))
    photograph = (target.image_names[frontal], target.image(frontal))
    sequence = None if near is not None else (images, directions)
    results = results_of_solved(solved, photograph, view, target.normal, record, sequence)
    return SolvedTarget(target, solved, results, error)


def _solve(
    target: BenchmarkObject,
    near: NearLights | None,
    options: SolveOptions,
    on_image: Callable[[], object],
    on_step: Callable[[str], None],
) -> tuple[Float32, SolvedObject, Float64]:
    """The images of the object's window, what they determine, and (K, 3) directions to the lights."""
    if target.directions is not None:
        require_in_front(target.directions, "light directions")
    window = bounding_window(target.mask, margin=1)
    images, measured = target.measurements(window=window, on_image=on_image)
    common: dict[str, Any] = {
        "camera": target.camera_of(window),
        "grey": options.grey,
        "integrator": options.integrator,
        "measured": measured,
        "on_step": on_step,
    }
    if near is not None:
        lights = PointLights(near.positions, near.axes, near.falloff)
        place = options.place
        if place.distance is None and target.camera is not None:
            place = replace(place, distance=near.distance)
        return images, *solve_near_object(images, lights, place, target.mask, window, **common)
    if target.directions is None:
        raise SolveError("no lights are known")
    solved = solve_object(images, target.directions, target.mask, window, method=options.method, **common)
    return images, solved, target.directions
