# SPDX-License-Identifier: Apache-2.0
"""Files of a web server: a `Store` that only reads, and streams that survive broken connections.

A broken stream is continued from where it broke, and only if the server still has the same version of the file. Plain
sockets and no event loop, so that worker processes may be forked at any time.
"""

import http.client
import io
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from multishade.errors import FileMissing, HostUnreachable, ShardError
from multishade.storage.base import Store, Writer
from multishade.storage.hosts import has_answered, note_answer
from multishade.storage.retry import (
    RETRYABLE_STATUSES,
    RetriesExhausted,
    Retryable,
    RetryPolicy,
    call_with_retries,
)

RETRY = RetryPolicy(attempts=5, first_wait=0.2, longest_wait=30.0)
TIMEOUT_SECONDS = 30.0
_BUFFER = 1 << 20
_MISSING = (404, 410)
_SAFE = "%/:?#[]@!$&'()*+,;=~"  # what a URL means something by; blanks and letters beyond ASCII are quoted


@dataclass(frozen=True)
class HttpStore(Store):
    """A folder of a web server. It can be read; it cannot be listed or written."""

    address: str

    @property
    def url(self) -> str:
        return self.address

    def child(self, name: str) -> "HttpStore":
        return HttpStore(self.url_of(name))

    def list_names(self, pattern: str = "*") -> list[str]:
        raise ShardError(
            f"{self.address}: a web server lists no files; name the tars, or write their numbers as braces, "
            "{000000..000099}"
        )

    def list_folders(self, pattern: str = "*") -> list[str]:
        return self.list_names(pattern)

    def exists(self, name: str) -> bool:
        try:
            _HttpStream(self.url_of(name), RETRY, method="HEAD").close()
        except FileMissing:
            return False
        return True

    def size(self, name: str) -> int:
        with _HttpStream(self.url_of(name), RETRY, method="HEAD") as stream:
            if stream.end is None:
                raise ShardError(f"{self.url_of(name)}: the server does not state its length")
            return stream.end

    def open(self, name: str, start: int = 0, length: int | None = None) -> BinaryIO:
        return cast(BinaryIO, open_http(self.url_of(name), start, length))

    def make_folder(self) -> None:
        raise self._read_only()

    def write(self, name: str) -> AbstractContextManager[Writer]:
        raise self._read_only()

    def remove(self, name: str) -> None:
        raise self._read_only()

    def remove_folder(self) -> None:
        raise self._read_only()

    def remove_partials(self, name: str) -> list[str]:
        raise self._read_only()

    def _read_only(self) -> ShardError:
        return ShardError(
            f"{self.address}: a web server can only be read; write to a folder or an object store"
        )


def open_http(
    url: str, start: int = 0, length: int | None = None, policy: RetryPolicy | None = None
) -> io.BufferedReader:
    """Open a URL (http, https) for reading forward.

    Args:
        url: The file.
        start: First byte.
        length: Number of bytes; None: to the end of the file.
        policy: Attempts and waits; default `RETRY`.

    Raises:
        FileMissing: If the server has no such file.
        ShardError: If it cannot be read, also later while reading.
    """
    return io.BufferedReader(_HttpStream(url, policy or RETRY, start, length), _BUFFER)


class _HttpStream(io.RawIOBase):
    """Bytes in order. State: the position, the connection, and the tag of the version that was begun."""

    def __init__(
        self, url: str, policy: RetryPolicy, start: int = 0, length: int | None = None, method: str = "GET"
    ) -> None:
        self._url, self._policy, self._method = url, policy, method
        self._position = self._first = start
        self.end: int | None = None if length is None else start + length
        self._tag: str | None = None
        self._response: Any = None
        if length != 0:
            self._persist(self._connect)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._disconnect()
        super().close()

    def readinto(self, buffer: Any) -> int:
        return self._persist(lambda: self._read_some(buffer))

    def _persist(self, attempt: Any) -> Any:
        try:
            return call_with_retries(attempt, self._policy)
        except RetriesExhausted as error:
            kind = ShardError if error.last.reached else HostUnreachable
            raise kind(
                f"{self._url}: {error.last}; gave up after {error.failed_attempts} attempts"
            ) from error

    def _read_some(self, buffer: Any) -> int:
        if self.end is not None and self._position >= self.end:
            return 0
        self._connect()
        if self.end is not None:
            buffer = memoryview(buffer)[: self.end - self._position]
        try:
            count = int(self._response.readinto(buffer))
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(str(error) or type(error).__name__) from error
        if count == 0 and self.end is not None:
            raise self._broken(f"the connection ended at byte {self._position} of {self.end}")
        self._position += count
        return count

    def _connect(self) -> None:
        if self._response is not None:
            return
        request = urllib.request.Request(quote(self._url, safe=_SAFE), method=self._method)
        if self._position or (self.end is not None and self._method == "GET"):
            last = "" if self.end is None else self.end - 1
            request.add_header("Range", f"bytes={self._position}-{last}")
            if self._tag:
                request.add_header("If-Range", self._tag)
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            note_answer(self._url)
            message = f"the server answers {error.code} {error.reason}"
            if error.code in RETRYABLE_STATUSES:
                after = error.headers.get("Retry-After", "")
                raise Retryable(message, float(after) if after.isdigit() else None) from error
            kind = FileMissing if error.code in _MISSING else ShardError
            raise kind(f"{self._url}: {message}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            raise Retryable(reason, network=True, reached=has_answered(self._url)) from error
        except ValueError as error:
            raise ShardError(f"{self._url}: no server can have this address ({error})") from error
        note_answer(self._url)
        self._accept(response)

    def _accept(self, response: Any) -> None:
        tag = response.headers.get("ETag")
        if self._position > self._first and tag != self._tag:
            response.close()
            raise ShardError(f"{self._url}: was replaced on the server while it was read")
        self._tag = tag
        start = self._position if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        if length is not None and length.isdecimal():
            whole = start + int(length)
            self.end = whole if self.end is None else min(self.end, whole)
        self._response = response
        self._skip(self._position - start)  # a server without ranges begins anew

    def _skip(self, count: int) -> None:
        while count > 0:
            try:
                received = len(self._response.read(min(count, _BUFFER)))
            except (OSError, http.client.HTTPException) as error:
                raise self._broken("the connection ended") from error
            if not received:
                raise self._broken("the connection ended")
            count -= received

    def _broken(self, reason: str) -> Retryable:
        self._disconnect()
        return Retryable(reason)

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
