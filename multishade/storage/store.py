# SPDX-License-Identifier: Apache-2.0
"""A place (folder, bucket, web address) -> the store of its files.

`open_store` and `open_file` choose the kind of store by the place: local folders, http(s), and every other scheme
(s3://, gs://, memory://, ...) through fsspec.
"""

from pathlib import Path

from multishade.storage.base import Store, StoredFile
from multishade.storage.http import HttpStore
from multishade.storage.local import LocalStore
from multishade.storage.remote import RemoteStore

__all__ = ["FilePlace", "FolderPlace", "Store", "StoredFile", "is_local", "open_file", "open_store"]

FolderPlace = str | Path | Store
FilePlace = str | Path | StoredFile


def open_store(place: FolderPlace) -> Store:
    """Choose the store of a folder: a local path, file://, http(s)://, or any scheme that fsspec has.

    Args:
        place: The folder, which need not exist. A store is returned as it is.

    Returns:
        The store. Nothing is read or created.

    Raises:
        DataError: If the scheme is unknown, or a package that it needs is not installed.
    """
    if isinstance(place, Store):
        return place
    scheme, separator, rest = str(place).partition("://")
    if not separator:
        return LocalStore(Path(place))
    if scheme == "file":
        return LocalStore(Path(rest))
    if scheme in ("http", "https"):
        return HttpStore(str(place).rstrip("/"))
    return RemoteStore(str(place).rstrip("/"))


def open_file(place: FilePlace) -> StoredFile:
    """Choose the store of one file, as `open_store` does of a folder.

    Args:
        place: The file, which need not exist. A stored file is returned as it is.

    Returns:
        The file in its store. Nothing is read or created.

    Raises:
        DataError: As `open_store`.
    """
    if isinstance(place, StoredFile):
        return place
    if is_local(place):
        path = Path(place)
        return open_store(path.parent).file(path.name)
    base, mark, query = str(place).partition("?")
    folder, _, name = base.rpartition("/")
    return open_store(folder).file(name + mark + query)


def is_local(place: str | Path) -> bool:
    """Tell local paths from URLs.

    Args:
        place: A path or URL.

    Returns:
        True for a path.
    """
    return "://" not in str(place)
