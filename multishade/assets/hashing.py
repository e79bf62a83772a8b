# SPDX-License-Identifier: Apache-2.0
"""Files in, one sha256 out: what a manifest row states about the bytes it stands for."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def sha256_of_file(path: Path) -> str:
    """64 hex digits of a file's content. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(folder: Path, names: Iterable[str]) -> str:
    """One hash over several files of a folder; names are relative to it, with forward slashes.

    One file: its own sha256. Several: the sha256 of the text that `sha256sum NAME...` prints for them,
    names sorted by their UTF-8 bytes, so a renamed, added or changed file changes the hash. Raises OSError
    where one cannot be read.
    """
    ordered = sorted(set(names), key=str.encode)
    if len(ordered) == 1:
        return sha256_of_file(folder / ordered[0])
    listing = "".join(f"{sha256_of_file(folder / name)}  {name}\n" for name in ordered)
    return hashlib.sha256(listing.encode()).hexdigest()
