# SPDX-License-Identifier: Apache-2.0
"""Ray's processes are killed or cut off: a named error within seconds, or the run finishes; the same bytes after."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from multishade.render.backends import Resources
from multishade.render.plan import Plan
from multishade.render.run import render
from tests.faults.test_child import gone, start, wait_for
from tests.support.fault_runs import FIGURES, PATIENCE, hashes, plan_of, without_processes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    return plan_of(folder)


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, output).complete
    return hashes(output)


def family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def named(pid: int, word: str) -> list[psutil.Process]:
    """Processes below the driver whose command has this word."""
    found = []
    for process in family(pid):
        try:
            if word in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def left_of_ray(members: list[psutil.Process], seconds: float = PATIENCE / 3) -> list[psutil.Process]:
    """Processes of the run that are still there long after its end: Ray's agents wait a minute for a lost GCS."""
    psutil.wait_procs(members, timeout=seconds)
    return [
        process for process in members if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize(("what", "said"), [("raylet/raylet", "its raylet"), ("gcs_server", "its GCS at")])
def test_a_lost_part_of_ray_is_named_within_seconds(
    what: str, said: str, plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    with start(folder, tmp_path, "ray") as process:
        wait_for(tmp_path, 1, process)
        members = family(process.pid)
        (victim, *_) = named(process.pid, what)
        victim.kill()
        killed = time.monotonic()
        printed, _ = process.communicate(timeout=PATIENCE)
    seconds = time.monotonic() - killed  # a figure of the page; Ray by itself ends the process after a minute
    assert process.returncode == 2, printed
    assert f"error: Ray was lost: {said}" in printed and "the same command continues" in printed
    assert left_of_ray(members) == []
    with without_processes():
        assert render(plan, tmp_path).complete
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    name = what.rpartition("/")[2]
    FIGURES.faults[f"{name}: SIGKILL"] += 1
    FIGURES.recovery[f"From the kill of {name} to the end of the command"] = seconds


def kill_worker(pid: int) -> None:
    (worker, *_) = named(pid, "ray::render_shard") or named(pid, "ray::_render")
    worker.kill()


def kill_blender(pid: int) -> None:
    (blender, *_) = named(pid, "dummy-blender")
    blender.kill()


@pytest.mark.parametrize("kill", [kill_worker, kill_blender])
def test_a_lost_worker_is_replaced(
    kill: Callable[[int], None], folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    with start(folder, tmp_path, "ray") as process:
        wait_for(tmp_path, 1, process)
        members = family(process.pid)
        kill(process.pid)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert hashes(tmp_path) == reference
    assert left_of_ray(members) == [] and gone(folder, tmp_path) == []
    FIGURES.faults[kill.__name__.replace("kill_", "Ray's ") + ": SIGKILL"] += 1


@pytest.mark.parametrize("signals", [["KILL"], ["TERM"], ["TERM", "TERM"], ["INT", "INT", "INT"]])
def test_the_command_killed_and_repeated(
    signals: list[str], plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    """The acceptance of the issue: SIGKILL of the driver in the middle; and the ways to stop it."""
    with start(folder, tmp_path, "ray") as process:
        wait_for(tmp_path, 2, process)
        members = family(process.pid)
        for name in signals:
            process.send_signal(getattr(signal, f"SIG{name}"))
            time.sleep(0.02)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == (-signal.SIGKILL if signals == ["KILL"] else 130), printed
    assert left_of_ray(members) == []
    committed = {path.stem for path in tmp_path.glob("multishade-*.json")}
    staged = [path for path in tmp_path.glob(".*.groups/*.group") if path.parent.stem[1:] not in committed]
    with without_processes():
        result = render(plan, tmp_path)
    assert result.complete and result.resumed == len(staged)
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    FIGURES.faults["command with Ray: " + ", ".join(f"SIG{name}" for name in signals)] += 1


# Ray's names of what is lost: the setting that asks for it, and what its log says when it does so.
LOSSES = {
    "req": "Inject RPC request failure for",
    "in_flight": "Inject RPC response failure while request in flight for",
    "resp": "Inject RPC response failure for",
}
# How many messages of a kind each process of Ray loses, at its first calls. A lost task is a lost worker to Ray, and a
# shard that loses two is given up.
LOST = {
    "CoreWorkerService.grpc_client.PushTask": 1,
    "NodeManagerService.grpc_client.RequestWorkerLease": 2,
    "NodeManagerService.grpc_client.ReturnWorkerLease": 1,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_lost_messages_between_rays_processes(
    loss: str, folder: Path, reference: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself loses requests, answers, and answers to requests that are still at work."""
    faults = {
        name: {"num_failures": count, f"num_lower_bound_{loss}_failures": count}
        for name, count in LOST.items()
    }
    monkeypatch.setenv("RAY_testing_rpc_failure", json.dumps(faults))
    monkeypatch.setenv("RAY_LOG_TO_STDERR", "1")  # else its log is removed at the end of the run
    with start(folder, tmp_path, "ray") as process:
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    for name, count in LOST.items():
        injected = printed.count(f"{LOSSES[loss]} {name}")
        assert injected >= count, printed
        what = "request" if loss == "req" else "answer"
        FIGURES.faults[f"Ray: lost {what} of {name.rpartition('.')[2]}"] += injected


def test_one_of_two_nodes_is_cut_off(
    plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("DUMMY_BLENDER", "slow@load")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        cut = False

        def cut_off(event: object) -> None:
            nonlocal cut
            staged = {path.parent for path in tmp_path.glob(".*.groups/*.group")}
            if not cut and staged:
                cluster.remove_node(second, allow_graceful=False)
                cut = True

        result = render(
            plan, tmp_path, backend="ray", resources=Resources(address=cluster.address), progress=cut_off
        )
        assert cut
    finally:
        cluster.shutdown()
    if not result.complete:  # a shard that lost its node twice is finished by a rerun
        with without_processes():
            result = render(plan, tmp_path)
    assert result.complete and hashes(tmp_path) == reference
    assert gone(folder, tmp_path) == []
    FIGURES.faults["one of two nodes cut off"] += 1


def test_a_shared_memory_of_2_mib(
    plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    """In a namespace of its own, /dev/shm is 2 MiB: temporary folders go elsewhere, and nothing is left there."""
    script = (
        "mount -t tmpfs -o size=2m tmpfs /dev/shm && "
        f"exec {sys.executable} -m tests.support.fault_driver {folder} {tmp_path / 'out'} ray && ls /dev/shm"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    if "unshare: " in done.stderr or "mount: " in done.stderr:
        pytest.skip("this user may not have a mount namespace")
    assert done.returncode == 0, done.stderr
    assert "/dev/shm: 2 MiB free" in done.stderr and "--shm-size=1g" in done.stderr
    assert hashes(tmp_path / "out") == reference and gone(folder, tmp_path / "out") == []
    FIGURES.faults["/dev/shm of 2 MiB"] += 1
