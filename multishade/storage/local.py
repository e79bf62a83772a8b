# SPDX-License-Identifier: Apache-2.0
"""Local files and folders that appear under their name complete and flushed to disk, or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from multishade.errors import FileMissing, MultiShadeError, ShardError, StorageError
from multishade.storage import disk
from multishade.storage.base import PARTIAL_SUFFIX, NamingWriter, Store, Writer, limited, partial_name

REMEDY = "free space or choose another folder"
# Refusals that the next file would meet too: no space, no right, a folder that is gone or read-only, a broken disk.
_EVERY_FILE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.EPERM,
        errno.EACCES,
        errno.ENOENT,
        errno.ESTALE,
    }
)


@dataclass(frozen=True)
class LocalStore(Store):
    """A folder on this machine."""

    folder: Path

    @property
    def url(self) -> str:
        return str(self.folder)

    @property
    def local(self) -> bool:
        return True

    def absolute(self) -> "LocalStore":
        return LocalStore(self.folder.resolve())

    def url_of(self, name: str) -> str:
        return str(self.folder / name)

    def child(self, name: str) -> "LocalStore":
        return LocalStore(self.folder / name)

    def make_folder(self) -> None:
        with refusals_named(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def list_names(self, pattern: str = "*") -> list[str]:
        with _reading(self.folder):
            try:
                entries = list(os.scandir(self.folder))
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(
                entry.name for entry in entries if fnmatchcase(entry.name, pattern) and entry.is_file()
            )

    def list_folders(self, pattern: str = "*") -> list[str]:
        with _reading(self.folder):
            try:
                entries = list(os.scandir(self.folder))
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(
                entry.name for entry in entries if fnmatchcase(entry.name, pattern) and entry.is_dir()
            )

    def exists(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def size(self, name: str) -> int:
        with _reading(self.folder / name):
            return (self.folder / name).stat().st_size

    def open(self, name: str, start: int = 0, length: int | None = None) -> BinaryIO:
        with _reading(self.folder / name):
            stream = (self.folder / name).open("rb")
            if start:
                stream.seek(start)
            return limited(stream, length)

    def read_bytes(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with _reading(self.folder / name), (self.folder / name).open("rb") as stream:
            if start:
                stream.seek(start)
            return stream.read(-1 if length is None else length)

    @contextmanager
    def write(self, name: str) -> Iterator[Writer]:
        path = self.folder / name
        with atomic_file(path) as stream:
            yield NamingWriter(stream, lambda: refusals_named(path), disk.write)

    def remove(self, name: str) -> None:
        with refusals_named(self.folder / name, reason="removed"):
            disk.remove(self.folder / name)

    def remove_folder(self) -> None:
        with suppress(OSError):  # not empty, or not there
            self.folder.rmdir()

    def remove_partials(self, name: str) -> list[str]:
        leftovers = self.list_names(f".{_escaped(name)}.*{PARTIAL_SUFFIX}")
        for leftover in leftovers:
            self.remove(leftover)
        return leftovers


@contextmanager
def atomic_file(
    path: Path, error: type[MultiShadeError] = ShardError, remedy: str = REMEDY
) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; when the context ends, flush it to disk and rename it to `path`.

    An exception inside removes the temporary file and leaves `path` as it was. Two writers of one path do not meet:
    each has its own temporary name, and the last rename wins.

    Args:
        path: The file to write, in a folder that exists.
        error: Class of the exception if the system refuses.
        remedy: End of its message: what to do.
    """
    temporary = _temporary(path)
    with refusals_named(path, error, remedy):
        stream = disk.create(temporary)
    try:
        yield stream
        with refusals_named(path, error, remedy):
            disk.sync(stream)
            stream.close()
            disk.rename(temporary, path)
            disk.sync_folder(path.parent)
    except BaseException:
        # Closing flushes once more, and would put the same refusal in place of the first, which names the file.
        with suppress(OSError):
            stream.close()
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(
    path: Path, error: type[MultiShadeError] = ShardError, remedy: str = REMEDY
) -> Iterator[Path]:
    """Make a temporary folder beside `path` to be filled; when the context ends, put it in the place of `path`.

    An exception inside removes the temporary folder and leaves `path` as it was. What a killed writer of `path` left is
    removed first, so a folder has one writer at a time. Arguments as for `atomic_file`.
    """
    temporary = _temporary(path)
    for leftover in path.parent.glob(f".{_escaped(path.name)}.*{PARTIAL_SUFFIX}"):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with refusals_named(path, error, remedy):
            temporary.mkdir(parents=True)
        yield temporary
        with refusals_named(path, error, remedy):
            shutil.rmtree(path, ignore_errors=True)
            disk.rename(temporary, path)
            disk.sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(
    path: Path, text: str, error: type[MultiShadeError] = ShardError, remedy: str = REMEDY
) -> None:
    """Replace a UTF-8 text file in one step, and make its folder if need be. Arguments as for `atomic_file`."""
    with refusals_named(path, error, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, error, remedy) as stream, refusals_named(path, error, remedy):
        disk.write(stream, text.encode("utf-8"))


@contextmanager
def refusals_named(
    path: Path, error: type[MultiShadeError] = ShardError, remedy: str = REMEDY, reason: str = "written"
) -> Iterator[None]:
    """Turn an OSError (disk full, no permission) into an `error` that names the file and the remedy.

    Instead of ShardError it is StorageError if the next file would meet the same refusal.
    """
    try:
        yield
    except OSError as refusal:
        if error is ShardError and refusal.errno in _EVERY_FILE:
            error = StorageError
        raise error(f"{path}: cannot be {reason}: {refusal.strerror or refusal}; {remedy}") from refusal


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(f"{path}: cannot be read ({error.strerror})") from error
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror or error})") from error


def _temporary(path: Path) -> Path:
    return path.with_name(partial_name(path.name))


def _escaped(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
