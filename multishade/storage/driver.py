# SPDX-License-Identifier: Apache-2.0
"""A URL -> the fsspec file system that serves it, and calls of it with retries and errors that name the file.

What another attempt may mend (a status 500 or 503, a time-out, a broken connection) is tried again with growing waits,
for about a minute; at a bucket that has never answered this process, twice.
"""

import errno
import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from multishade.errors import (
    DataError,
    FileMissing,
    HostUnreachable,
    MultiShadeError,
    ShardError,
    StorageError,
)
from multishade.storage.retry import (
    RETRYABLE_STATUSES,
    RetriesExhausted,
    Retryable,
    RetryPolicy,
    call_with_retries,
)

POLICY = RetryPolicy(attempts=8, first_wait=0.5, longest_wait=30.0)
REMEDY = "look at the bucket, its region, credentials and endpoint"

# Scheme -> the extra of this package that installs its driver.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
# Of the drivers, if the user's fsspec configuration does not say otherwise. Attempts are counted here, not by botocore.
_S3 = {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 0}}}
_OPTIONS: dict[str, dict[str, Any]] = {"s3": _S3, "s3a": _S3}

_DEFINITE = (FileNotFoundError, PermissionError, FileExistsError, IsADirectoryError, NotADirectoryError)
_TRANSIENT = (ConnectionError, TimeoutError, http.client.IncompleteRead)
_TRANSIENT_NUMBERS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNREFUSED,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.EREMOTEIO,
    }
)
# By name, since their packages need not be installed: botocore, aiohttp, Azure.
_TRANSIENT_NAMES = frozenset(
    {
        "ClientConnectionError",
        "ClientPayloadError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ResponseParserError",
        "ServiceRequestError",
        "ServiceResponseError",
    }
)
_answered: set[str] = set()  # buckets that have answered this process

Result = TypeVar("Result")


def filesystem(url: str) -> Any:
    """The file system of a URL's scheme. Raises DataError if it is unknown or its package is not installed."""
    import fsspec

    scheme = url.partition("://")[0]
    options = {
        name: value
        for name, value in _OPTIONS.get(scheme, {}).items()
        if name not in fsspec.config.conf.get(scheme, {})
    }
    try:
        files = fsspec.filesystem(scheme, **options)
        if scheme in _OPTIONS:
            files.retries = 1  # s3fs would try several times within each attempt
        return files
    except (ImportError, ValueError) as error:
        extra = _EXTRAS.get(scheme)
        remedy = f" (pip install 'multishade[{extra}]')" if extra else ""
        raise DataError(f"{url}: {error}{remedy}") from error


def glob_urls(pattern: str) -> list[str]:
    """URLs that match a pattern with * ? [ ] anywhere in its path. Raises ShardError if it cannot be listed."""
    files, scheme = filesystem(pattern), pattern.partition("://")[0]
    return [f"{scheme}://{name.lstrip('/')}" for name in call(pattern, "listed", lambda: files.glob(pattern))]


def call(url: str, reason: str, function: Callable[[], Result]) -> Result:
    """Call a driver, again if another attempt may succeed.

    Args:
        url: What it is about, for the error.
        reason: "read", "written", ...: what cannot be done if it fails.
        function: Can be called several times.

    Returns:
        What the function returned.

    Raises:
        FileMissing: If there is no such file.
        StorageError: If the storage refuses whatever is written: no such bucket, no permission, no answer.
        ShardError: For any other trouble.
    """
    bucket = "/".join(url.split("/", 3)[:3])

    def attempt() -> Result:
        try:
            result = function()
        except Exception as error:
            if not is_transient(error):
                _answered.add(bucket)
                raise
            raise Retryable(_text(error), reached=bucket in _answered) from error
        _answered.add(bucket)
        return result

    try:
        with naming(url, reason):
            return call_with_retries(attempt, POLICY)
    except RetriesExhausted as error:
        kind = StorageError if reason == "written" else ShardError if error.last.reached else HostUnreachable
        raise kind(
            f"{url}: cannot be {reason} ({error.last}; gave up after {error.failed_attempts} attempts); {REMEDY}"
        ) from error


@contextmanager
def naming(url: str, reason: str = "read") -> Iterator[None]:
    """Each driver raises exceptions of its own: all become errors that name the file, as `call` states them."""
    try:
        yield
    except (MultiShadeError, RetriesExhausted):
        raise
    except Exception as error:
        if reason == "written" and (
            isinstance(error, _DEFINITE) or type(error).__name__ == "NoCredentialsError"
        ):
            raise StorageError(f"{url}: cannot be {reason} ({_text(error)}); {REMEDY}") from error
        if isinstance(error, FileNotFoundError):
            raise FileMissing(f"{url}: cannot be {reason} (no such file)") from error
        raise ShardError(f"{url}: cannot be {reason} ({_text(error)})") from error


def is_transient(error: BaseException) -> bool:
    """Tell whether another attempt may succeed after an exception of a driver.

    Args:
        error: The exception; what caused it counts, too.

    Returns:
        False if the storage has answered for good: no such file, no permission, a wrong request, disk full.
    """
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(isinstance(each, _DEFINITE) for each in chain):
        return False
    for each in chain:
        if isinstance(each, _TRANSIENT) or {kind.__name__ for kind in type(each).__mro__} & _TRANSIENT_NAMES:
            return True
        status = _status(each)
        if status is not None:
            return status in RETRYABLE_STATUSES
    return any(isinstance(each, OSError) and each.errno in _TRANSIENT_NUMBERS for each in chain)


def _status(error: BaseException) -> int | None:
    """The HTTP status that an exception of botocore, aiohttp, gcsfs or Azure carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _number(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    for name in ("status", "status_code", "code"):
        number = _number(getattr(error, name, None))
        if number is not None:
            return number
    return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and 300 <= value < 600 else None


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
