# SPDX-License-Identifier: Apache-2.0
"""A list of URLs with hashes in, checked files in the cache and manifest rows out.

One line is one file. Either `URL SHA256 [LICENCE [PATH]]`, parted by blanks, a `-` standing for what is not
known; or a JSON object with `url` and, if known, `sha256`, `md5`, `size`, `licence`, `path`. PATH is where
the file goes below the list's folder in the cache: files of one asset (a glTF and its textures, the maps of
a material) share a folder. A zip archive is unpacked into a folder of its own name.
"""

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped
from multishade.assets.fetch.download import download_all
from multishade.assets.fetch.ingest import FetchResult, Progress, Rejected
from multishade.assets.fetch.transfer import Download, Fetched
from multishade.assets.files import write_text
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.scan import ScanOptions, scan
from multishade.errors import AssetError, ManifestError

UNPACKED_BYTES = 4 << 30  # of one archive: more is taken for a bomb
_FIELDS = ("url", "sha256", "md5", "size", "licence", "path")


@dataclass(frozen=True)
class Listed:
    """One line of a list; `path` is relative to the list's folder in the cache."""

    url: str
    path: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    licence: str | None = None


def read_list(path: Path) -> list[Listed]:
    """The lines of a list. Raises ManifestError naming the file, the line and what is wrong with it."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({error})") from error
    listed: dict[str, Listed] = {}
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
        raise ManifestError(f"{path}: lists no URL")
    return list(listed.values())


def fetch_url_list(
    list_path: Path,
    cache: Path,
    manifest: Path,
    policy: FetchPolicy,
    options: ScanOptions,
    progress: Progress | None = None,
) -> FetchResult:
    """Have every file of a list, then scan what came as `multishade assets scan` does.

    Raises AssetError where nothing came at all, or where the list holds several kinds of assets and none is
    chosen.
    """
    listed = read_list(list_path)
    name = f"{slug(list_path.stem)}-{hashlib.sha256(list_path.read_bytes()).hexdigest()[:8]}"
    folder, archives = cache / "http" / name, cache / "http" / f"{name}.archives"
    downloads = [
        Download(
            each.url,
            (archives if _is_archive(each.path) else folder) / each.path,
            each.sha256,
            each.md5,
            each.size,
        )
        for each in listed
    ]
    rejected: list[Rejected] = []
    stopped = None
    licences: dict[str, str] = {}
    try:
        for done, (index, result) in enumerate(download_all(downloads, policy), 1):
            each = listed[index]
            problem = str(result) if isinstance(result, FetchError) else _unpacked(each, result, folder)
            if problem is not None:
                rejected.append(Rejected(each.path, problem))
            elif each.licence:
                licences[_stem(each.path) if _is_archive(each.path) else each.path] = each.licence
            if progress:
                progress("downloading", done, len(listed))
    except FetchStopped as error:
        stopped = str(error)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise FetchError(stopped or f"nothing of {list_path} came; the first reason: {rejected[0].reason}")
    _write_licences(folder, licences)
    show = (lambda done, total: progress("reading", done, total)) if progress else None
    result_of_scan = scan(folder, manifest, options, show)
    rejected += [Rejected(each.location, each.reason) for each in result_of_scan.rejections]
    return FetchResult(
        result_of_scan.rows, tuple(sorted(rejected, key=lambda each: each.name)), stopped=stopped
    )


def _parse(line: str) -> Listed:
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
    return Listed(url, path, data.get("sha256"), data.get("md5"), data.get("size"), data.get("licence"))


def _is_archive(path: str) -> bool:
    return path.lower().endswith(".zip")


def _stem(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()


def _unpacked(each: Listed, fetched: Fetched | FetchError, folder: Path) -> str | None:
    """Unpack an archive beside the other files, once; the reason if that fails, None for a plain file."""
    if not _is_archive(each.path) or isinstance(fetched, FetchError):
        return None
    target = folder / _stem(each.path)
    if target.is_dir():
        return None
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with zipfile.ZipFile(fetched.path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if sum(info.file_size for info in members) > UNPACKED_BYTES:
                return f"unpacks to more than {UNPACKED_BYTES >> 30} GiB"
            partial.mkdir(parents=True)
            for info in members:
                archive.extract(info, partial)  # drops drive letters, leading slashes and '..'
        partial.rename(target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        return f"is no zip archive that can be unpacked ({error})"
    except OSError as error:
        raise FetchStopped(
            f"{target}: cannot be unpacked ({error.strerror}); make room and run again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return None


def _write_licences(folder: Path, licences: dict[str, str]) -> None:
    """A SOURCES.tsv, which is where a scan looks for the licence of a file."""
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
