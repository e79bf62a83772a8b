# SPDX-License-Identifier: Apache-2.0
"""Tiny networks under names of their own, and two shards of four views each."""

from pathlib import Path

import pytest

from multishade.models.rose import presets
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.training_runs import NETWORKS


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS", {**presets.PRESETS, **NETWORKS})


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(2):
        samples = [make_sample(f"s{shard:06d}-g0000-v{view}", size=24, bump=0.1 * view) for view in range(4)]
        write_synthetic_shard(folder / f"multishade-{shard:06d}.tar", samples)
    return folder
