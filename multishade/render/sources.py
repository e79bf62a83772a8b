# SPDX-License-Identifier: Apache-2.0
"""A config -> the rows of its manifests that belong to its split, and the hash of each manifest."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from multishade.assets.manifest import read_environments, read_materials, read_objects
from multishade.assets.schema import EnvironmentRow, MaterialRow, ObjectRow, Row, row_as_json
from multishade.config import Config
from multishade.errors import ConfigError

AnyRow = TypeVar("AnyRow", bound=Row)


@dataclasses.dataclass(frozen=True)
class Assets:
    """The rows of the manifests that belong to the data set's split."""

    objects: tuple[ObjectRow, ...]
    materials: tuple[MaterialRow, ...]
    environments: tuple[EnvironmentRow, ...]

    def of_kind(self, kind: str) -> tuple[MaterialRow, ...]:
        """Return the materials of a kind: "metallic" or "non-metallic"."""
        return tuple(row for row in self.materials if row.kind == kind)


def read_assets(config: Config) -> tuple[Assets, dict[str, str]]:
    """Read the manifests of a configuration.

    Args:
        config: The data set's configuration.

    Returns:
        The rows of its split; for "objects/0", ... the sha256 of the rows of that manifest.

    Raises:
        ManifestError: If a manifest is missing or wrong.
        ConfigError: If the split has no assets of a kind that the configuration needs.
    """
    manifests: dict[str, str] = {}
    objects = _rows("objects", config.sources.objects, read_objects, manifests)
    material_rows = _rows("materials", config.sources.materials, read_materials, manifests)
    environments = _rows("environments", config.sources.environments, read_environments, manifests)
    assets = Assets(
        _of_split(objects, config), _of_split(material_rows, config), _of_split(environments, config)
    )
    _require(config, assets)
    return assets, manifests


def _rows(
    what: str,
    paths: Sequence[str],
    read: Callable[[str | Path], tuple[AnyRow, ...]],
    manifests: dict[str, str],
) -> tuple[AnyRow, ...]:
    """Read all manifests of one kind; adds the hash of each to `manifests`."""
    rows: list[AnyRow] = []
    for number, path in enumerate(paths):
        read_rows = read(path)
        text = json.dumps([row_as_json(row) for row in read_rows], sort_keys=True, separators=(",", ":"))
        manifests[f"{what}/{number}"] = hashlib.sha256(text.encode()).hexdigest()
        rows += read_rows
    return tuple(rows)


def _of_split(rows: tuple[AnyRow, ...], config: Config) -> tuple[AnyRow, ...]:
    return tuple(row for row in rows if row.split == config.split)


def _require(config: Config, assets: Assets) -> None:
    """Raise ConfigError if the split has no assets of a kind that the config needs."""
    needed = {"objects": (bool(assets.objects), config.sources.objects)}
    if config.sources.environments:
        needed["environments"] = (bool(assets.environments), config.sources.environments)
    for kind, weight in (
        ("metallic", config.materials.metallic),
        ("non-metallic", config.materials.non_metallic),
    ):
        if weight > 0:
            needed[f"{kind} materials"] = (bool(assets.of_kind(kind)), config.sources.materials)
    for what, (present, paths) in needed.items():
        if not present:
            raise ConfigError(f"no {what} of split {config.split!r} in {', '.join(paths) or 'any manifest'}")
