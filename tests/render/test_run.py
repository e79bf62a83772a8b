# SPDX-License-Identifier: Apache-2.0
"""`render` from Python: what is complete is skipped, what fails is kept by kind, the rest is rendered."""

import dataclasses
import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from multishade import errors
from multishade.config import load_config
from multishade.errors import ConfigError, ShardError
from multishade.render import backends
from multishade.render.backends import Resources
from multishade.render.failures import (
    FailureKind,
    GroupFailure,
    ShardFailed,
    ShardFailure,
    failures_file,
    kind_of,
    read_shard_failure,
    remove_shard_failure,
    shard_failure,
    write_shard_failure,
)
from multishade.render.plan import Plan, make_plan
from multishade.render.progress import Event, Progress, SamplesRendered, ShardCommitted, ShardGivenUp, Started
from multishade.render.run import render
from multishade.render.worker import ShardReport
from multishade.shards.dataset import Dataset
from multishade.shards.layout import shard_file
from multishade.shards.marker import commit_marker, read_marker
from multishade.shards.tar import write_tar
from multishade.storage.store import Store, open_store

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
SMALL = (
    "camera={width: 32, height: 32}",
    "shards={groups: 1, count: 3}",
    "views={count: 1, canonical: [front]}",
    "render.samples={parallel: 2, point: 2, environment: 2}",
)
FAILURE = GroupFailure(
    "s000000-g0000", "blob-1", "own", FailureKind.CRASH, "SIGSEGV", 2, ("line", "last line")
)


@pytest.fixture
def plan() -> Plan:
    return make_plan(load_config(DEMO, SMALL))


