# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> its shards, sizes and assets with their licences, from markers, meta.json and manifests."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from multishade.assets.manifest import read_environments
from multishade.errors import ManifestError, MultiShadeError, ShardError
from multishade.publish.licences import Combined, combine
from multishade.shards.dataset import Dataset
from multishade.shards.locate import find_shards
from multishade.shards.marker import Marker, committed
from multishade.shards.meta import CameraMeta, EnvironmentMeta, MixedMeta, SampleMeta
from multishade.shards.record import DatasetRecord, read_dataset
from multishade.storage.store import FolderPlace, Store, StoredFile, open_store
from multishade.text import read_text

UNKNOWN = "unknown"
_OWN_MATERIAL = "own"  # the file's own material: the object's licence covers it


@dataclass(frozen=True)
class Credit:
    """Title, author and link of an asset, as its source states them; empty if unknown."""

    title: str = ""
    author: str = ""
    link: str = ""


@dataclass(frozen=True)
class AssetUse:
    """One asset of the data set.

    Attributes:
        kind: "object", "material" or "environment".
        id: Its name in meta.json.
        licence: As its manifest states it, or "unknown".
        samples: Number of samples that it is in.
        credit: What its source states.
    """

    kind: str
    id: str
    licence: str
    samples: int
    credit: Credit = Credit()


@dataclass(frozen=True, eq=False)
class Contents:
    """What a data set's folder holds.

    Attributes:
        folder: The folder.
        record: Its dataset.json.
        shards: Each finished tar and its marker, in order.
        assets: Every asset that is in a sample.
        licence: Of the samples.
        cameras: Sizes and projections, with the number of samples.
        lights: Kinds of light, with the number of images.
        notes: What could not be found out.
    """

    folder: Store
    record: DatasetRecord
    shards: Sequence[tuple[StoredFile, Marker]]
    assets: Sequence[AssetUse]
    licence: Combined
    cameras: Mapping[str, int]
    lights: Mapping[str, int]
    notes: Sequence[str]

    @property
    def name(self) -> str:
        return str(self.record.config["name"])

    @property
    def split(self) -> str:
        return str(self.record.config["split"])

    @property
    def samples(self) -> int:
        return sum(marker.samples for _, marker in self.shards)

    @property
    def bytes(self) -> int:
        return sum(marker.bytes for _, marker in self.shards)

    @property
    def failures(self) -> int:
        """Groups that could not be rendered."""
        return sum(len(marker.failures) for _, marker in self.shards)

    @property
    def fields(self) -> tuple[str, ...]:
        """The files of a sample."""
        return tuple(self.shards[0][1].fields)


def survey(place: FolderPlace, seen: Callable[[], object] = lambda: None) -> Contents:
    """Read what a card states of a data set: markers, the meta.json of every sample, and the manifests if they exist.

    Args:
        place: A folder of finished shards.
        seen: Called for each sample.

    Returns:
        The contents.

    Raises:
        ShardError: If the folder is no data set, has no finished shard, or a meta.json cannot be read.
    """
    folder = open_store(place)
    record = read_dataset(folder)
    shards = [(file, marker) for file in find_shards([folder.url]) if (marker := committed(file)) is not None]
    if not shards:
        raise ShardError(f"{folder}: has no finished shard; render some first")
    licences, notes = _environment_licences(record)
    credits = _credits(record)
    uses: Counter[tuple[str, str, str]] = Counter()
    cameras: Counter[str] = Counter()
    lights: Counter[str] = Counter()
    for info in _infos([file for file, _ in shards]):
        uses.update(_assets_of(info, licences))
        cameras[_camera_text(info.camera)] += 1
        lights.update(light.type for light in info.lights.values())
        seen()
    assets = [
        AssetUse(kind, name, licence, count, credits.get(name, Credit()))
        for (kind, name, licence), count in sorted(uses.items())
    ]
    missing = sorted({use.id for use in assets if use.licence == UNKNOWN})
    if missing:
        notes.append(f"licence unknown: {', '.join(missing)}")
    combined = combine(use.licence for use in assets)
    return Contents(folder, record, shards, assets, combined, cameras, lights, notes)


def _infos(files: Sequence[StoredFile]) -> Iterator[SampleMeta]:
    data = Dataset([file.url for file in files])
    for key in data:
        yield data.info(key)


def _assets_of(info: SampleMeta, licences: Mapping[str, str]) -> set[tuple[str, str, str]]:
    """(kind, id, licence) of each asset of a sample, once."""
    found = {("object", info.object.id, info.object.licence)}
    if info.material.id != _OWN_MATERIAL:
        found.add(("material", info.material.id, info.material.licence))
    ambient = [info.shading.ambient] if info.shading.ambient else []
    for light in [*info.lights.values(), *ambient]:
        if isinstance(light, EnvironmentMeta | MixedMeta):
            found.add(("environment", light.environment, licences.get(light.environment, UNKNOWN)))
    return found


def _environment_licences(record: DatasetRecord) -> tuple[dict[str, str], list[str]]:
    """Id -> licence out of the manifests, since meta.json names environments only; and what could not be read."""
    licences: dict[str, str] = {}
    notes = []
    for path in _sources(record, "environments"):
        try:
            licences |= {row.id: row.licence for row in read_environments(path)}
        except MultiShadeError as error:
            notes.append(f"licences of environments: {error}")
    return licences, notes


def _credits(record: DatasetRecord) -> dict[str, Credit]:
    """Id -> what `multishade assets fetch` wrote beside the manifests."""
    found: dict[str, Credit] = {}
    for kind in ("objects", "materials", "environments"):
        for path in _sources(record, kind):
            table = Path(f"{path}.credits.tsv")
            if not table.is_file():
                continue
            rows = csv.DictReader(io.StringIO(read_text(table, ManifestError)), delimiter="\t")
            for row in rows:
                found[str(row.get("id"))] = Credit(
                    *(row.get(name) or "" for name in ("title", "author", "link"))
                )
    return found


def _sources(record: DatasetRecord, kind: str) -> list[str]:
    paths = record.plan.get("sources", {}).get(kind) or []
    return [paths] if isinstance(paths, str) else list(paths)


def _camera_text(camera: CameraMeta) -> str:
    return f"{camera.type}, {camera.width} x {camera.height} pixels"
