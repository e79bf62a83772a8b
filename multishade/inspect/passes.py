# SPDX-License-Identifier: Apache-2.0
"""A decoded sample -> checks of its material passes: ranges, where they are, and positions against depth and camera."""

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.depth import depth_to_points
from multishade.inspect.results import CheckResult, disagreement
from multishade.shards.sample import Sample

POSITION_TOLERANCE = 1e-3  # scene units; Cycles' positions and depths agree to 3e-5


def check_passes(sample: Sample) -> CheckResult:
    """Passes are 0 off the mask and in their ranges on it; positions are those of depth and camera."""
    messages: list[str] = []
    measures: dict[str, float] = {}
    mask = sample.mask
    for name, values in sample.passes.items():
        present = values.any(axis=-1) if values.ndim == 3 else values != 0
        # Black, smooth and non-metallic are values, too: only numbers and positions are never 0.
        needed = mask if name in ("position", "object_index") else mask & present
        messages += disagreement(name, present, needed)
        if name in ("albedo", "roughness", "metallic"):
            low, high = float(values.min()), float(values.max())
            if low < 0 or (high > 1 and name != "albedo"):
                messages.append(f"{name}: values from {low:.3g} to {high:.3g}")
            measures[f"{name}_mean"] = float(values[mask].mean()) if mask.any() else 0.0
    if "position" in sample.passes and mask.any():
        error = _position_error(sample)
        measures["position_error"] = error
        if not error <= POSITION_TOLERANCE:
            messages.append(f"position: up to {error:.3g} scene units from where depth and camera put it")
    return CheckResult(messages, measures)


def _position_error(sample: Sample) -> float:
    camera = sample.info.camera
    points: NDArray[np.floating] = depth_to_points(sample.depth, camera.K, camera.type)
    return float(np.abs(points - sample.passes["position"])[sample.mask].max())
