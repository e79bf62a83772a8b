# SPDX-License-Identifier: Apache-2.0
"""Objects of a benchmark and a method -> one row of metrics a prediction, and the maps that show it."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from multishade.evaluation import metrics, surfaces
from multishade.evaluation.axis_check import AxisCheck, AxisMismatch
from multishade.evaluation.methods.base import ALL, Method, PredictedNormals
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.evaluation.table import ResultRow
from multishade.geometry import conventions, lights
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging.normal_maps import write_normal_png
from multishade.photometry import shading

COMPUTED = (
    "the sequences of mode lambert are computed from the true normals, so a solver's error on them is rounding; "
    "render with shading.mode=cast or photometric to measure solvers"
)
# The sequence that shading metrics compare: MultiShade's own ring of nine lights at 45 degrees.
RING_LIGHTS, RING_ELEVATION = 9, 45.0


@dataclass(frozen=True)
class MeasureSettings:
    """What is measured besides angles.

    Attributes:
        integrator: How normals become the surface that is compared with a true depth, if there is one; None skips it.
        shading: Whether shading under a ring of lights is compared.
        pictures: Whether a picture of each prediction is written.
        axes: Those in which the predictions were declared, for the check that the declaration fits.
    """

    integrator: str | None = "bilateral"
    shading: bool = True
    pictures: bool = True
    axes: str = conventions.CAMERA_AXES


@dataclass(frozen=True)
class Evaluation:
    """The results of one method. maps: (object, image) -> path of its picture, relative to the output folder."""

    method: str
    settings: str
    benchmark: str
    rows: tuple[ResultRow, ...]
    pooled: Mapping[str, float]
    averaged: Mapping[str, float]
    mismatch: AxisMismatch | None
    notes: tuple[str, ...]
    maps: Mapping[tuple[str, str], str] = field(default_factory=dict)


def run_method(
    method: Method,
    objects: Iterable[BenchmarkObject],
    name: str,
    description: str = "",
    settings: MeasureSettings = MeasureSettings(),
    output: Path | None = None,
    on_row: Callable[[ResultRow, float], None] = lambda row, seconds: None,
) -> Evaluation:
    """Run a method on every object, one at a time, and measure it.

    Args:
        method: Objects -> predicted normals.
        objects: Of one benchmark, read when their turn comes.
        name: Of the method, in tables.
        description: Of the method's settings, in tables.
        settings: What is measured.
        output: Folder for `normals/` (16-bit PNG, camera frame) and `maps/`; None writes nothing.
        on_row: Called after each prediction with its row and the seconds that it took.

    Returns:
        Rows, averages, and the check of the declared axes.
    """
    rows: list[ResultRow] = []
    notes: list[str] = []
    maps: dict[tuple[str, str], str] = {}
    pooled = metrics.PooledErrors()
    check = AxisCheck(settings.axes)
    benchmark = ""
    for target in objects:
        benchmark = target.benchmark
        notes += [f"{target.name}: {note}" for note in target.notes]
        if target.tags.get("mode") == "lambert":
            notes.append(COMPUTED)
        scored = target.scored
        begun = time.perf_counter()
        for prediction in method(target):
            seconds = time.perf_counter() - begun
            error = angular_errors(prediction.normal, target)
            pooled.add(error[scored])
            predicted = scored & np.isfinite(error)
            check.add(prediction.normal[predicted], target.true_normal[predicted])
            row = ResultRow(
                target.benchmark,
                target.name,
                _image(target, prediction),
                name,
                description,
                target.tags,
                measure(prediction.normal, error, target, settings),
            )
            rows.append(row)
            if output is not None:
                maps.update(_write_maps(output, target, prediction, error, settings.pictures))
            on_row(row, seconds)
            begun = time.perf_counter()
    return Evaluation(
        method=name,
        settings=description,
        benchmark=benchmark,
        rows=tuple(rows),
        pooled=pooled.summary(),
        averaged=metrics.average([row.metrics for row in rows]),
        mismatch=check.mismatch(),
        notes=tuple(dict.fromkeys(notes)),
        maps=maps,
    )


def angular_errors(normal: Float32, target: BenchmarkObject) -> Float32:
    """(H, W) degrees; NaN where the prediction has no normal."""
    given = (normal != 0).any(axis=2)
    return np.where(given, angular_error_degrees(normal, target.true_normal), np.nan).astype(np.float32)


def measure(
    normal: Float32, error: Float32, target: BenchmarkObject, settings: MeasureSettings
) -> dict[str, float]:
    """All metrics of one prediction."""
    scored = target.scored
    row = metrics.normal_metrics(error, target.true_normal, scored)
    if settings.shading and min(scored.shape) >= 11 and scored.any():
        directions = lights.ring(RING_LIGHTS, RING_ELEVATION)
        row |= metrics.shading_metrics(
            shading.lambert(normal, directions, scored),
            shading.lambert(target.true_normal, directions, scored),
            scored,
        )
    if settings.integrator is not None:
        row |= surfaces.surface_metrics(normal, target, settings.integrator)
    return row


def _write_maps(
    output: Path, target: BenchmarkObject, prediction: PredictedNormals, error: Float32, pictures: bool
) -> dict[tuple[str, str], str]:
    name = (
        target.relative_path
        if prediction.image == ALL
        else f"{target.relative_path}/{Path(prediction.image).stem}"
    )
    normal_path = output / "normals" / f"{name}.png"
    normal_path.parent.mkdir(parents=True, exist_ok=True)
    write_normal_png(normal_path, prediction.normal, (prediction.normal != 0).any(axis=2))
    if not pictures:
        return {}
    from multishade.evaluation.maps import draw_maps

    map_path = output / "maps" / f"{name}.png"
    map_path.parent.mkdir(parents=True, exist_ok=True)
    draw_maps(map_path, target, prediction, error)
    return {(target.name, _image(target, prediction)): f"maps/{name}.png"}


def _image(target: BenchmarkObject, prediction: PredictedNormals) -> str:
    """The `image` column: view and photograph, if there are several."""
    parts = [target.view, "" if prediction.image == ALL else prediction.image]
    return "/".join(filter(None, parts)) or ALL
