# SPDX-License-Identifier: Apache-2.0
"""Manifest rows in, nothing out: an error if a row's files are missing or differ from what the row states.

Hashes are kept for the life of the process, so that a file that many groups use is read once. A file whose size,
modification time or inode has changed is read again.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from multishade.assets.hashing import sha256_of_file, sha256_of_files
from multishade.assets.schema import Row
from multishade.errors import AssetError, ManifestError

# File systems store modification times in steps of up to 2 s (FAT): a file changed more recently than this could
# change again without a new modification time, so its hash is not kept.
SETTLED_SECONDS = 2.0


def verify_file(row: Row) -> None:
    """Check that the files of a row exist and have the hash that the row states.

    Built-in rows have no files and pass.

    Args:
        row: One row of a manifest, resolved against the manifest's folder.

    Raises:
        ManifestError: If a file is missing, cannot be read or has changed; it names the file and both hashes.
    """
    if not row.in_files:
        return
    folder, names = row.members()
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ManifestError(
            f"{row.id}: {folder / missing[0]} is missing; restore it or scan the folder again"
        )
    try:
        actual = sha256_of_files(folder, names, cached_sha256)
    except OSError as error:
        raise ManifestError(f"{row.id}: {error.filename} cannot be read ({error.strerror})") from error
    if actual != row.sha256:
        what = row.path if len(names) == 1 else f"{row.path} and the {len(names) - 1} files that belong to it"
        raise ManifestError(
            f"{row.id}: {what} changed: sha256 is {actual}, the manifest states {row.sha256}; "
            "restore the file or scan the folder again"
        )


def verify_rows(rows: Iterable[Row]) -> None:
    """Check the files of every row, as `verify_file` does for one.

    Args:
        rows: The assets that one group of samples is rendered from.

    Raises:
        AssetError: If a file of any row is missing, cannot be read or has changed.
    """
    for row in rows:
        try:
            verify_file(row)
        except ManifestError as error:
            raise AssetError(str(error)) from error


def cached_sha256(path: Path) -> str:
    """Return the sha256 of a file, from the cache if size, modification time and inode are those of the last call.

    Args:
        path: The file to hash.

    Returns:
        64 hexadecimal digits, lower case.

    Raises:
        OSError: If the file cannot be read.
    """
    status = path.stat()
    age = time.time() - status.st_mtime  # noqa: TID251  (decides about the cache only, not about data)
    if age < SETTLED_SECONDS:
        return sha256_of_file(path)
    return _sha256(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=1 << 16)
def _sha256(path: Path, size: int, modified_ns: int, inode: int) -> str:
    return sha256_of_file(path)
