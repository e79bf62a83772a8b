# SPDX-License-Identifier: Apache-2.0
"""Objaverse 1.0 in, single solid objects in the cache and object rows out, each rejection with its reason.

The `objaverse` package finds the path of each uid and reads annotations and LVIS categories, from this cache, into
which its files are downloaded first. The downloads are our own, since the package's neither continue, retry nor
verify: the Hugging Face Hub states each file's sha256.
"""

import gzip
import importlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped
from multishade.assets.fetch.download import download
from multishade.assets.fetch.ingest import (
    CachedAsset,
    Credit,
    FetchJob,
    FetchResult,
    Rejected,
    check_cached,
    download_named,
    without_duplicates,
)
from multishade.assets.fetch.ledger import Ledger
from multishade.assets.fetch.transfer import Download
from multishade.assets.scanning.licences import UNKNOWN, normalise, require_known_codes
from multishade.assets.scanning.meshes import MeshFacts
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.rows import Split, row_of_mesh, split_of
from multishade.assets.scanning.triage import TriageRules, size_problem, triage_object
from multishade.assets.schema import Row
from multishade.errors import AssetError
from multishade.extras import require

REPOSITORY = "datasets/allenai/objaverse/resolve/main"
BATCH = 256  # objects downloaded before they are read; bounds what a stopped run has to read again


@dataclass(frozen=True)
class ObjaverseOptions:
    """Which objects to fetch.

    Attributes:
        uids: Uids in order, None for all.
        categories: LVIS categories, empty for any.
        limit: Number of objects that pass, None for all.
        licences: Sketchfab's codes ("by", "cc0", ...), empty for any.
        split: Split of all, or "auto": by content.
        rules: Limits of a single solid object.
        endpoint: Address of the Hugging Face Hub; empty for $HF_ENDPOINT or the default.
    """

    uids: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    limit: int | None = None
    licences: tuple[str, ...] = ("by", "cc0")
    split: Split | Literal["auto"] = "auto"
    rules: TriageRules = TriageRules()
    endpoint: str = ""


def fetch_objaverse(options: ObjaverseOptions, job: FetchJob) -> FetchResult:
    """Fetch objects that pass the licence and the triage rules; arguments and result as for `fetch_matsynth`.

    Raises:
        FetchError: If the catalogue cannot be fetched.
        AssetError: If a category or a licence code does not exist.
    """
    package = _package(job.cache)
    hub = _Hub(options, job.policy)
    rejected: list[Rejected] = []
    candidates, categories = _candidates(options, package, hub, rejected)
    rows: list[Row] = []
    credits: dict[str, Credit] = {}
    stopped = None
    rules = "object 1 " + json.dumps(asdict(options.rules), sort_keys=True)
    with Ledger(job.cache / "objaverse") as ledger:
        try:
            for batch in _batches(candidates, options.limit, rows):
                wanted = _allowed(batch, options, package, hub, rejected)
                assets = _download(wanted, package, hub, job, rejected)
                work = [
                    CachedAsset(path, (str(path), options.rules), path.parent, (path.name,))
                    for path in assets.values()
                ]
                entries = check_cached(work, triage_object, rules, ledger, job)
                for (uid, path), entry in zip(assets.items(), entries, strict=True):
                    if not isinstance(entry.facts, MeshFacts):
                        rejected.append(Rejected(uid, entry.reason or "cannot be read"))
                        continue
                    credits[uid] = _credit(uid, wanted[uid])
                    rows.append(
                        row_of_mesh(
                            path,
                            job.manifest.parent,
                            entry.facts,
                            family=slug(categories.get(uid, "")) or "objaverse",
                            tags=("objaverse",),
                            id=uid,
                            sha256=entry.sha256,
                            licence=credits[uid].licence,
                            split=split_of(entry.sha256, options.split),
                        )
                    )
        except FetchStopped as error:
            stopped = str(error)
    unique, duplicates = without_duplicates(rows)
    unique = unique[: options.limit]
    attributions = tuple(credits[row.id] for row in unique)
    return FetchResult(unique, (*rejected, *duplicates), attributions, stopped)


class _Hub:
    """The files of the Objaverse repository on the Hub, at the paths at which the package reads them."""

    def __init__(self, options: ObjaverseOptions, policy: FetchPolicy) -> None:
        endpoint = options.endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        self.base = f"{endpoint.rstrip('/')}/{REPOSITORY}"
        self.policy = policy

    def file(self, name: str, folder: Path) -> Download:
        return Download(f"{self.base}/{name}", folder / name)

    def catalogue(self, name: str, folder: Path) -> None:
        """Fetch a gzipped JSON file of the catalogue, complete or not at all."""
        path = folder / name
        if not path.is_file():
            download(self.file(name, folder), self.policy)
        try:
            with gzip.open(path, "rb") as file:
                while file.read(1 << 20):
                    pass
        except (OSError, EOFError) as error:
            path.unlink()
            raise FetchError(f"{self.base}/{name}: came damaged ({error}); run again") from error


