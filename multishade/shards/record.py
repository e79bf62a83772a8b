# SPDX-License-Identifier: Apache-2.0
"""What a data set's folder was made from: `dataset.json` with the frozen config, its fingerprint, and the plan."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from multishade.config import Config
from multishade.errors import FileMissing, ShardError
from multishade.shards.layout import RECORD_NAME
from multishade.shards.meta import SCHEMA
from multishade.storage.store import FolderPlace, open_store
from multishade.text import parse_json

_SHOWN_DIFFERENCES = 8


@dataclass(frozen=True)
class DatasetRecord:
    """What a folder of shards was made from. Two records of one fingerprint describe the same data.

    Attributes:
        config: The settings that decide the data, as plain JSON values, without those of how it is run.
        manifests: Name -> sha256 of each manifest's rows.
        plan: Sizes (shards, samples, images), the places of the manifests, and Blender's if one was named, for reading.
        schema: Version of meta.json.
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
        """List what makes the fingerprints differ, as 'config.views.count: 6 -> 2' (self -> other)."""
        return _differences(
            "", json.loads(_canonical(self._decisive())), json.loads(_canonical(other._decisive()))
        )

    def recipe(self) -> Config:
        """Rebuild the config that the data set was rendered from; its manifests need not be there.

        Raises ShardError if it is not a config of this version.
        """
        try:
            settings = {**self.config, "sources": self.plan["sources"]}
            settings["shards"] = {**settings["shards"], "count": self.plan["shards"]}
            settings["runtime"] = {"blender": self.plan.get("blender")}
            return Config.model_validate(settings)
        except ValidationError as error:
            problem = error.errors()[0]
            setting = ".".join(map(str, problem["loc"]))
            raise ShardError(
                f"{RECORD_NAME}: its config is not one of this version of MultiShade: {setting}: {problem['msg']}"
            ) from error
        except (KeyError, TypeError) as error:
            raise ShardError(f"{RECORD_NAME}: its config or plan is incomplete ({error!r})") from error

    def _decisive(self) -> dict[str, Any]:
        return {"schema": self.schema, "config": self.config, "manifests": self.manifests}


def open_dataset(folder: FolderPlace, record: DatasetRecord) -> DatasetRecord:
    """Make a folder the place of a data set, or make sure that it is.

    Args:
        folder: Created if it is missing, and its dataset.json with it.
        record: What is to be rendered there.

    Returns:
        The record in the folder.

    Raises:
        ShardError: If the folder belongs to another data set, naming every setting that differs, or cannot be written.
    """
    store = open_store(folder)
    store.make_folder()
    if not store.exists(RECORD_NAME):
        content = {
            "schema": record.schema,
            "fingerprint": record.fingerprint,
            "plan": record.plan,
            "manifests": record.manifests,
            "config": record.config,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        store.write_bytes(RECORD_NAME, text.encode() + b"\n")
    existing = read_dataset(store)
    if existing.fingerprint != record.fingerprint:
        changed = existing.differences(record)
        more = f"; and {len(changed) - _SHOWN_DIFFERENCES} more" if len(changed) > _SHOWN_DIFFERENCES else ""
        raise ShardError(
            f"{store}: holds another data set: {'; '.join(changed[:_SHOWN_DIFFERENCES])}{more}. "
            "Choose another folder, or undo the change"
        )
    return existing


def read_dataset(folder: FolderPlace) -> DatasetRecord:
    """Read the record of a folder.

    Args:
        folder: The folder of a data set.

    Returns:
        Its dataset.json.

    Raises:
        ShardError: If there is no record, or it was edited since it was written.
    """
    file = open_store(folder).file(RECORD_NAME)
    try:
        content = parse_json(file.read_bytes())
        record = DatasetRecord(content["config"], content["manifests"], content["plan"], content["schema"])
        stated, fingerprint = str(content["fingerprint"]), record.fingerprint
    except FileMissing as error:
        raise FileMissing(f"{error}; is this a data set's folder?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(
            f"{file}: is not a data set's record ({error!r}); remove it to start anew"
        ) from error
    if fingerprint != stated:
        raise ShardError(
            f"{file}: was edited: its fingerprint is {stated[:12]}, its content's {fingerprint[:12]}"
        )
    return record


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
