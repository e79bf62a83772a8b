# SPDX-License-Identifier: Apache-2.0
"""Files of any scheme that fsspec has (s3://, gs://, az://, sftp://, memory://, ...), as a `Store`.

S3 is tested against a server of its protocol (`make test-storage`), other schemes through fsspec's memory file system.
"""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, cast

from multishade.storage import s3
from multishade.storage.base import PARTIAL_SUFFIX, NamingWriter, Store, Writer, partial_name
from multishade.storage.driver import call, filesystem, naming

S3 = frozenset({"s3", "s3a"})
# An upload to these appears only once it is committed, and a copy of a large object costs a second upload: there a
# file is written in place. Elsewhere it is written under a temporary name and moved.
UPLOADED_ON_COMMIT = frozenset({"gs", "gcs"})
_WITHOUT_FOLDERS = S3 | {"gs", "gcs", "az", "abfs", "abfss"}
_FIRST_RANGE, _LARGEST_RANGE = 1 << 20, 32 << 20


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
        if self._scheme not in _WITHOUT_FOLDERS | UPLOADED_ON_COMMIT:
            files = filesystem(self.address)
            call(self.address, "written", lambda: files.makedirs(self._path(), exist_ok=True))

    def list_names(self, pattern: str = "*") -> list[str]:
        return self._list("file", pattern)

    def list_folders(self, pattern: str = "*") -> list[str]:
        return self._list("directory", pattern)

    def _list(self, kind: str, pattern: str) -> list[str]:
        files = filesystem(self.address)

        def entries() -> list[dict[str, Any]]:
            files.invalidate_cache(self._path())
            try:
                return list(files.ls(self._path(), detail=True))
            except (FileNotFoundError, NotADirectoryError):
                return []

        found = [entry for entry in call(self.address, "listed", entries) if entry["type"] == kind]
        names = [entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in found]
        return sorted(name for name in names if fnmatchcase(name, pattern))

    def exists(self, name: str) -> bool:
        files = filesystem(self.address)

        def exists() -> bool:
            files.invalidate_cache(self._path())
            try:
                return bool(files.info(self._path(name))["type"] == "file")
            except FileNotFoundError:
                return False

        return call(self.url_of(name), "read", exists)

    def size(self, name: str) -> int:
        files = filesystem(self.address)

        def size() -> int:
            files.invalidate_cache(self._path())
            return int(files.info(self._path(name))["size"])

        return call(self.url_of(name), "read", size)

    def version(self, name: str) -> str:
        """Return what the driver takes for the identity of a file's content: of S3 its ETag, else size and time."""
        files = filesystem(self.address)

        def version() -> str:
            files.invalidate_cache(self._path())
            return str(files.checksum(self._path(name)))

        return call(self.url_of(name), "read", version)

    def open(self, name: str, start: int = 0, length: int | None = None) -> BinaryIO:
        size = self.size(name)
        end = size if length is None else min(size, start + length)
        return cast(BinaryIO, io.BufferedReader(_RangeStream(self, name, start, end)))

    def read_bytes(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        end = None if length is None else start + length
        if end == start:
            return b""
        files, path = filesystem(self.address), self._path(name)
        return call(self.url_of(name), "read", lambda: bytes(files.cat_file(path, start=start, end=end)))

    def take_up(self, name: str) -> AbstractContextManager[Writer]:
        if self._scheme in S3:
            return self._upload(name, take_up=True)
        return super().take_up(name)

    @contextmanager
    def write(self, name: str) -> Iterator[Writer]:
        if self._scheme in S3:
            with self._upload(name) as upload:
                yield upload
            return
        write = self._write_in_place if self._scheme in UPLOADED_ON_COMMIT else self._write_and_move
        with write(name) as stream:
            yield NamingWriter(stream, lambda: naming(self.url_of(name), "written"))

    @contextmanager
    def _upload(self, name: str, take_up: bool = False) -> Iterator[Writer]:
        upload = s3.S3Upload(self.url_of(name), take_up)
        try:
            yield upload
            upload.commit()
            filesystem(self.address).invalidate_cache(self._path())
        except BaseException:
            with suppress(Exception):  # the first error is the one to report
                upload.discard()
            raise

    @contextmanager
    def _write_in_place(self, name: str) -> Iterator[BinaryIO]:
        files, url = filesystem(self.address), self.url_of(name)
        with naming(url, "written"):
            stream = files.open(self._path(name), "wb", autocommit=False)
            # fsspec adds it to the file system's transaction, which is not ours to end.
            with suppress(ValueError):
                files.transaction.files.remove(stream)
        try:
            yield stream
            with naming(url, "written"):
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
        with naming(url, "written"):
            stream = files.open(temporary, "wb")
        try:
            yield stream
            with naming(url, "written"):
                stream.close()
            call(url, "written", lambda: files.mv(temporary, self._path(name)))
        except BaseException:
            with suppress(Exception):
                stream.close()
            with suppress(Exception):
                files.rm_file(temporary)
            raise

    def remove(self, name: str) -> None:
        files = filesystem(self.address)

        def remove() -> None:
            with suppress(FileNotFoundError):
                files.rm_file(self._path(name))

        call(self.url_of(name), "removed", remove)

    def remove_folder(self) -> None:
        if self._scheme not in _WITHOUT_FOLDERS | UPLOADED_ON_COMMIT:
            with suppress(Exception):  # not empty, or not there
                filesystem(self.address).rmdir(self._path())

    def remove_partials(self, name: str) -> list[str]:
        if self._scheme in S3:  # a writer leaves no file, but an upload
            url = self.url_of(name)
            found = [each for each in s3.unfinished(url) if not each.path]
            for each in found:
                s3.abort(url, each.key, each.upload)
            return [name for _ in found]
        partials = [each for each in self.list_names(f"*{PARTIAL_SUFFIX}") if each.startswith(f".{name}.")]
        for partial in partials:
            self.remove(partial)
        return partials

    def unfinished(self) -> list[str]:
        if self._scheme not in S3:
            return []
        return list(dict.fromkeys(each.path for each in s3.unfinished(f"{self.url}/")))

    def _path(self, name: str | None = None) -> str:
        address = self.address if name is None else self.url_of(name)
        return str(filesystem(address)._strip_protocol(address))


class _RangeStream(io.RawIOBase):
    """Bytes of a file in order, by ranges that grow, so that a broken connection costs one of them."""

    def __init__(self, store: RemoteStore, name: str, start: int, end: int) -> None:
        self._store, self._name, self._position, self._end = store, name, start, end
        self._range, self._held, self._next = b"", 0, _FIRST_RANGE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._held == len(self._range):
            count = min(self._next, self._end - self._position)
            if count <= 0:
                return 0
            self._range, self._held = self._store.read_bytes(self._name, self._position, count), 0
            self._position += len(self._range)
            self._next = min(2 * self._next, _LARGEST_RANGE)
        data = memoryview(self._range)[self._held : self._held + len(buffer)]
        buffer[: len(data)] = data
        self._held += len(data)
        return len(data)
