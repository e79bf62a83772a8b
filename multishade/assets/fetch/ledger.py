# SPDX-License-Identifier: Apache-2.0
"""The path of a cached file in, its hash and verdict out, unless the file has changed.

A run over ninety thousand objects will be interrupted; the next one neither hashes nor reads again what is in the
ledger. It is a JSONL file to which lines are only appended, so that a crash costs its last line at most.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from multishade.assets.scanning.environments import EnvironmentFacts
from multishade.assets.scanning.materials import MapSetFacts
from multishade.assets.scanning.meshes import MeshFacts
from multishade.errors import AssetError

Facts = MeshFacts | MapSetFacts | EnvironmentFacts
_KINDS: Mapping[str, type[Any]] = {each.__name__: each for each in (MeshFacts, MapSetFacts, EnvironmentFacts)}


@dataclass(frozen=True)
class Entry:
    """The verdict on a file.

    Attributes:
        sha256: Hash of its files.
        rules: Names the checks; a verdict by other checks does not count.
        facts: The facts of the asset, None if it is refused.
        reason: Why it is refused, None if it is not.
    """

    sha256: str
    rules: str
    facts: Facts | None = None
    reason: str | None = None


class Ledger:
    """The ledger of one cache folder, a context manager; only one process may write to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, dict[str, Any]] = {}
        path = folder / "ledger.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                for line in path.read_text(encoding="utf-8").split("\n"):
                    try:
                        record = json.loads(line)
                    except ValueError:
                        continue  # the last line of a run that crashed
                    self._entries[record["path"]] = record
            self._file: TextIO = path.open("a", encoding="utf-8")
            self._file.write("\n")  # ends the line that a crash may have left half written
        except OSError as error:
            raise AssetError(
                f"{path}: cannot be opened ({error.strerror}); choose another --cache"
            ) from error

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def find(self, path: Path, rules: str) -> Entry | None:
        """Return the verdict on a file or folder, None if there is none, if it has changed, or by other rules."""
        record = self._entries.get(self._key(path))
        if record is None or record["rules"] != rules or record["stamp"] != _stamp(path):
            return None
        facts = _KINDS[record["kind"]](**_as_tuples(record["facts"])) if record["facts"] else None
        return Entry(record["sha256"], rules, facts, record["reason"])

    def add(self, path: Path, entry: Entry) -> None:
        """Append a verdict; it has been handed to the operating system when this returns."""
        record = {
            "path": self._key(path),
            "stamp": _stamp(path),
            "sha256": entry.sha256,
            "rules": entry.rules,
            "kind": type(entry.facts).__name__ if entry.facts else None,
            "facts": asdict(entry.facts) if entry.facts else None,
            "reason": entry.reason,
        }
        record = json.loads(json.dumps(record))
        self._entries[record["path"]] = record
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def _key(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._folder)).as_posix()


def _stamp(path: Path) -> list[int] | None:
    """Size and time of change of a file, or of the files in a folder; None if there is none."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stamps = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return [number for stamp in stamps for number in stamp] or None


def _as_tuples(data: dict[str, Any]) -> dict[str, Any]:
    def convert(value: Any) -> Any:
        return tuple(convert(each) for each in value) if isinstance(value, list) else value

    return {name: convert(value) for name, value in data.items()}
