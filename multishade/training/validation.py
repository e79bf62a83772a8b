# SPDX-License-Identifier: Apache-2.0
"""A model and val batches -> angular errors of its solved normals, those of a constant, and a picture of some."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.data.batches import Batch
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display, panels
from multishade.models.rose.model import RoSE
from multishade.models.rose.solve import solve

Float32 = NDArray[np.float32]
PANEL = 128  # pixels, height of one picture


@dataclass(frozen=True)
class Row:
    """One image. error, median: of its angles, degrees. shading_error: root mean square. panels: drawn, or none."""

    key: str
    error: float
    median: float
    shading_error: float
    normals: Float32  # (N, 3) true normals on the object, thinned out
    panels: tuple[display.Picture, ...]


@dataclass(frozen=True)
class Scores:
    """Means over images, degrees. constant: of the best single normal, found from the val images themselves.

    shading: root mean square error of the shading inside the mask, NaN for models that make no shading.
    """

    mean: float
    median: float
    constant: float
    shading: float
    images: int

    def as_log(self) -> dict[str, float]:
        return {
            "val/mean_angle": self.mean,
            "val/median_angle": self.median,
            "val/constant_angle": self.constant,
            "val/shading_rmse": self.shading,
        }


def rows_of(model: RoSE, batches: Iterable[Batch], solver: str, drawn: int) -> list[Row]:
    """Predict, solve and measure every image of `batches`; the first `drawn` also as pictures."""
    rows: list[Row] = []
    for batch in batches:
        made = model.generate(batch.image).cpu().numpy()
        for place, key in enumerate(batch.keys):
            rows.append(_row(model, batch, place, str(key), made[place], solver, len(rows) < drawn))
    return rows


def scores(rows: list[Row]) -> Scores:
    """Means over images, and what the mean normal of all of them would get."""
    together = np.concatenate([row.normals for row in rows])
    constant = together.sum(axis=0)
    return Scores(
        mean=float(np.mean([row.error for row in rows])),
        median=float(np.mean([row.median for row in rows])),
        constant=float(np.mean([np.mean(angular_error_degrees(row.normals, constant)) for row in rows])),
        shading=float(np.mean([row.shading_error for row in rows])),
        images=len(rows),
    )


def sheet(rows: list[Row]) -> display.Picture | None:
    """Photo, frames, solved and true normals, error: one row an image."""
    drawn = [row for row in rows if row.panels]
    if not drawn:
        return None
    frames = [caption for k in (1, 2, 3) for caption in (f"shading {k}", "true")]
    captions = ["photo", *(frames if len(drawn[0].panels) > 4 else ()), "normals", "true", "error"]
    return panels.tile(
        [[display.fit_height(panel, PANEL) for panel in row.panels] for row in drawn],
        [captions] * len(drawn),
        labels=[f"{row.key}: mean {row.error:.1f}, median {row.median:.1f} degrees" for row in drawn],
    )


def _row(model: RoSE, batch: Batch, place: int, key: str, made: Float32, solver: str, draw: bool) -> Row:
    def array(name: str) -> Any:
        return getattr(batch, name)[place].cpu().numpy()

    mask = array("mask")[0] > 0.5
    truth = np.moveaxis(array("normal"), 0, 2)
    solved = solve(model.settings, made, mask, solver)
    # A pixel without an answer counts as a right angle: leaving it out would reward a model that says little.
    error = np.nan_to_num(angular_error_degrees(solved.normal, truth), nan=90.0)
    inside = error[mask]
    shows_shading = model.settings.target == "shading"
    shading_error = np.nan
    panels: list[display.Picture] = []
    if shows_shading:
        shading_error = float(np.sqrt(np.mean((made - array("shading"))[:, mask] ** 2)))
    if draw:
        panels.append(display.grey_to_rgb(array("image").mean(axis=0)))
        if shows_shading:
            count = len(made)
            for frame in (0, count // 3, 2 * count // 3):
                panels += [display.grey_to_rgb(made[frame]), display.grey_to_rgb(array("shading")[frame])]
        panels += [
            display.normal_to_rgb(solved.normal, mask),
            display.normal_to_rgb(truth, mask),
            display.error_to_rgb(error, mask),
        ]
    return Row(
        key,
        float(inside.mean()) if inside.size else 0.0,
        float(np.median(inside)) if inside.size else 0.0,
        shading_error,
        truth[mask][:: max(1, int(mask.sum()) // 2000)].astype(np.float32),
        tuple(panels),
    )
