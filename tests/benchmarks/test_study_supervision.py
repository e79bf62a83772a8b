# SPDX-License-Identifier: Apache-2.0
"""The study of supervision: views, turns and orders; surfaces whose error is known; a tiny study to its report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.study_supervision.__main__ import main
from benchmarks.study_supervision.arms import ARMS, DEPTH, NORMALS, QUESTIONS, named
from benchmarks.study_supervision.data import Views, allowed, batch_of, batches, load_views, turned
from benchmarks.study_supervision.measure import ERROR, TILTS, Shape, _metrics
from multishade.data.settings import Geometric
from multishade.models.surface.model import (
    centred,
    depth_of_relief,
    normals_of_relief,
    relief_of_depth,
)
from multishade.shards.record import DatasetRecord
from multishade.training import tasks
from tests.support.synthetic import make_sample, write_synthetic_shard

FRAME = Geometric(frame="object", margin=1.15)


def write_shard(folder: Path, views: int, name: str = "spheres", first: int = 0) -> Path:
    samples = []
    for view in range(views):
        sample = make_sample(f"s000000-g{view:04d}-v0", size=64, bump=0.03 * view)
        thing = {
            **sample.meta["object"],
            "id": f"sphere-{first + view}",
            "family": ("ball", "marble")[view % 2],
        }
        samples.append(replace(sample, meta={**sample.meta, "object": thing}))
    tar = folder / "multishade-000000.tar"
    folder.mkdir(parents=True)
    write_synthetic_shard(tar, samples)
    record = DatasetRecord({"name": name}, {}, {})
    content = {"schema": record.schema, "fingerprint": record.fingerprint, "plan": {}, "manifests": {}}
    (folder / "dataset.json").write_text(json.dumps({**content, "config": dict(record.config)}))
    return tar


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    folder = tmp_path_factory.mktemp("views")
    tar = write_shard(folder / "shards", 6)
    return load_views([tar], 32, FRAME, folder / "kept")


class TestViews:
    def test_they_are_read_once_with_every_photo(self, views: Views) -> None:
        assert views.image.shape == (6, len(views.photos), 3, 32, 32)
        assert views.normal.shape == (6, 3, 32, 32)
        assert list(views.objects) == [f"sphere-{view}" for view in range(6)]
        assert set(views.families) == {"ball", "marble"}
        first, second = (views.image[0, photo].astype(int) for photo in range(2))
        assert np.abs(first - second).max() > 20  # two lights

    def test_more_bumps_are_more_detail(self, views: Views) -> None:
        assert (np.diff(views.detail) > 0).all()

    @pytest.mark.parametrize("turn", range(8))
    def test_normals_and_camera_turn_with_the_pixels(self, views: Views, turn: int) -> None:
        """On the smooth sphere: the slope of the turned depth has the turned normals."""
        rows = np.array([0])
        batch = turned(batch_of(views, rows, torch.rand(1, 3, 32, 32)), np.array([turn]))
        relief = relief_of_depth(batch.depth, batch.mask, batch.intrinsics, batch.orthographic)
        inside = -torch.nn.functional.max_pool2d(-batch.mask, 7, stride=1, padding=3)
        cosine = (normals_of_relief(relief) * batch.normal).sum(dim=1, keepdim=True)
        assert (
            torch.rad2deg(cosine[inside > 0].clamp(-1, 1).acos()).mean() < 12
        )  # weak perspective against true
        x, y = batch.intrinsics[0, :2, 2].tolist()
        rows_of, columns = torch.nonzero(batch.mask[0, 0], as_tuple=True)
        assert abs(float(columns.float().mean()) + 0.5 - x) < 1
        assert abs(float(rows_of.float().mean()) + 0.5 - y) < 1

    def test_a_wrong_turn_of_the_normals_would_be_noticed(self, views: Views) -> None:
        batch = turned(batch_of(views, np.array([0]), torch.rand(1, 3, 32, 32)), np.array([2]))
        relief = relief_of_depth(batch.depth, batch.mask, batch.intrinsics, batch.orthographic)
        wrong = batch.normal * torch.tensor([-1.0, 1, 1]).view(1, 3, 1, 1)
        inside = -torch.nn.functional.max_pool2d(-batch.mask, 7, stride=1, padding=3)
        cosine = (normals_of_relief(relief) * wrong).sum(dim=1, keepdim=True)
        assert torch.rad2deg(cosine[inside > 0].clamp(-1, 1).acos()).mean() > 20


class TestOrder:
    def test_a_batch_follows_from_its_number(self, views: Views) -> None:
        stream = batches(views, 4, "random", 10, seed=3)
        first, second = next(stream), next(stream)
        again = next(batches(views, 4, "random", 10, seed=3, start=1))
        assert torch.equal(second.image, again.image) and torch.equal(second.normal, again.normal)
        assert not torch.equal(first.image, second.image)

    def test_a_curriculum_begins_with_the_plainest_and_a_filter_never_shows_the_others(
        self, views: Views
    ) -> None:
        assert list(allowed(views, "curriculum", 0, 100)) == [0, 1]
        assert list(allowed(views, "curriculum", 60, 100)) == list(range(6))
        assert list(allowed(views, "filtered", 50, 100)) == [0, 1, 2, 3]
        assert len(allowed(views, "random", 0, 100)) == 6


class TestSurfaces:
    def test_depth_to_relief_and_back_changes_the_scale_alone(self, views: Views) -> None:
        batch = batch_of(views, np.arange(6), torch.zeros(6, 3, 32, 32))
        relief = relief_of_depth(batch.depth, batch.mask, batch.intrinsics, batch.orthographic)
        depth = depth_of_relief(relief + 0.3, batch.mask, batch.intrinsics)  # the mean does not matter
        ratio = (depth / batch.depth)[batch.mask > 0]
        for number in range(6):
            own = (depth[number] / batch.depth[number])[batch.mask[number] > 0]
            assert float(own.std() / own.mean()) < 1e-5
        assert float(ratio.mean()) > 0
        assert float(centred(relief, batch.mask).sum().abs()) < 1e-2

    def test_of_an_orthographic_camera_a_pixel_has_one_size(self) -> None:
        depth = torch.tensor([[[[1.0, 1.5]]]])
        matrix = torch.diag(torch.tensor([4.0, 4.0, 1.0]))[None]
        relief = relief_of_depth(depth, torch.ones_like(depth), matrix, torch.tensor([True]))
        # Two pixels of a fourth of a unit: the image is half a unit wide, the step one half.
        torch.testing.assert_close(relief, torch.tensor([[[[0.5, -0.5]]]]))

    def test_the_truth_has_no_error_and_a_plane_has_much(self, views: Views) -> None:
        normal = np.moveaxis(views.normal[0].astype(np.float32), 0, 2)
        depth = views.depth[0, 0]
        exact = _metrics(views, 0, Shape(normal, 3 * depth), DEPTH)
        integrated = _metrics(views, 0, Shape(normal, None), NORMALS)
        plane = _metrics(views, 0, Shape(normal, np.ones_like(depth)), DEPTH)
        assert exact[ERROR] < 1e-4  # three times the depth: the scale is free
        assert integrated[ERROR] < 4
        assert plane[ERROR] > 15
        assert plane[TILTS[2]] > plane[TILTS[0]]
        assert integrated["angle"] < 0.1


class TestArms:
    def test_every_question_asks_for_arms_and_surfaces_that_there_are(self) -> None:
        known = {(arm.name, surface) for arm in ARMS for surface in arm.surfaces}
        asked = {key for question in QUESTIONS for key in (question.reference, question.other)}
        assert asked <= known
        assert {name for name, _ in known} == {name for name, _ in asked}

    def test_an_ensemble_brings_the_arm_of_its_members(self) -> None:
        assert [arm.name for arm in named(["ensemble"])] == ["normals", "ensemble"]
        with pytest.raises(ValueError, match="no arm lonely"):
            named(["lonely"])

    def test_the_shared_settings_load(self) -> None:
        assert tasks.load_config("study-supervision").task == "surface"


def test_a_tiny_study_is_written_continued_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = write_shard(tmp_path / "train", 6), write_shard(tmp_path / "test", 6, "tests", first=100)
    common = [
        *("--set", f"data.train=[{train}]", "--set", f"data.val=[{train}]", "--test", str(test)),
        *("--set", "optimisation.steps=6", "--set", "optimisation.batch=4", "--set", "model.size=32"),
        *("--set", "model.width=8", "--set", "logging.every=2", "--photos", "1"),
        *("-o", str(tmp_path / "out"), "--docs", str(tmp_path / "docs")),
    ]
    arms = ["--arms", "normals", "depth", "both-adaptive", "ensemble"]
    assert main([*common, *arms, "--seeds", "1"]) == 0
    assert main([*common, *arms, "--seeds", "3"]) == 0
    said = capsys.readouterr().out
    assert said.count("normals-seed0: ") == 1  # of seed 0 nothing is done twice
    assert said.count("normals-seed2: ") == 1
    page = (tmp_path / "docs" / "study-supervision.md").read_text()
    assert "6 views of `spheres`" in page
    assert "| depth against normals |" in page
    assert "tilt 60 to 90" in page and "family ball" in page
    assert "Arms that this run left out" in page
    assert "31.3 % in the abstract and 11.0 %" in page
    assert "6 objects that no training view has" in page
    assert main([*common, *arms, "--seeds", "3", "--report-only"]) == 0
    assert (tmp_path / "docs" / "study-supervision.md").read_text() == page
    assert main([*common, "--seeds", "4", "--report-only"]) == 0  # other arms have no seed
    page = (tmp_path / "docs" / "study-supervision.md").read_text()
    assert "this page has no figures" in page and "## Surfaces" not in page
    assert "31.3 % in the abstract" in page


def test_other_settings_make_a_result_count_as_unfinished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_shard(tmp_path / "train", 4)
    common = [
        *("--set", f"data.train=[{train}]", "--set", f"data.val=[{train}]", "--test", str(train)),
        *(
            "--set",
            "optimisation.batch=2",
            "--set",
            "model.size=32",
            "--set",
            "model.width=8",
            "--photos",
            "1",
        ),
        *("--seeds", "1", "--arms", "normals", "-o", str(tmp_path / "out"), "--docs", str(tmp_path / "docs")),
    ]
    for steps in (2, 2, 3):
        assert main([*common, "--set", f"optimisation.steps={steps}"]) == 0
    assert capsys.readouterr().out.count("normals-seed0: ") == 2
