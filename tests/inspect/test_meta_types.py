# SPDX-License-Identifier: Apache-2.0
"""No name of meta.json has values of two types in one data set, so that a table of samples can be made of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from multishade.assets.manifest import read_objects, write_rows
from multishade.assets.schema import ObjectRow
from multishade.config import load_config
from multishade.inspect.meta_types import MetaTypes, merge_types
from multishade.inspect.report import inspect_shard, summarise
from multishade.render.plan import Plan, make_plan
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "configs" / "demo.yaml"
OBJECTS = REPOSITORY / "assets_manifest" / "objects.jsonl"
HASH = "ab" * 32


def plan_of(manifest: Path) -> Plan:
    return make_plan(load_config(DEMO, [f"sources.objects=[{manifest}]", "shards.groups=24"]))


@pytest.fixture(scope="module")
def mixed_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The demo with one object in a file beside twelve built-in ones."""
    folder = tmp_path_factory.mktemp("mixed")
    rows = [row for row in read_objects(OBJECTS) if row.split == "train" and row.source == "builtin"][:12]
    common: dict[str, Any] = {"family": "chair", "licence": "CC0-1.0", "split": "train"}
    rows.append(ObjectRow(id="chair", source="file", location="chair.glb", sha256=HASH, **common))
    write_rows(folder / "objects.jsonl", rows)
    return plan_of(folder / "objects.jsonl")


def test_built_in_objects_alone_keep_null() -> None:
    assert {group.object_sha256 for group in plan_of(OBJECTS).groups(0)} == {None}


def test_beside_objects_in_files_a_built_in_one_has_an_empty_text(mixed_plan: Plan) -> None:
    hashes = {group.object.source: group.object_sha256 for group in mixed_plan.groups(0)}
    assert hashes == {"builtin": "", "file": HASH}


def test_a_mixed_data_set_is_loaded_by_hugging_face(mixed_plan: Plan, tmp_path: Path) -> None:
    import datasets

    groups = sorted(mixed_plan.groups(0), key=lambda group: group.object.source)[:8]
    groups += [group for group in mixed_plan.groups(0) if group.object.source == "file"][:2]
    samples = []
    for number, group in enumerate(groups):  # the first five, of which types are taken, are built-in
        sample = make_sample(f"s000000-g{number:04d}-v0", size=24)
        source, sha256 = group.object.source, group.object_sha256
        samples.append(with_meta(sample, "object", source=source, sha256=sha256))
    write_synthetic_shard(tmp_path / "mixed.tar", samples)
    datasets.disable_progress_bars()
    table = datasets.load_dataset(
        "webdataset",
        data_files=[str(tmp_path / "mixed.tar")],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    loaded = [json.dumps(row["object"]["sha256"]) for row in table["meta.json"]]
    assert loaded == ['""'] * 8 + [json.dumps(HASH)] * 2
    assert summarise([inspect_shard(tmp_path / "mixed.tar")])["checks"]["types"] == 0


def test_null_beside_a_text_is_found() -> None:
    findings = summarise([inspect_shard(Path(__file__).parents[1] / "cases" / "e1_mixed.tar")])["findings"]
    (finding,) = [each for each in findings if each["check"] == "types"]
    assert finding["message"] == "object.sha256: is a text, in s000000-g0000-v0 it is null"
    assert finding["key"] == "s000000-g0003-v0"


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"seed": 1}, {"seed": 1.5}, "seed: is a number with a fraction, in a it is a whole number"),
        (
            {"object": {"findings": []}},
            {"object": {"findings": ["x"]}},
            "object.findings: is a list, in a it is an empty list",
        ),
        ({"K": [[1.0]]}, {"K": [[None]]}, "K[][]: is null, in a it is a number with a fraction"),
        (
            {"renderer": {"denoiser": None}},
            {"renderer": {"denoiser": {"name": "x"}}},
            "renderer.denoiser: is names and values, in a it is null",
        ),
        ({"object": {"id": "x"}}, {"object": {"id": "x", "findings": ["y"]}}, None),
    ],
)
def test_other_members_of_the_kind(first: Any, then: Any, message: str | None) -> None:
    tars = [MetaTypes(), MetaTypes()]
    tars[0].add("a", first)
    tars[1].add("b", then)
    assert merge_types(tars) == [[], [("b", message)] if message else []]


def test_types_are_compared_between_the_tars_of_a_data_set(tmp_path: Path) -> None:
    for number, sha256 in enumerate((None, HASH)):
        sample = with_meta(make_sample(f"s00000{number}-g0000-v0", size=24), "object", sha256=sha256)
        write_synthetic_shard(tmp_path / f"{number}.tar", [sample])
    reports = [inspect_shard(tmp_path / f"{number}.tar") for number in range(2)]
    (finding,) = [each for each in summarise(reports)["findings"] if each["check"] == "types"]
    assert (finding["shard"], finding["key"]) == ("1.tar", "s000001-g0000-v0")
