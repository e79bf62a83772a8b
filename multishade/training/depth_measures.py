# SPDX-License-Identifier: Apache-2.0
"""Refined and initial depth of a batch against the truth: errors of the depth, and of the normals that it has."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.batches import Batch
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.camera import Projection
from multishade.geometry.depth import depth_to_points, pca_normals
from multishade.geometry.depth_errors import align_depth, depth_errors
from multishade.imaging import display
from multishade.models.base import Inputs
from multishade.models.irondepth.model import IronDepth
from multishade.training.validation import angular_metrics


def measured(
    model: IronDepth, batch: Batch, normal: Tensor, confidence: Tensor
) -> list[tuple[dict[str, float], dict[str, display.Picture]]]:
    """Measure the refined and the initial depth of each image of a batch.

    Args:
        model: The model.
        batch: With depth and intrinsics.
        normal: (B, 3, H, W) that the model is given.
        confidence: (B, 1, H, W) of them.

    Returns:
        Of each image its metrics and pictures. Metrics: of `depth_errors` and `angular_metrics` (of the depth's own
        normals, PCA over 7 x 7), of the initial depth with the prefix "initial_"; "flat_abs_rel", of a plane at the
        object's mean depth.
    """
    inputs = Inputs(
        image=batch.image,
        mask=batch.mask,
        normal=normal,
        confidence=confidence,
        intrinsics=batch.intrinsics,
        orthographic=batch.orthographic,
    )
    depths = [each[:, 0].cpu().numpy() for each in model.refinements(inputs)]
    found = []
    for place in range(len(batch)):
        mask = batch.mask[place, 0].cpu().numpy() > 0.5
        true = batch.depth[place, 0].cpu().numpy()
        normals = planes_last(batch.normal[place])
        camera = batch.intrinsics[place].cpu().numpy()
        projection: Projection = "orthographic" if bool(batch.orthographic[place]) else "perspective"
        metrics: dict[str, float] = {}
        pictures: dict[str, display.Picture] = {}
        for prefix, depth in (("", depths[-1][place]), ("initial_", depths[0][place])):
            scores, error, own = score(depth, true, normals, mask, camera, projection)
            metrics |= {prefix + name: value for name, value in scores.items()}
            pictures[prefix.replace("_", " ") + "normals"] = display.normal_to_rgb(own, mask)
            pictures[prefix.replace("_", " ") + "error"] = display.error_to_rgb(error, mask)
        flat = np.full_like(true, true[mask].mean() if mask.any() else 1)
        metrics["flat_abs_rel"] = depth_errors(flat, true, mask)["abs_rel"]
        pictures["true"] = display.normal_to_rgb(normals, mask)
        found.append((metrics, pictures))
    return found


def score(
    depth: NDArray[np.floating],
    truth: NDArray[np.floating],
    normal: NDArray[np.floating],
    mask: NDArray[np.bool_],
    camera: NDArray[np.floating],
    projection: Projection,
) -> tuple[dict[str, float], NDArray[np.float64], NDArray[np.float32]]:
    """Measure one depth map (H, W) against true depth and normals (H, W, 3).

    Returns:
        Its metrics; the angular error (H, W) of its normals, degrees; and these normals (H, W, 3), 0 off the mask.
    """
    aligned = align_depth(depth, truth, mask, projection)
    own = pca_normals(depth_to_points(aligned, camera, projection), mask, projection)
    error = np.nan_to_num(angular_error_degrees(own, normal), nan=90.0)
    scores = {**depth_errors(aligned, truth, mask), **angular_metrics(error, mask)}
    return scores, error, np.nan_to_num(own).astype(np.float32)


def planes_last(planes: Tensor) -> Any:
    """Turn a tensor (3, H, W) into an array (H, W, 3)."""
    return np.moveaxis(planes.cpu().float().numpy(), 0, 2)
