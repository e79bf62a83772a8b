# SPDX-License-Identifier: Apache-2.0
"""`multishade render demo --shards 0-3` on a shrunk recipe, killed in the middle and repeated; `failures --retry`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from multishade.render.plan import Plan
from multishade.render.run import render
from multishade.shards.layout import shard_file
from multishade.shards.marker import read_marker
from tests.faults.test_child import gone
from tests.faults.test_ray import family, left_of_ray
from tests.support.fault_runs import FIGURES, PATIENCE, hashes, plan_of, recipe, without_processes

pytestmark = pytest.mark.slow
SHARDS, GROUPS = 4, 3
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    return plan_of(folder, groups=GROUPS, shards=SHARDS)


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, output).complete
    return hashes(output)


def command(folder: Path, output: Path, fault: str = "") -> "subprocess.Popen[str]":
    sets = [f"--set={each}" for each in recipe(folder, groups=GROUPS, shards=SHARDS)]
    shards = f"0-{SHARDS - 1}"
    return subprocess.Popen(
        [sys.executable, "-m", "multishade", "render", "demo", *sets, "--shards", shards, "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DUMMY_BLENDER": fault},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def unfinished(output: Path) -> list[Path]:
    """The finished groups of shards that are not complete."""
    staged = output.glob(".*.groups/*.group")
    return [path for path in staged if not (output / f"{path.parent.stem[1:]}.json").exists()]


def test_the_killed_command_is_repeated(
    plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL when a shard is complete and another has finished groups: only what is missing is rendered."""
    # The last group of the second shard is held, since a worker finishes what it can before it learns of the kill.
    with command(folder, tmp_path, f"hold@s000001-g{GROUPS - 1:04}") as process:
        while process.poll() is None and not (
            (tmp_path / "multishade-000000.json").exists()
            and len(list(tmp_path.glob(".multishade-000001.groups/*.group"))) == GROUPS - 1
        ):
            time.sleep(0.02)
        members = family(process.pid)
        process.kill()
        killed = time.monotonic()
    assert process.returncode == -signal.SIGKILL
    assert left_of_ray(members) == []
    ended = time.monotonic() - killed
    committed = {path.stem: path.read_bytes() for path in tmp_path.glob("multishade-*.json")}
    staged = unfinished(tmp_path)
    assert 0 < len(committed) < SHARDS and staged
    with command(folder, tmp_path) as process:
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    # What the second run rendered: no complete shard, and of the others no group that was staged.
    assert {name: (tmp_path / f"{name}.json").read_bytes() for name in committed} == committed
    markers = [read_marker(shard_file(tmp_path, number)) for number in range(SHARDS)]
    assert sum(marker.resumed for marker in markers if marker is not None) == len(staged)
    FIGURES.faults[f"command with Ray, {SHARDS} shards: SIGKILL, repeated"] += 1
    FIGURES.recovery["From SIGKILL of the command to the end of the last process of Ray"] = ended


def test_failures_are_rendered_again_by_retry(
    folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    """A group that always ends Blender is left out; `failures --retry` renders its shard, and no other, again."""
    with command(folder, tmp_path, "crash@s000002-g0001") as process:
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, printed
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    assert len(before) == SHARDS and hashes(tmp_path) != reference
    # The same Blender as before: dataset.json names it.
    again = subprocess.run(
        [sys.executable, "-m", "multishade", "failures", str(tmp_path), "--retry"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DUMMY_BLENDER": ""},
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "s000002-g0001 (left out)" in again.stdout and "signal" in again.stdout
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    assert [name for name in after if after[name] != before[name]] == ["multishade-000002.tar"]
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    assert not [
        process for process in psutil.Process().children() if "multishade" in " ".join(process.cmdline())
    ]
    FIGURES.faults["Blender always crashes at a group, then failures --retry"] += 1
