# SPDX-License-Identifier: Apache-2.0
"""Places (tars, folders, globs, braces, URLs) -> the shards there, and how many samples each holds.

Local paths and http(s) need nothing more. Any other scheme (s3://, gs://, az://, ...) goes through fsspec, which names
the package that it needs for it.
"""

import glob
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from multishade.errors import DataError, ShardError
from multishade.shards.index import TarIndex
from multishade.shards.tar import natural_order
from multishade.storage.http import open_http

_CONNECTIONS = 16
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """A tar and the number of samples that it should hold. url: a local path, or scheme://..."""

    url: str
    samples: int

    @property
    def local(self) -> bool:
        return is_local(self.url)


def list_urls(places: Iterable[str | Path]) -> list[str]:
    """Places -> paths and URLs of tars, each once; numbers within a place in their order. Raises DataError."""
    found: dict[str, None] = {}
    for place in places:
        for expanded in _expand_braces(str(place)):
            found.update(dict.fromkeys(sorted(_matches(expanded), key=natural_order)))
    if not found:
        raise DataError("no place of shards is given; name tars, folders, patterns or URLs")
    return list(found)


def index_shards(urls: Sequence[str]) -> list[Shard]:
    """Count the samples of each tar: by its marker, or for a local tar without one by its headers.

    A remote tar without a marker is read once from first to last. Raises DataError for a tar that is not there, and
    where nothing can be read at all.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        counts = list(threads.map(_count, urls))
    shards = [Shard(url, count) for url, count in zip(urls, counts, strict=True) if count]
    if not shards:
        raise DataError(
            f"{urls[0]}: none of {len(urls)} tars holds a whole sample; inspect them with multishade-inspect"
        )
    return shards


def open_shards(places: Iterable[str | Path]) -> list[Shard]:
    """`list_urls`, then `index_shards`."""
    return index_shards(list_urls(places))


def fingerprint(shards: Sequence[Shard]) -> str:
    """What a run's data order depends on, 16 hex digits: names and sizes, not the folder, so that data may move."""
    names = [(shard.url.rsplit("/", 1)[-1], shard.samples) for shard in shards]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def open_url(url: str) -> BinaryIO:
    """A path or URL -> a stream of its bytes. Raises ShardError if it cannot be read, DataError if never here."""
    try:
        if is_local(url):
            return open(url, "rb")
        if url.startswith(("http://", "https://")):
            return cast(BinaryIO, open_http(url))
        return cast(BinaryIO, _filesystem(url).open(url, "rb"))
    except OSError as error:
        raise ShardError(f"{url}: cannot be read ({error.strerror or error})") from error


def is_local(url: str) -> bool:
    return "://" not in url


def _expand_braces(place: str) -> list[str]:
    if "{" not in place or Path(place).exists():
        return [place]
    import braceexpand  # what webdataset expands its URLs with

    try:
        return list(braceexpand.braceexpand(place))
    except ValueError as error:
        raise DataError(f"{place}: its braces do not close; write {{000000..000099}}") from error


def _matches(place: str) -> list[str]:
    """The tars that one place without braces stands for."""
    pattern = any(sign in place for sign in "*?[")
    if place.startswith(("http://", "https://")):
        if "*" in place:
            raise DataError(
                f"{place}: a web server lists no files; write the numbers as braces, {{000000..000099}}, in place of *"
            )
        return [place]
    if not is_local(place):
        scheme = place.partition("://")[0]
        filesystem = _filesystem(place)
        try:
            found = filesystem.glob(place) if pattern else _tars_of(filesystem, place)
        except Exception as error:  # each cloud's driver has its own kinds
            raise DataError(f"{place}: cannot be listed ({type(error).__name__}: {error})") from error
        urls = [f"{scheme}://{name.removeprefix('/') if scheme != 'file' else name}" for name in found]
    elif Path(place).is_dir():
        urls = [str(path) for path in Path(place).glob("*.tar")]
    else:
        urls = [place] if Path(place).exists() else glob.glob(place, recursive=True)
    if not urls:
        raise DataError(f"{place}: no such tar, folder of tars or pattern that matches one")
    return urls


def _tars_of(filesystem: Any, place: str) -> list[str]:
    if filesystem.isdir(place):
        return cast(list[str], filesystem.glob(f"{place.rstrip('/')}/*.tar"))
    return [place.partition("://")[2]] if filesystem.exists(place) else []


def _filesystem(url: str) -> Any:
    import fsspec

    scheme = url.partition("://")[0]
    try:
        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        raise DataError(f"{url}: {error}") from error


def _count(url: str) -> int:
    stated = _stated(url)
    if stated is not None:
        return stated
    if is_local(url):
        if not Path(url).is_file():
            raise DataError(f"{url}: no such tar")
        with TarIndex(url) as index:
            count = index.count()
            problem = index.damage
    else:
        _logger.info("%s has no marker beside it: it is read once to count its samples", url)
        count, problem = _count_stream(url)
    if problem:
        _logger.warning("%s: %s; %d samples before that are used", url, problem, count)
    return count


def _stated(url: str) -> int | None:
    """The number of samples that the marker beside a tar states, or None where there is none to be read."""
    marker = url.removesuffix(".tar") + ".json"
    try:
        with open_url(marker) as stream:
            count = json.load(stream)["samples"]
    except (ShardError, OSError, ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) and count > 0 else None


def _count_stream(url: str) -> tuple[int, str | None]:
    from multishade.shards.tar_stream import tar_samples

    count = 0
    try:
        with open_url(url) as stream:
            for _ in tar_samples(url, stream, lambda number, name: name == "normal.exr"):
                count += 1
    except ShardError as error:
        if not count:
            raise DataError(f"{error}") from error
        return count, str(error)
    return count, None
