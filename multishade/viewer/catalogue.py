# SPDX-License-Identifier: Apache-2.0
"""A data set -> what can be searched in it. Keys come from the markers at once, everything else while one looks.

A thread reads the meta.json of every sample, then its mask; the page shows how far it is. Nothing of a sample is kept
but a few numbers, so that 100,000 samples take some 20 MB.
"""

import io
import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multishade.errors import DataError, FileMissing, MultiShadeError
from multishade.report.pictures import replay_command
from multishade.shards.dataset import Dataset
from multishade.shards.record import read_dataset
from multishade.storage.store import Store
from multishade.viewer.columns import Bools, Columns, Kinds, Labels

LABELS = ("object", "family", "material", "material kind", "licence", "shading", "split")
NUMBERS = ("mask area", "exposure", "error")
UNREADABLE, UNKNOWN = "(unreadable)", "unknown"


class Catalogue:
    """The samples of one data set and their properties.

    Attributes:
        data: The data set.
        title: Where it is.
        keys: Of all samples, in the order of the shards.
        failures: Groups that could not be rendered, as in the markers.
        scanned: Samples whose meta.json was read.
        measured: Samples whose mask was read.
    """

    def __init__(self, place: str | Path | Sequence[str], errors: Mapping[str, float] | None = None) -> None:
        """Open a data set by its markers.

        Args:
            place: As for `Dataset`.
            errors: Key of a sample -> a number to filter and sort by, such as a model's error in degrees.

        Raises:
            DataError: If the place holds no shard, or two shards hold samples of one key.
            ShardError: If a marker cannot be read.
        """
        self.data = Dataset(place)
        self.title = str(place) if isinstance(place, str | Path) else ", ".join(map(str, place))
        self.keys = list(self.data)
        self._require_distinct()
        self.failures = [dict(failure) for failure in self.data.failures]
        folders = {shard.store.url: shard.store for shard in self.data.shards}
        self._splits = {url: _split_of(folder) for url, folder in folders.items()}
        count = len(self.keys)
        self.columns = Columns(
            {name: Labels(count) for name in LABELS},
            {"light": Kinds(count)},
            {name: np.full(count, np.nan, np.float32) for name in NUMBERS},
        )
        rows = {key: row for row, key in enumerate(self.keys)} if errors else {}
        for key, error in (errors or {}).items():
            if key in rows:
                self.columns.numbers["error"][rows[key]] = error
        self.scanned = self.measured = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._scan, name="catalogue", daemon=True)

    @property
    def fields(self) -> tuple[str, ...]:
        """The files of a sample."""
        return self.data.fields

    def start(self) -> None:
        """Begin to read the samples' properties in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End the background reading."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def wait(self) -> None:
        """Wait until all properties are read."""
        self._thread.join()

    def version(self) -> tuple[int, int]:
        """Change while properties are read, so that results of searches are not kept too long."""
        return self.scanned >> 9, self.measured >> 9

    def search(self, filters: Mapping[str, Any], text: str, order: str) -> NDArray[np.int64]:
        """Return the rows of the samples that pass filters and text, in order.

        Args:
            filters: As for `Columns.select`.
            text: Part of a key, object, family, material or licence; any case.
            order: Name of a column of numbers, with "-" before it for descending order; else the order of shards.
        """
        chosen = self._chosen(filters, text)
        rows = np.arange(len(self.keys)) if chosen is None else np.flatnonzero(chosen)
        name = order.removeprefix("-")
        if name in self.columns.numbers:
            values = self.columns.numbers[name][rows]
            rows = rows[np.argsort(-values if order.startswith("-") else values, kind="stable")]
        return rows

    def facets(self, filters: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Count values of each column among the samples that pass all other filters."""
        every = np.ones(len(self.keys), bool)

        def among(name: str) -> Bools:
            found = self._chosen(filters, text, without=name)
            return every if found is None else found

        columns = self.columns
        every_column: dict[str, Labels | Kinds] = {**columns.labels, **columns.kinds}
        labels = [
            {"name": name, "values": column.counts(among(name))} for name, column in every_column.items()
        ]
        numbers = [columns.histogram(name, among(name)) for name in NUMBERS]
        kinds = Counter(str(failure.get("kind", "unexpected")) for failure in self.failures)
        return {
            "labels": labels,
            "numbers": [each for each in numbers if each is not None],
            "failures": kinds.most_common(),
            "scanned": self.scanned,
            "measured": self.measured,
            "samples": len(self.keys),
        }

    def row(self, number: int) -> dict[str, Any]:
        """Return what a tile shows of a sample."""
        columns = self.columns
        numbers = {name: float(values[number]) for name, values in columns.numbers.items()}
        return {
            "key": self.keys[number],
            "object": columns.labels["object"].get(number),
            "material": columns.labels["material"].get(number),
            **{name: round(value, 4) for name, value in numbers.items() if math.isfinite(value)},
        }

    def _chosen(self, filters: Mapping[str, Any], text: str, without: str = "") -> Bools | None:
        chosen = self.columns.select(filters, without)
        if text:
            found = self._matching(text.lower(), self.version())
            chosen = found if chosen is None else chosen & found
        return chosen

    @lru_cache(maxsize=8)  # noqa: B019 a viewer has few catalogues, which live as long as it does
    def _matching(self, text: str, version: tuple[int, int]) -> Bools:
        found: Bools = np.fromiter((text in key for key in self.keys), bool, len(self.keys))
        for name in ("object", "family", "material", "licence"):
            found |= self.columns.labels[name].containing(text)
        return found

    def replay_command(self, key: str) -> str | None:
        """Return the command that renders a sample again, None if its tar lies in no data set's folder."""
        folder = self.data.shard_of(key).store.url
        return None if self._splits[folder] == UNKNOWN else replay_command(folder, key)

    def _require_distinct(self) -> None:
        if len(set(self.keys)) < len(self.keys):
            key = next(key for key, count in Counter(self.keys).items() if count > 1)
            raise DataError(
                f"{self.title}: two shards hold {key}; look at one data set alone, or beside the other with --against"
            )

    def _scan(self) -> None:
        for row, key in enumerate(self.keys):
            if self._stopping.is_set():
                return
            self._read_meta(row, key)
            self.scanned = row + 1
        for row, key in enumerate(self.keys):
            if self._stopping.is_set():
                return
            self._read_mask(row, key)
            self.measured = row + 1

    def _read_meta(self, row: int, key: str) -> None:
        # Plain data: checking every type, as `Dataset.info` does, takes three times as long.
        labels = self.columns.labels
        try:
            meta = self.data.meta(key)
            found = _labels(meta, self._splits[self.data.shard_of(key).store.url])
            lights = sorted({str(light["type"]) for light in meta["lights"].values()})
            exposure = max(map(float, meta["exposure"].values()), default=math.nan)
        except (MultiShadeError, KeyError, TypeError, AttributeError, ValueError):
            labels["object"].set(row, UNREADABLE)  # the sample's own page states what is wrong with it
            return
        for name, value in found.items():
            labels[name].set(row, value)
        self.columns.kinds["light"].set(row, lights)
        self.columns.numbers["exposure"][row] = exposure

    def _read_mask(self, row: int, key: str) -> None:
        try:
            data = self.data.files(key, ["mask.png"])["mask.png"]
            with Image.open(io.BytesIO(data), formats=("PNG",)) as mask:
                counts = mask.convert("L").histogram()
        except (MultiShadeError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return  # the sample's own page states what is wrong with it
        self.columns.numbers["mask area"][row] = sum(counts[128:]) / max(1, sum(counts))


def _split_of(folder: Store) -> str:
    try:
        return str(read_dataset(folder).config.get("split", UNKNOWN))
    except FileMissing:
        return UNKNOWN  # tars without a data set's folder
    except MultiShadeError:
        return UNREADABLE


def _labels(meta: Mapping[str, Any], split: str) -> dict[str, str]:
    thing, material = meta["object"], meta["material"]
    return {
        "object": str(thing["id"]),
        "family": str(thing.get("family") or thing["source"]),
        "material": str(material["id"]),
        "material kind": str(material["kind"]),
        "licence": str(thing["licence"]),
        "shading": str(meta["shading"]["mode"]),
        "split": split,
    }
