# SPDX-License-Identifier: Apache-2.0
"""The benchmark of depth refinement: rows of one view, their means, the plot."""

import math
from pathlib import Path

import pytest
import torch

from benchmarks import depth_refinement
from multishade.models.base import Inputs, Prediction
from tests.support.data_shards import write_shards
from tests.support.depth_scenes import tiny


class TrueNormals:
    """A model that looks the normals up."""

    name = "true"

    def __init__(self, normal: torch.Tensor) -> None:
        self.normal = normal

    def to(self, device: object = None, dtype: object = None) -> "TrueNormals":
        return self

    def predict(self, inputs: Inputs, *, seed: int = 0) -> Prediction:
        return Prediction(normal=self.normal)


def test_a_view_is_measured_by_iterations_and_by_anchors(tmp_path: Path) -> None:
    shard = write_shards(tmp_path / "shards", (1,), size=32)[0]
    (batch,) = depth_refinement.views_of([str(shard)], 32, 3)
    model = tiny(plane="both")
    normals = TrueNormals(batch.normal)
    view = depth_refinement.measure_view(model, batch, normals, 2, 0)  # type: ignore[arg-type]
    assert [len(view[name]) for name in ("true", "predicted", "anchors")] == [
        3,
        3,
        len(depth_refinement.ANCHORS),
    ]
    assert view["true"][2]["abs_rel"] == pytest.approx(view["predicted"][2]["abs_rel"])
    # The network's weights are random, but the sphere is a fixed point of the propagation.
    assert view["true"][2]["mean_angle"] < view["true"][0]["mean_angle"]
    assert view["integral"][0]["abs_rel"] < 0.2 * view["flat"]["abs_rel"]
    assert view["anchors"][-1]["raw_abs_rel"] < view["anchors"][1]["raw_abs_rel"]
    assert math.isnan(view["true"][0]["flatness"])  # a sphere has no planar face
    summary = depth_refinement.summarise([view, view])
    assert summary["true"][1]["rmse"] == pytest.approx(view["true"][1]["rmse"])
    depth_refinement.plot(summary, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    text = depth_refinement.table(summary)
    assert "| true normals, refined |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_anchors_are_of_the_object_and_true(tmp_path: Path) -> None:
    import numpy as np

    shard = write_shards(tmp_path / "shards", (1,), size=32)[0]
    (batch,) = depth_refinement.views_of([str(shard)], 32, 1)
    anchors = depth_refinement.random_anchors(batch, 7, np.random.default_rng(0))
    assert anchors is not None
    assert int((anchors > 0).sum()) == 7
    assert torch.equal(anchors[anchors > 0], batch.depth[anchors > 0])
    assert depth_refinement.random_anchors(batch, 0, np.random.default_rng(0)) is None
