# SPDX-License-Identifier: Apache-2.0
"""Every call that changes a file fails, one after another: the run stops by name, a rerun gives the same bytes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from multishade.errors import StorageError
from multishade.render.plan import Plan
from multishade.render.run import render
from tests.support.disk_faults import REFUSALS, refusing
from tests.support.fault_runs import FIGURES, hashes, left_behind, mounted, plan_of, without_processes

MOST_CALLS = 2000  # a run passes long before


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, folder).complete
    return hashes(folder)


def break_and_finish(plan: Plan, kind: str, number: int, for_good: bool, folder: Path) -> bool:
    """Whether the run came as far as this call, and failed there."""
    with without_processes(), refusing(kind, number, for_good) as disk:
        try:
            render(plan, folder)
        except StorageError as error:
            assert str(folder) in str(error)
        else:
            assert not disk.refused, f"{kind} {number}: the refusal was passed over"
    return disk.refused > 0


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.slow
def test_every_call_may_be_refused(
    kind: str, for_good: bool, plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    for number in range(1, MOST_CALLS):
        folder = tmp_path / str(number)
        failed = break_and_finish(plan, kind, number, for_good, folder)
        with without_processes():
            assert render(plan, folder).complete
        assert hashes(folder) == reference, f"{kind} {number}"
        assert left_behind(folder, tmp_path) == [], f"{kind} {number}"
        shutil.rmtree(folder)
        if not failed:
            return
        FIGURES.faults[f"{kind} refused, {'for good' if for_good else 'once'}"] += 1
    raise AssertionError("no run passed")


@pytest.mark.parametrize(("kind", "number"), [("write", 1), ("write", 40), ("sync", 3), ("rename", 2)])
def test_some_calls_are_refused(
    kind: str, number: int, plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    assert break_and_finish(plan, kind, number, True, tmp_path / "out")
    with without_processes():
        assert render(plan, tmp_path / "out").complete
    assert hashes(tmp_path / "out") == reference
    assert left_behind(tmp_path / "out", tmp_path) == []


def test_a_full_disk_stops_the_run_at_the_first_write(plan: Plan, tmp_path: Path) -> None:
    with without_processes(), refusing("create", 3, for_good=True) as disk:
        with pytest.raises(StorageError, match="Read-only file system; free space or choose another"):
            render(plan, tmp_path / "out")
    assert disk.refused == 2  # the tar, and the record of its failure: the second shard is not tried


@pytest.mark.slow
def test_a_disk_that_is_really_full(plan: Plan, reference: dict[str, str], tmp_path: Path) -> None:
    for kib in (4, 16, 32, 48, 64):
        with mounted(tmp_path / "small", kib) as small, without_processes():
            with pytest.raises(StorageError, match="No space left on device"):
                render(plan, small / "out")
            subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
            assert render(plan, small / "out").complete
            assert hashes(small / "out") == reference
            assert left_behind(small / "out", tmp_path) == []
        FIGURES.faults["disk full (tmpfs)"] += 1


@pytest.mark.slow
def test_a_folder_that_becomes_immutable_or_read_only(
    plan: Plan, reference: dict[str, str], tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", 8192) as small, without_processes():
        assert render(plan, small / "out", [0]).complete
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(StorageError, match="Read-only file system"):
            render(plan, small / "out")
        subprocess.run(["mount", "-o", "remount,rw", small], check=True)
        assert render(plan, small / "out").complete and hashes(small / "out") == reference
    FIGURES.faults["folder read-only"] += 1
    out = tmp_path / "out"
    with without_processes():
        assert render(plan, out, [0]).complete
        if subprocess.run(["chattr", "+i", out], capture_output=True).returncode:
            pytest.skip("this file system has no immutable folders, or this user may not make one")
        try:
            with pytest.raises(StorageError, match="Operation not permitted"):
                render(plan, out)
        finally:
            subprocess.run(["chattr", "-i", out], check=True)
        assert render(plan, out).complete and hashes(out) == reference
    assert left_behind(out, tmp_path) == []
    FIGURES.faults["folder immutable"] += 1
