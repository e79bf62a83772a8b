# SPDX-License-Identifier: Apache-2.0
"""One attempt at one file: a URL and what is there of it in, the whole and verified file out, or what went
wrong.

A file grows as `NAME.part`, is checked, flushed to disk and renamed: under its final name it is complete.
Beside it `NAME.part.json` keeps the server's tag of this version, so that the rest is asked of the same
version only.
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

from multishade import __version__
from multishade.errors import AssetError

USER_AGENT = f"MultiShade/{__version__}"  # Poly Haven's terms ask for a name of one's own
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
FREE_BYTES = 64 << 20  # kept free on the disk

Counter = Callable[[int], None]


class FetchError(AssetError):
    """One file cannot be had. `network`: nothing came back from the host at all."""

    def __init__(self, message: str, network: bool = False) -> None:
        super().__init__(message)
        self.network = network


class FetchStopped(FetchError):
    """No further file can be had either: the disk is full, or the network is gone."""


@dataclass(frozen=True)
class Download:
    """A file to have: where it lies, where it goes, and what is known of its content."""

    url: str
    path: Path
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Fetched:
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Policy:
    """How hard to try. Waits double from `first_wait` seconds up to `longest_wait`; a server's Retry-After
    counts."""

    workers: int = 8
    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    connect_seconds: float = 15.0
    read_seconds: float = 60.0
    failures_in_a_row: int = 20


class Again(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, reason: str, after: float | None = None, network: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.network = network


class WrongHash(Exception):
    """A file came whole, but is not the one that was promised."""


def transfer(
    session: requests.Session,
    item: Download,
    policy: Policy,
    count: Counter | None,
    stop: threading.Event | None,
) -> str | None:
    """Bring `.part` to its full length; returns the sha256 that the server promised, if it did."""
    part, tag_file = _part(item), _part(item).with_suffix(".part.json")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        have = bytes_there(item)
        tag = json.loads(tag_file.read_text())["tag"] if tag_file.is_file() else None
        headers = {}
        # Without a tag the rest of another version could be glued on; a known hash would find that out.
        if have and (tag or item.sha256 or item.md5):
            headers["Range"] = f"bytes={have}-"
            if tag:
                headers["If-Range"] = tag
        with request(session, item.url, policy, headers, None) as response:
            if (
                response.status_code == 416
            ):  # there is nothing after what we have: it is whole, or not its beginning
                if response.headers.get("Content-Range") == f"bytes */{have}":
                    return _promised_sha256(response)
                part.unlink()
                raise Again("what was there is longer than the file; it is fetched from its start")
            start = _start_of(response)
            if response.status_code != 206 or start != have:
                have = 0
                if response.status_code == 206 and start != 0:
                    part.unlink(missing_ok=True)
                    raise Again(f"the server sent bytes from {start}, not from where the file broke off")
            length = response.headers.get("Content-Length")
            total = have + int(length) if length and length.isdigit() else item.size
            _check_space(item, part, have, total)
            new_tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
            if new_tag and not new_tag.startswith("W/"):
                tag_file.write_text(json.dumps({"tag": new_tag}))
            else:
                tag_file.unlink(missing_ok=True)
            with part.open("ab" if have else "wb") as file:
                for chunk in response.iter_content(1 << 18):
                    if stop is not None and stop.is_set():
                        raise FetchError(f"{item.url}: stopped")
                    file.write(chunk)
                    if count:
                        count(len(chunk))
                file.flush()
                os.fsync(file.fileno())
            size = part.stat().st_size
            if total is not None and size < total:
                raise Again(f"cut short: {size} of {total} bytes came")
            return _promised_sha256(response)
    except requests.RequestException as error:
        raise network_trouble(item.url, error) from error
    except OSError as error:
        raise _disk_trouble(item, error) from error


def finish(item: Download, promised: str | None) -> Fetched:
    """Check the whole `.part` and give it its name."""
    part = _part(item)
    try:
        sha256, md5, size = digest(part)
        for kind, found, expected in (
            ("size", size, item.size),
            ("sha256", sha256, item.sha256 or promised),
            ("md5", md5, item.md5),
        ):
            if expected is not None and found != expected:
                part.unlink()
                part.with_suffix(".part.json").unlink(missing_ok=True)
                raise WrongHash(f"wrong {kind}: {expected} was promised, {found} came")
        part.replace(item.path)
        part.with_suffix(".part.json").unlink(missing_ok=True)
    except OSError as error:
        raise _disk_trouble(item, error) from error
    return Fetched(item.path, sha256, size)


def bytes_there(item: Download) -> int:
    """How much of the file an interrupted attempt left."""
    part = _part(item)
    return part.stat().st_size if part.is_file() else 0


def _part(item: Download) -> Path:
    return item.path.with_name(item.path.name + ".part")


def request(
    session: requests.Session,
    url: str,
    policy: Policy,
    headers: dict[str, str],
    parameters: dict[str, str] | None,
) -> requests.Response:
    """GET, redirects followed; a status that a second attempt may mend raises Again, any other error
    FetchError."""
    timeout = (policy.connect_seconds, policy.read_seconds)
    response = session.get(url, headers=headers, params=parameters, stream=True, timeout=timeout)
    status = response.status_code
    if status in (200, 206) or (status == 416 and "Range" in headers):
        return response
    response.close()
    what = f"HTTP {status} {response.reason}"
    if status in RETRIED:
        after = response.headers.get("Retry-After", "")
        raise Again(what, float(after) if after.isdigit() else None)
    hint = {
        404: "there is no such file",
        410: "the file was removed",
        401: "a login is needed",
        403: "access is refused",
    }
    raise FetchError(f"{url}: {what}" + (f": {hint[status]}" if status in hint else ""))


def _start_of(response: requests.Response) -> int:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else 0


def _promised_sha256(response: requests.Response) -> str | None:
    """The Hugging Face Hub sends the sha256 of a large file with the redirect to its storage."""
    for each in (*response.history, response):
        tag = each.headers.get("X-Linked-ETag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", tag):
            return tag
    return None


def network_trouble(url: str, error: requests.RequestException) -> Again:
    host = requests.utils.urlparse(url).netloc
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return Again(f"{host} did not answer in time", network=True)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return Again("cut short: the connection broke")
    if isinstance(error, requests.exceptions.SSLError):
        return Again(f"no secure connection to {host} ({error})", network=True)
    if isinstance(error, requests.exceptions.ConnectionError):
        return Again(f"no network, or {host} cannot be reached", network=True)
    raise FetchError(f"{url}: {error}") from error


def _check_space(item: Download, part: Path, have: int, total: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    needed = (total or 0) - have + FREE_BYTES
    if needed > free:
        raise FetchStopped(
            f"disk full: {item.path} needs {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free in {part.parent}; "
            "make room or choose another --cache, then run again"
        )


def _disk_trouble(item: Download, error: OSError) -> FetchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchStopped(
            f"disk full while writing {item.path}; make room or choose another --cache, then run again"
        )
    return FetchStopped(
        f"{error.filename or item.path}: cannot be written ({error.strerror}); choose another --cache"
    )


def digest(path: Path) -> tuple[str, str, int]:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return sha256.hexdigest(), md5.hexdigest(), size
