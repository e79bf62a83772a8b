# SPDX-License-Identifier: Apache-2.0
"""Cores, load and control groups -> the number of threads; libraries keep to it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
from numpy.typing import NDArray

from multishade import threads
from multishade.photometry.integration.methods import integrate
from multishade.photometry.rti import encode_hsh
from multishade.photometry.solvers.methods import solve


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Eight cores, all idle, no limits."""
    monkeypatch.delenv(threads.OPENMP, raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(threads, "cgroup_cores", lambda: None)
    busy(monkeypatch, [0] * 8)
    return monkeypatch


def busy(monkeypatch: pytest.MonkeyPatch, percent: list[float]) -> None:
    monkeypatch.setattr(threads.psutil, "cpu_percent", lambda seconds, percpu: percent)


class TestChoice:
    def test_an_idle_machine_is_used_whole(self, machine: pytest.MonkeyPatch) -> None:
        assert str(threads.choose()) == "8 threads (of 8 cores)"

    def test_busy_cores_are_left_to_those_who_have_them(self, machine: pytest.MonkeyPatch) -> None:
        busy(machine, [100] * 5 + [0] * 3)
        assert str(threads.choose()) == "3 threads (of 8 cores, 5.0 of them busy)"

    def test_one_thread_on_a_machine_without_a_free_core(self, machine: pytest.MonkeyPatch) -> None:
        busy(machine, [100] * 8)
        assert threads.choose().count == 1

    def test_load_on_cores_of_others_does_not_count(self, machine: pytest.MonkeyPatch) -> None:
        machine.setattr(threads.os, "sched_getaffinity", lambda pid: {2, 3})
        busy(machine, [100, 100, 0, 0, 100, 100, 100, 100])
        assert str(threads.choose()) == "2 threads (of 2 cores)"

    def test_a_share_of_the_cores_is_not_exceeded(self, machine: pytest.MonkeyPatch) -> None:
        machine.setattr(threads, "cgroup_cores", lambda: 1.5)
        assert str(threads.choose()) == "1 thread (of 1 core)"

    def test_a_large_machine_is_not_used_whole(self, machine: pytest.MonkeyPatch) -> None:
        machine.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(128)))
        busy(machine, [0] * 128)
        assert threads.choose().count == threads.MOST

    def test_processes_share_the_free_cores(self, machine: pytest.MonkeyPatch) -> None:
        assert threads.choose(processes=3).count == 2
        machine.setenv("LOCAL_WORLD_SIZE", "4")
        assert threads.choose().count == 2

    def test_omp_num_threads_wins_and_is_named(self, machine: pytest.MonkeyPatch) -> None:
        machine.setenv(threads.OPENMP, "5")
        chosen = threads.choose(processes=2)
        assert chosen.explicit and str(chosen) == "5 threads (of 8 cores; OMP_NUM_THREADS)"

    def test_the_option_wins_over_omp_num_threads(self, machine: pytest.MonkeyPatch) -> None:
        machine.setenv(threads.OPENMP, "5")
        assert str(threads.choose(3)) == "3 threads (of 8 cores)"


@pytest.mark.parametrize(
    ("groups", "files", "share"),
    [
        ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/", {"cpu.max": "400000 100000"}, 4),
        ("0::/a", {"a/cpu.max": "max 100000"}, None),
        (
            "3:cpu,cpuacct:/a\n0::/",
            {"cpu/a/cpu.cfs_quota_us": "200000", "cpu/a/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:memory:/a", {"a/cpu.max": "100000 100000"}, None),
    ],
)
def test_shares_of_control_groups(
    tmp_path: Path, groups: str, files: dict[str, str], share: float | None
) -> None:
    own = tmp_path / "own"
    own.write_text(groups + "\n")
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert threads.cgroup_cores(own, tmp_path / "fs") == share


def test_no_control_groups(tmp_path: Path) -> None:
    assert threads.cgroup_cores(tmp_path / "missing") is None


def test_loaded_libraries_and_the_environment_are_limited_and_set_back() -> None:
    import threadpoolctl
    import torch

    before, environment = torch.get_num_threads(), dict(os.environ)
    torch.set_num_threads(2)
    with threads.limited(1):
        assert torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} == {1}
        assert threads.current() == 1
        assert os.environ[threads.OPENMP] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert torch.get_num_threads() == 2
    assert dict(os.environ) == environment
    assert threads.current() == threads.cores()
    torch.set_num_threads(before)


def test_libraries_loaded_later_are_limited_and_do_not_spin() -> None:
    script = """
import os
from multishade import threads
with threads.limited(1):
    import torch, numpy, threadpoolctl
    threads.limit_torch()
    pools = {(pool["user_api"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info()}
    print(sorted(pools), torch.get_num_threads(), torch.get_num_interop_threads(), os.environ["OMP_WAIT_POLICY"])
"""
    environment = {name: value for name, value in os.environ.items() if name not in (threads.OPENMP,)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout == "[('blas', 1), ('openmp', 1)] 1 1 PASSIVE\n", done.stderr


def _ball(size: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    y, x = np.mgrid[1 : -1 : size * 1j, -1 : 1 : size * 1j]
    inside = x**2 + y**2 < 0.9
    return np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 1e-3))], axis=-1) * inside[..., None], inside


def _integrated() -> bytes:
    normal, inside = _ball(48)
    return np.nan_to_num(integrate(normal, inside).depth).tobytes()


def _solved() -> bytes:
    rng = np.random.default_rng(0)
    lights = rng.normal(size=(40, 3)) + [0, 0, 3]
    lights /= np.linalg.norm(lights, axis=1, keepdims=True)
    images = rng.random((40, 48, 48))
    return np.nan_to_num(solve(images, lights, method="robust").normal).tobytes()


def _encoded() -> bytes:
    rng = np.random.default_rng(1)
    lights = rng.normal(size=(60, 3)) + [0, 0, 3]
    lights /= np.linalg.norm(lights, axis=1, keepdims=True)
    return encode_hsh(rng.random((60, 96, 96, 3)).astype(np.float32), lights)


@pytest.mark.parametrize("make", [_integrated, _solved, _encoded])
def test_files_do_not_depend_on_the_number_of_threads(make: Callable[[], bytes]) -> None:
    make()  # libraries that are loaded on first use
    found = []
    for count in (1, 2, 3):
        with threadpoolctl.threadpool_limits(count):
            before = threadpoolctl.threadpool_info()
            found.append(make())
            assert threadpoolctl.threadpool_info() == before  # the limit ends with the function
    assert found[0] == found[1] == found[2]
