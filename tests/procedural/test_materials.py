# SPDX-License-Identifier: Apache-2.0
"""Built-in material parameters: repeatable, plain data, varied, and physically plausible."""

import json
from typing import Any

import numpy as np
import pytest

from multishade.errors import AssetError
from multishade.procedural import materials
from multishade.procedural.reflectance import BRIGHTEST, DARKEST, METALS

SEEDS = range(200)
SMALLEST_FEATURE = 0.006  # scene units: 2.3 pixels at 576 x 576 from the nearest camera


def values_of(parameters: dict[str, Any], ending: str) -> list[float]:
    return [value for name, value in parameters.items() if name.endswith(ending)]


def colours_of(parameters: dict[str, Any]) -> list[list[float]]:
    """Albedos and face-on reflectances; at grazing angles (`edge_color`) metals reflect nearly everything."""
    endings = ("_color", "oxide_thin", "oxide_thick")
    named = [value for name, value in parameters.items() if name.endswith(endings) and "edge" not in name]
    return named + parameters.get("colors", [])


def test_there_are_metals_and_other_matter() -> None:
    kinds = list(materials.FAMILIES.values())
    assert kinds.count("metallic") == 4
    assert kinds.count("non-metallic") == 7


@pytest.mark.parametrize("family", materials.FAMILIES)
def test_parameters_are_plain_data_and_the_same_every_time(family: str) -> None:
    first = materials.sample_parameters(family, 7)
    assert first == materials.sample_parameters(family, 7)
    assert json.loads(json.dumps(first)) == first
    assert first != materials.sample_parameters(family, 8)


def test_families_do_not_share_their_randomness() -> None:
    placements = {
        tuple(materials.sample_parameters(family, 3)["orientation"]) for family in materials.FAMILIES
    }
    assert len(placements) == len(materials.FAMILIES)


@pytest.mark.parametrize("family", materials.FAMILIES)
def test_sampled_parameters_are_plausible(family: str) -> None:
    for seed in SEEDS:
        sampled = materials.sample_parameters(family, seed)
        colours = np.array(colours_of(sampled))
        assert colours.shape[1:] == (3,)
        assert DARKEST <= colours.min() <= colours.max() <= BRIGHTEST
        assert all(0.03 <= value <= 1.0 for value in values_of(sampled, "roughness"))
        assert all(value >= SMALLEST_FEATURE for value in values_of(sampled, "_size"))
        assert all(0.0 <= value <= 0.5 for value in values_of(sampled, "_slope"))


def test_metals_reflect_as_measured() -> None:
    """Gold and copper are warm, silver is the brightest metal, iron is dim and grey."""
    f0 = {name: np.array(face_on) for name, (face_on, _) in METALS.items()}
    assert max(f0, key=lambda name: f0[name].mean()) == "silver"
    assert f0["gold"][0] > f0["gold"][1] > 2 * f0["gold"][2] - 0.1
    assert f0["copper"][0] > f0["copper"][1] > f0["copper"][2]
    assert np.ptp(f0["iron"]) < 0.05 and f0["iron"].mean() < 0.6


@pytest.mark.parametrize("family", materials.FAMILIES)
def test_seeds_vary_the_look(family: str) -> None:
    sampled = [materials.sample_parameters(family, seed) for seed in SEEDS]
    for name, value in sampled[0].items():
        if isinstance(value, str):
            assert len({parameters[name] for parameters in sampled}) >= 2
    brightness = [np.mean(colours_of(parameters)[0]) for parameters in sampled]
    assert np.std(brightness) > 0.02


def test_wrong_requests_are_refused_with_what_is_right() -> None:
    with pytest.raises(AssetError, match="'velvet' does not exist; choose one of: metal_brushed, .*painted"):
        materials.sample_parameters("velvet", 0)
    with pytest.raises(AssetError, match="seed -1 is negative"):
        materials.sample_parameters("wood", -1)
