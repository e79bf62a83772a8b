# SPDX-License-Identifier: Apache-2.0
"""A list of URLs with hashes in, checked files in the cache and manifest rows out.

One line is one file: either `URL SHA256 [LICENCE [PATH]]`, separated by blanks, with `-` for an unknown value; or a
JSON object with `url` and, if known, `sha256`, `md5`, `size`, `licence`, `path`. PATH is relative to the list's
folder in the cache: files of one asset (a glTF and its textures, the maps of a material) share a folder. A zip
archive is unpacked into a folder of its own name.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from multishade.assets.fetch.client import FetchError, FetchStopped
from multishade.assets.fetch.ingest import FetchJob, FetchResult, Rejected, download_named
from multishade.assets.fetch.transfer import Download
from multishade.assets.files import write_text
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.scan import ScanOptions, scan
from multishade.errors import AssetError, ManifestError
from multishade.storage.local import atomic_folder
from multishade.text import read_lines

MAX_UNPACKED_BYTES = 4 << 30  # of one archive; a larger one is taken for a decompression bomb
REMEDY = "free space and run again"
_FIELDS = ("url", "sha256", "md5", "size", "licence", "path")


@dataclass(frozen=True)
class ListedFile:
    """One line of a list; `path` is relative to the list's folder in the cache."""

    url: str
    path: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    licence: str | None = None


def read_list(path: Path) -> dict[str, ListedFile]:
    """Read a list of URLs.

    Returns:
        The files by their paths below the list's folder in the cache.

    Raises:
        ManifestError: If the file cannot be read, has no URL, or has a mistake; it names file and line.
    """
    lines = read_lines(path, ManifestError)
    listed: dict[str, ListedFile] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            each = _parse(line)
        except ValueError as error:
            raise ManifestError(f"{path.name}:{number}: {error}") from error
        if each.path in listed:
            raise ManifestError(
                f"{path.name}:{number}: a second file for {each.path!r}; give it a PATH of its own"
            )
        listed[each.path] = each
    if not listed:
        raise ManifestError(f"{path}: contains no URL")
    return listed


def fetch_url_list(list_path: Path, options: ScanOptions, job: FetchJob) -> FetchResult:
    """Fetch every file of a list, then scan them as `multishade assets scan` does.

    Args:
        list_path: The list.
        options: Kind, licence and split of the files; their limits are those of the job.
        job: Where the files go, and how they are fetched and checked.

    Returns:
        Rows and rejections.

    Raises:
        ManifestError: If the list has a mistake.
        AssetError: If no file could be fetched, or if the list has several kinds of assets and none is chosen.
    """
    listed = read_list(list_path)
    name = f"{slug(list_path.stem)}-{hashlib.sha256(list_path.read_bytes()).hexdigest()[:8]}"
    folder, archives = job.cache / "http" / name, job.cache / "http" / f"{name}.archives"
    downloads = {
        path: Download(
            each.url,
            (archives if _is_archive(path) else folder) / path,
            each.sha256,
            each.md5,
            each.size,
        )
        for path, each in listed.items()
    }
    rejected: list[Rejected] = []
    stopped = None
    licences: dict[str, str] = {}
    try:
        for path, file in download_named(downloads, job, rejected):
            problem = _unpack(file.path, folder / _stem(path)) if _is_archive(path) else None
            licence = listed[path].licence
            if problem is not None:
                rejected.append(Rejected(path, problem))
            elif licence:
                licences[_stem(path) if _is_archive(path) else path] = licence
    except FetchStopped as error:
        stopped = str(error)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise FetchError(
            stopped or f"no file of {list_path} could be fetched; the first reason: {rejected[0].reason}"
        )
    _write_licences(folder, licences)
    options = replace(options, limits=job.limits)
    scanned = scan(folder, job.manifest, options, lambda done, total: job.report("reading", done, total))
    rejected += [Rejected(each.location, each.reason) for each in scanned.rejections]
    return FetchResult(scanned.rows, tuple(sorted(rejected, key=lambda each: each.name)), stopped=stopped)


def _parse(line: str) -> ListedFile:
    if line.lstrip().startswith("{"):
        data: Any = json.loads(line)
        unknown = sorted(set(data) - set(_FIELDS))
        if unknown:
            raise ValueError(f"field {unknown[0]!r} is unknown; allowed are {', '.join(_FIELDS)}")
    else:
        words = line.split(maxsplit=3)
        data = {
            name: word
            for name, word in zip(("url", "sha256", "licence", "path"), words, strict=False)
            if word != "-"
        }
    url = data.get("url")
    if not isinstance(url, str) or urlparse(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is not an http or https URL")
    for kind, digits in (("sha256", 64), ("md5", 32)):
        value = data.get(kind)
        if value is not None and (len(value) != digits or set(value) - set("0123456789abcdef")):
            raise ValueError(f"field {kind!r}: {value!r} is not {digits} hex digits (lower case)")
    path = data.get("path") or unquote(urlparse(url).path).rpartition("/")[2]
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\\" in path or any(part in ("..", ".") for part in parts):
        raise ValueError(f"field 'path': {path!r} is not a relative path below the cache; give one")
    return ListedFile(url, path, data.get("sha256"), data.get("md5"), data.get("size"), data.get("licence"))


def _is_archive(path: str) -> bool:
    return path.lower().endswith(".zip")


def _stem(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()


def _unpack(archive_path: Path, target: Path) -> str | None:
    """Unpack an archive, once. The reason if that fails, else None."""
    if target.is_dir():
        return None
    try:
        with zipfile.ZipFile(archive_path) as archive, atomic_folder(target, FetchStopped, REMEDY) as partial:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if sum(info.file_size for info in members) > MAX_UNPACKED_BYTES:
                raise AssetError(f"unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
            for info in members:
                archive.extract(info, partial)  # drops drive letters, leading slashes and '..'
    except FetchStopped:
        raise
    except AssetError as error:
        return str(error)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        return f"cannot be unpacked as a zip archive ({error})"
    except OSError as error:
        raise FetchStopped(f"{target}: cannot be unpacked ({error.strerror}); {REMEDY}") from error
    return None


def _write_licences(folder: Path, licences: dict[str, str]) -> None:
    """Write a SOURCES.tsv, from which a scan reads the licence of a file."""
    lines = ["path\tlicence"]
    for path, licence in sorted(licences.items()):
        inside = (
            sorted(file for file in (folder / path).rglob("*") if file.is_file())
            if (folder / path).is_dir()
            else []
        )
        names = [file.relative_to(folder).as_posix() for file in inside] or [path]
        lines += [f"{name}\t{' '.join(licence.split())}" for name in names]
    try:
        write_text(folder / "SOURCES.tsv", "\n".join(lines) + "\n")
    except ManifestError as error:
        raise AssetError(str(error)) from error