def _package(cache: Path) -> Any:
    """The objaverse package, with this cache as the folder of its files."""
    require("objaverse", extra=None)
    package: Any = importlib.import_module("objaverse")
    package.BASE_PATH = str(cache / "objaverse")
    package._VERSIONED_PATH = str(cache / "objaverse" / "hf-objaverse-v1")
    return package


def _folder(package: Any) -> Path:
    return Path(package._VERSIONED_PATH)


def _candidates(
    options: ObjaverseOptions, package: Any, hub: _Hub, rejected: list[Rejected]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """((uid, path in the repository) in order, LVIS category by uid)."""
    require_known_codes(options.licences)
    hub.catalogue("object-paths.json.gz", _folder(package))
    hub.catalogue("lvis-annotations.json.gz", _folder(package))
    paths: dict[str, str] = package._load_object_paths()
    lvis: dict[str, list[str]] = package.load_lvis_annotations()
    missing = [name for name in options.categories if name not in lvis]
    if missing:
        close = sorted(name for name in lvis if missing[0].lower() in name.lower())[:10]
        raise AssetError(
            f"--lvis {missing[0]!r} is no LVIS category" + (f"; there is {', '.join(close)}" if close else "")
        )
    categories = {uid: name for name, uids in lvis.items() for uid in uids}
    if options.categories:
        inside = [uid for name in options.categories for uid in lvis[name]]
        chosen = [uid for uid in options.uids if uid in set(inside)] if options.uids is not None else inside
    else:
        chosen = list(options.uids) if options.uids is not None else list(paths)
    rejected += [Rejected(uid, "is not in Objaverse 1.0") for uid in chosen if uid not in paths]
    return [(uid, paths[uid]) for uid in dict.fromkeys(chosen) if uid in paths], categories


def _batches(
    candidates: Sequence[tuple[str, str]], limit: int | None, rows: Sequence[Row]
) -> Iterator[list[tuple[str, str]]]:
    """The next candidates, as many as are still needed, until `rows` has grown to the limit."""
    start = 0
    while start < len(candidates) and (limit is None or len(rows) < limit):
        size = BATCH if limit is None else min(BATCH, limit - len(rows))
        yield list(candidates[start : start + size])
        start += size


def _allowed(
    batch: list[tuple[str, str]],
    options: ObjaverseOptions,
    package: Any,
    hub: _Hub,
    rejected: list[Rejected],
) -> dict[str, dict[str, Any]]:
    """Annotations of the objects of a batch whose licence and stated size pass, by uid."""
    for shard in sorted({path.split("/")[1] for _, path in batch}):
        hub.catalogue(f"metadata/{shard}.json.gz", _folder(package))
    annotations = package.load_annotations([uid for uid, _ in batch])
    wanted = {}
    for uid, path in batch:
        annotation = annotations.get(uid)
        if annotation is None:
            rejected.append(Rejected(uid, "has no annotation, so its licence is unknown"))
            continue
        code = annotation.get("license")
        if options.licences and code not in options.licences:
            rejected.append(
                Rejected(uid, f"its licence {code or UNKNOWN!r} is not among {', '.join(options.licences)}")
            )
            continue
        archive = (annotation.get("archives") or {}).get("glb") or {}
        size = archive.get("size")
        reason = size_problem(size / 1e6 if size else None, annotation.get("faceCount"), options.rules)
        if reason is not None:
            rejected.append(Rejected(uid, reason + " (by its annotation)"))
            continue
        wanted[uid] = {**annotation, "path": path}
    return wanted


def _download(
    wanted: dict[str, dict[str, Any]],
    package: Any,
    hub: _Hub,
    job: FetchJob,
    rejected: list[Rejected],
) -> dict[str, Path]:
    """Paths of the objects that are in the cache now, by uid."""
    folder = _folder(package)
    paths = {uid: folder / annotation["path"] for uid, annotation in wanted.items()}
    missing = {
        uid: hub.file(wanted[uid]["path"], folder) for uid, path in paths.items() if not path.is_file()
    }
    for _ in download_named(missing, job, rejected):
        pass
    return {uid: path for uid, path in paths.items() if path.is_file()}


def _credit(uid: str, annotation: dict[str, Any]) -> Credit:
    user = annotation.get("user") or {}
    return Credit(
        id=uid,
        title=" ".join(str(annotation.get("name", "")).split()),
        author=" ".join(str(user.get("displayName") or user.get("username") or "").split()),
        link=str(annotation.get("viewerUrl", "")),
        licence=normalise(str(annotation.get("license") or UNKNOWN)),
    )
