# SPDX-License-Identifier: Apache-2.0
"""Finished groups of an interrupted shard: used again if they are whole and made alike, gone with the commit."""

import dataclasses
import json
from pathlib import Path

import pytest

from multishade.errors import ShardError
from multishade.render.plan import Plan
from multishade.render.progress import Event, SamplesRendered
from multishade.render.run import render
from multishade.shards.layout import shard_file
from multishade.shards.marker import read_marker
from multishade.storage.store import open_store
from tests.support.dummy_process import LOADED
from tests.support.fault_runs import hashes, left_behind, plan_of, without_processes

STAGED = ".multishade-000000.groups"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("plan"), groups=5)


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, folder).complete
    return hashes(folder)


class Stop:
    """Interrupts a run after a number of samples, as Ctrl-C does."""

    def __init__(self, samples: int) -> None:
        self._left = samples

    def __call__(self, event: Event) -> None:
        if isinstance(event, SamplesRendered):
            self._left -= event.count
            if self._left <= 0:
                raise KeyboardInterrupt


def interrupted(plan: Plan, place: Path | str, samples: int = 3) -> None:
    with without_processes(), pytest.raises(KeyboardInterrupt):
        render(plan, place, progress=Stop(samples))


def finished(plan: Plan, place: Path | str) -> tuple[int, list[str]]:
    """Groups that were resumed, and those that were rendered."""
    LOADED.clear()
    with without_processes():
        result = render(plan, place)
    assert result.complete
    return result.resumed, list(LOADED)


def test_finished_groups_are_not_rendered_again(
    plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    interrupted(plan, tmp_path)
    assert len(list((tmp_path / STAGED).iterdir())) == 3
    resumed, rendered = finished(plan, tmp_path)
    assert resumed == 3
    assert rendered == ["s000000-g0003", "s000000-g0004", *(f"s000001-g{number:04d}" for number in range(5))]
    assert hashes(tmp_path) == reference and left_behind(tmp_path, tmp_path) == []
    marker = read_marker(shard_file(tmp_path, 0))
    assert marker is not None and marker.resumed == 3
    assert {"multishade", "processor", "blender", "device"} == set(marker.made_by)
    # The record of time is that of all groups, whoever rendered them.
    assert marker.timings["total"] > marker.timings["encode"] > 0 and marker.timings["cpu"] > 0


def test_an_object_store_keeps_them_too(plan: Plan, reference: dict[str, str], tmp_path: Path) -> None:
    place = f"memory://{tmp_path.name}/out"
    interrupted(plan, place)
    assert len(open_store(place).child(STAGED).list_names()) == 3
    assert finished(plan, place)[0] == 3
    assert open_store(place).child(STAGED).list_names() == []
    content = {name: open_store(place).read_bytes(name) for name in open_store(place).list_names("*.tar")}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    assert hashes(tmp_path) == reference


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "foreign"])
def test_a_damaged_group_is_rendered_again(
    damage: str, plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    interrupted(plan, tmp_path)
    path = tmp_path / STAGED / "s000000-g0001.group"
    data = path.read_bytes()
    other = (tmp_path / STAGED / "s000000-g0000.group").read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "cut": data[:-1],
            "bit": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "empty": b"",
            "foreign": other,
        }[damage]
    )
    resumed, rendered = finished(plan, tmp_path)
    assert resumed == 2 and rendered[0] == "s000000-g0001"
    assert hashes(tmp_path) == reference


def test_groups_of_another_version_or_renderer_are_rendered_again(
    plan: Plan, reference: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(plan, tmp_path)
    monkeypatch.setattr("multishade.render.staging.__version__", "99.0")
    assert finished(plan, tmp_path)[0] == 0
    assert hashes(tmp_path) == reference


def test_a_shard_that_is_given_up_keeps_its_finished_groups(plan: Plan, tmp_path: Path) -> None:
    config = plan.config.model_copy(
        update={"runtime": plan.config.runtime.model_copy(update={"consecutive_failures": 1})}
    )
    strict = dataclasses.replace(plan, config=config)
    with without_processes(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUMMY_BLENDER", "error@s000000-g0002")
        result = render(strict, tmp_path, [0])
    assert list(result.given_up) == [0] and len(list((tmp_path / STAGED).iterdir())) == 2
    assert finished(plan, tmp_path)[0] == 2


def test_what_a_cut_off_writer_left_of_a_complete_shard_goes(plan: Plan, tmp_path: Path) -> None:
    finished(plan, tmp_path)
    (tmp_path / STAGED).mkdir()
    (tmp_path / STAGED / "s000000-g0001.group").write_bytes(b"late")
    (tmp_path / ".multishade-000001.tar.0011aabb.partial").write_bytes(b"late")
    stranger = tmp_path / ".dataset.json.0011aabb.partial"
    stranger.write_bytes(json.dumps({}).encode())
    with without_processes():
        assert render(plan, tmp_path).complete
    # The temporary file of a writer that may still run, on another machine, stays.
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == [stranger]


def test_a_staged_folder_that_cannot_be_listed_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / STAGED).mkdir()
    (tmp_path / STAGED / "s000000-g0000.group").mkdir()  # no file: it is not read, and nothing can replace it
    with without_processes(), pytest.raises(ShardError, match=r"s000000-g0000\.group"):
        result = render(plan, tmp_path, [0])
        raise ShardError(result.given_up[0].error)