class DummyBackend:
    """Commits shards of one file each; gives up shard 0, leaves one group out of shard 1."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(
        self, plan: Plan, shards: Sequence[int], folder: Store, resources: Resources, progress: Progress
    ) -> None:
        self.asked.append(list(shards))
        for shard in reversed(shards):  # workers finish in any order
            progress(SamplesRendered(1))
            if shard == 0:
                progress(ShardGivenUp(ShardFailure(0, FailureKind.CRASH, "too many failed", (FAILURE,))))
                continue
            failures = (dataclasses.replace(FAILURE, kind=FailureKind.ASSET),) if shard == 1 else ()
            path = shard_file(folder, shard)
            digest = write_tar(path, [(f"s{shard:06d}-g0000-v0", [("meta.json", b"{}")])])
            commit_marker(path, digest, failures=[dataclasses.asdict(failure) for failure in failures])
            progress(ShardCommitted(ShardReport(shard, digest.samples, failures, {})))


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> DummyBackend:
    backend = DummyBackend()
    monkeypatch.setattr("multishade.render.run.load_backend", lambda name: backend)
    return backend


def test_complete_shards_are_skipped_and_failures_are_reported_in_order(
    plan: Plan, dummy: DummyBackend, tmp_path: Path
) -> None:
    events: list[Event] = []
    result = render(plan, tmp_path, progress=events.append)
    assert [report.shard for report in result.rendered] == [1, 2] and result.samples == 2
    assert list(result.given_up) == [0]
    assert [failure.kind for failure in result.failures] == [FailureKind.CRASH, FailureKind.ASSET]
    assert not result.complete and events[0] == Started(3, 0) and SamplesRendered(1) in events
    again = render(plan, tmp_path, [2, 1])
    assert again.skipped == {1: 1, 2: 0} and again.left_out_before == 1 and not again.complete
    assert render(plan, tmp_path, [2]).complete
    render(plan, tmp_path, [1, 2], retry_failed=True)
    assert dummy.asked == [[0, 1, 2], [1]]


def test_a_bucket_holds_what_a_folder_would(plan: Plan, dummy: DummyBackend, tmp_path: Path) -> None:
    bucket = f"memory://{tmp_path.name}/demo"
    for place in (tmp_path, bucket):
        render(plan, place)
        assert render(plan, place, [1, 2]).skipped == {1: 1, 2: 0}
    names = open_store(tmp_path).list_names()
    assert names == open_store(bucket).list_names() and len(names) == 6
    for name in names:
        assert open_store(bucket).read_bytes(name) == (tmp_path / name).read_bytes(), name
    data = Dataset(bucket)
    assert list(data) == ["s000001-g0000-v0", "s000002-g0000-v0"] and data.record == plan.record()


def test_the_failures_of_a_shard_that_was_given_up_are_kept_beside_it(
    plan: Plan, dummy: DummyBackend, tmp_path: Path
) -> None:
    render(plan, tmp_path)
    path = tmp_path / "multishade-000000.failures.json"
    assert failures_file(shard_file(tmp_path, 0)).url == str(path) and path.is_file()
    kept = read_shard_failure(shard_file(tmp_path, 0))
    assert kept == ShardFailure(0, FailureKind.CRASH, "too many failed", (FAILURE,))
    assert json.loads(path.read_text())["groups"][0]["output"] == ["line", "last line"]
    assert read_shard_failure(shard_file(tmp_path, 1)) is None


@pytest.mark.blender
def test_the_kept_failures_go_when_the_shard_is_committed(plan: Plan, tmp_path: Path) -> None:
    broken = make_plan(load_config(DEMO, [*SMALL, "runtime.blender=/nowhere/blender"]))
    result = render(broken, tmp_path, [0, 1])
    assert {failure.kind for failure in result.failures} == {FailureKind.CRASH}
    kept = read_shard_failure(shard_file(tmp_path, 0))
    assert kept is not None and "/nowhere/blender: Blender cannot be started" in kept.groups[0].error
    assert not list(tmp_path.glob("*.tar"))
    assert render(plan, tmp_path, [0]).complete
    assert read_shard_failure(shard_file(tmp_path, 0)) is None
    assert [path.name for path in tmp_path.glob("*.failures.json")] == ["multishade-000001.failures.json"]
    marker = read_marker(shard_file(tmp_path, 0))
    assert marker is not None and marker.failures == ()


@pytest.mark.blender
def test_a_store_in_memory_gets_the_bytes_that_a_folder_gets(plan: Plan, tmp_path: Path) -> None:
    store = open_store("memory://rendered")
    assert render(plan, tmp_path, [1]).complete and render(plan, store, [1]).complete
    name = "multishade-000001.tar"
    assert store.read_bytes(name) == (tmp_path / name).read_bytes()
    assert render(plan, store, [1]).skipped == {1: 0}


def test_a_failure_that_cannot_be_kept_is_still_reported(
    plan: Plan, dummy: DummyBackend, tmp_path: Path
) -> None:
    (tmp_path / "multishade-000000.failures.json").mkdir()  # nothing can be renamed onto a folder
    result = render(plan, tmp_path)
    assert result.given_up[0].error.startswith("too many failed (and this is not recorded: ")


def test_a_damaged_record_of_failures_is_named(tmp_path: Path) -> None:
    shard = shard_file(tmp_path, 0)
    write_shard_failure(shard, ShardFailure(0, FailureKind.STORAGE, "disk full"))
    (tmp_path / "multishade-000000.failures.json").write_text('{"schema": 1, "groups": [{}]}')
    with pytest.raises(ShardError, match=r"multishade-000000\.failures\.json: is not a record of failures"):
        read_shard_failure(shard)


def test_a_shard_that_raises_does_not_stop_the_others(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_shard(plan: Plan, shard: int, *_: object) -> ShardReport:
        if shard == 0:
            raise ShardFailed("every group failed", FailureKind.DEVICE, (FAILURE,))
        if shard == 1:
            raise ZeroDivisionError("a bug")
        return ShardReport(shard, 1, (), {})

    monkeypatch.setattr("multishade.render.backends.local.render_shard", render_shard)
    result = render(plan, tmp_path)
    assert [report.shard for report in result.rendered] == [2]
    assert result.given_up[0] == ShardFailure(0, FailureKind.DEVICE, "every group failed", (FAILURE,))
    assert result.given_up[1].kind is FailureKind.UNEXPECTED
    assert "Traceback" in result.given_up[1].error and "a bug" in result.given_up[1].error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.AssetError("a"), FailureKind.ASSET),
        (errors.BlenderCrashed("a"), FailureKind.CRASH),
        (errors.BlenderMemoryExceeded("a"), FailureKind.MEMORY),
        (errors.BlenderTimeout("a"), FailureKind.TIMEOUT),
        (errors.RenderDeviceMissing("a"), FailureKind.DEVICE),
        (errors.RenderFailed("a"), FailureKind.RENDER),
        (errors.ShardError("a"), FailureKind.STORAGE),
        (ShardFailed("a", FailureKind.MEMORY, ()), FailureKind.MEMORY),
        (KeyError("a"), FailureKind.UNEXPECTED),
    ],
)
def test_every_error_has_a_kind(error: Exception, kind: FailureKind) -> None:
    assert kind_of(error) is kind


def test_a_failed_shard_travels_from_worker_to_driver() -> None:
    error = ShardFailed("every group failed", FailureKind.RENDER, (FAILURE,))
    copy = pickle.loads(pickle.dumps(error))
    assert shard_failure(3, copy) == ShardFailure(3, FailureKind.RENDER, "every group failed", (FAILURE,))


def test_bad_arguments_are_refused_before_anything_is_written(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(ConfigError, match="backend 'slurm' does not exist; there are: local, ray"):
        render(plan, folder, backend="slurm")
    with pytest.raises(
        ConfigError, match=r"the data set has 3 shards, 0 to 2 \(shards.count\); requested: \[1, 3\]"
    ):
        render(plan, folder, [3, 1])
    assert not folder.exists()
    for resources in (Resources(workers=2), Resources(address="auto")):
        with pytest.raises(ConfigError, match="one shard at a time in this process; use 'ray'"):
            render(plan, folder, resources=resources)


def test_every_backend_can_be_loaded() -> None:
    assert all(callable(backends.load_backend(name)) for name in backends.BACKENDS)


def test_failures_are_kept_in_any_store() -> None:
    shard = open_store("memory://failures").file("multishade-000004.tar")
    failure = ShardFailure(4, FailureKind.WORKER_LOST, "the worker was lost", (FAILURE,))
    write_shard_failure(shard, failure)
    assert read_shard_failure(shard) == failure
    remove_shard_failure(shard)
    assert read_shard_failure(shard) is None
