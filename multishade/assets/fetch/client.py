# SPDX-License-Identifier: Apache-2.0
"""A URL in, a response or a JSON document out; errors that another attempt may avoid are `Retryable`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from multishade.errors import AssetError
from multishade.storage.hosts import has_answered, note_answer
from multishade.storage.retry import (
    RETRYABLE_STATUSES,
    RetriesExhausted,
    Retryable,
    RetryPolicy,
    call_with_retries,
)
from multishade.version import __version__

USER_AGENT = f"MultiShade/{__version__}"  # Poly Haven's terms require a name of one's own
_HINTS = {
    401: "a login is needed",
    403: "access is refused",
    404: "there is no such file",
    410: "the file was removed",
}

Result = TypeVar("Result")


class FetchError(AssetError):
    """One file or document cannot be fetched.

    Attributes:
        network: Whether the host did not answer at all.
    """

    def __init__(self, message: str, network: bool = False) -> None:
        super().__init__(message)
        self.network = network


class FetchStopped(FetchError):
    """No further file can be fetched either: the disk is full, or the network is gone."""


@dataclass(frozen=True)
class FetchPolicy(RetryPolicy):
    """How many files to fetch at once, how often to try each, and when to give up altogether.

    Attributes:
        workers: Downloads at once.
        connect_seconds: Time-out for a connection.
        read_seconds: Time-out for the next bytes of a response.
        failures_in_a_row: Files in a row without a network after which the run stops.
    """

    workers: int = 8
    connect_seconds: float = 8.0
    read_seconds: float = 60.0
    failures_in_a_row: int = 20


def new_session() -> requests.Session:
    """Return a session that names this program to servers."""
    session = requests.Session()
    session.headers.update({"User-Agent": USER_AGENT})
    return session


def request(
    session: requests.Session,
    url: str,
    policy: FetchPolicy,
    headers: dict[str, str] | None = None,
    parameters: dict[str, str] | None = None,
) -> requests.Response:
    """Send one GET request and follow redirects.

    Args:
        session: From `new_session`.
        url: The address.
        policy: For its time-outs.
        headers: Further headers, such as Range.
        parameters: The query.

    Returns:
        A response of status 200, 206 or, for a Range, 416; its body has not been read.

    Raises:
        Retryable: If another attempt may succeed: a busy server, a broken connection.
        FetchError: For any other status or error.
    """
    timeout = (policy.connect_seconds, policy.read_seconds)
    try:
        response = session.get(url, headers=headers, params=parameters, stream=True, timeout=timeout)
    except requests.RequestException as error:
        raise retryable(url, error) from error
    note_answer(url)
    status = response.status_code
    if status in (200, 206) or (status == 416 and headers and "Range" in headers):
        return response
    response.close()
    reason = f"HTTP {status} {response.reason}"
    if status in RETRYABLE_STATUSES:
        after = response.headers.get("Retry-After", "")
        raise Retryable(reason, float(after) if after.isdigit() else None)
    raise FetchError(f"{url}: {reason}" + (f": {_HINTS[status]}" if status in _HINTS else ""))


def retryable(url: str, error: requests.RequestException) -> Retryable:
    """Describe an error of the connection in one sentence.

    Raises:
        FetchError: If another attempt would end the same way, as for an invalid URL.
    """
    host = requests.utils.urlparse(url).netloc
    reached = has_answered(url)
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return Retryable(f"{host} did not answer in time", network=True, reached=reached)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return Retryable("cut short: the connection broke")
    if isinstance(error, requests.exceptions.SSLError):
        return Retryable(f"no secure connection to {host} ({error})", network=True, reached=reached)
    if isinstance(error, requests.exceptions.ConnectionError):
        return Retryable(f"no network, or {host} cannot be reached", network=True, reached=reached)
    raise FetchError(f"{url}: {error}") from error


def with_retries(
    url: str, attempt: Callable[[], Result], policy: FetchPolicy, stop: threading.Event | None = None
) -> Result:
    """Call `attempt` until it returns, as the policy allows.

    Raises:
        FetchError: If all attempts failed, with the reason of the last, or if `stop` was set.
    """
    try:
        return call_with_retries(attempt, policy, stop)
    except RetriesExhausted as error:
        count = error.failed_attempts
        attempts = f"{count} attempts in a row" if count > 1 else "one attempt"
        raise FetchError(
            f"{url}: {error.last} ({attempts}); run again to continue", network=error.last.network
        ) from error


def fetch_json(url: str, policy: FetchPolicy, parameters: dict[str, str] | None = None) -> Any:
    """Fetch a JSON document.

    Raises:
        FetchError: If it cannot be fetched, or if the answer is not JSON.
    """
    with new_session() as session:

        def attempt() -> Any:
            with request(session, url, policy, parameters=parameters) as response:
                try:
                    return response.json()
                except requests.exceptions.JSONDecodeError as error:
                    raise FetchError(
                        f"{url}: the answer is not JSON ({error.msg}); is a proxy in the way?"
                    ) from error
                except requests.RequestException as error:
                    raise retryable(url, error) from error

        return with_retries(url, attempt, policy)
