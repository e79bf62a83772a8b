# SPDX-License-Identifier: Apache-2.0
"""Predicted normals and a true depth -> how far the integrated surface is from the truth."""

import numpy as np

from multishade.evaluation.metrics import best_offset, best_scale
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.geometry.boxes import bounding_window

# Smaller patches of the mask than this are specks of its outline; they have a free constant each and would always fit.
SMALLEST_PATCH = 16


def surface_metrics(
    normal: Float32, target: BenchmarkObject, integrator: str = "bilateral"
) -> dict[str, float]:
    """Integrate `normal` (H, W, 3) over the object and compare with its true depth after the best fit.

    What integration leaves open is fitted on each connected patch: the scale for a perspective camera, the offset
    for an orthographic one. `surface_mae` is the mean absolute depth error in the depth's unit,
    `surface_mae_percent` the same in percent of the relief (1st to 99th percentile of the true depth). An object
    without a camera matrix has neither.
    """
    from multishade.photometry.integration import methods

    if target.depth is None or target.camera is None:
        return {}
    usable = target.scored & (normal != 0).any(axis=2) & np.isfinite(target.depth) & (target.depth > 0)
    if not usable.any():
        return {"surface_mae": float("nan"), "surface_mae_percent": float("nan")}
    window = bounding_window(usable)
    surface = methods.integrate(
        normal[window],
        usable[window],
        camera=target.camera_of(window),
        method=integrator,
        # The camera matrix of an orthographic view holds pixels per unit.
        pixel_size=1 / target.camera[0, 0] if target.orthographic else 1.0,
    )
    truth = target.depth[window].astype(np.float64)
    errors = []
    for patch in range(1, int(surface.component.max()) + 1):
        inside = surface.component == patch
        if int(inside.sum()) < SMALLEST_PATCH:
            continue
        depth, true = surface.depth[inside], truth[inside]
        fitted = depth + best_offset(depth, true) if target.orthographic else depth * best_scale(depth, true)
        errors.append(np.abs(fitted - true))
    if not errors:
        return {"surface_mae": float("nan"), "surface_mae_percent": float("nan")}
    low, high = np.percentile(target.depth[usable], [1, 99])
    mean = float(np.concatenate(errors).mean())
    return {
        "surface_mae": mean,
        "surface_mae_percent": 100 * mean / float(high - low) if high > low else float("nan"),
    }
