# SPDX-License-Identifier: Apache-2.0
"""Objects of a benchmark and a method -> one row of metrics a prediction, and the maps that show it."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from multishade.evaluation import metrics, surfaces
from multishade.evaluation.axis_check import AxisCheck, AxisMismatch
from multishade.evaluation.methods.named import ALL, Method, Prediction
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.evaluation.table import Row
from multishade.geometry import conventions, lights
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging.normal_maps import write_normal_png
from multishade.photometry import shading

# The sequence that shading metrics compare: MultiShade's own ring of nine lights at 45 degrees.
RING_LIGHTS, RING_ELEVATION = 9, 45.0


@dataclass(frozen=True)
class Settings:
    """What is measured beside angles. surface: how to integrate the normals where there is a true depth, or "none"."""

    surface: str = "bilateral"
    shading: bool = True
    draw: bool = True
    declared: str = conventions.CAMERA_AXES


@dataclass(frozen=True)
class Evaluation:
    """Everything one run found. maps: (object, image) -> path of its picture, relative to the output folder."""

    method: str
    settings: str
    benchmark: str
    rows: tuple[Row, ...]
    pooled: Mapping[str, float]
    averaged: Mapping[str, float]
    mismatch: AxisMismatch | None
    notes: tuple[str, ...]
    maps: Mapping[tuple[str, str], str] = field(default_factory=dict)


def evaluate(
    objects: Iterable[BenchmarkObject],
    method: Method,
    method_name: str,
    settings_text: str,
    settings: Settings,
    out: Path | None = None,
    report: Callable[[Row, float], None] = lambda row, seconds: None,
) -> Evaluation:
    """Run `method` on every object, one at a time, and measure it.

    out: a folder for `normals/` (16-bit PNG, our axes) and `maps/`; None writes nothing. report: called after
    each prediction with its row and the seconds it took.
    """
    rows: list[Row] = []
    notes: list[str] = []
    maps: dict[tuple[str, str], str] = {}
    pooled = metrics.PooledErrors()
    check = AxisCheck(settings.declared)
    benchmark = ""
    for target in objects:
        benchmark = target.benchmark
        notes += [f"{target.name}: {note}" for note in target.notes]
        scored = target.scored
        begun = time.perf_counter()
        for prediction in method(target):
            seconds = time.perf_counter() - begun
            error = angular_errors(prediction.normal, target)
            pooled.add(error[scored])
            predicted = scored & np.isfinite(error)
            check.add(prediction.normal[predicted], target.true_normal[predicted])
            row = Row(
                target.benchmark,
                target.name,
                _image(target, prediction),
                method_name,
                settings_text,
                target.tags,
                measure(prediction.normal, error, target, settings),
            )
            rows.append(row)
            if out is not None:
                maps.update(_write_maps(out, target, prediction, error, settings.draw))
            report(row, seconds)
            begun = time.perf_counter()
    return Evaluation(
        method=method_name,
        settings=settings_text,
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


def measure(normal: Float32, error: Float32, target: BenchmarkObject, settings: Settings) -> dict[str, float]:
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
    if settings.surface != "none":
        row |= surfaces.surface_metrics(normal, target, settings.surface)
    return row


def _write_maps(
    out: Path, target: BenchmarkObject, prediction: Prediction, error: Float32, draw: bool
) -> dict[tuple[str, str], str]:
    place = target.place if prediction.image == ALL else f"{target.place}/{Path(prediction.image).stem}"
    normal_path = out / "normals" / f"{place}.png"
    normal_path.parent.mkdir(parents=True, exist_ok=True)
    write_normal_png(normal_path, prediction.normal, (prediction.normal != 0).any(axis=2))
    if not draw:
        return {}
    from multishade.evaluation import maps

    map_path = out / "maps" / f"{place}.png"
    map_path.parent.mkdir(parents=True, exist_ok=True)
    maps.draw(map_path, target, prediction, error)
    return {(target.name, _image(target, prediction)): f"maps/{place}.png"}


def _image(target: BenchmarkObject, prediction: Prediction) -> str:
    """The `image` column: view and photograph, as far as there are several."""
    parts = [target.view, "" if prediction.image == ALL else prediction.image]
    return "/".join(filter(None, parts)) or ALL
