# SPDX-License-Identifier: Apache-2.0
"""MatSynth on the Hugging Face Hub in, PBR map sets in the cache and material rows out.

According to the data set's card (gvecchio/MatSynth), normal maps are OpenGL, height is 16 bit, and `physical_size` is
the length of an edge in centimetres. It is larger than most disks (4,096 x 4,096 pixels, some 330 GB), so maps are
shrunk to `max_size`.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from multishade.assets.fetch.client import FetchPolicy, FetchStopped
from multishade.assets.fetch.ingest import (
    CachedAsset,
    Credit,
    FetchJob,
    FetchResult,
    Rejected,
    check_cached,
    without_duplicates,
)
from multishade.assets.fetch.ledger import Ledger
from multishade.assets.fetch.map_files import write_map
from multishade.assets.fetch.matsynth_stream import COLUMNS, stream_materials
from multishade.assets.scanning.licences import SKETCHFAB, UNKNOWN, normalise, require_known_codes
from multishade.assets.scanning.materials import MapSet, MapSetFacts, check_map_set
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.rows import row_of_map_set, split_of
from multishade.assets.schema import Row
from multishade.errors import AssetError
from multishade.storage.local import atomic_folder

REPOSITORY = "gvecchio/MatSynth"
METALLIC_CATEGORIES = ("metal",)
RULES = "maps 1"  # the ledger's name for the checks of `check_map_set`; raise the number when they change


@dataclass(frozen=True)
class MatSynthOptions:
    """Which materials to fetch.

    Attributes:
        part: Split of the data set: "test" stays for testing, of "train" a twentieth is for validation.
        limit: Number of materials, None for all.
        max_size: Longest side of a map in pixels, None for as published.
        licences: Sketchfab's codes ("cc0", "by", ...), empty for any.
        categories: Names of the data set's categories, empty for any.
        repository: A name on the Hub, or a folder of the same layout.
    """

    part: Literal["train", "test"] = "train"
    limit: int | None = None
    max_size: int | None = 2048
    licences: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    repository: str = REPOSITORY


def fetch_matsynth(options: MatSynthOptions, job: FetchJob) -> FetchResult:
    """Fetch materials of MatSynth, continuing an earlier run.

    Args:
        options: Which materials.
        job: Where they go, and how they are fetched and checked.

    Returns:
        Rows, rejections and credits.

    Raises:
        AssetError: If a licence code does not exist.
        FetchError: If the data set does not exist or has another layout than its card describes.
    """
    require_known_codes(options.licences)
    folder = job.cache / "matsynth" / _folder_name(options)
    stopped = None
    records: list[dict[str, Any]] = []
    try:
        for record in _records(folder, options, job.policy):
            records.append(record)
            passing = sum(_refusal(each, options) is None for each in records)
            job.report("streaming", passing, options.limit or 0)
            if options.limit is not None and passing >= options.limit:
                break
    except FetchStopped as error:
        stopped = str(error)
    rejected = [
        Rejected(each["name"], reason) for each in records if (reason := _refusal(each, options)) is not None
    ]
    chosen = [each for each in records if _refusal(each, options) is None]
    sets = [MapSet(folder / each["folder"], each["name"], each["maps"], _convention(each)) for each in chosen]
    assets = [CachedAsset(each.folder, each, each.folder, tuple(each.maps.values())) for each in sets]
    with Ledger(job.cache / "matsynth") as ledger:
        entries = check_cached(assets, check_map_set, RULES, ledger, job)
    rows: list[Row] = []
    credits = {}
    for record, each, entry in zip(chosen, sets, entries, strict=True):
        if not isinstance(entry.facts, MapSetFacts):
            rejected.append(Rejected(record["name"], entry.reason or "cannot be read"))
            continue
        row = row_of_map_set(
            each,
            job.manifest.parent,
            entry.facts,
            tags=("matsynth", record["category"]),
            id=record["folder"],
            sha256=entry.sha256,
            licence=record["licence"],
            split="test" if options.part == "test" else _train_or_val(record["name"]),
            kind="metallic" if record["category"] in METALLIC_CATEGORIES else "non-metallic",
            normal_convention=_convention(record),
            normal_convention_from="given" if _convention(record) else None,
            scale=record["physical_size"] / 100 if record["physical_size"] else None,
        )
        rows.append(row)
        credits[row.id] = Credit(row.id, record["name"], record["authors"], record["link"], record["licence"])
    unique, duplicates = without_duplicates(rows)
    return FetchResult(unique, (*rejected, *duplicates), tuple(credits[row.id] for row in unique), stopped)


def _folder_name(options: MatSynthOptions) -> str:
    size = f"{options.max_size}" if options.max_size else "full"
    source = slug(options.repository) if options.repository != REPOSITORY else "maps"
    filters = "".join(f"-{slug(each)}" for each in sorted((*options.licences, *options.categories)))
    return f"{source}-{options.part}-{size}{filters}"


def _records(folder: Path, options: MatSynthOptions, policy: FetchPolicy) -> Iterator[dict[str, Any]]:
    """The record of each material, in the data set's order: first of those in the cache, then of those that come."""
    log = folder / "materials.jsonl"
    cached = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for line in log.read_text(encoding="utf-8").split("\n") if log.is_file() else []:
            try:
                cached.append(json.loads(line))
            except ValueError:
                break  # the last line of a run that crashed
        log.write_text(
            "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in cached), encoding="utf-8"
        )
    except OSError as error:
        raise AssetError(f"{folder}: cannot be used ({error.strerror}); choose another --cache") from error
    yield from cached
    state = cached[-1]["state"] if cached else None
    used_names = {each["folder"].lower() for each in cached}
    for example, state_after in stream_materials(options.repository, options.part, policy, state):
        record = _save(example, folder, used_names, options) | {"state": state_after}
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise FetchStopped(
                f"{log}: cannot be written ({error.strerror}); free space and run again"
            ) from error
        yield record


