# SPDX-License-Identifier: Apache-2.0
"""Files in, one sha256 out: what a manifest row states about the bytes it stands for."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path


def sha256_of_file(path: Path) -> str:
    """Return the sha256 of a file's content as 64 hexadecimal digits.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(
    folder: Path, names: Iterable[str], hash_file: Callable[[Path], str] = sha256_of_file
) -> str:
    """Return one hash over several files of a folder.

    One file: its own sha256. Several: the sha256 of the text that `sha256sum NAME...` prints for them, names
    sorted by their UTF-8 bytes, so that a renamed, added or changed file changes the hash.

    Args:
        folder: The folder that the names are relative to.
        names: Relative paths with forward slashes; duplicates count once.
        hash_file: Computes the sha256 of one file.

    Returns:
        64 hexadecimal digits, lower case.

    Raises:
        OSError: If a file cannot be read.
    """
    ordered = sorted(set(names), key=str.encode)
    if len(ordered) == 1:
        return hash_file(folder / ordered[0])
    listing = "".join(f"{hash_file(folder / name)}  {name}\n" for name in ordered)
    return hashlib.sha256(listing.encode()).hexdigest()
