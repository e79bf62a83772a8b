# SPDX-License-Identifier: Apache-2.0
"""Another attempt is made for what it may mend, and for nothing else."""

import threading
from collections.abc import Callable, Iterator

import pytest

from multishade.storage import retry
from multishade.storage.retry import RetriesExhausted, Retryable, RetryPolicy, call_with_retries


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waited.append)
    return waited


def failing(*errors: Exception) -> Callable[[], str]:
    waiting: Iterator[Exception] = iter(errors)

    def attempt() -> str:
        for error in waiting:
            raise error
        return "done"

    return attempt


def test_waits_double_up_to_the_longest(waits: list[float]) -> None:
    policy = RetryPolicy(attempts=5, first_wait=1.0, longest_wait=3.0)
    assert call_with_retries(failing(*[Retryable("busy")] * 4), policy) == "done"
    assert waits == [1.0, 2.0, 3.0, 3.0]


def test_a_server_that_names_a_wait_gets_it_within_bounds(waits: list[float]) -> None:
    policy = RetryPolicy(first_wait=1.0, longest_wait=30.0)
    assert (
        call_with_retries(failing(Retryable("429", after=7.0), Retryable("429", after=900.0)), policy)
        == "done"
    )
    assert waits == [7.0, 30.0]


def test_failed_attempts_in_a_row_are_counted_and_progress_starts_anew(waits: list[float]) -> None:
    policy = RetryPolicy(attempts=3, first_wait=1.0)
    broke, nothing = Retryable("broke off", progressed=True), Retryable("refused")
    assert call_with_retries(failing(*[broke] * 9), policy) == "done"
    with pytest.raises(RetriesExhausted) as error:
        call_with_retries(failing(broke, nothing, nothing, nothing), policy)
    assert error.value.failed_attempts == 3 and error.value.last is nothing and not error.value.stopped


def test_any_other_error_passes_at_once(waits: list[float]) -> None:
    with pytest.raises(KeyError):
        call_with_retries(failing(KeyError("a bug")), RetryPolicy())
    assert waits == []


def test_a_stop_ends_the_attempts() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(RetriesExhausted) as error:
        call_with_retries(failing(*[Retryable("busy")] * 4), RetryPolicy(first_wait=60.0), stop)
    assert error.value.stopped and error.value.failed_attempts == 1
