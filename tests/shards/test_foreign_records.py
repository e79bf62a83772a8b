# SPDX-License-Identifier: Apache-2.0
"""Records beside shards that are damaged, hostile or of another version are named; none ends in a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from multishade.config import load_config
from multishade.config.fingerprint import fingerprint_fields
from multishade.errors import ShardError
from multishade.render.failures import failures_file, read_shard_failure
from multishade.render.ledger import read_ledger
from multishade.render.quarantine import read_quarantine
from multishade.shards.layout import (
    QUARANTINE_NAME,
    RECORD_NAME,
    failures_name,
    marker_name,
    shard_file,
    tar_name,
)
from multishade.shards.marker import read_marker
from multishade.shards.meta import decode_meta
from multishade.shards.record import DatasetRecord, read_dataset

TAR = tar_name(0)
READERS: dict[str, Callable[[Path], object]] = {
    RECORD_NAME: read_dataset,
    QUARANTINE_NAME: read_quarantine,
    marker_name(TAR): lambda folder: read_marker(folder / TAR),
    failures_name(TAR): read_ledger,
}
DAMAGED = {
    "nested": b"[" * 100_000,
    "binary": b"\xff\xfe",
    "empty": b"",
    "list": b"[]",
    "number": b"5",
    "long number": b"9" * 5000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_record_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ShardError, match=name):
        READERS[name](tmp_path)


def test_meta_that_is_nested_without_end_is_named() -> None:
    with pytest.raises(
        ShardError, match=r"s000000-g0000-v0\.meta\.json: is not JSON \(it is nested too deeply\)"
    ):
        decode_meta("s000000-g0000-v0", DAMAGED["nested"])


@pytest.mark.parametrize("wrong", [{"error": 7}, {"object": 5}, {"output": [1]}, {"kind": "x"}])
def test_failures_that_are_no_texts_are_named(wrong: dict[str, object], tmp_path: Path) -> None:
    group = {
        "group": "s000000-g0000",
        "object": "a",
        "material": "own",
        "kind": "crash",
        "error": "e",
        "attempts": 1,
    }
    content = {"schema": 1, "shard": 0, "kind": "crash", "error": "e", "groups": [{**group, **wrong}]}
    failures_file(shard_file(tmp_path, 0)).write_bytes(json.dumps(content).encode())
    with pytest.raises(ShardError, match="is not a record of failures"):
        read_shard_failure(tmp_path / TAR)


def test_numbers_that_no_integer_holds_are_named(tmp_path: Path) -> None:
    entry = {"object": "a", "failures": float("inf"), "reason": "", "complete": []}
    (tmp_path / QUARANTINE_NAME).write_text(json.dumps({"schema": 1, "objects": [entry]}))
    with pytest.raises(ShardError, match="is not a quarantine"):
        read_quarantine(tmp_path)
    marker = {
        "schema": 1,
        "shard": TAR,
        "sha256": "",
        "bytes": 1,
        "samples": 1,
        "fields": ["a"],
        "timings": {},
    }
    members = {"s000000-g0000-v0": [[10**30, 1]]}
    (tmp_path / marker_name(TAR)).write_text(json.dumps({**marker, "failures": [], "members": members}))
    with pytest.raises(ShardError, match="is not a marker"):
        read_marker(tmp_path / TAR)


def test_a_recipe_of_another_version_names_the_setting() -> None:
    config = load_config("demo")
    fields = {**fingerprint_fields(config), "tomorrow": 1}
    plan = {"shards": 2, "sources": config.sources.model_dump(mode="json")}
    with pytest.raises(ShardError, match="not one of this version of MultiShade: tomorrow"):
        DatasetRecord(fields, {}, plan).recipe()
    with pytest.raises(ShardError, match="incomplete"):
        DatasetRecord(fields, {}, {}).recipe()
