# SPDX-License-Identifier: Apache-2.0
"""Depth maps against true ones, after the best scale: the measures of monocular depth (Eigen et al. 2014)."""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from multishade.geometry.camera import Projection

Depth = NDArray[np.floating]
RATIOS = (1.25, 1.25**2, 1.25**3)


def align_depth(
    depth: Depth, truth: Depth, mask: NDArray[np.bool_], projection: Projection
) -> NDArray[np.float64]:
    """Give a depth map the mean depth of the truth, since one image does not tell it.

    Args:
        depth: (H, W) along the view axis.
        truth: (H, W) likewise.
        mask: (H, W) the pixels that count.
        projection: "perspective": it is scaled; "orthographic": it is moved.

    Returns:
        (H, W) float64.
    """
    depth, truth = depth.astype(np.float64), truth.astype(np.float64)
    if not mask.any():
        return depth
    if projection == "orthographic":
        return depth + (truth[mask].mean() - depth[mask].mean())
    return depth * (truth[mask].mean() / depth[mask].mean())


def depth_errors(depth: Depth, truth: Depth, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Compute the errors of one depth map.

    Args:
        depth: (H, W), above 0 on the mask.
        truth: (H, W), likewise.
        mask: (H, W) the pixels that count.

    Returns:
        abs_rel, the mean of |d - t| / t; rmse, scene units; log10, the mean of |log10 d - log10 t|; delta1, delta2,
        delta3, the shares of pixels with max(d / t, t / d) below 1.25, 1.25^2 and 1.25^3. NaN without pixels.
    """
    if not mask.any():
        return dict.fromkeys(("abs_rel", "rmse", "log10", "delta1", "delta2", "delta3"), np.nan)
    found, true = depth[mask].astype(np.float64), truth[mask].astype(np.float64)
    found = np.maximum(found, 1e-6 * true)
    ratio = np.maximum(found / true, true / found)
    return {
        "abs_rel": float(np.mean(np.abs(found - true) / true)),
        "rmse": float(np.sqrt(np.mean((found - true) ** 2))),
        "log10": float(np.mean(np.abs(np.log10(found / true)))),
        **{f"delta{place}": float(np.mean(ratio < limit)) for place, limit in enumerate(RATIOS, 1)},
    }


def planar_regions(
    points: NDArray[np.floating], normal: NDArray[np.floating], mask: NDArray[np.bool_], least: int = 60
) -> list[NDArray[np.bool_]]:
    """Find the planar faces of a true surface.

    Args:
        points: (H, W, 3) true points, camera frame.
        normal: (H, W, 3) true normals.
        mask: (H, W) where there is a surface.
        least: Pixels of the smallest face.

    Returns:
        Connected regions (H, W) of one normal whose points lie within 0.2 % of their distance from a plane.
    """
    codes = np.rint(normal * 50).astype(np.int64) @ np.array([1, 1000, 1_000_000])
    found = []
    values, counts = np.unique(codes[mask], return_counts=True)
    for value in values[counts >= least]:
        labels, number = scipy.ndimage.label(mask & (codes == value))
        for label in range(1, number + 1):
            region = labels == label
            if region.sum() < least:
                continue
            flatness, _ = planarity(points, points, region)
            if flatness < 0.002 * float(np.linalg.norm(points[region].mean(axis=0))):
                found.append(region)
    return found


def planarity(
    points: NDArray[np.floating], truth: NDArray[np.floating], region: NDArray[np.bool_]
) -> tuple[float, float]:
    """Measure how planar a face is (Koch et al. 2018, iBims-1).

    Args:
        points: (H, W, 3) predicted points, camera frame.
        truth: (H, W, 3) true points.
        region: (H, W) a planar face.

    Returns:
        The root of the mean squared distance of the predicted points from the plane that fits them best, in the points'
        unit, and the angle between this plane and the true one, degrees.
    """
    flatness, predicted = _fitted_plane(points[region])
    _, true = _fitted_plane(truth[region])
    return flatness, float(np.degrees(np.arccos(np.clip(np.abs(predicted @ true), 0, 1))))


def _fitted_plane(points: NDArray[np.floating]) -> tuple[float, NDArray[np.float64]]:
    """(N, 3) -> the RMS distance from the best plane, and its normal."""
    centred = points.astype(np.float64) - points.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    return float(np.sqrt(max(values[0], 0.0))), vectors[:, 0]
