# SPDX-License-Identifier: Apache-2.0
"""The promise of docs/reliability.md: whatever the order, the processes, the threads and the store, the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from multishade.config import override_config
from multishade.render.backends import Resources
from multishade.render.plan import Plan, make_plan
from multishade.render.run import render
from multishade.shards.layout import shard_file
from multishade.shards.marker import read_marker
from multishade.storage.store import open_store
from tests.support.fault_runs import hashes, plan_of, without_processes

SHARDS = 4


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("plan"), groups=2, shards=SHARDS)


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, folder).complete
    return hashes(folder)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_shards_in_any_number_of_runs(
    seed: int, plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    order = np.random.default_rng(seed).permutation(SHARDS).tolist()
    with without_processes():
        for part in (order[:1], order[1:3], order[3:]):
            assert render(plan, tmp_path, part).complete
    assert hashes(tmp_path) == reference


@pytest.mark.parametrize(
    "setting",
    ["runtime.groups_per_child=1", "runtime.attempts=5", "runtime.failed_share=1", "shards.count=9"],
)
def test_settings_that_are_not_in_the_fingerprint(
    setting: str, plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    other = make_plan(override_config(plan.config, [setting]))
    assert other.record().fingerprint == plan.record().fingerprint
    with without_processes():
        assert render(other, tmp_path, range(SHARDS)).complete
    assert hashes(tmp_path) == reference


def test_threads_and_stores(plan: Plan, reference: dict[str, str], tmp_path: Path) -> None:
    bucket = open_store(f"memory://{tmp_path.name}")
    with without_processes():
        assert render(plan, bucket, resources=Resources(cpus_per_worker=3)).complete
    for name in reference:
        (tmp_path / name).write_bytes(bucket.read_bytes(name))
    assert hashes(tmp_path) == reference


def test_the_marker_says_what_made_the_shard(plan: Plan, tmp_path: Path) -> None:
    with without_processes():
        render(plan, tmp_path, [0])
    marker = read_marker(shard_file(tmp_path, 0))
    assert marker is not None and marker.made_by["blender"] == "dummy" and marker.made_by["device"] == "CPU"
    assert marker.made_by["processor"]
