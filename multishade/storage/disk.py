# SPDX-License-Identifier: Apache-2.0
"""The calls by which local files change: create, write, flush, rename, remove. Every local write goes through them.

They raise OSError as the system does; `local` names the file. Tests put failures here, as a disk would raise them.
"""

import os
from pathlib import Path
from typing import BinaryIO


def create(path: Path) -> BinaryIO:
    """Create a file that does not exist."""
    return path.open("xb")


def write(stream: BinaryIO, data: bytes) -> None:
    """Write bytes; they may stay in a buffer."""
    stream.write(data)


def sync(stream: BinaryIO) -> None:
    """Bring what was written to the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def rename(source: Path, target: Path) -> None:
    """Put a file or folder in the place of another, in one step."""
    os.replace(source, target)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)
