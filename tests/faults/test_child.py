# SPDX-License-Identifier: Apache-2.0
"""Blender crashes, hangs, leaks, ends or lies: the group is tried again, the bytes are the same, nothing stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from multishade.render.failures import FailureKind
from multishade.render.plan import Plan
from multishade.render.run import render
from multishade.storage.scratch import sweep_scratch
from tests.support.dummy_process import failing_once
from tests.support.fault_runs import FIGURES, PATIENCE, hashes, left_behind, plan_of, without_processes

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = ("runtime.request_seconds=20", "runtime.memory_gib=0.3")
KINDS = {
    "crash": FailureKind.CRASH,
    "exit": FailureKind.CRASH,
    "hang": FailureKind.TIMEOUT,
    "stop": FailureKind.TIMEOUT,
    "leak": FailureKind.MEMORY,
    "truncate": FailureKind.RENDER,
    "error": FailureKind.RENDER,
    "asset": FailureKind.ASSET,
}


def some_of(first: str, *others: str) -> list[object]:
    """The first one in every run of the tests, the others in `make test-faults`."""
    return [first, *(pytest.param(other, marks=pytest.mark.slow) for other in others)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    return plan_of(folder, *QUICK)


@pytest.fixture(scope="module")
def reference(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("reference")
    with without_processes():
        assert render(plan, output).complete
    return hashes(output)


@pytest.mark.parametrize("fault", some_of("crash", "exit", "hang", "stop", "leak", "truncate", "error"))
def test_a_child_that_fails_once_costs_one_attempt(
    fault: str, plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    with failing_once(f"{fault}@s000000-g0001") as starts:
        result = render(plan, tmp_path / "out")
    assert len(starts) == 3 and result.complete, (
        result
    )  # one for each shard, and one in the place of the failed one
    assert hashes(tmp_path / "out") == reference
    assert left_behind(tmp_path / "out", folder) == []
    FIGURES.faults[f"child: {fault}"] += 1


@pytest.mark.parametrize(
    "fault", some_of("asset", "crash", "exit", "hang", "stop", "leak", "truncate", "error")
)
def test_a_child_that_always_fails_at_a_group_is_recorded_by_kind(
    fault: str, plan: Plan, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_BLENDER", f"{fault}@s000000-g0001")
    result = render(plan, tmp_path, [0])
    (failure,) = result.failures
    assert (failure.group, failure.kind) == ("s000000-g0001", KINDS[fault])
    assert failure.attempts == (1 if fault == "asset" else 2)
    assert left_behind(tmp_path, folder) == []
    FIGURES.faults[f"child: {fault}, always at one group"] += 1


def start(folder: Path, output: Path, backend: str = "local", *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.support.fault_driver", str(folder), str(output), backend, *more]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DUMMY_BLENDER": "slow@load"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(output: Path, groups: int, process: "subprocess.Popen[str]", seconds: float = PATIENCE) -> None:
    """Wait until groups are staged, or the process has ended."""
    deadline = time.monotonic() + seconds
    while len(list(output.glob(".*.groups/*.group"))) < groups and process.poll() is None:
        assert time.monotonic() < deadline, "nothing is rendered"
        time.sleep(0.02)


def gone(folder: Path, output: Path, seconds: float = PATIENCE / 10) -> list[str]:
    """What is left some time after the end: a Blender whose owner was killed ends by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sweep_scratch()
        if not (left := left_behind(output, folder)):
            break
        time.sleep(0.2)
    return left


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_killed_driver_is_continued(
    seed: int, plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    with start(folder, tmp_path, "local", *QUICK) as process:
        wait_for(tmp_path, int(rng.integers(0, 3)), process)
        time.sleep(float(rng.uniform(0, 0.3)))
        process.kill()
    committed = {path.stem for path in tmp_path.glob("multishade-*.json")}
    staged = [path for path in tmp_path.glob(".*.groups/*.group") if path.parent.stem[1:] not in committed]
    result = render(plan, tmp_path)
    assert result.complete and hashes(tmp_path) == reference
    assert result.resumed == len(staged) and len(result.rendered) == 2 - len(committed)
    assert gone(folder, tmp_path) == []
    FIGURES.faults["driver: SIGKILL"] += 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_killed_blender_costs_one_attempt(
    seed: int, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(100 + seed)
    with start(folder, tmp_path, "local", *QUICK) as process:
        wait_for(tmp_path, 1, process)
        time.sleep(float(rng.uniform(0, 0.3)))
        how = [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT][seed % 4]
        for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
            child.send_signal(how)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    FIGURES.faults[f"child: {how.name}"] += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals", [["INT"], ["TERM"], ["TERM", "TERM"], ["INT", "INT"], ["INT", "TERM", "INT"]]
)
def test_signals_end_with_130_and_leave_nothing(
    signals: list[str], plan: Plan, folder: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    with start(folder, tmp_path, "local", *QUICK) as process:
        wait_for(tmp_path, 1, process)
        for name in signals:
            process.send_signal(getattr(signal, f"SIG{name}"))
            time.sleep(0.01)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, printed
    assert not [item for item in left_behind(tmp_path / "none", folder)]
    assert render(plan, tmp_path).complete and hashes(tmp_path) == reference
    assert gone(folder, tmp_path) == []
    FIGURES.faults["driver: " + ", ".join(f"SIG{name}" for name in signals)] += 1


@pytest.mark.slow
def test_a_stopped_driver_goes_on(folder: Path, reference: dict[str, str], tmp_path: Path) -> None:
    with start(folder, tmp_path, "local", *QUICK) as process:
        wait_for(tmp_path, 1, process)
        process.send_signal(signal.SIGSTOP)
        time.sleep(24)  # longer than runtime.request_seconds
        process.send_signal(signal.SIGCONT)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    assert hashes(tmp_path) == reference and gone(folder, tmp_path) == []
    FIGURES.faults["driver: SIGSTOP, SIGCONT"] += 1
