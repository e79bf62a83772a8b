# SPDX-License-Identifier: Apache-2.0
"""Debian's Slurm renders by the scripts of cluster/slurm: the bytes are the same, also after a task was killed."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from multishade.render.plan import Plan
from multishade.render.run import render
from tests.support.fault_runs import DEMO, hashes, plan_of, recipe, without_processes
from tests.support.slurm import Slurm, lacking, slurm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "cluster" / "slurm"
TASKS = 4


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if missing := lacking():
        pytest.skip(f"not installed: {', '.join(missing)}; `make test-slurm` installs them")
    if os.getuid() != 0:
        pytest.skip("Slurm's node needs root")
    with slurm(tmp_path_factory.mktemp("slurm"), cpus=4) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    return plan_of(folder, shards=TASKS)


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, output).complete
    return hashes(output)


def submit(running: Slurm, folder: Path, script: str, *words: str) -> int:
    """Submit a script of cluster/slurm with the settings of the test; the number of the job."""
    options, arguments = (
        [word for word in words if word.startswith("--")],
        [word for word in words if not word.startswith("--")],
    )
    sets = [f"--set={override}" for override in recipe(folder, shards=TASKS)]
    environment = (
        f"ALL,MULTISHADE={sys.executable} -m multishade,RAY={Path(sys.executable).parent}/ray,PYTHONPATH={ROOT},"
        "DUMMY_BLENDER=slow@load"
    )
    line = [
        "sbatch",
        "--parsable",
        "--cpus-per-task=1",
        "--mem=0",
        f"--output={running.folder}/job-%A-%a.out",
    ]
    line += [f"--chdir={ROOT}", f"--export={environment}", *options, str(SCRIPTS / script), str(DEMO)]
    return int(running.call(*line, *arguments, *sets).split(";")[0])


def kill_all_with(words: str) -> None:
    """End the processes whose command has these words, and all that they started, as a machine out of memory does."""
    for process in psutil.process_iter(["cmdline"]):
        if words in " ".join(process.info["cmdline"] or ()) and process.pid != os.getpid():
            with contextlib.suppress(psutil.NoSuchProcess):
                for member in (*process.children(recursive=True), process):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        member.kill()


def printed(running: Slurm) -> str:
    return "\n".join(path.read_text()[-2000:] for path in sorted(running.folder.glob("job-*.out")))


def test_an_array_of_four_tasks_one_of_them_killed_and_queued_again(
    running: Slurm, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    job = submit(running, folder, "array.sh", f"--array=0-{TASKS - 1}", str(output), "1")
    while not list(output.glob(".multishade-000001.groups/*.group")):  # task 1 is in the middle of its shard
        assert running.states(job).get("1", "PENDING") in ("PENDING", "RUNNING"), printed(running)
        time.sleep(0.05)
    kill_all_with(f"1-1 -o {output}")
    state = running.wait(job, {"FAILED", "CANCELLED", "COMPLETED", "NODE_FAIL"}, task="1")["1"]
    assert state == "FAILED", printed(running)
    assert not (output / "multishade-000001.json").exists()
    running.call("scontrol", "requeue", f"{job}_1")
    states = running.wait(job, {"COMPLETED", "FAILED", "CANCELLED"})
    assert set(states.values()) == {"COMPLETED"} and len(states) == TASKS, printed(running)
    assert hashes(output) == reference
    assert "groups were finished before an interrupt and not rendered again" in printed(running)
    assert [path.name for path in output.iterdir() if path.name.startswith(".")] == []


def test_ray_on_the_nodes_of_a_job(
    running: Slurm, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    job = submit(running, folder, "ray.sh", "--nodes=1", str(tmp_path / "out"), f"0-{TASKS - 1}")
    states = running.wait(job, {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
    assert set(states.values()) == {"COMPLETED"}, printed(running)
    assert hashes(tmp_path / "out") == reference
    left = subprocess.run(["pgrep", "-f", f"{running.folder}"], capture_output=True, text=True).stdout.split()
    assert len(left) <= 3  # munged, slurmctld, slurmd
