# SPDX-License-Identifier: Apache-2.0
"""A URL (http, https) -> a stream of its bytes that survives broken connections: it asks for the rest, of
the same file.

Plain sockets and no event loop, so that worker processes may be forked at any time.
"""

import http.client
import io
import time
import urllib.error
import urllib.request
from typing import Any

from multishade.errors import ShardError

ATTEMPTS = 5  # connections in a row that bring nothing
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
TIMEOUT_SECONDS = 30.0
_BUFFER = 1 << 20


def open_http(url: str, first_wait: float = 0.2) -> io.BufferedReader:
    """Open `url` for reading from first to last byte. Raises ShardError where it cannot be had, also later on."""
    return io.BufferedReader(_HttpStream(url, first_wait), _BUFFER)


class _HttpStream(io.RawIOBase):
    """Bytes in order. State: the position, the connection, and the tag of the version that was begun."""

    def __init__(self, url: str, first_wait: float) -> None:
        self._url, self._first_wait = url, first_wait
        self._position = 0
        self._length: int | None = None
        self._tag: str | None = None
        self._response: Any = None
        self._failures = 0
        self._connect()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._disconnect()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._length is not None and self._position >= self._length:
                return 0
            if self._response is None:
                self._connect()
            try:
                count = self._response.readinto(buffer)
            except (OSError, http.client.HTTPException) as error:
                self._failed(str(error) or type(error).__name__)
                continue
            if count == 0 and self._length is not None:
                self._failed(f"the connection ended at byte {self._position} of {self._length}")
                continue
            self._position += count
            self._failures = 0
            return count

    def _connect(self) -> None:
        while self._response is None:
            request = urllib.request.Request(self._url)
            if self._position:
                request.add_header("Range", f"bytes={self._position}-")
                if self._tag:
                    request.add_header("If-Range", self._tag)
            try:
                response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in RETRIED:
                    raise ShardError(
                        f"{self._url}: the server answers {error.code} {error.reason}"
                    ) from error
                self._failed(f"the server answers {error.code} {error.reason}")
            except (OSError, http.client.HTTPException) as error:
                self._failed(str(getattr(error, "reason", error)) or type(error).__name__)
            else:
                self._accept(response)

    def _accept(self, response: Any) -> None:
        tag = response.headers.get("ETag")
        if self._position and tag != self._tag:
            response.close()
            raise ShardError(f"{self._url}: was replaced on the server while it was read")
        self._tag = tag
        length = response.headers.get("Content-Length")
        start = self._position if response.status == 206 else 0
        if length is not None:
            self._length = start + int(length)
        self._response = response
        if start < self._position:  # a server without ranges begins anew
            self._skip(self._position)

    def _skip(self, count: int) -> None:
        while count:
            try:
                got = len(self._response.read(min(count, _BUFFER)))
            except (OSError, http.client.HTTPException):
                got = 0
            if not got:
                self._failed("the connection ended")
                return
            count -= got

    def _failed(self, reason: str) -> None:
        self._disconnect()
        self._failures += 1
        if self._failures >= ATTEMPTS:
            raise ShardError(f"{self._url}: {reason}; gave up after {ATTEMPTS} attempts")
        time.sleep(self._first_wait * 2 ** (self._failures - 1))

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
