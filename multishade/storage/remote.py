# SPDX-License-Identifier: Apache-2.0
"""Files of any scheme that fsspec has (s3://, gs://, az://, sftp://, memory://, ...), as a `Store`.

Not yet tested against real object stores: the tests use fsspec's memory file system, and one that uploads on closing.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, cast

from multishade.errors import DataError, FileMissing, MultiShadeError, ShardError
from multishade.storage.base import PARTIAL_SUFFIX, NamingWriter, Store, Writer, limited, partial_name

# An upload to these appears only once it is committed, and a copy of a large object costs a second upload: there a
# file is written in place. Elsewhere it is written under a temporary name and moved.
UPLOADED_ON_COMMIT = frozenset({"s3", "s3a", "gs", "gcs"})
_EXTRAS = {"s3": "s3", "s3a": "s3"}  # scheme -> the extra of this package that installs its driver


@dataclass(frozen=True)
class RemoteStore(Store):
    """A folder (or common beginning of keys) of a remote file system."""

    address: str

    def __post_init__(self) -> None:
        filesystem(self.address)  # an unknown scheme or a missing package is reported here

    @property
    def url(self) -> str:
        return self.address

    @property
    def _scheme(self) -> str:
        return self.address.partition("://")[0]

    def child(self, name: str) -> "RemoteStore":
        return RemoteStore(self.url_of(name))

    def make_folder(self) -> None:
        if self._scheme in UPLOADED_ON_COMMIT:
            return  # object stores have no folders
        with _naming(self.address, "written"):
            filesystem(self.address).makedirs(self._path(), exist_ok=True)

    def list_names(self, pattern: str = "*") -> list[str]:
        files = filesystem(self.address)
        with _naming(self.address, "listed"):
            files.invalidate_cache(self._path())
            try:
                entries = files.ls(self._path(), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = [entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file"]
        return sorted(name for name in names if fnmatchcase(name, pattern))

    def exists(self, name: str) -> bool:
        files = filesystem(self.address)
        with _naming(self.url_of(name)):
            files.invalidate_cache(self._path())
            return bool(files.isfile(self._path(name)))

    def size(self, name: str) -> int:
        with _naming(self.url_of(name)):
            return int(filesystem(self.address).size(self._path(name)))

    def open(self, name: str, start: int = 0, length: int | None = None) -> BinaryIO:
        with _naming(self.url_of(name)):
            stream = filesystem(self.address).open(self._path(name), "rb")
            if start:
                stream.seek(start)
            return limited(cast(BinaryIO, stream), length)

    def read_bytes(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        end = None if length is None else start + length
        if end == start:
            return b""
        with _naming(self.url_of(name)):
            return bytes(filesystem(self.address).cat_file(self._path(name), start=start, end=end))

    @contextmanager
    def write(self, name: str) -> Iterator[Writer]:
        in_place = self._scheme in UPLOADED_ON_COMMIT
        write = self._write_in_place if in_place else self._write_and_move
        with write(name) as stream:
            yield NamingWriter(stream, lambda: _naming(self.url_of(name), "written"))

    @contextmanager
    def _write_in_place(self, name: str) -> Iterator[BinaryIO]:
        files, url = filesystem(self.address), self.url_of(name)
        with _naming(url, "written"):
            stream = files.open(self._path(name), "wb", autocommit=False)
            # fsspec adds it to the file system's transaction, which is not ours to end.
            with suppress(ValueError):
                files.transaction.files.remove(stream)
        try:
            yield stream
            with _naming(url, "written"):
                stream.close()
                stream.commit()
                files.invalidate_cache(self._path())
        except BaseException:
            with suppress(Exception):  # the first error is the one to report
                stream.close()
            with suppress(Exception):
                stream.discard()
            raise

    @contextmanager
    def _write_and_move(self, name: str) -> Iterator[BinaryIO]:
        files, url = filesystem(self.address), self.url_of(name)
        temporary = self._path(partial_name(name))
        with _naming(url, "written"):
            stream = files.open(temporary, "wb")
        try:
            yield stream
            with _naming(url, "written"):
                stream.close()
                files.mv(temporary, self._path(name))
        except BaseException:
            with suppress(Exception):
                stream.close()
            with suppress(Exception):
                files.rm_file(temporary)
            raise

    def remove(self, name: str) -> None:
        with _naming(self.url_of(name), "removed"), suppress(FileNotFoundError):
            filesystem(self.address).rm_file(self._path(name))

    def remove_folder(self) -> None:
        if self._scheme not in UPLOADED_ON_COMMIT:
            with suppress(Exception):  # not empty, or not there
                filesystem(self.address).rmdir(self._path())

    def remove_partials(self, name: str) -> list[str]:
        found = [each for each in self.list_names(f"*{PARTIAL_SUFFIX}") if each.startswith(f".{name}.")]
        for each in found:
            self.remove(each)
        return found

    def _path(self, name: str | None = None) -> str:
        address = self.address if name is None else self.url_of(name)
        return str(filesystem(address)._strip_protocol(address))


def filesystem(url: str) -> Any:
    """The file system of a URL's scheme. Raises DataError if it is unknown or its package is not installed."""
    import fsspec

    scheme = url.partition("://")[0]
    try:
        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        extra = _EXTRAS.get(scheme)
        remedy = f" (pip install 'multishade[{extra}]')" if extra else ""
        raise DataError(f"{url}: {error}{remedy}") from error


def glob_urls(pattern: str) -> list[str]:
    """URLs that match a pattern with * ? [ ] anywhere in its path. Raises ShardError if it cannot be listed."""
    files, scheme = filesystem(pattern), pattern.partition("://")[0]
    with _naming(pattern, "listed"):
        return [f"{scheme}://{name.lstrip('/')}" for name in files.glob(pattern)]


@contextmanager
def _naming(url: str, reason: str = "read") -> Iterator[None]:
    """Each driver raises exceptions of its own: all become ShardError that names the file."""
    try:
        yield
    except MultiShadeError:
        raise
    except FileNotFoundError as error:
        raise FileMissing(f"{url}: cannot be {reason} (no such file)") from error
    except Exception as error:
        raise ShardError(f"{url}: cannot be {reason} ({type(error).__name__}: {error})") from error
