# SPDX-License-Identifier: Apache-2.0
"""A MATLAB file -> its variables."""

from pathlib import Path
from typing import Any

from multishade.errors import ImageFileError


def read_matlab(path: Path) -> dict[str, Any]:
    """Read the variables of a .mat file of version 7.2 or older.

    Args:
        path: The file.

    Returns:
        Name -> array, without the names that describe the file itself.

    Raises:
        ImageFileError: If the file cannot be read, is damaged, or has another version.
    """
    import zlib

    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        contents = loadmat(path)
    except (MatReadError, zlib.error, ValueError, NotImplementedError, OSError, TypeError) as error:
        raise ImageFileError(
            f"{path}: not a MATLAB file that scipy reads, version 7.2 or older ({error})"
        ) from error
    return {name: value for name, value in contents.items() if not name.startswith("__")}
