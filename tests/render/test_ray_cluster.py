# SPDX-License-Identifier: Apache-2.0
"""Which Ray a run starts or joins, and what it ends of it."""

import signal
import subprocess
import time

import psutil
import pytest
import ray

from multishade.errors import ShardError
from multishade.render.backends import Resources, ray_cluster
from multishade.render.progress import StartRepeated


def test_without_an_address_a_run_starts_its_own_ray_beside_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(ray, "init", lambda **settings: asked.update(settings))
    assert ray_cluster._start(Resources(workers=2, cpus_per_worker=3), lambda event: None) == 2
    assert asked["address"] == "local" and asked["num_cpus"] == 6


def test_a_start_that_is_late_is_repeated_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Exception("The current node timed out during startup.")
    errors: list[Exception | None] = [late, late, None]
    started: list[subprocess.Popen[bytes]] = []

    def init(**settings: object) -> None:
        started.append(subprocess.Popen(["sleep", "600"]))
        if (error := errors.pop(0)) is not None:
            raise error

    events: list[object] = []
    monkeypatch.setattr(ray, "init", init)
    ray_cluster._start(Resources(workers=1), events.append)
    assert events == [
        StartRepeated(2, ray_cluster.START_ATTEMPTS),
        StartRepeated(3, ray_cluster.START_ATTEMPTS),
    ]
    first, second, third = started
    assert first.poll() is not None and second.poll() is not None and third.poll() is None
    third.kill()
    third.wait()
    errors += [late] * ray_cluster.START_ATTEMPTS
    with pytest.raises(
        ShardError, match=f"cannot be started on this machine, tried {ray_cluster.START_ATTEMPTS}"
    ):
        ray_cluster._start(Resources(workers=1), events.append)
    errors[:] = [ValueError("no such resource")]  # not repeated: it would fail again
    with pytest.raises(ShardError, match="cannot be started on this machine: no such resource"):
        ray_cluster._start(Resources(workers=1), events.append)
    for process in started:
        process.kill()
        process.wait()


def test_an_address_without_a_cluster_is_named() -> None:
    with pytest.raises(ShardError, match="--address 127.0.0.1:1: no Ray cluster answers there"):
        ray_cluster._join(Resources(address="127.0.0.1:1"), "127.0.0.1:1")


def test_nodes_that_join_later_get_work_and_workers_bound_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = ray_cluster.Cluster.__new__(ray_cluster.Cluster)
    cluster.slots, cluster._own, cluster._raylet, cluster._gcs = 4, False, None, "head:1"
    cluster._looked = cluster._answered = float("-inf")
    cluster._resources = Resources(address="head:1", cpus_per_worker=2, workers=7)
    monkeypatch.setattr(ray_cluster, "_answers", lambda address: True)
    for cpus, slots in ((8.0, 4), (12.0, 6), (16.0, 7), (2.0, 1), (0.0, 0)):
        resources = {"CPU": cpus}
        monkeypatch.setattr(ray, "cluster_resources", lambda resources=resources: resources)
        cluster._looked = float("-inf")
        cluster.require_alive()
        assert cluster.slots == slots


def test_a_process_that_stays_stopped_is_ended_and_one_that_goes_on_is_not() -> None:
    cluster = ray_cluster.Cluster.__new__(ray_cluster.Cluster)
    cluster._family, cluster._stopped = set(), {}
    with subprocess.Popen(["sleep", "60"]) as stays, subprocess.Popen(["sleep", "60"]) as goes_on:
        for process in (stays, goes_on):
            process.send_signal(signal.SIGSTOP)
            wait_for_status(process.pid, psutil.STATUS_STOPPED)
        for _ in range(ray_cluster.STOPPED_LOOKS):
            cluster._end_stopped()
        assert stays.poll() is None
        goes_on.send_signal(signal.SIGCONT)
        wait_for_status(goes_on.pid, psutil.STATUS_SLEEPING)
        cluster._end_stopped()
        assert stays.wait(timeout=10) == -signal.SIGKILL
        assert goes_on.poll() is None
        goes_on.kill()


def wait_for_status(pid: int, status: str) -> None:
    deadline = time.monotonic() + 30
    while psutil.Process(pid).status() != status:
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
