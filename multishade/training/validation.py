# SPDX-License-Identifier: Apache-2.0
"""Rows of a validation -> mean scores, beside those of the best constant normal, and a picture of some rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display, panels

Float32 = NDArray[np.float32]
PANEL = 128  # pixels, height of one picture
THINNED = 2000  # normals per image for the constant's error


@dataclass(frozen=True)
class ValidationRow:
    """One image.

    Attributes:
        key: Of the sample.
        metrics: Name -> value; NaN for what the model does not predict. "mean_angle" and "median_angle", degrees, are
            shown in the terminal.
        normals: (N, 3) true normals on the object, thinned out, or None if the task has none.
        panels: (caption, picture) pairs, or none.
    """

    key: str
    metrics: Mapping[str, float]
    normals: Float32 | None = None
    panels: tuple[tuple[str, display.Picture], ...] = ()


def scores(rows: Sequence[ValidationRow]) -> dict[str, float]:
    """Compute the mean of each metric over the images, and "constant_angle".

    constant_angle: mean angular error of the best single normal, in degrees, fitted to the val images themselves.
    """
    found = {name: float(np.mean([row.metrics[name] for row in rows])) for name in rows[0].metrics}
    normals = [row.normals for row in rows if row.normals is not None]
    if normals:
        constant = np.concatenate(normals).sum(axis=0)
        found["constant_angle"] = float(
            np.mean([np.mean(angular_error_degrees(each, constant)) for each in normals])
        )
    return found


def angular_metrics(error: NDArray[np.floating], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Summarise one image's angular error (H, W), degrees, inside its mask. A missing normal (NaN) counts as 90.

    Leaving missing normals out would reward a model that predicts few of them.
    """
    inside = np.nan_to_num(error, nan=90.0)[mask]
    return {
        "mean_angle": float(inside.mean()) if inside.size else 0.0,
        "median_angle": float(np.median(inside)) if inside.size else 0.0,
    }


def thinned(normal: Float32, mask: NDArray[np.bool_]) -> Float32:
    """(H, W, 3) and (H, W) -> (N, 3), about `THINNED` normals of the mask."""
    return normal[mask][:: max(1, int(mask.sum()) // THINNED)].astype(np.float32)


def describe(values: Mapping[str, float], images: int) -> str:
    """Write the scores as a sentence for the terminal."""
    if "mean_angle" not in values:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        return f"validation over {images} images: {shown}"
    constant = f" (a constant: {values['constant_angle']:.2f})" if "constant_angle" in values else ""
    return (
        f"validation over {images} images: mean angular error {values['mean_angle']:.2f} degrees{constant}, "
        f"median {values['median_angle']:.2f}"
    )


def sheet(rows: Sequence[ValidationRow]) -> display.Picture | None:
    """Compose the panels of all rows that have any, one row per image."""
    pictured = [row for row in rows if row.panels]
    if not pictured:
        return None
    return panels.tile(
        [[display.fit_height(panel, PANEL) for _, panel in row.panels] for row in pictured],
        [[caption for caption, _ in row.panels] for row in pictured],
        labels=[_label(row) for row in pictured],
    )


def _label(row: ValidationRow) -> str:
    if "mean_angle" in row.metrics:
        mean, median = row.metrics["mean_angle"], row.metrics["median_angle"]
        return f"{row.key}: mean {mean:.1f}, median {median:.1f} degrees"
    return f"{row.key}: " + ", ".join(f"{name} {value:.3g}" for name, value in row.metrics.items())
