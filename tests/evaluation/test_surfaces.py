# SPDX-License-Identifier: Apache-2.0
"""The surface that normals mean, against a true depth: scale, offset and holes are not held against it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import folder, shards
from multishade.evaluation.surfaces import surface_metrics
from tests.support.synthetic import make_sample


def sphere(kind: str, size: int = 64) -> BenchmarkObject:
    target = shards.object_of(make_sample(kind=kind, size=size, bump=0.0))
    # Within 75 degrees of the view: at the very rim depth has no slope that pixels could follow.
    return replace(target, mask=target.mask & (target.true_normal[..., 2] > np.cos(np.radians(75))))


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_true_normals_give_the_true_surface(kind: str) -> None:
    target = sphere(kind)
    found = surface_metrics(target.true_normal, target, "poisson")
    assert found["surface_mae"] < 0.0005  # of a ball of radius 0.5
    assert found["surface_mae_percent"] < 0.15
    # Keeping jumps costs a little where there are none.
    assert surface_metrics(target.true_normal, target, "bilateral")["surface_mae_percent"] < 2


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_flat_normals_miss_the_relief(kind: str) -> None:
    target = sphere(kind)
    flat = np.zeros_like(target.true_normal)
    flat[target.mask, 2] = 1
    exact = surface_metrics(target.true_normal, target, "poisson")["surface_mae"]
    assert surface_metrics(flat, target, "poisson")["surface_mae"] > 20 * exact


def test_the_unit_of_the_truth_is_the_unit_of_the_error() -> None:
    target = sphere("perspective")
    assert target.depth is not None
    tilted = target.true_normal + np.float32([0.1, 0, 0]) * target.mask[..., None]
    tilted /= np.maximum(np.linalg.norm(tilted, axis=2, keepdims=True), 1e-9)
    units = surface_metrics(tilted, target, "poisson")
    millimetres = surface_metrics(tilted, replace(target, depth=target.depth * 1000), "poisson")
    assert millimetres["surface_mae"] == pytest.approx(1000 * units["surface_mae"], rel=1e-3)
    assert millimetres["surface_mae_percent"] == pytest.approx(units["surface_mae_percent"], rel=1e-3)


def test_patches_have_a_scale_each() -> None:
    """Two halves of a ball, one pushed twice as far away with its size: normals cannot know, so it is not an error."""
    target = sphere("perspective")
    assert target.depth is not None
    mask = target.mask.copy()
    mask[:, 31:33] = False
    depth = target.depth.copy()
    depth[:, :32] *= 2
    found = surface_metrics(target.true_normal, replace(target, mask=mask, depth=depth), "poisson")
    assert found["surface_mae"] < 0.001


def test_missing_normals_and_depths_are_holes() -> None:
    target = sphere("perspective")
    assert target.depth is not None
    normal, depth = target.true_normal.copy(), target.depth.copy()
    normal[26:30, 26:30] = 0
    depth[40:43, 40:43] = 0
    depth[20:22, 33:35] = np.inf
    assert surface_metrics(normal, replace(target, depth=depth), "poisson")["surface_mae"] < 0.001


def test_without_depth_or_camera_there_is_no_surface_metric() -> None:
    target = sphere("perspective")
    assert surface_metrics(target.true_normal, replace(target, depth=None)) == {}
    assert surface_metrics(target.true_normal, replace(target, camera=None)) == {}
    empty = surface_metrics(np.zeros_like(target.true_normal), target)
    assert np.isnan(empty["surface_mae"])


def test_the_real_cat_in_millimetres(shared_dir: Path) -> None:
    """Integrated from its true normals it is within a tenth of a millimetre or so of the scan, at 1.5 m distance."""
    target = folder.read_object(shared_dir / "benchmarks" / "integration" / "diligent_cat")
    found = surface_metrics(target.true_normal, target)
    assert found["surface_mae"] < 0.15
