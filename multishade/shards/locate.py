# SPDX-License-Identifier: Apache-2.0
"""Places (tars, folders, globs, braces, URLs) -> the shards there, and how many samples each holds.

Local paths and http(s) need no further package. Any other scheme (s3://, gs://, az://, ...) goes through fsspec; if its
driver is missing, the error names it.
"""

import glob
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from multishade.errors import DataError, ShardError
from multishade.shards.index import TarIndex
from multishade.shards.keys import natural_order
from multishade.shards.layout import TAR_PATTERN, TAR_SUFFIX
from multishade.shards.marker import read_marker
from multishade.storage.store import StoredFile, is_local, open_file, open_store

CONNECTIONS = 16  # markers read at a time
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """A tar and the number of samples that it should hold. url: a local path, or scheme://..."""

    url: str
    samples: int

    @property
    def file(self) -> StoredFile:
        return open_file(self.url)

    @property
    def local(self) -> bool:
        """Whether the tar can be read at random without network requests."""
        return is_local(self.url)


def find_shards(places: Iterable[str | Path]) -> list[StoredFile]:
    """Find the tars that places stand for.

    Args:
        places: Tars, folders of them, patterns with * ? [ ], braces ({000000..000099}); local or URLs.

    Returns:
        The tars, each once, in the order of the places; within a place numbers in names count as numbers.

    Raises:
        DataError: If a place stands for no tar, or there is no place.
    """
    found: dict[str, None] = {}
    for place in places:
        for expanded in _expand_braces(str(place)):
            found.update(dict.fromkeys(sorted(_matches(expanded), key=natural_order)))
    if not found:
        raise DataError("no place of shards is given; name tars, folders, patterns or URLs")
    return [open_file(url) for url in found]


def open_shards(places: Iterable[str | Path]) -> list[Shard]:
    """Find the tars that places stand for, and count the samples of each: by its marker, else by its headers.

    A remote tar without a marker is read once from first to last.

    Args:
        places: As for `find_shards`.

    Returns:
        The tars that hold samples, in order.

    Raises:
        DataError: If a place stands for no tar, a tar is missing, or nothing can be read at all.
    """
    files = find_shards(places)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        counts = list(threads.map(_count, files))
    shards = [Shard(file.url, count) for file, count in zip(files, counts, strict=True) if count]
    if not shards:
        raise DataError(
            f"{files[0]}: none of {len(files)} tars holds a whole sample; inspect them with multishade-inspect"
        )
    return shards


def fingerprint(shards: Sequence[Shard]) -> str:
    """Hash what the order of a run's data depends on: names and sizes, not the folder, so that data may move.

    Args:
        shards: The tars of a run, in order.

    Returns:
        16 hex digits.
    """
    names = [(shard.url.rsplit("/", 1)[-1], shard.samples) for shard in shards]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


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
    if place.startswith(("http://", "https://")):
        if "*" in place:
            raise DataError(
                f"{place}: a web server lists no files; write the numbers as braces, {{000000..000099}}, in place of *"
            )
        return [place]
    try:
        urls = _local_matches(place) if is_local(place) else _remote_matches(place)
    except ShardError as error:
        raise DataError(f"{error}") from error
    if not urls:
        raise DataError(f"{place}: no such tar, folder of tars or pattern that matches one")
    return urls


def _local_matches(place: str) -> list[str]:
    path = Path(place)
    if path.is_dir():
        return [str(path / name) for name in open_store(path).list_names(TAR_PATTERN)]
    return [str(path)] if path.exists() else glob.glob(place, recursive=True)


def _remote_matches(place: str) -> list[str]:
    from multishade.storage.driver import filesystem, glob_urls

    filesystem(place)  # a scheme that cannot be had is reported with the whole place
    if any(sign in place for sign in "*?["):
        return glob_urls(place)
    if place.endswith(TAR_SUFFIX) and open_file(place).exists():
        return [place]
    folder = open_store(place)
    return [folder.url_of(name) for name in folder.list_names(TAR_PATTERN)]


def _count(file: StoredFile) -> int:
    """The number of samples of a tar; 0 if not even one is whole."""
    try:
        marker = read_marker(file)
    except ShardError as error:
        _logger.warning("%s; the samples are counted", error)
        marker = None
    if marker is not None:
        return marker.samples
    if not file.store.local:
        _logger.info("%s has no marker beside it: it is read once to count its samples", file)
    elif not file.exists():
        raise DataError(f"{file}: no such tar")
    with TarIndex(file) as index:
        try:
            count = index.count()
        except ShardError as error:  # not damage: the file cannot be read
            raise DataError(f"{error}") from error
        if index.damage:
            _logger.warning("%s: %s; %d samples before that are used", file, index.damage, count)
    return count