def _save(
    example: dict[str, Any], folder: Path, used_names: set[str], options: MatSynthOptions
) -> dict[str, Any]:
    """Write a material's maps into a folder of its own, all or nothing; return its record."""
    metadata = example.get("metadata") or {}
    wanted = slug(str(example["name"])) or "material"
    for number in itertools.count(1):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if name.lower() not in used_names:
            break
    used_names.add(name.lower())
    record: dict[str, Any] = {
        "name": str(example["name"]),
        "folder": name,
        "category": str(example["category"]).lower(),
        "licence": normalise(str(metadata.get("license") or UNKNOWN)),
        "authors": ", ".join(str(each) for each in metadata.get("authors") or []),
        "link": str(metadata.get("link") or metadata.get("source") or ""),
        "physical_size": float(metadata.get("physical_size") or 0.0),
        "maps": {},
        "problem": None,
    }
    record["physical_size"] = record["physical_size"] if np.isfinite(record["physical_size"]) else 0.0
    if _refusal(record, options) is not None:
        return record  # recorded, but its maps are not stored
    final = folder / name
    try:
        with atomic_folder(final, FetchStopped, "free space and run again") as partial:
            for column, map_name in COLUMNS.items():
                data = (example.get(column) or {}).get("bytes")
                if data:
                    record["maps"][map_name] = write_map(data, partial, column, options.max_size)
            if "base_color" not in record["maps"]:
                raise AssetError("has no base colour")
    except FetchStopped:
        raise
    except AssetError as error:
        record["problem"] = str(error)
    except OSError as error:
        raise FetchStopped(
            f"{final}: cannot be written ({error.strerror}); free space and run again"
        ) from error
    return record


def _refusal(record: dict[str, Any], options: MatSynthOptions) -> str | None:
    kind = re.sub(r"-\d[\d.]*$", "", record["licence"])
    allowed = [re.sub(r"-\d[\d.]*$", "", SKETCHFAB[code]) for code in options.licences]
    if allowed and kind not in allowed:
        return f"its licence {record['licence']!r} is not among {', '.join(options.licences)}"
    if options.categories and record["category"] not in options.categories:
        return f"its category {record['category']!r} is not among {', '.join(options.categories)}"
    return record["problem"]


def _convention(record: dict[str, Any]) -> Literal["opengl"] | None:
    return "opengl" if "normal" in record["maps"] else None


def _train_or_val(name: str) -> Literal["train", "val"]:
    split = split_of(hashlib.sha256(name.encode()).hexdigest(), "auto")
    return "val" if split == "val" else "train"
