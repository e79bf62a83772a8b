# SPDX-License-Identifier: Apache-2.0
"""MatSynth on the Hugging Face Hub in, PBR map sets in the cache and material rows out.

The data set (gvecchio/MatSynth) is streamed through `datasets`: of each material only the maps that are
used are read, as the bytes that were uploaded. Its card says: normal maps are OpenGL, height is 16 bit,
`physical_size` is the length of an edge in centimetres. It is larger than a disk (4,096 x 4,096 pixels,
some 330 GB), so maps are shrunk to `max_size`.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from multishade.assets.fetch.download import FetchError, FetchStopped, Policy
from multishade.assets.fetch.ingest import (
    Arrival,
    Credit,
    FetchResult,
    Progress,
    Rejected,
    judge,
    without_doubles,
)
from multishade.assets.fetch.ledger import Ledger
from multishade.assets.fetch.map_files import write_map
from multishade.assets.sandbox import Limits
from multishade.assets.scanning.licences import SKETCHFAB, UNKNOWN, normalise
from multishade.assets.scanning.materials import MapSet, MapSetFacts
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.rows import row_of_map_set, split_of
from multishade.assets.schema import Row
from multishade.errors import AssetError

REPOSITORY = "gvecchio/MatSynth"
COLUMNS = {  # of the data set -> our maps
    "basecolor": "base_color",
    "roughness": "roughness",
    "metallic": "metallic",
    "normal": "normal",
    "height": "height",
    "opacity": "opacity",
}
METALLIC_CATEGORIES = ("metal",)
RULES = "maps 1"  # what the ledger calls the checks of `check_map_set`; raise it when they change


@dataclass(frozen=True)
class MatSynthOptions:
    """part: of the data set; what it calls "test" stays for testing, of "train" a twentieth is for
    validation. max_size: longest side in pixels, None for as published. licences: SPDX kinds without
    version ("CC0", "CC-BY"), empty for any. repository: a name on the Hub, or a folder of the same
    layout."""

    part: Literal["train", "test"] = "train"
    limit: int | None = None
    max_size: int | None = 2048
    licences: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    repository: str = REPOSITORY


def fetch_matsynth(
    options: MatSynthOptions,
    cache: Path,
    manifest: Path,
    policy: Policy,
    limits: Limits,
    progress: Progress | None = None,
) -> FetchResult:
    """Materials of MatSynth, read on from where an earlier run stopped. Raises FetchError where the data
    set cannot be reached or has another form than its card says."""
    size = f"{options.max_size}" if options.max_size else "full"
    where = slug(options.repository) if options.repository != REPOSITORY else "maps"
    filters = "".join(f"-{slug(each)}" for each in sorted((*options.licences, *options.categories)))
    folder = cache / "matsynth" / f"{where}-{options.part}-{size}{filters}"
    unknown = sorted(set(options.licences) - set(SKETCHFAB))
    if unknown:
        raise AssetError(f"--licence {unknown[0]!r} is not one of {', '.join(SKETCHFAB)}")
    stopped = None
    found: list[dict[str, Any]] = []
    try:
        for record in _records(folder, options, policy):
            found.append(record)
            passing = sum(_refusal(each, options) is None for each in found)
            if progress:
                progress("streaming", passing, options.limit or 0)
            if options.limit is not None and passing >= options.limit:
                break
    except FetchStopped as error:
        stopped = str(error)
    rejected = [
        Rejected(each["name"], reason) for each in found if (reason := _refusal(each, options)) is not None
    ]
    chosen = [each for each in found if _refusal(each, options) is None]
    sets = [MapSet(folder / each["folder"], each["name"], each["maps"], _convention(each)) for each in chosen]
    arrivals = [Arrival(each.folder, each, each.folder, tuple(each.maps.values())) for each in sets]
    with Ledger(cache / "matsynth") as ledger:
        checker = "multishade.assets.scanning.materials:check_map_set"
        entries = judge(arrivals, checker, RULES, ledger, limits, progress)
    rows: list[Row] = []
    credits = {}
    for record, each, entry in zip(chosen, sets, entries, strict=True):
        if not isinstance(entry.facts, MapSetFacts):
            rejected.append(Rejected(record["name"], entry.reason or "cannot be read"))
            continue
        split = "test" if options.part == "test" else _train_or_val(record["name"])
        row = row_of_map_set(
            each,
            manifest.parent,
            entry.facts,
            tags=("matsynth", record["category"]),
            id=record["folder"],
            sha256=entry.sha256,
            licence=record["licence"],
            split=split,
            kind="metallic" if record["category"] in METALLIC_CATEGORIES else "non-metallic",
            normal_convention=_convention(record),
            normal_convention_from="given" if _convention(record) else None,
            scale=record["physical_size"] / 100 if record["physical_size"] else None,
        )
        rows.append(row)
        credits[row.id] = Credit(row.id, record["name"], record["authors"], record["link"], record["licence"])
    kept, doubles = without_doubles(rows)
    return FetchResult(kept, (*rejected, *doubles), tuple(credits[row.id] for row in kept), stopped)


def _records(folder: Path, options: MatSynthOptions, policy: Policy) -> Iterator[dict[str, Any]]:
    """What is known of each material, in the data set's order: first those in the cache, then those that
    come."""
    log = folder / "materials.jsonl"
    state = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = []
        for line in log.read_text(encoding="utf-8").split("\n") if log.is_file() else []:
            try:
                kept.append(json.loads(line))
            except ValueError:
                break  # the last line of a run that crashed
        log.write_text(
            "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in kept), encoding="utf-8"
        )
    except OSError as error:
        raise AssetError(f"{folder}: cannot be used ({error.strerror}); choose another --cache") from error
    for each in kept:
        state = each["state"]
        yield each
    taken = {each["folder"].lower() for each in kept}
    for example, reached in _stream(options, policy, state):
        record = _save(example, folder, taken, options) | {"state": reached}
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise FetchStopped(
                f"{log}: cannot be written ({error.strerror}); make room and run again"
            ) from error
        yield record


def _stream(
    options: MatSynthOptions, policy: Policy, state: dict[str, Any] | None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(material, the stream's state after it); a broken connection is taken up again from the last state."""
    reason = ""
    failures = 0
    while failures < policy.attempts:
        if failures:
            time.sleep(min(policy.longest_wait, policy.first_wait * 2 ** (failures - 1)))
        try:
            stream, names = _open(options)
            if state is not None:
                stream.load_state_dict(state)
            for example in stream:
                category = example["category"]
                example["category"] = (
                    names[category] if isinstance(category, int) and names else str(category)
                )
                state = stream.state_dict()
                failures = 0
                yield example, state
            return
        except (AssetError, GeneratorExit):
            raise
        except Exception as error:  # datasets, fsspec, httpx and pyarrow each raise their own
            permanent = _permanent(error)
            if permanent:
                raise FetchError(f"{options.repository}: {permanent}") from error
            failures += 1
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    raise FetchStopped(
        f"{options.repository}: no network, or the stream broke ({reason}; {policy.attempts} attempts in a row); "
        "run again to go on from there"
    )


