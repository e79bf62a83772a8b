# SPDX-License-Identifier: Apache-2.0
"""What every store can do with its files: list them, read ranges of them, write them whole or not at all.

Shards and renderers are given a `Store` or a `StoredFile` in place of a path; `multishade.storage.store` opens them.
"""

import io
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

from multishade.storage.owner import this_process

PARTIAL_SUFFIX = ".partial"  # of what an interrupted writer may leave; the name begins with a dot


def partial_name(name: str) -> str:
    """A new temporary name for a file that is being written; it names the process that writes."""
    return f".{name}.{this_process()}-{secrets.token_hex(4)}{PARTIAL_SUFFIX}"


def partial_of(partial: str) -> str:
    """The name of the file for which `partial_name` made a temporary one."""
    return partial.removeprefix(".").removesuffix(PARTIAL_SUFFIX).rpartition(".")[0]


class Writer(Protocol):
    """What `Store.write` hands out. A refusal of the storage (disk full) is raised as ShardError naming the file."""

    def write(self, data: bytes) -> int: ...

    def tell(self) -> int: ...


class Store(ABC):
    """A folder of files, local or remote. Stores are values: equal for equal places, and they can be pickled.

    Every method that reads raises FileMissing if there is no such file, and ShardError for any other trouble; both
    name the file. `name` is the name of a file directly in the folder.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The folder as a path or URL, without a slash at its end."""

    @property
    def local(self) -> bool:
        """Whether the files are on this machine's file systems, on which seeking is cheap."""
        return False

    def absolute(self) -> "Store":
        """The same folder for a process with another working directory."""
        return self

    def url_of(self, name: str) -> str:
        """The path or URL of a file."""
        return f"{self.url}/{name}"

    def file(self, name: str) -> "StoredFile":
        """A file of this store, which need not exist."""
        return StoredFile(self, name)

    @abstractmethod
    def child(self, name: str) -> "Store":
        """The store of a folder in this one, which need not exist."""

    @abstractmethod
    def make_folder(self) -> None:
        """Create the folder and those above it, if the storage has folders. Raises ShardError if it refuses."""

    @abstractmethod
    def list_names(self, pattern: str = "*") -> list[str]:
        """Names of the files directly in the folder that match, sorted; none if there is no such folder."""

    @abstractmethod
    def list_folders(self, pattern: str = "*") -> list[str]:
        """Names of the folders directly in the folder that match, sorted; none if there is no such folder."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Length of a file in bytes."""

    @abstractmethod
    def open(self, name: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """Open a file for reading forward, from byte `start`, to its end or for `length` bytes."""

    def read_bytes(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file from `start`, to its end or at most `length` of them."""
        with self.open(name, start, length) as stream:
            return stream.read()

    @abstractmethod
    def write(self, name: str) -> AbstractContextManager[Writer]:
        """Write a file that appears under its name complete when the context ends, or not at all if it raises.

        Two writers of one name do not meet: the last to finish wins. Raises ShardError if the storage refuses.
        """

    def take_up(self, name: str) -> AbstractContextManager[Writer]:
        """Write a file as `write` does. What killed writers of it left is removed or, if possible, continued.

        Nobody else may be writing `name` meanwhile.
        """
        self.remove_partials(name)
        return self.write(name)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a whole file, as `write` does."""
        with self.write(name) as stream:
            stream.write(data)

    def unfinished(self) -> list[str]:
        """Paths, below the folder, of files for which killed writers left uploads that no listing shows.

        `remove_partials` of such a path removes them. Only object stores keep such uploads.
        """
        return []

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def remove_folder(self) -> None:
        """Remove the folder if the storage has folders and it is empty; otherwise nothing happens."""

    @abstractmethod
    def remove_partials(self, name: str) -> list[str]:
        """Remove what killed writers of `name` left, and return the names. Nobody may be writing `name` meanwhile."""

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class StoredFile:
    """One file of a store; the methods are the store's, which see."""

    store: Store
    name: str

    @property
    def url(self) -> str:
        return self.store.url_of(self.name)

    def sibling(self, name: str) -> "StoredFile":
        """A file in the same folder."""
        return StoredFile(self.store, name)

    def exists(self) -> bool:
        return self.store.exists(self.name)

    def size(self) -> int:
        return self.store.size(self.name)

    def open(self, start: int = 0, length: int | None = None) -> BinaryIO:
        return self.store.open(self.name, start, length)

    def read_bytes(self, start: int = 0, length: int | None = None) -> bytes:
        return self.store.read_bytes(self.name, start, length)

    def write(self) -> AbstractContextManager[Writer]:
        return self.store.write(self.name)

    def take_up(self) -> AbstractContextManager[Writer]:
        return self.store.take_up(self.name)

    def write_bytes(self, data: bytes) -> None:
        self.store.write_bytes(self.name, data)

    def remove(self) -> None:
        self.store.remove(self.name)

    def remove_partials(self) -> list[str]:
        return self.store.remove_partials(self.name)

    def __str__(self) -> str:
        return self.url


class NamingWriter:
    """A `Writer` over a stream of bytes; `naming` makes the context that names the file in what writing raises.

    write: How bytes go into the stream.
    """

    def __init__(
        self,
        stream: BinaryIO,
        naming: Callable[[], AbstractContextManager[None]],
        write: Callable[[BinaryIO, bytes], object] = lambda stream, data: stream.write(data),
    ) -> None:
        self._stream, self._naming, self._write = stream, naming, write
        self._position = 0

    def write(self, data: bytes) -> int:
        with self._naming():
            self._write(self._stream, data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position


def limited(stream: BinaryIO, length: int | None) -> BinaryIO:
    """At most `length` further bytes of a stream, which closes with it; the stream itself if None."""
    return stream if length is None else cast(BinaryIO, io.BufferedReader(_Limited(stream, length)))


class _Limited(io.RawIOBase):
    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream, self._left = stream, length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(self._left, len(buffer)))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
