# SPDX-License-Identifier: Apache-2.0
"""A subset of a recipe has the whole set's own samples and its distribution."""

import argparse
from collections import Counter

import pytest

from multishade.cli.options import share
from multishade.config import load_config
from multishade.config.subset import subset_overrides
from multishade.render.plan import make_plan
from multishade.stats.check import shares_p


def test_a_subset_of_whole_shards_is_a_part_of_the_same_data_set() -> None:
    whole = load_config("demo")
    assert subset_overrides(whole, 0.01) == ["shards.count=6"], "1 % of 513 shards"
    small = load_config("demo", subset_overrides(whole, 0.01))
    assert make_plan(small).record().fingerprint == make_plan(whole).record().fingerprint


def test_less_than_a_shard_is_one_shard_of_the_whole_sets_first_groups() -> None:
    whole = load_config("demo", ["shards.count=2", "shards.groups=40"])
    assert subset_overrides(whole, 0.1) == ["shards.count=1", "shards.groups=8"]
    small = make_plan(load_config("demo", subset_overrides(whole, 0.1)))
    assert small.groups(0) == make_plan(whole).groups(0)[:8]


def test_variants_of_an_object_stay_together() -> None:
    whole = load_config("demo", ["shards.count=1", "shards.groups=100", "materials.variants=3"])
    assert subset_overrides(whole, 0.01) == ["shards.count=1", "shards.groups=3"]


def test_families_and_materials_are_as_frequent_as_in_the_whole_set() -> None:
    whole = load_config("demo")
    plan, small = make_plan(whole), load_config("demo", subset_overrides(whole, 0.1))
    families = Counter(row.family for row in plan.assets.objects)
    expected = {name: count / len(plan.assets.objects) for name, count in families.items()}
    groups = [group for shard in range(small.shards.count) for group in make_plan(small).groups(shard)]
    assert shares_p(Counter(group.object.family for group in groups), expected)[0] > 1e-4
    kinds = Counter(group.material.kind for group in groups if group.material)
    assert shares_p(kinds, {"metallic": 0.5, "non-metallic": 0.5})[0] > 1e-4


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.25", 0.25), ("100%", 1.0)])
def test_shares(text: str, value: float) -> None:
    assert share(text) == value


@pytest.mark.parametrize("text", ["0", "0%", "101%", "2", "few", "-1%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a share"):
        share(text)
