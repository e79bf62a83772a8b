# SPDX-License-Identifier: Apache-2.0
"""A stored file -> its bytes from any position: by `pread` if it is local, else through a stream that moves forward."""

import os
from typing import BinaryIO, Protocol

from multishade.errors import FileMissing, ShardError
from multishade.storage.local import LocalStore
from multishade.storage.store import StoredFile

# A remote stream reads through a gap of up to this many bytes: a new request takes about as long.
_READ_THROUGH = 4 << 20


class Source(Protocol):
    """Random access to one file, which is opened at the first read, and again after `close`."""

    url: str

    @property
    def size(self) -> int:
        """Length of the file in bytes."""

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer at the file's end. Raises ShardError, naming the file."""

    def close(self) -> None:
        """Give the file or connection back."""


def open_source(file: StoredFile) -> Source:
    """Choose how to read a file at random."""
    if isinstance(file.store, LocalStore):
        return _LocalSource(file.url)
    return _RemoteSource(file)


class _LocalSource:
    def __init__(self, path: str) -> None:
        self.url = path
        self._file: int | None = None
        self._size = 0

    @property
    def size(self) -> int:
        self._open()
        return self._size

    def read(self, start: int, length: int) -> bytes:
        file = self._open()
        try:
            data = os.pread(file, length, start)
            while len(data) < length:  # a single read brings at most 2 GiB, and less if a signal comes
                more = os.pread(file, length - len(data), start + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise ShardError(f"{self.url}: cannot be read ({error.strerror})") from error
        return data

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self.url, os.O_RDONLY)
                self._size = os.fstat(self._file).st_size
            except FileNotFoundError as error:
                raise FileMissing(f"{self.url}: cannot be read ({error.strerror})") from error
            except OSError as error:
                raise ShardError(f"{self.url}: cannot be read ({error.strerror})") from error
        return self._file


class _RemoteSource:
    def __init__(self, file: StoredFile) -> None:
        self.url = file.url
        self._file = file
        self._stream: BinaryIO | None = None
        self._position = 0
        self._size: int | None = None

    @property
    def size(self) -> int:
        if self._size is None:
            self._size = self._file.size()
        return self._size

    def read(self, start: int, length: int) -> bytes:
        gap = start - self._position
        try:
            if self._stream is None or not 0 <= gap <= _READ_THROUGH:
                self.close()
                self._stream = self._file.open(start)
            elif gap:
                self._stream.read(gap)
            data = self._stream.read(length)
        except OSError as error:
            raise ShardError(f"{self.url}: cannot be read ({error})") from error
        self._position = start + len(data)
        return data

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
