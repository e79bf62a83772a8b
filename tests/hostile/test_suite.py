# SPDX-License-Identifier: Apache-2.0
"""Hostile files cost themselves alone: all of them in `make test-hostile`, one of each way to attack here."""

from pathlib import Path

import pytest

from tests.hostile.assets import EITHER, REFUSED, make_hostile
from tests.hostile.suite import run

CHOSEN = (
    "gltf-buffer/0",
    "gltf-image/4",
    "gltf-index/1",
    "instances/nodes",
    "obj-map/0",
    "usd-ref/0",
    "usd-index/0",
    "blend/3",
)


def test_there_are_more_than_200_files_of_40_kinds(tmp_path: Path) -> None:
    members = [each for each in make_hostile(tmp_path) if each.expected in (REFUSED, EITHER)]
    assert len(members) > 200 and len({each.kind for each in members}) > 40


@pytest.mark.slow
@pytest.mark.blender
def test_hostile_files_are_refused_by_name_or_harmless(tmp_path: Path) -> None:
    figures = run(tmp_path)
    assert figures.wrong == []


@pytest.mark.slow
@pytest.mark.blender
def test_a_selection_is_refused_after_the_import_too(tmp_path: Path) -> None:
    figures = run(tmp_path, lambda each: any(name in each.path for name in CHOSEN), blends=False)
    assert figures.wrong == [] and figures.loaded["refused"] == len(CHOSEN)
