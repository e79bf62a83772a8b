# SPDX-License-Identifier: Apache-2.0
"""Triage without rendering: tables are objects, rooms are not."""

from pathlib import Path

import numpy as np
import pytest

from multishade.assets.scanning.triage import TriageRules, parts_problem, triage_object
from multishade.errors import AssetError


def boxes(*parts: tuple[tuple[float, float, float], tuple[float, float, float]]) -> np.ndarray:
    return np.array(parts, np.float64)


def test_a_table_is_an_object_and_a_chair_on_a_floor_is_a_scene() -> None:
    top, leg = ((-1.0, 0.95, -1.0), (1.0, 1.0, 1.0)), ((-0.9, 0.0, -0.9), (-0.8, 0.95, -0.8))
    floor = ((-9.0, 0.0, -9.0), (9.0, 0.01, 9.0))
    assert parts_problem(boxes(top, leg), TriageRules()) is None
    assert (
        parts_problem(boxes(top, leg, ((-1.1, 0.0, -1.1), (1.1, 0.01, 1.1))), TriageRules()) is None
    )  # on a rug
    assert "a scene" in (parts_problem(boxes(top, leg, floor), TriageRules()) or "")
    assert parts_problem(boxes(floor), TriageRules()) is None  # flatness is a rule of its own


def test_many_or_scattered_parts_are_a_scene(rng: np.random.Generator) -> None:
    low = rng.uniform(-50, 50, (20, 3))
    scattered = np.stack([low, low + 1], axis=1)
    assert "small parts far apart" in (parts_problem(scattered, TriageRules()) or "")
    assert parts_problem(scattered[:5], TriageRules()) is None
    together = np.stack([low / 100, low / 100 + 1], axis=1)
    assert parts_problem(together, TriageRules()) is None
    many = np.tile(together, (20, 1, 1))
    assert "has 400 parts, more than 256" in (parts_problem(many, TriageRules()) or "")


def test_real_models_pass_the_triage(shared_dir: Path) -> None:
    meshes = shared_dir / "assets" / "meshes"
    for name in (
        "armchair/armchair.gltf",
        "tea_set_01_1k/tea_set_01_1k.gltf",
        "wooden_table_02_1k/wooden_table_02_1k.gltf",
    ):
        assert triage_object((str(meshes / name), TriageRules())).faces
    with pytest.raises(AssetError, match="has 61 triangles, fewer than 100"):
        triage_object((str(meshes / "AlphaBlendModeTest" / "AlphaBlendModeTest.glb"), TriageRules()))
