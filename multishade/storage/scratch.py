# SPDX-License-Identifier: Apache-2.0
"""Temporary folders that name their owner, so that a later start can remove those whose owner was killed.

They lie in memory (/dev/shm) if there is room, else in the system's temporary folder.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from multishade.errors import MultiShadeError, ShardError
from multishade.storage.local import refusals_named
from multishade.storage.owner import owner_in, this_process

PREFIX = "multishade-"
MEMORY_FOLDER = Path("/dev/shm")
LEAST_MEMORY_BYTES = (
    64 * 2**20
)  # of room in MEMORY_FOLDER: the buffers of one large image, and a built-in mesh
REMEDY = "free space there, or set TMPDIR to another folder"


def make_scratch(error: type[MultiShadeError] = ShardError) -> Path:
    """Make a temporary folder of this process, in memory if there is room.

    Args:
        error: Class of the exception if the system refuses.

    Returns:
        The folder, which its owner removes with `remove_scratch`.
    """
    parent = scratch_parent()
    with refusals_named(parent, error, REMEDY):
        return Path(tempfile.mkdtemp(prefix=scratch_prefix(), dir=parent))


def scratch_prefix() -> str:
    """Return how the names of this process's temporary folders begin, so that `sweep_scratch` finds them."""
    return f"{PREFIX}{this_process()}-"


def remove_scratch(folder: Path) -> None:
    """Remove a temporary folder with all that is in it, also if it is gone already."""
    shutil.rmtree(folder, ignore_errors=True)


def scratch_parent() -> Path:
    """Return where temporary folders are made: in memory, or in the system's temporary folder."""
    try:
        if os.access(MEMORY_FOLDER, os.W_OK) and shutil.disk_usage(MEMORY_FOLDER).free >= LEAST_MEMORY_BYTES:
            return MEMORY_FOLDER
    except OSError:
        pass  # no such folder on this system
    return Path(tempfile.gettempdir())


def sweep_scratch() -> list[Path]:
    """Remove the temporary folders of this user whose owners have ended without removing them.

    Folders of processes that run, of other machines and without an owner stay.

    Returns:
        The removed folders.
    """
    removed = []
    for folder in scratch_folders():
        owner = owner_in(folder.name)
        if owner is not None and owner.dead:
            remove_scratch(folder)
            removed.append(folder)
    return removed


def remove_own_scratch() -> None:
    """Remove the temporary folders of this process: before it ends at once."""
    for folder in scratch_folders():
        if owner_in(folder.name) == this_process():
            remove_scratch(folder)


def ownerless_scratch() -> list[Path]:
    """List temporary folders that older versions left, which name no owner (`multishade-*`, `blender_*`)."""
    older = [folder for folder in _folders("blender_") if len(folder.name) == len("blender_") + 6]
    return [folder for folder in scratch_folders() if owner_in(folder.name) is None] + older


def scratch_folders() -> Iterator[Path]:
    """Find the temporary folders of this user, of any owner."""
    yield from _folders(PREFIX)


def _folders(prefix: str) -> Iterator[Path]:
    """The folders of this user in both places whose names begin so."""
    for parent in dict.fromkeys((MEMORY_FOLDER, Path(tempfile.gettempdir()))):
        try:
            entries = list(os.scandir(parent))
        except OSError:
            continue  # no such folder on this system
        for entry in entries:
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False) and _mine(entry):
                yield Path(entry.path)


def _mine(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid == os.getuid()
    except OSError:
        return False  # removed meanwhile
