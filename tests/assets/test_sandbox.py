# SPDX-License-Identifier: Apache-2.0
"""Reading in child processes: a hang, a crash or too much memory costs one file and is reported in a sentence."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from multishade.assets.sandbox import Guard, Limits, Outcome, run_sandboxed
from multishade.assets.scanning.environments import check_environment
from multishade.assets.scanning.materials import check_map_set
from multishade.assets.scanning.meshes import check_mesh
from multishade.assets.scanning.triage import triage_object
from multishade.errors import AssetError

HOARD: list[bytearray] = []
LEFT_BETWEEN_ITEMS: list[float] = []


def act(item: tuple[str, int]) -> int:
    """Act as the item names; the function that the children of these tests call."""
    what, value = item
    if what == "hang":
        time.sleep(600)
    elif what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "exit":
        os._exit(3)
    elif what == "eat":
        return len(bytearray(value))
    elif what == "hoard":
        HOARD.append(bytearray(value))
    elif what == "pid":
        return os.getpid()
    elif what == "refuse":
        raise AssetError("is no good")
    elif what == "bug":
        raise KeyError("x\ny")
    elif what == "deep":
        return act(item)
    elif what == "look at the timer":  # once the answer is out
        later = threading.Timer(
            0.3, lambda: LEFT_BETWEEN_ITEMS.append(signal.getitimer(signal.ITIMER_REAL)[0])
        )
        later.start()
    elif what == "seconds left between items":
        return int(LEFT_BETWEEN_ITEMS[0])
    elif what == "talk":
        os.write(2, b"noise of a native reader\n")
    return value * 2


def outcomes(items: list[tuple[str, int]], limits: Limits) -> list[Outcome]:
    return sorted(run_sandboxed(act, items, limits), key=lambda outcome: outcome.index)


def test_each_failure_costs_its_own_item_and_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    items = [
        ("ok", 1),
        ("crash", 0),
        ("ok", 2),
        ("exit", 0),
        ("refuse", 0),
        ("bug", 0),
        ("deep", 0),
        ("talk", 3),
    ]
    found = outcomes(items, Limits(seconds=20, workers=2))
    assert [outcome.value for outcome in found] == [2, None, 4, None, None, None, None, 6]
    assert [outcome.reason for outcome in found] == [
        None,
        "the reader crashed (SIGSEGV)",
        None,
        "the reader ended with exit code 3",
        "is no good",
        "cannot be read (KeyError: 'x\\ny')",
        "is nested too deeply to read",
        None,
    ]
    assert "noise" not in capfd.readouterr().err


def test_a_hang_ends_at_its_deadline_and_the_rest_is_read() -> None:
    started = time.monotonic()
    found = outcomes([("ok", 1), ("hang", 0), ("ok", 5)], Limits(seconds=0.5, workers=1))
    assert [outcome.value for outcome in found] == [2, None, 10]
    assert found[1].reason == "took longer than 0.5 s to read"
    assert time.monotonic() - started < 20


def test_no_deadline_runs_between_two_items() -> None:
    # A group may render for an hour between two images that are copied for it.
    with Guard(act, Limits(seconds=20)) as guard:
        assert guard.call(("look at the timer", 1)).value == 2
        time.sleep(0.6)
        assert guard.call(("seconds left between items", 0)).value == 0


def test_a_child_that_died_between_two_items_costs_neither() -> None:
    with Guard(act, Limits(seconds=20)) as guard:
        first = guard.call(("pid", 0)).value
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        second = guard.call(("pid", 0))
        assert second.reason is None and second.value != first
    stream = run_sandboxed(act, [("pid", 0)] * 3, Limits(seconds=20, workers=1))
    dead = next(stream).value
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    assert [outcome.reason for outcome in stream] == [None, None]


def test_memory_is_bounded() -> None:
    found = outcomes(
        [("eat", 1 << 30), ("eat", 1 << 20)], Limits(seconds=20, memory_bytes=256 << 20, workers=1)
    )
    assert found[0].reason == "needs more than 0.25 GiB of memory to read"
    assert found[1].value == 1 << 20


def test_memory_that_earlier_files_left_does_not_count_against_a_later_one() -> None:
    items = [("hoard", 100 << 20), ("hoard", 100 << 20), ("eat", 100 << 20), ("eat", 1 << 30)]
    found = outcomes(items, Limits(seconds=20, memory_bytes=256 << 20, workers=1))
    assert [outcome.reason is None for outcome in found] == [True, True, True, False]
    assert "needs more than 0.25 GiB" in str(found[3].reason)


def test_a_child_is_replaced_after_a_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multishade.assets.sandbox.ITEMS_PER_CHILD", 2)
    found = outcomes([("pid", 0)] * 5, Limits(workers=1))
    assert [found[0].value == found[k].value for k in range(5)] == [True, True, False, False, False]


def test_leaving_early_leaves_no_child_behind() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    stream = run_sandboxed(act, [("ok", 1), ("hang", 0), ("hang", 0)], Limits(workers=2))
    assert next(stream).value == 2
    stream.close()  # type: ignore[attr-defined]
    after = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert [child for child in after if "resource_tracker" not in " ".join(child.cmdline())] == []


@pytest.mark.parametrize("checker", [check_mesh, check_map_set, check_environment, triage_object])
def test_a_checker_reaches_a_child_by_its_name(checker: Callable[..., Any]) -> None:
    assert pickle.loads(pickle.dumps(checker)) is checker
