# SPDX-License-Identifier: Apache-2.0
"""Poly Haven's public API in, HDRIs in the cache and environment rows out; all of them are CC0.

The API (https://api.polyhaven.com, OpenAPI description in Poly-Haven/Public-API) lists every HDRI by its id at
`/assets?type=hdris`, and url, md5 and size by resolution and format at `/files/ID`. Its terms require a user agent of
one's own and the credit "Powered by Poly Haven".
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped, fetch_json
from multishade.assets.fetch.ingest import (
    CachedAsset,
    FetchJob,
    FetchResult,
    Rejected,
    check_cached,
    download_named,
    without_duplicates,
)
from multishade.assets.fetch.ledger import Ledger
from multishade.assets.fetch.transfer import Download
from multishade.assets.scanning.environments import EnvironmentFacts, check_environment
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.rows import Split, row_of_environment, split_of
from multishade.assets.schema import Row

API = "https://api.polyhaven.com"
RULES = "environment 1"  # the ledger's name for `check_environment`; raise the number when the checks change


@dataclass(frozen=True)
class PolyHavenOptions:
    """Which HDRIs to fetch.

    Attributes:
        resolution: "1k", "2k", ..., as published.
        format: File format.
        count: Number of HDRIs, None for all.
        categories: Poly Haven's names, such as "outdoor", "night", "studio"; an HDRI must have all of them.
        split: Split of all, or "auto": by id.
        api: Address of the API.
    """

    resolution: str = "2k"
    format: Literal["hdr", "exr"] = "hdr"
    count: int | None = None
    categories: tuple[str, ...] = ()
    split: Split | Literal["auto"] = "auto"
    api: str = API


def fetch_polyhaven(options: PolyHavenOptions, job: FetchJob) -> FetchResult:
    """Fetch HDRIs of Poly Haven; arguments and result as for `fetch_matsynth`.

    Raises:
        FetchError: If the API cannot be reached or its answers have another form than documented.
    """
    chosen = choose(options, job.policy)
    folder = job.cache / "polyhaven" / "hdris" / options.resolution
    rejected: list[Rejected] = []
    downloads: dict[str, Download] = {}
    for name, answer in _file_lists(list(chosen), options, job.policy):
        if isinstance(answer, FetchError):
            rejected.append(Rejected(name, str(answer)))
            continue
        published = _file_of(answer, options)
        if isinstance(published, str):
            rejected.append(Rejected(name, published))
        else:
            path = folder / f"{slug(name)}_{options.resolution}.{options.format}"
            downloads[name] = Download(
                published["url"], path, md5=published.get("md5"), size=published.get("size")
            )
    fetched: dict[str, Path] = {}
    stopped = None
    try:
        for name, file in download_named(downloads, job, rejected):
            fetched[name] = file.path
    except FetchStopped as error:
        stopped = str(error)
    assets = {
        name: CachedAsset(path, str(path), path.parent, (path.name,))
        for name, path in sorted(fetched.items())
    }
    rows: list[Row] = []
    with Ledger(job.cache / "polyhaven") as ledger:
        entries = check_cached(list(assets.values()), check_environment, RULES, ledger, job)
    for (name, asset), entry in zip(assets.items(), entries, strict=True):
        if not isinstance(entry.facts, EnvironmentFacts):
            rejected.append(Rejected(name, entry.reason or "cannot be read"))
            continue
        rows.append(
            row_of_environment(
                asset.path,
                job.manifest.parent,
                entry.facts,
                tags=("polyhaven", *(str(each) for each in chosen[name].get("categories", []))),
                id=f"{slug(name)}_{options.resolution}",
                sha256=entry.sha256,
                licence="CC0-1.0",
                split=split_of(hashlib.sha256(name.encode()).hexdigest(), options.split),
            )
        )
    unique, duplicates = without_duplicates(rows)
    return FetchResult(unique, (*rejected, *duplicates), stopped=stopped)


def choose(options: PolyHavenOptions, policy: FetchPolicy) -> dict[str, dict[str, Any]]:
    """Choose the HDRIs to fetch.

    They are ordered by the hash of the id, so that the first few are a fair sample and stay the same when others are
    published.

    Returns:
        Poly Haven's description of each HDRI, by id.

    Raises:
        FetchError: If the API cannot be reached or its answer has another form, or if no HDRI has the categories.
    """
    url = f"{options.api.rstrip('/')}/assets"
    parameters = {"type": "hdris"}
    if options.categories:
        parameters["categories"] = ",".join(options.categories)
    answer = fetch_json(url, policy, parameters)
    if not isinstance(answer, dict) or not all(isinstance(each, dict) for each in answer.values()):
        raise FetchError(f"{url}: the answer is not a list of assets by id; the API has changed")
    if not answer:
        raise FetchError(f"{url}: no HDRI fits the categories {', '.join(options.categories)}")
    names = sorted(answer, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return {name: answer[name] for name in names[: options.count]}


def _file_lists(
    names: list[str], options: PolyHavenOptions, policy: FetchPolicy
) -> Iterator[tuple[str, Any]]:
    """(id, the answer of /files/ID or the FetchError), in order. Raises FetchStopped if the network is gone."""

    def files_of(name: str) -> Any:
        try:
            return fetch_json(f"{options.api.rstrip('/')}/files/{name}", policy)
        except FetchError as error:
            return error

    failures = 0
    with ThreadPoolExecutor(max(1, policy.workers)) as pool:
        for name, answer in zip(names, pool.map(files_of, names), strict=True):
            failures = failures + 1 if isinstance(answer, FetchError) and answer.network else 0
            if failures >= policy.failures_in_a_row:
                raise FetchStopped(f"stopped after {failures} failures in a row; the last: {answer}")
            yield name, answer


def _file_of(answer: Any, options: PolyHavenOptions) -> dict[str, Any] | str:
    """The file's {url, md5, size}, or why there is none."""
    sizes = answer.get("hdri") if isinstance(answer, dict) else None
    if not isinstance(sizes, dict):
        return "its list of files has no 'hdri'"
    formats = sizes.get(options.resolution)
    if not isinstance(formats, dict) or options.format not in formats:
        published = ", ".join(sorted(f"{size} {'/'.join(sorted(each))}" for size, each in sizes.items()))
        return f"is not published as {options.resolution} {options.format}; there is {published}"
    file = formats[options.format]
    if not isinstance(file, dict) or not isinstance(file.get("url"), str):
        return "its list of files has no url"
    return file
