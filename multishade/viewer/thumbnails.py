# SPDX-License-Identifier: Apache-2.0
"""Small pictures on demand, kept in a folder that is bounded: the least recently used are removed."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from multishade.errors import OutputError
from multishade.report.pictures import small_picture
from multishade.shards.dataset import Dataset

LIMIT = 256 << 20  # bytes on disk
_ROOM = 0.8  # share of the limit that is kept when it is exceeded


class ThumbnailCache:
    """A folder of JPEGs by the hash of what they show. Several viewers may use one folder."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        """Use a folder, which is made.

        Args:
            folder: For nothing else.
            limit: Bytes that it may hold.

        Raises:
            OutputError: If it cannot be made.
        """
        self._folder, self._limit = folder, limit
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be made ({error.strerror}); name another folder with --cache"
            ) from error
        self._lock = threading.Lock()
        self._bytes = sum(entry.stat().st_size for entry in self._entries())

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the picture of a name, made if it is not there."""
        path = self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.jpg"
        try:
            data = path.read_bytes()
            os.utime(path)
            return data
        except OSError:
            pass
        data = make()
        temporary = path.with_suffix(f".{threading.get_ident()}")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            return data  # a full disk is no reason to show nothing
        with self._lock:
            self._bytes += len(data)
            if self._bytes > self._limit:
                self._remove_oldest()
        return data

    def _entries(self) -> list[os.DirEntry[str]]:
        return [entry for entry in os.scandir(self._folder) if entry.name.endswith(".jpg")]

    def _remove_oldest(self) -> None:
        found = []
        for entry in self._entries():
            try:
                found.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
            except OSError:
                continue  # another viewer removed it
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit * _ROOM:
                break
            Path(path).unlink(missing_ok=True)
            total -= size
        self._bytes = total


def thumbnail(data: Dataset, key: str, name: str, side: int) -> bytes:
    """Draw one picture of a sample, reading no more files than it needs.

    Args:
        data: The data set.
        key: The sample.
        name: A picture of `report.pictures.SMALL`, or a field of an image.
        side: Pixels.

    Returns:
        JPEG.

    Raises:
        ShardError: If the sample cannot be read.
    """
    return small_picture(key, lambda names: data.files(key, names), data.fields, name, side)
