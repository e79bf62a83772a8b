# SPDX-License-Identifier: Apache-2.0
"""A file that appears under its name complete and flushed to disk, or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from multishade.errors import ShardError

PARTIAL_SUFFIX = ".partial"


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on leaving, flush it to disk and rename it to `path`.

    An exception inside removes the temporary file and leaves `path` as it was. Two writers of one path do
    not meet: each has its own temporary name, and the last rename wins. Raises ShardError where the system
    refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    with refusals_named(path):
        stream = temporary.open("xb")
    try:
        yield stream
        with refusals_named(path):
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            os.replace(temporary, path)
            _sync_folder(path.parent)
    except BaseException:
        # Closing flushes once more, and would put the same refusal in place of the first, which names the
        # file.
        with suppress(OSError):
            stream.close()
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Turn an OSError of writing (disk full, no permission) into a ShardError that names the file."""
    try:
        yield
    except OSError as error:
        raise ShardError(
            f"{path}: cannot be written: {error.strerror or error}; free space or choose another folder"
        ) from error


def remove_partials(path: Path) -> list[Path]:
    """Delete what killed writers of `path` left beside it, and return it. Only for when nobody is writing it."""
    leftovers = sorted(path.parent.glob(f".{path.name}.*{PARTIAL_SUFFIX}"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
