# SPDX-License-Identifier: Apache-2.0
"""Results of a scan that is going on -> a file beside its manifest, and back after the scan was interrupted.

One line of JSON for each asset, written as soon as it has been read. A result counts as long as the files that it was
read from have their size and time of modification; a refusal as long as nothing in the folder has changed: what it
lacks may have come.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from multishade.assets.scanning.judge import Task, Verdict
from multishade.assets.scanning.listing import Listing
from multishade.errors import ManifestError
from multishade.protocol.codec import ProtocolError, from_json
from multishade.storage.writable import REMEDY

VERSION = 1  # raise it when checks change


def kept_file(manifest: Path) -> Path:
    """The file that belongs to a manifest."""
    return manifest.with_name(f"{manifest.name}.part")


class Kept:
    """The results so far of a scan; a context manager that holds the file open."""

    def __init__(self, path: Path, listing: Listing, settings: Sequence[Any]) -> None:
        """Read what an interrupted scan left.

        Args:
            path: Of the file.
            listing: Of the scanned folder.
            settings: Whatever else results depend on.
        """
        self._path, self._stamps = path, listing.stamps
        stamps = [(str(file), *stamp) for file, stamp in sorted(listing.stamps.items())]
        self._folder = hashlib.sha256(json.dumps([stamps, *map(str, settings)]).encode()).hexdigest()
        self._settings = hashlib.sha256(json.dumps([VERSION, *map(str, settings)]).encode()).hexdigest()
        self._found = self._read()
        self._file: IO[str] | None = None

    def __enter__(self) -> "Kept":
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
            if self._file.tell():
                self._file.write("\n")  # the last line may be cut short
        except OSError as error:
            raise ManifestError(f"{self._path}: cannot be written ({error.strerror}); {REMEDY}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def find(self, path: Path, task: Task) -> Verdict | str | None:
        """Return what an interrupted scan found out about an asset: a verdict, or the reason for refusing it."""
        found = self._found.get(str(path))
        if found is None:
            return None
        if isinstance(found["result"], str):
            return found["result"] if found["folder"] == self._folder else None
        with contextlib.suppress(ProtocolError, TypeError):
            verdict = from_json(Verdict, found["result"])
            return verdict if found["stamps"] == self._stamps_of(task, verdict) else None
        return None

    def add(self, path: Path, task: Task, result: Verdict | str) -> None:
        """Write down one result."""
        verdict = result if isinstance(result, Verdict) else None
        line = {
            "path": str(path),
            "settings": self._settings,
            "folder": self._folder,
            "stamps": self._stamps_of(task, verdict),
            "result": dataclasses.asdict(verdict) if verdict else result,
        }
        assert self._file is not None
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise ManifestError(f"{self._path}: cannot be written ({error.strerror}); {REMEDY}") from error

    def _stamps_of(self, task: Task, verdict: Verdict | None) -> list[list[int] | None]:
        names = task.members(verdict.files if verdict else ())
        stamps = [self._stamps.get(task.folder / name) for name in names]
        return [None if stamp is None else list(stamp) for stamp in stamps]

    def _read(self) -> dict[str, Any]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return {}
        found = {}
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                entry = json.loads(line)
                if entry["settings"] == self._settings:
                    found[entry["path"]] = {name: entry[name] for name in ("folder", "stamps", "result")}
        return found