def _permanent(error: Exception) -> str | None:
    """What is wrong, if asking again cannot mend it."""
    names = {each.__name__ for each in type(error).__mro__}
    text = " ".join(str(error).split())[:300]
    if names & {
        "DatasetNotFoundError",
        "RepositoryNotFoundError",
        "EntryNotFoundError",
        "RevisionNotFoundError",
    }:
        offline = "offline" in text.lower() or "couldn't reach" in text.lower()
        return None if offline else f"there is no such data set ({text})"
    if names & {"ValueError", "KeyError", "ArrowInvalid", "CastError", "DatasetGenerationError"}:
        return f"has another form than expected ({type(error).__name__}: {text})"
    return None


def _open(options: MatSynthOptions) -> tuple[Any, list[str]]:
    """The stream of the columns that are used, images as bytes, and the names of the categories."""
    try:
        import datasets
    except ImportError as error:
        raise AssetError("MatSynth is streamed with the package `datasets`: pip install datasets") from error

    columns = ["name", "category", "metadata", *COLUMNS]
    stream = datasets.load_dataset(options.repository, split=options.part, streaming=True, columns=columns)
    features = stream.features
    if features is None:
        raise ValueError("its columns are not described")
    missing = [name for name in ("name", "category", "basecolor") if name not in features]
    if missing:
        raise ValueError(f"there is no column {missing[0]!r}")
    for name in COLUMNS:
        if name in features:
            stream = stream.cast_column(name, datasets.Image(decode=False))
    return stream, list(getattr(features["category"], "names", []))


def _save(example: dict[str, Any], folder: Path, taken: set[str], options: MatSynthOptions) -> dict[str, Any]:
    """Write a material's maps into a folder of its own, all or nothing; what is to be known of it later."""
    metadata = example.get("metadata") or {}
    wanted = slug(str(example["name"])) or "material"
    for number in itertools.count(1):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if name.lower() not in taken:
            break
    taken.add(name.lower())
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
        return record  # known, but not kept
    partial, final = folder / f".{name}.part", folder / name
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for column, map_name in COLUMNS.items():
            data = (example.get(column) or {}).get("bytes")
            if data:
                record["maps"][map_name] = write_map(data, partial, column, options.max_size)
        if "base_color" not in record["maps"]:
            record["problem"] = "has no base colour"
            return record
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
    except AssetError as error:
        record["problem"] = str(error)
    except OSError as error:
        raise FetchStopped(
            f"{final}: cannot be written ({error.strerror}); make room and run again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
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
