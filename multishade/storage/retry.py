# SPDX-License-Identifier: Apache-2.0
"""A call that may fail for a moment, and a policy -> its result, or the reason of the last of several failed attempts.

The one retry policy of the package: whoever talks to a server raises `Retryable` for what another attempt may mend.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

# HTTP statuses that a later attempt may turn into an answer: time-outs, rate limits, overloaded servers.
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
UNREACHED_ATTEMPTS = 2  # at a server that has never answered: this machine is offline, or its name is wrong

Result = TypeVar("Result")


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try, and how long to wait between attempts.

    Attributes:
        attempts: Failed attempts in a row after which to give up, at least 1.
        first_wait: Seconds before the second attempt; the wait doubles with each further one.
        longest_wait: Upper bound of a wait in seconds, also of one that the server asks for.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0


class Retryable(Exception):
    """An attempt failed in a way that another attempt may not.

    Attributes:
        after: Seconds that the server asks to wait (Retry-After), or None.
        network: Whether the host did not answer at all.
        reached: Whether it has answered before; if not, `UNREACHED_ATTEMPTS` are enough.
        progressed: Whether the attempt came closer to the end (part of a file arrived): the count of failed attempts
            in a row then starts anew.
    """

    def __init__(
        self,
        reason: str,
        after: float | None = None,
        network: bool = False,
        progressed: bool = False,
        reached: bool = True,
    ) -> None:
        super().__init__(reason)
        self.after = after
        self.network = network
        self.progressed = progressed
        self.reached = reached


class RetriesExhausted(Exception):
    """No attempt succeeded.

    Attributes:
        last: The last attempt's failure.
        failed_attempts: Failed attempts in a row, up to the last.
        stopped: Whether a stop was requested before the policy was exhausted.
    """

    def __init__(self, last: Retryable, failed_attempts: int, stopped: bool = False) -> None:
        super().__init__(f"{last} ({failed_attempts} failed attempts)")
        self.last = last
        self.failed_attempts = failed_attempts
        self.stopped = stopped


def call_with_retries(
    function: Callable[[], Result], policy: RetryPolicy, stop: threading.Event | None = None
) -> Result:
    """Call `function` until it returns.

    Args:
        function: Raises `Retryable` if another attempt is worthwhile; any other exception passes through at once.
        policy: Number of attempts and waits.
        stop: An event that ends a wait, and with it the attempts.

    Returns:
        What `function` returned.

    Raises:
        RetriesExhausted: After `policy.attempts` failed attempts in a row (`UNREACHED_ATTEMPTS` at a server that never
            answered), or if `stop` was set during a wait.
    """
    counter = _Counter(policy, stop)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retryable),
        after=counter.count,
        stop=lambda state: counter.exhausted,
        wait=lambda state: counter.wait,
        sleep=counter.sleep,
        retry_error_callback=counter.give_up,
    )
    return retrying(function)


class _Counter:
    """Failed attempts in a row. tenacity counts all attempts; those that progressed must not count."""

    def __init__(self, policy: RetryPolicy, stop: threading.Event | None) -> None:
        self._policy, self._stop = policy, stop
        self._failed_attempts = 0
        self._last = Retryable("not tried")

    def count(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, Retryable)
        self._last = error
        self._failed_attempts = 1 if error.progressed else self._failed_attempts + 1

    @property
    def exhausted(self) -> bool:
        most = self._policy.attempts if self._last.reached else min(UNREACHED_ATTEMPTS, self._policy.attempts)
        return self._failed_attempts >= most

    @property
    def wait(self) -> float:
        doubling = self._policy.first_wait * 2 ** (self._failed_attempts - 1)
        return min(self._policy.longest_wait, doubling if self._last.after is None else self._last.after)

    def sleep(self, seconds: float) -> None:
        if self._stop is None:
            time.sleep(seconds)
        elif self._stop.wait(seconds):
            raise RetriesExhausted(self._last, self._failed_attempts, stopped=True) from self._last

    def give_up(self, state: tenacity.RetryCallState) -> None:
        raise RetriesExhausted(self._last, self._failed_attempts) from self._last
