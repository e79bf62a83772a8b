# SPDX-License-Identifier: Apache-2.0
"""A folder in, the files below it that may be opened out, and why others may not.

A device never ends, a pipe waits for a writer that may not come, and a link leads to files that nobody meant to scan.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multishade.errors import AssetError

LARGEST_FILE = 4 << 30  # bytes; GLB and PLY in common use state sizes of 32 bits


@dataclass(frozen=True)
class Listing:
    """The files below a folder.

    Attributes:
        files: Regular files inside of the folder, in a fixed order, without hidden ones and those that macOS leaves in
            archives.
        refused: (file, why it is not opened) of the others.
        stamps: For each file its size and time of modification in nanoseconds.
    """

    files: tuple[Path, ...]
    refused: tuple[tuple[Path, str], ...]
    stamps: dict[Path, tuple[int, int]]


def list_files(folder: Path) -> Listing:
    """List the files below a folder; links are followed as long as they lead to places inside of it.

    Raises:
        AssetError: If there is no such folder, or it cannot be listed.
    """
    if folder.exists() and not folder.is_dir():
        raise AssetError(f"{folder}: is no folder; scan the folder that it lies in")
    if not folder.is_dir():
        raise AssetError(f"{folder}: there is no such folder to scan")
    root = os.path.realpath(folder)
    files, refused, stamps = [], [], {}
    for path in _walk(folder, root):
        try:
            status = path.stat()
        except OSError as error:
            refused.append((path, f"cannot be opened ({error.strerror})"))
            continue
        reason = problem_of_file(path, status, root)
        if reason is None and stat.S_ISDIR(status.st_mode):
            reason = "is a folder that cannot be listed"
        if reason is None:
            files.append(path)
            stamps[path] = (status.st_size, status.st_mtime_ns)
        else:
            refused.append((path, reason))
    return Listing(tuple(files), tuple(refused), stamps)


def problem_of_file(path: Path, status: os.stat_result, root: str) -> str | None:
    """Return why a file may not be opened, None if it may."""
    name = str(path)
    if any(letter in name for letter in "\n\r"):
        return "its name has a line break: rename it"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return "is a device, a pipe or a socket, and no file"
    if not is_below(os.path.realpath(path), root):
        return (
            f"is a link to {os.path.realpath(path)}, which lies outside of the scanned folder: copy it there"
        )
    if status.st_size > LARGEST_FILE:
        return f"is {status.st_size / 2**30:.1f} GiB large, more than {LARGEST_FILE >> 30} are not read"
    return None


def is_below(real: str, root: str) -> bool:
    """Return whether a path lies in a folder; both without links."""
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def _walk(folder: Path, root: str) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if os.path.realpath(error.filename) == root:
            raise AssetError(f"{error.filename}: cannot be listed ({error.strerror})") from error
        unlisted.append(Path(error.filename))

    unlisted: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if not is_below(real, root):
            folders.clear()
            yield Path(parent)  # a link to a folder elsewhere
            continue
        if real in seen:  # a link to a folder that has been visited or will be
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        yield from (Path(parent) / name for name in sorted(names) if not name.startswith("."))
    yield from unlisted
