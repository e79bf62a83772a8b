# SPDX-License-Identifier: Apache-2.0
"""Predicted normals and a true depth -> how far the integrated surface is from the truth."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from multishade.errors import EvaluationError
from multishade.evaluation.metrics import best_offset, best_scale
from multishade.evaluation.objects import BenchmarkObject, Float32, bounding_box
from multishade.photometry import integration

# Smaller patches of the mask than this are specks of its outline; they have a free scale each and would always fit.
SMALLEST_PATCH = 16


def surface_metrics(normal: Float32, target: BenchmarkObject, method: str = "bilateral") -> dict[str, float]:
    """Integrate `normal` (H, W, 3) over the object and compare with its true depth after the best fit.

    What integration leaves open is fitted on each connected patch of the mask: the scale for a perspective
    camera, the offset for an orthographic one. `surface_mae` is the mean absolute depth error in the depth's unit,
    `surface_mae_percent` the same in percent of the relief (1st to 99th percentile of the true depth).
    An object without a camera matrix has neither.
    """
    if target.depth is None or target.camera is None:
        return {}
    usable = target.scored & (normal != 0).any(axis=2) & np.isfinite(target.depth) & (target.depth > 0)
    patches, count = ndimage.label(usable)
    sizes = np.bincount(patches.ravel(), minlength=count + 1)
    kept = np.flatnonzero(sizes[1:] >= SMALLEST_PATCH) + 1
    usable &= np.isin(patches, kept)
    if not usable.any():
        return {"surface_mae": float("nan"), "surface_mae_percent": float("nan")}
    depth = integrated_depth(normal, usable, target, method)
    if not np.isfinite(depth[usable]).all():
        raise EvaluationError(f"{target.benchmark}/{target.place}: the integrated surface is not finite")
    error = np.zeros_like(depth)
    for patch in kept:
        inside = patches == patch
        found, truth = depth[inside], target.depth[inside]
        fitted = (
            found + best_offset(found, truth) if target.orthographic else found * best_scale(found, truth)
        )
        error[inside] = np.abs(fitted - truth)
    low, high = np.percentile(target.depth[usable], [1, 99])
    mean = float(error[usable].mean())
    return {
        "surface_mae": mean,
        "surface_mae_percent": 100 * mean / float(high - low) if high > low else float("nan"),
    }


def integrated_depth(
    normal: Float32, mask: NDArray[np.bool_], target: BenchmarkObject, method: str
) -> NDArray[np.float64]:
    """Depth (H, W) along the camera's axis, growing away from the camera; up to scale (perspective) or offset."""
    assert target.camera is not None
    window = bounding_box(mask)
    camera = target.camera.copy()
    # Cutting the frame moves the principal point.
    camera[:2, 2] -= (window[1].start, window[0].start)
    found = integration.integrate(
        normal[window], mask[window], camera=None if target.orthographic else camera, method=method
    )
    depth = np.zeros(mask.shape)
    # An orthographic surface comes in pixels; the camera matrix says how many of them are a unit.
    depth[window] = found.depth / camera[0, 0] if target.orthographic else found.depth
    return depth
