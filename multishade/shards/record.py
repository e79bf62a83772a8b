# SPDX-License-Identifier: Apache-2.0
"""A data set's folder: `dataset.json` (frozen config, fingerprint, plan) and its shards' paths."""

import glob
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multishade.errors import ShardError
from multishade.shards.meta import SCHEMA
from multishade.shards.tar import natural_order
from multishade.storage.local import atomic_file, refusals_named

RECORD_NAME = "dataset.json"
_SHOWN_DIFFERENCES = 8


@dataclass(frozen=True)
class DatasetRecord:
    """What a folder of shards was made from. Two records of one fingerprint describe the same data.

    config: the settings that decide the data, as plain JSON values (how it is run stays out).
    manifests: name -> sha256 of each manifest file. plan: sizes (shards, groups, samples, images ...), for
    reading.
    """

    config: Mapping[str, Any]
    manifests: Mapping[str, str]
    plan: Mapping[str, Any]
    schema: int = SCHEMA

    @property
    def fingerprint(self) -> str:
        """sha256 of the canonical JSON of schema, config and manifests, 64 hex digits."""
        return hashlib.sha256(_canonical(self._decisive()).encode()).hexdigest()

    def differences(self, other: "DatasetRecord") -> list[str]:
        """What makes the fingerprints differ, as 'config.views.count: 6 -> 2' (self -> other)."""
        return _differences(
            "", json.loads(_canonical(self._decisive())), json.loads(_canonical(other._decisive()))
        )

    def _decisive(self) -> dict[str, Any]:
        return {"schema": self.schema, "config": self.config, "manifests": self.manifests}


def open_dataset(folder: Path, record: DatasetRecord) -> DatasetRecord:
    """Make `folder` the place of `record`'s data, or make sure that it is.

    Creates the folder and its dataset.json if they are missing. Raises ShardError where the folder belongs
    to another data set, naming every setting that differs, and where it cannot be written.
    """
    with refusals_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not (folder / RECORD_NAME).exists():
        content = {
            "schema": record.schema,
            "fingerprint": record.fingerprint,
            "plan": record.plan,
            "manifests": record.manifests,
            "config": record.config,
        }
        with atomic_file(folder / RECORD_NAME) as stream, refusals_named(folder / RECORD_NAME):
            stream.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    there = read_dataset(folder)
    if there.fingerprint != record.fingerprint:
        changed = there.differences(record)
        more = f"; and {len(changed) - _SHOWN_DIFFERENCES} more" if len(changed) > _SHOWN_DIFFERENCES else ""
        raise ShardError(
            f"{folder}: holds another data set: {'; '.join(changed[:_SHOWN_DIFFERENCES])}{more}. "
            "Choose another folder, or undo the change"
        )
    return there


def read_dataset(folder: Path) -> DatasetRecord:
    """The record in `folder`. Raises ShardError where there is none, or it was edited since."""
    path = folder / RECORD_NAME
    try:
        content = json.loads(path.read_bytes())
        record = DatasetRecord(content["config"], content["manifests"], content["plan"], content["schema"])
        stated = content["fingerprint"]
    except OSError as error:
        raise ShardError(
            f"{path}: cannot be read ({error.strerror}); is this a data set's folder?"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(
            f"{path}: is not a data set's record ({error!r}); remove it to start anew"
        ) from error
    if record.fingerprint != stated:
        raise ShardError(
            f"{path}: was edited: its fingerprint is {stated[:12]}, its content's {record.fingerprint[:12]}"
        )
    return record


def list_shards(places: Sequence[str | Path]) -> list[Path]:
    """Tar files, folders of them and glob patterns -> the tars' paths, each once, in the order given.

    Within a folder or pattern numbers count as numbers. Raises ShardError for a place that holds none.
    """
    found: dict[Path, None] = {}
    for place in places:
        path = Path(place)
        if path.is_dir():
            matches = list(path.glob("*.tar"))
        elif path.exists():
            matches = [path]
        else:
            matches = [Path(match) for match in glob.glob(str(place), recursive=True)]
        if not matches:
            raise ShardError(f"{place}: no such tar, folder of tars or pattern that matches one")
        found.update(dict.fromkeys(sorted(matches, key=lambda match: natural_order(str(match)))))
    return list(found)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        prefix = f"{name}." if name else ""
        names = [*old, *(key for key in new if key not in old)]
        return [line for key in names for line in _entry_differences(f"{prefix}{key}", key, old, new)]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for i in range(len(old)) for line in _differences(f"{name}[{i}]", old[i], new[i])]
    return [f"{name}: {_canonical(old)} -> {_canonical(new)}"]


def _entry_differences(name: str, key: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    if key not in new:
        return [f"{name}: {_canonical(old[key])} -> absent"]
    if key not in old:
        return [f"{name}: absent -> {_canonical(new[key])}"]
    return _differences(name, old[key], new[key])
