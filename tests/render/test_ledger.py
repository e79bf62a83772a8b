# SPDX-License-Identifier: Apache-2.0
"""What failed is listed with its reason and the command that shows it again; objects are passed over by plan."""

import dataclasses
import json
from pathlib import Path

import pytest

from multishade.cli import main
from multishade.errors import ConfigError, ShardError
from multishade.render.failures import FailureKind, GroupFailure, group_failure
from multishade.render.ledger import Entry, Ledger, read_ledger
from multishade.render.plan import Plan, read_plan, with_quarantine
from multishade.render.quarantine import Quarantined, ranges, read_quarantine, write_quarantine
from multishade.render.run import render
from multishade.shards.layout import shard_file
from multishade.shards.marker import read_marker
from tests.support.fault_runs import OBJECTS, hashes, plan_of, without_processes

FAILURE = GroupFailure(
    "s000000-g0001", "chair", "own", FailureKind.CRASH, "Blender ended with signal SIGSEGV at 'load'", 2
)


def entry(**changes: object) -> Entry:
    return Entry(0, True, dataclasses.replace(FAILURE, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("plan"), "runtime.attempts=1", groups=4, shards=4)


@pytest.fixture
def broken(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two complete shards; one group of the first was left out, and one of the second."""
    for shard, group in ((0, "s000000-g0001"), (1, "s000001-g0002")):
        monkeypatch.setenv("DUMMY_BLENDER", f"asset@{group}")
        with without_processes():
            render(plan, tmp_path, [shard])
    monkeypatch.delenv("DUMMY_BLENDER")
    return tmp_path


def test_the_reason_is_what_blender_said_not_where() -> None:
    lines = (
        "Read glTF file",
        "Error: the buffer is too short",
        "Location: /usr/lib/io.py:12",
        "Blender quit",
    )
    assert entry(output=lines).reason == (
        "Blender ended with signal SIGSEGV at 'load'; Blender's last words: Error: the buffer is too short"
    )
    asset = entry(kind=FailureKind.ASSET, error="a.glb: Blender cannot import it: no faces", output=lines)
    assert asset.reason == "a.glb: Blender cannot import it: no faces"
    assert entry(output=()).reason == FAILURE.error


def test_failures_are_read_from_markers_and_beside_shards(
    broken: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_BLENDER", "error@load")
    with without_processes():
        assert list(render(plan, broken, [2]).given_up) == [2]
    ledger = read_ledger(broken)
    assert ledger.complete == (0, 1) and ledger.shards == [0, 1, 2]
    assert dict(ledger.by_kind()) == {"asset": 2, "render": 4}
    assert [found.complete for found in ledger.entries] == [True, True, False, False, False, False]
    (first, *_) = ledger.entries
    assert (first.failure.group, first.failure.phase) == ("s000000-g0001", "load")


def test_a_failure_of_another_version_is_read() -> None:
    row = {**dataclasses.asdict(FAILURE), "weather": "fine"}
    assert group_failure(row) == FAILURE
    del row["phase"], row["signal"]
    assert group_failure(row) == FAILURE


def test_the_command_lists_counts_and_writes_a_page(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["failures", str(broken)]) == 1
    printed = capsys.readouterr().out
    assert "s000000-g0001 (left out): s000000-g0001: the file is torn" in printed
    assert f"again: multishade replay {broken} --key s000000-g0001" in printed
    assert "2 failures in 2 shards, 2 complete" in printed
    assert main(["failures", str(broken), "--by", "kind"]) == 1
    assert "     2  asset" in capsys.readouterr().out
    assert main(["failures", str(broken), "--by", "object", "--html", "-o", str(tmp_path / "page")]) == 1
    page = (tmp_path / "page" / "failures.html").read_text()
    assert "2 failures in 2 shards" in page and "the file is torn" in page and "--key s000001-g0002" in page


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["failures", str(tmp_path)]) == 2
    assert "is this a data set's folder?" in capsys.readouterr().err


def test_a_material_that_fails_on_several_objects_is_to_blame() -> None:
    entries = (
        entry(group="a", object="chair", material="rust"),
        entry(group="b", object="table", material="rust"),
        entry(group="c", object="chair", material="wood"),
        entry(group="d", object="lamp", kind=FailureKind.DEVICE),
        entry(group="e", object="lamp", kind=FailureKind.STORAGE),
    )
    ledger = Ledger(entries, (0, 1, 5))
    assert ledger.bad_materials() == {"rust": 2}
    assert ledger.suspects(2, ()) == []  # a missing device is no fault of the lamp's
    (chair,) = ledger.suspects(1, ())
    assert (chair.object, chair.failures, chair.complete) == ("chair", 1, ((0, 1), (5, 5)))
    assert ledger.suspects(1, [chair]) == []


def test_ranges() -> None:
    assert ranges([3, 1, 2, 7, 2]) == ((1, 3), (7, 7)) and ranges([]) == ()


def test_later_shards_show_another_object_whatever_their_order(broken: Path, plan: Plan) -> None:
    bad = read_ledger(broken).by_object()[0][0]
    assert main(["failures", str(broken), "--quarantine", "1"]) == 1
    entries = read_quarantine(broken)
    assert bad in {entry.object for entry in entries}
    assert all(entry.complete == ((0, 1),) for entry in entries)
    passing = with_quarantine(plan, broken)
    passed = {entry.object for entry in entries}
    shown = [passing.group(shard, group).object.id for shard in (2, 3) for group in range(4)]
    assert not passed & set(shown)
    # What was complete is planned as before, and what did not show the object, too.
    assert [passing.group(0, number) for number in range(4)] == [plan.group(0, number) for number in range(4)]
    before = [plan.group(shard, group).object.id for shard in (2, 3) for group in range(4)]
    assert passed & set(before)
    assert [new for new, old in zip(shown, before, strict=True) if old not in passed] == [
        old for old in before if old not in passed
    ]
    assert read_plan(broken).quarantine == entries
    tars = []
    for order in ([2, 3], [3, 2]):
        with without_processes():
            for shard in order:
                assert render(plan, broken, [shard]).complete
        tars.append(hashes(broken))
        for shard in order:
            shard_file(broken, shard).remove()
    assert tars[0] == tars[1] and len(tars[0]) == 4


def test_failures_are_rendered_again_by_the_blender_that_the_folder_was_begun_with(
    broken: Path, plan: Plan
) -> None:
    named = plan.config.runtime.blender
    assert named is not None and read_plan(broken).config.runtime.blender == named
    assert read_plan(broken, ["runtime.blender=/opt/blender"]).config.runtime.blender == "/opt/blender"
    with pytest.raises(ConfigError, match=r"--set seed=2: only settings of runtime"):
        read_plan(broken, ["seed=2"])
    # What was made without naming one has the record that it always had.
    runtime = plan.config.runtime.model_copy(update={"blender": None})
    config = plan.config.model_copy(update={"runtime": runtime})
    unnamed = dataclasses.replace(plan, config=config).record()
    assert "blender" not in unnamed.plan and unnamed.fingerprint == plan.record().fingerprint


def test_a_quarantine_does_not_change_the_fingerprint(broken: Path, plan: Plan) -> None:
    write_quarantine(broken, [Quarantined("monkey-0", 3, "torn")])
    assert with_quarantine(plan, broken).record().fingerprint == plan.record().fingerprint


def test_a_quarantine_of_everything_is_refused(broken: Path, plan: Plan) -> None:
    write_quarantine(broken, [Quarantined(f"monkey-{number}", 3, "torn") for number in range(OBJECTS)])
    with pytest.raises(ConfigError, match=r"every object is in its quarantine\.json"):
        render(plan, broken)


def test_a_damaged_quarantine_is_named(broken: Path, plan: Plan) -> None:
    (broken / "quarantine.json").write_text('{"schema": 1, "objects": [{"object": "a"}]}')
    with pytest.raises(ShardError, match=r"quarantine\.json: is not a quarantine"):
        render(plan, broken)


def test_a_run_in_vain_stops(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multishade.render.run.FEWEST_GROUPS", 4)
    monkeypatch.setenv("DUMMY_BLENDER", "error@load")
    with without_processes():
        result = render(plan, tmp_path)
    assert list(result.given_up) == [0] and not result.complete
    assert result.stopped == "4 of 4 groups failed, more than runtime.failed_share (0.5) allows"
    forgiving = plan.config.runtime.model_copy(update={"failed_share": 1.0})
    patient = dataclasses.replace(plan, config=plan.config.model_copy(update={"runtime": forgiving}))
    with without_processes():
        assert list(render(patient, tmp_path).given_up) == [0, 1, 2, 3]


@pytest.mark.slow
def test_the_command_renders_what_failed_again(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = next(broken.parent.glob("plan*/dummy-blender"))
    options = ["--set", f"runtime.blender={program}"]
    assert main(["failures", str(broken), "--retry", "--set", "views.count=3"]) == 2
    assert "only settings of runtime" in capsys.readouterr().err
    assert main(["failures", str(broken), "--retry", *options]) == 0
    assert json.loads((broken / "multishade-000000.json").read_text())["failures"] == []
    marker = read_marker(shard_file(broken, 1))
    assert marker is not None and marker.samples == 4
    assert main(["failures", str(broken)]) == 0
