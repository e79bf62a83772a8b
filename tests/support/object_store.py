# SPDX-License-Identifier: Apache-2.0
"""An object store in memory, as an fsspec file system: uploads appear only when committed, as on S3."""

from typing import Any, ClassVar

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

SCHEME = "objects"


class _Upload(AbstractBufferedFile):
    """Parts are kept aside until `commit`, which fsspec calls on closing unless told not to."""

    def _initiate_upload(self) -> None:
        self.parts: list[bytes] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        self.buffer.seek(0)
        self.parts.append(self.buffer.read())
        if self.fs.full:
            raise OSError(28, "No space left on device")
        if final and self.autocommit:
            self.commit()
        return not final

    def commit(self) -> None:
        self.fs.objects[self.path] = b"".join(self.parts)

    def discard(self) -> None:
        self.fs.discarded.append(self.path)

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.objects[self.path]
        return content[start:end]


class ObjectStore(AbstractFileSystem):
    protocol = SCHEME
    cachable = False
    objects: ClassVar[dict[str, bytes]] = {}
    discarded: ClassVar[list[str]] = []
    full: ClassVar[bool] = False

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        prefix = self._strip_protocol(path).rstrip("/") + "/"
        entries = [
            self._entry(name)
            for name in self.objects
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        ]
        if not entries:
            raise FileNotFoundError(path)
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self._entry(path)

    def rm_file(self, path: str) -> None:
        self.objects.pop(self._strip_protocol(path), None)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> _Upload:
        return _Upload(self, path, mode, **options)

    def _entry(self, name: str) -> dict[str, Any]:
        return {"name": name, "size": len(self.objects[name]), "type": "file"}
