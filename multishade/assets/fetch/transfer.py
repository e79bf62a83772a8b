# SPDX-License-Identifier: Apache-2.0
"""One attempt at one file: a URL and the part that is already there in, the whole and verified file out.

A file grows as `NAME.part`, is checked, flushed to disk and renamed: under its final name it is complete. Beside it
`NAME.part.json` keeps the server's tag of this version, so that the rest is requested of the same version only.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped, request, retryable
from multishade.storage.retry import Retryable

FREE_BYTES = 64 << 20  # kept free on the disk
CHUNK_BYTES = 1 << 18

OnBytes = Callable[[int], None]


@dataclass(frozen=True)
class Download:
    """A file to fetch.

    Attributes:
        url: Where it is.
        path: Where it goes.
        sha256: Its hash, if known.
        md5: Its MD5, if known.
        size: Its size in bytes, if known.
    """

    url: str
    path: Path
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Fetched:
    """A complete file: its path, sha256 and size in bytes."""

    path: Path
    sha256: str
    size: int


class WrongHash(Exception):
    """A file arrived whole, but its hash or size is not the promised one."""


def transfer(
    session: requests.Session,
    item: Download,
    policy: FetchPolicy,
    on_bytes: OnBytes | None = None,
    stop: threading.Event | None = None,
) -> Fetched:
    """Fetch a file in one attempt, continuing its `.part` if there is one.

    Args:
        session: From `client.new_session`.
        item: The file.
        policy: For its time-outs.
        on_bytes: Called with the number of bytes of each chunk.
        stop: Ends the attempt at the next chunk when set.

    Returns:
        The file under its final name, verified.

    Raises:
        Retryable: If another attempt may succeed; `progressed` if this one made the part longer.
        WrongHash: If the file is not the promised one; its part is removed.
        FetchError: If the file cannot be fetched.
        FetchStopped: If the disk is full or cannot be written.
    """
    before = part_size(item)
    try:
        return _finish(item, _grow(session, item, policy, on_bytes, stop))
    except Retryable as error:
        error.progressed = part_size(item) > before
        raise


def part_size(item: Download) -> int:
    """Return the number of bytes that an interrupted attempt left."""
    part = _part(item)
    return part.stat().st_size if part.is_file() else 0


def digest(path: Path) -> tuple[str, str, int]:
    """Return sha256, MD5 and size of a file, read once."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return sha256.hexdigest(), md5.hexdigest(), size


def _grow(
    session: requests.Session,
    item: Download,
    policy: FetchPolicy,
    on_bytes: OnBytes | None,
    stop: threading.Event | None,
) -> str | None:
    """Bring the `.part` to its full length; return the sha256 that the server promised, if it did."""
    part, tag_file = _part(item), _part(item).with_suffix(".part.json")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        start = part_size(item)
        with request(session, item.url, policy, _range_headers(item, tag_file, start)) as response:
            if response.status_code == 416:  # nothing follows: the part is whole, or not the file's beginning
                if response.headers.get("Content-Range") == f"bytes */{start}":
                    return _promised_sha256(response)
                part.unlink()
                raise Retryable("the part was longer than the file; it is fetched from the start")
            if response.status_code != 206 or _first_byte(response) != start:
                start = 0
                if response.status_code == 206 and _first_byte(response) != 0:
                    part.unlink(missing_ok=True)
                    raise Retryable(
                        f"the server sent bytes from {_first_byte(response)}, not from where the file broke off"
                    )
            length = response.headers.get("Content-Length")
            total = start + int(length) if length and length.isdigit() else item.size
            _check_space(item, part, start, total)
            _keep_tag(response, tag_file)
            with part.open("ab" if start else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    if stop is not None and stop.is_set():
                        raise FetchError(f"{item.url}: stopped")
                    file.write(chunk)
                    if on_bytes:
                        on_bytes(len(chunk))
                file.flush()
                os.fsync(file.fileno())
            size = part.stat().st_size
            if total is not None and size < total:
                raise Retryable(f"cut short: {size} of {total} bytes came")
            return _promised_sha256(response)
    except requests.RequestException as error:
        raise retryable(item.url, error) from error
    except OSError as error:
        raise _disk_error(item, error) from error


def _finish(item: Download, promised: str | None) -> Fetched:
    """Check the whole `.part` and rename it."""
    part = _part(item)
    try:
        sha256, md5, size = digest(part)
        for kind, actual, expected in (
            ("size", size, item.size),
            ("sha256", sha256, item.sha256 or promised),
            ("md5", md5, item.md5),
        ):
            if expected is not None and actual != expected:
                part.unlink()
                part.with_suffix(".part.json").unlink(missing_ok=True)
                raise WrongHash(f"wrong {kind}: {expected} was promised, {actual} came")
        part.replace(item.path)
        part.with_suffix(".part.json").unlink(missing_ok=True)
    except OSError as error:
        raise _disk_error(item, error) from error
    return Fetched(item.path, sha256, size)


def _part(item: Download) -> Path:
    return item.path.with_name(item.path.name + ".part")


def _range_headers(item: Download, tag_file: Path, start: int) -> dict[str, str]:
    """Headers that request the rest of a file; without a tag or a known hash it could be that of another version."""
    plain = {"Accept-Encoding": "identity"}  # positions and lengths are those of the file itself
    tag = json.loads(tag_file.read_text())["tag"] if tag_file.is_file() else None
    if not start or not (tag or item.sha256 or item.md5):
        return plain
    return plain | {"Range": f"bytes={start}-"} | ({"If-Range": tag} if tag else {})


def _keep_tag(response: requests.Response, tag_file: Path) -> None:
    tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if tag and not tag.startswith("W/"):
        tag_file.write_text(json.dumps({"tag": tag}))
    else:
        tag_file.unlink(missing_ok=True)


def _first_byte(response: requests.Response) -> int:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else 0


def _promised_sha256(response: requests.Response) -> str | None:
    """The Hugging Face Hub sends the sha256 of a large file with the redirect to its storage."""
    for each in (*response.history, response):
        tag = each.headers.get("X-Linked-ETag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", tag):
            return tag
    return None


def _check_space(item: Download, part: Path, start: int, total: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    needed = (total or 0) - start + FREE_BYTES
    if needed > free:
        raise FetchStopped(
            f"disk full: {item.path} needs {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free in {part.parent}; "
            "free space or choose another --cache, then run again"
        )


def _disk_error(item: Download, error: OSError) -> FetchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchStopped(
            f"disk full while writing {item.path}; free space or choose another --cache, then run again"
        )
    return FetchStopped(
        f"{error.filename or item.path}: cannot be written ({error.strerror}); choose another --cache"
    )
