# SPDX-License-Identifier: Apache-2.0
"""Catalogues -> what the page asks for: lists, facets, samples with the addresses of their pictures, the pictures."""

import io
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from multishade.errors import DataError
from multishade.report.pictures import SMALL, LargeView, crop_of, facts_of, large_view, normal_bytes, png
from multishade.report.tiles import Tile
from multishade.viewer.catalogue import Catalogue
from multishade.viewer.compare import compare_pictures
from multishade.viewer.query import Query
from multishade.viewer.thumbnails import ThumbnailCache, thumbnail


@dataclass(frozen=True)
class _Drawn:
    """What is kept of a sample that was shown large: pictures of 8 bits, not its arrays."""

    view: LargeView
    title: str
    meta: Mapping[str, Any]
    facts: list[tuple[str, str]]
    box: list[int]


class Viewer:
    """The data sets and what was drawn last.

    Attributes:
        catalogues: The data sets, at most two: the second is compared with the first by key.
        cache: Of thumbnails.
    """

    def __init__(self, catalogues: Sequence[Catalogue], cache: ThumbnailCache) -> None:
        self.catalogues, self.cache = tuple(catalogues), cache
        names = [each.title.rstrip("/").rpartition("/")[2] for each in catalogues]
        distinct = names if len(set(names)) == len(names) else [each.title for each in catalogues]
        self._labels = distinct if len(names) > 1 else [""]
        self._drawing = threading.Semaphore(2)  # decoding more at a time only takes memory
        self._large = lru_cache(maxsize=4)(self._draw_large)
        self._compared = lru_cache(maxsize=2)(self._compare)
        self._search = lru_cache(maxsize=8)(self._search_now)

    def sets(self) -> dict[str, Any]:
        """What the page says of the data sets."""
        return {
            "sets": [
                {
                    "title": each.title,
                    "samples": len(each.keys),
                    "shards": len(each.data.shards),
                    "failures": each.failures[:500],
                    "pictures": [name.split(".")[0] for name in each.fields if name.startswith("image_")]
                    + [name for name in SMALL if any(field.split(".")[0] == name for field in each.fields)],
                }
                for each in self.catalogues
            ]
        }

    def samples(self, query: Query) -> dict[str, Any]:
        """One page of a search."""
        first = self.catalogues[0]
        rows = self._search(query.text, query.order, query.frozen, first.version())
        shown = rows[query.offset : query.offset + query.limit]
        return {"total": len(rows), "offset": query.offset, "rows": [first.row(int(row)) for row in shown]}

    def facets(self, query: Query) -> dict[str, Any]:
        """Counts beside the search."""
        return self.catalogues[0].facets(query.filters, query.text)

    def sample(self, key: str) -> dict[str, Any]:
        """What the large view of a sample says, with the addresses of its pictures."""
        result: dict[str, Any] = {"key": key, "pictures": [], "frames": []}
        for number, catalogue in enumerate(self.catalogues):
            if key not in catalogue.data:
                continue
            drawn = self._large(number, key)
            view = drawn.view
            place = f"set={number}&key={key}"
            result["pictures"] += [
                {
                    "id": f"{number}-{i}",
                    "name": tile.name,
                    "note": tile.note,
                    "set": self._labels[number],
                    "url": f"picture?{place}&number={i}",
                }
                for i, tile in enumerate(view.pictures)
            ]
            if number == 0 or "meta" not in result:
                result |= {"title": drawn.title, "meta": drawn.meta, "facts": drawn.facts, "box": drawn.box}
                result["frames"] = [
                    {"note": tile.note, "url": f"picture?{place}&number={len(view.pictures) + i}"}
                    for i, tile in enumerate(view.frames)
                ]
                result["normals"] = f"normals?{place}"
                result["download"] = f"download?{place}"
                result["command"] = catalogue.replay_command(key)
        if "meta" not in result:
            raise DataError(f"no data set has the sample {key}")
        if len(self.catalogues) > 1 and all(key in each.data for each in self.catalogues):
            for i, tile in enumerate(self._compared(key)):
                url = f"difference?key={key}&number={i}"
                result["pictures"].append(
                    {"id": f"d-{i}", "name": tile.name, "note": tile.note, "set": "difference", "url": url}
                )
        return result

    def picture(self, number: int, key: str, which: int) -> bytes:
        """One picture of the large view, PNG."""
        view = self._large(number, key).view
        return png((*view.pictures, *view.frames)[which].picture)

    def difference(self, key: str, which: int) -> bytes:
        """One picture of what differs between the data sets, PNG."""
        return png(self._compared(key)[which].picture)

    def normals(self, number: int, key: str) -> bytes:
        """The normals of a sample: side as 32 bits, then int16 components."""
        side, data = normal_bytes(self._large(number, key).view)
        return side.to_bytes(4, "little") + data

    def thumbnail(self, number: int, key: str, name: str, side: int) -> bytes:
        """A small picture, from the cache if it was drawn before."""
        catalogue = self.catalogues[number]

        def make() -> bytes:
            with self._drawing:
                return thumbnail(catalogue.data, key, name, side)

        return self.cache.get(f"{catalogue.data.version(key)} {key} {name} {side}", make)

    def download(self, number: int, key: str) -> bytes:
        """The files of a sample as a ZIP archive of one folder."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, data in self.catalogues[number].data.files(key).items():
                archive.writestr(zipfile.ZipInfo(f"{key}/{name}"), data)
        return stream.getvalue()

    def _draw_large(self, number: int, key: str) -> "_Drawn":
        with self._drawing:
            sample = self.catalogues[number].data[key]
            return _Drawn(
                large_view(sample), sample.info.object.id, sample.meta, facts_of(sample), crop_of(sample)
            )

    def _compare(self, key: str) -> list[Tile]:
        with self._drawing:
            return compare_pictures(*(each.data[key] for each in self.catalogues))

    def _search_now(self, text: str, order: str, frozen: Any, version: Any) -> Any:
        return self.catalogues[0].search(dict(frozen), text, order)
