# SPDX-License-Identifier: Apache-2.0
"""Which Ray a run starts or joins."""

import pytest
import ray

from multishade.errors import ShardError
from multishade.render.backends import Resources, ray_cluster


def test_without_an_address_a_run_starts_its_own_ray_beside_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(ray, "init", lambda **settings: asked.update(settings))
    assert ray_cluster._start(Resources(workers=2, cpus_per_worker=3)) == 2
    assert asked["address"] == "local" and asked["num_cpus"] == 6


def test_an_address_without_a_cluster_is_named() -> None:
    with pytest.raises(ShardError, match="--address 127.0.0.1:1: no Ray cluster answers there"):
        ray_cluster._join(Resources(address="127.0.0.1:1"), "127.0.0.1:1")
