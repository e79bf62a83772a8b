# SPDX-License-Identifier: Apache-2.0
"""Estimates: more work costs more, adaptive sampling less than its limit, and measured shards scale the model."""

import dataclasses
from pathlib import Path

import pytest

from multishade.cli import main
from multishade.config import load_config
from multishade.render.cost import cost_of, effective_samples
from multishade.render.estimate import estimate, seconds_of
from multishade.render.plan import Plan, make_plan
from multishade.shards.layout import shard_file
from multishade.shards.marker import Marker, commit_marker
from multishade.shards.record import open_dataset
from multishade.shards.tar import write_tar

ENTRIES = [("s000000-g0000-v0", [("a.txt", b"1")]), ("s000000-g0000-v1", [("a.txt", b"2")])]


def seconds(*overrides: str, recipe: str = "demo") -> float:
    return cost_of(load_config(recipe, overrides)).total


@pytest.mark.parametrize(
    "more",
    [
        "camera.width=512",
        "views.count=6",
        "lights.parallel.count=3",
        "lights.mixed.count=1",
        "render.samples.environment=128",
        "render.importance_map=2048",
        "render.crop=false",
        "render.max_bounces=12",
        "shading={mode: photometric}",
        "shading={mode: cast}",
        "light_basis.count=16",
    ],
)
def test_more_work_costs_more(more: str) -> None:
    assert seconds(more) > 1.01 * seconds()


def test_adaptive_sampling_ends_before_its_limit() -> None:
    config = load_config("multishade-fine")
    plain = load_config("multishade-fine", ["render.adaptive.threshold=0"])
    for kind in ("parallel", "point", "environment"):
        assert effective_samples(plain, kind) == 256
        assert 8 < effective_samples(config, kind) < 128
    coarse = load_config("multishade-fine", ["render.adaptive.threshold=0.2"])
    assert effective_samples(coarse, "parallel") < effective_samples(config, "parallel")
    few = load_config("multishade-fine", ["render.samples.parallel=4"])
    assert effective_samples(few, "parallel") == 4


def test_the_recipe_costs_what_its_benchmark_measured() -> None:
    # docs/performance.md: 18 to 125 CPU seconds a view of opaque objects, 372 with glass, 75 on average.
    assert 60 < seconds(recipe="multishade-fine") / 6 < 90


@pytest.fixture
def plan() -> Plan:
    return make_plan(load_config("demo", ["shards.count=3"]))


def rendered(plan: Plan, folder: Path, took: float, shards: int = 2) -> None:
    """Markers of shards that took `took` times the CPU seconds of the model."""
    open_dataset(folder, plan.record())
    each = cost_of(plan.config).total * took / plan.config.views.count
    for shard in range(shards):
        file = shard_file(folder, shard)
        commit_marker(file, write_tar(file, ENTRIES), timings={"cpu": each * len(ENTRIES), "total": 1e9})


def test_measured_shards_scale_the_model(plan: Plan, tmp_path: Path) -> None:
    rendered(plan, tmp_path, took=2.5)
    found = estimate(plan, tmp_path)
    assert found.seconds == pytest.approx(2.5 * estimate(plan).seconds)
    assert found.factor < estimate(plan).factor
    assert "by the CPU time of 4 samples" in found.text()


def test_shards_of_another_recipe_scale_it_with_more_doubt(plan: Plan, tmp_path: Path) -> None:
    rendered(plan, tmp_path, took=2.0)
    larger = make_plan(load_config("demo", ["shards.count=3", "camera.width=512", "camera.height=512"]))
    found = estimate(larger, tmp_path)
    assert found.seconds == pytest.approx(2 * estimate(larger).seconds)
    assert found.factor > estimate(plan, tmp_path).factor


def test_more_shards_are_better_known(plan: Plan, tmp_path: Path) -> None:
    rendered(plan, tmp_path / "one", took=2.0, shards=1)
    rendered(plan, tmp_path / "three", took=2.0, shards=3)
    assert estimate(plan, tmp_path / "three").factor < estimate(plan, tmp_path / "one").factor


def test_markers_without_cpu_time_count_by_the_time_of_their_worker() -> None:
    marker = Marker("0" * 64, 1, 1, ("a.txt",), {"total": 7.0})
    assert seconds_of(marker) == 7
    assert seconds_of(dataclasses.replace(marker, timings={"total": 7.0, "cpu": 3.0})) == 3


def test_plan_prints_time_disk_and_memory_with_an_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "multishade"]) == 0
    printed = capsys.readouterr().out
    for word in ("core-hours (", "environment ", "disk ", "memory ", "data/multishade has none"):
        assert word in printed
