# SPDX-License-Identifier: Apache-2.0
"""Networks and test views -> the error of the surface that they recover, over all pixels and by tilt.

A surface is the depth of a perspective camera: integrated from the predicted normals, or the predicted relief as it is.
Both are compared with the true depth after the best scale of each connected patch, in percent of the relief (1st to
99th percentile of the true depth), so what a network cannot know counts for neither.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.study_supervision.arms import DEPTH, NORMALS, Arm
from benchmarks.study_supervision.data import Views, batch_of
from multishade.errors import SolveError
from multishade.evaluation.metrics import TILT_EDGES, best_scale
from multishade.evaluation.surfaces import SMALLEST_PATCH
from multishade.evaluation.table import ResultRow
from multishade.geometry.angles import angular_error_degrees
from multishade.models.surface.model import Surface, depth_of_relief, normals_of_relief, seen_by
from multishade.photometry.integration.methods import integrate

BENCHMARK = "test views"
ERROR, ANGLE = "surface", "angle"
BATCH = 16
FLAT, TRUE = "flat", "true normals"  # what needs no network: a plane, and how well integration itself does
TILTS = tuple(f"tilt {low:g} to {high:g}" for low, high in zip(TILT_EDGES[:-1], TILT_EDGES[1:], strict=True))


@dataclass(frozen=True)
class Shape:
    """What a network makes of one photo. normal: (H, W, 3); depth: (H, W), up to scale, or None."""

    normal: NDArray[np.float32]
    depth: NDArray[np.float32] | None


def measure(models: Sequence[Surface], arm: Arm, seed: int, views: Views, photos: int) -> list[ResultRow]:
    """Measure an arm: one row for each surface, view and photo.

    Args:
        models: One network, or those whose normals are averaged.
        arm: What is measured of them.
        seed: Of the run.
        views: Of the test.
        photos: How many photos of each view are looked at.
    """
    rows = []
    for view, photo, shape in _shapes(models, views, photos):
        for surface in arm.surfaces:
            metrics = _metrics(views, view, shape, surface)
            rows.append(_row(views, view, photo, arm.name, settings_text(surface, seed), metrics))
    return rows


def baselines(views: Views) -> list[ResultRow]:
    """Measure a plane that faces the camera, and the integral of the true normals."""
    rows = []
    for view in range(len(views)):
        normal = np.moveaxis(views.normal[view].astype(np.float32), 0, 2)
        flat = np.zeros_like(normal)
        flat[..., 2] = (normal != 0).any(axis=2)
        plane = Shape(flat, np.ones(normal.shape[:2], np.float32))
        for name, shape, surface in ((FLAT, plane, DEPTH), (TRUE, Shape(normal, None), NORMALS)):
            rows.append(_row(views, view, 0, name, "", _metrics(views, view, shape, surface)))
    return rows


def settings_text(surface: str, seed: int) -> str:
    """Identify the rows of a surface and a seed."""
    return f"surface={surface} seed={seed}"


def _shapes(models: Sequence[Surface], views: Views, photos: int) -> Iterator[tuple[int, int, Shape]]:
    for photo in range(min(photos, views.image.shape[1])):
        for start in range(0, len(views), BATCH):
            rows = np.arange(start, min(start + BATCH, len(views)))
            image = torch.from_numpy(views.image[rows, photo].astype(np.float32) / 255)
            normal, depth = _predicted(models, views, rows, image)
            for place, view in enumerate(rows):
                yield (
                    int(view),
                    photo,
                    Shape(
                        np.moveaxis(normal[place].numpy(), 0, 2),
                        None if depth is None else depth[place, 0].numpy(),
                    ),
                )


@torch.no_grad()
def _predicted(
    models: Sequence[Surface], views: Views, rows: NDArray[np.intp], image: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Normals (B, 3, H, W) and depth (B, 1, H, W); several networks are averaged."""
    normals, depths = [], []
    for model in models:
        batch = batch_of(views, rows, image).to(model.device)
        normal, relief = model.network(seen_by(batch.image, batch.mask))
        if relief is not None:
            depths.append(depth_of_relief(relief, batch.mask, batch.intrinsics).cpu())
        normals.append((normals_of_relief(relief) if normal is None else normal).cpu())
    normal = torch.nn.functional.normalize(torch.stack(normals).sum(dim=0), dim=1)
    return normal, torch.stack(depths).mean(dim=0) if depths else None


def _metrics(views: Views, view: int, shape: Shape, surface: str) -> dict[str, float]:
    true_normal = np.moveaxis(views.normal[view].astype(np.float32), 0, 2)
    mask = (true_normal != 0).any(axis=2)
    truth = views.depth[view, 0].astype(np.float64)
    if surface == DEPTH:
        assert shape.depth is not None
        depth = shape.depth.astype(np.float64)
    else:
        depth = _integrated(shape.normal, mask, views.intrinsics[view])
    low, high = np.percentile(truth[mask], [1, 99])
    error = np.full(mask.shape, np.nan)
    labels, count = scipy.ndimage.label(mask & np.isfinite(depth))
    for label in range(1, count + 1):
        inside = labels == label
        if int(inside.sum()) >= SMALLEST_PATCH:
            error[inside] = np.abs(depth[inside] * best_scale(depth[inside], truth[inside]) - truth[inside])
    percent = 100 * error / max(high - low, 1e-9)
    tilt = np.degrees(np.arccos(np.clip(true_normal[..., 2], -1, 1)))
    angle = angular_error_degrees(shape.normal, true_normal)
    metrics = {ERROR: _mean(percent[mask]), ANGLE: _mean(angle[mask])}
    for name, low_edge, high_edge in zip(TILTS, TILT_EDGES[:-1], TILT_EDGES[1:], strict=True):
        inside = mask & (tilt >= low_edge) & ((tilt < high_edge) | (high_edge == TILT_EDGES[-1]))
        metrics[name] = _mean(percent[inside])
    return metrics


def _integrated(
    normal: NDArray[np.float32], mask: NDArray[np.bool_], camera: NDArray[np.floating]
) -> NDArray[np.float64]:
    try:
        return integrate(normal, mask, camera=camera.astype(np.float64), method="poisson").depth
    except SolveError:  # no pixel of the object has a usable normal
        return np.full(mask.shape, np.nan)


def _mean(values: NDArray[np.floating]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def _row(views: Views, view: int, photo: int, method: str, settings: str, metrics: Any) -> ResultRow:
    return ResultRow(
        BENCHMARK,
        str(views.objects[view]),
        f"{views.keys[view]}/{views.photos[photo]}",
        method,
        settings,
        {"family": str(views.families[view]), "material": str(views.materials[view])},
        metrics,
    )
