# SPDX-License-Identifier: Apache-2.0
"""Whether an output can be written, found out before the work that makes it."""

import os
import tempfile
from pathlib import Path

from multishade.errors import MultiShadeError, OutputError

REMEDY = "choose another path with -o"


def require_writable_folder(
    folder: Path, error: type[MultiShadeError] = OutputError, remedy: str = REMEDY
) -> None:
    """Check that files can be written into a folder, or that the folder can be made. Leaves nothing behind.

    Args:
        folder: The folder; it and its parents may be missing.
        error: Class of the error.
        remedy: What to do, the end of the error's text.

    Raises:
        OutputError, or `error`: If something that is no folder is in the way, or writing is refused.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise error(f"{folder}: cannot be written: {existing} is not a folder; {remedy}")
    try:
        # Rights alone do not tell: a file system may be full, or mounted read-only.
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"\0")
    except OSError as refusal:
        at = "" if existing == folder else f" in {existing}"
        raise error(f"{folder}: cannot be written: {refusal.strerror or refusal}{at}; {remedy}") from refusal


def require_writable_file(
    path: Path, error: type[MultiShadeError] = OutputError, remedy: str = REMEDY
) -> None:
    """Check that a file can be written. Arguments and errors as for `require_writable_folder`."""
    if path.is_dir():
        raise error(f"{path}: cannot be written: it is a folder; {remedy}")
    require_writable_folder(path.parent, error, remedy)
