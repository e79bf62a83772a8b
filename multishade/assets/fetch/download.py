# SPDX-License-Identifier: Apache-2.0
"""URLs in, whole and verified files out: resumed where they broke off, retried where that helps, in parallel.

What went wrong is told apart: a missing file is not asked for again, a full disk ends the run, a network
that is gone does so after a number of failures in a row.
"""

import threading
import time
from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import requests

from multishade.assets.fetch.transfer import (
    USER_AGENT,
    Again,
    Counter,
    Download,
    Fetched,
    FetchError,
    FetchStopped,
    Policy,
    WrongHash,
    bytes_there,
    digest,
    finish,
    network_trouble,
    request,
    transfer,
)

__all__ = [
    "Download",
    "FetchError",
    "FetchStopped",
    "Fetched",
    "Policy",
    "download",
    "download_all",
    "fetch_json",
]

WINDOW = 4  # downloads handed to the pool ahead of time, per worker


def download(
    item: Download, policy: Policy, count: Counter | None = None, stop: threading.Event | None = None
) -> Fetched:
    """Have one file. `count` is told the bytes of each chunk; setting `stop` ends it at the next one.

    Raises FetchError naming the URL and what went wrong, FetchStopped for a full disk.
    """
    present = _present(item)
    if present is not None:
        return present
    reason = Again("not tried")
    hash_was_wrong = False
    fruitless = had = 0
    with requests.Session() as session:
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        while fruitless < policy.attempts:
            if fruitless:
                waited = policy.first_wait * 2 ** (fruitless - 1) if reason.after is None else reason.after
                if (stop or threading.Event()).wait(min(policy.longest_wait, waited)):
                    break
            try:
                return finish(item, transfer(session, item, policy, count, stop))
            except Again as again:
                reason = again
            except WrongHash as error:
                if hash_was_wrong:
                    raise FetchError(f"{item.url}: {error}") from None
                hash_was_wrong = True  # once may be the transport's fault
                reason = Again(str(error))
            has = bytes_there(item)  # an attempt that brought the file further does not count against it
            fruitless, had = (1 if has > had else fruitless + 1), has
    tries = f"{fruitless} attempts in a row" if fruitless > 1 else "one attempt"
    raise FetchError(f"{item.url}: {reason} ({tries}); run again to go on from there", network=reason.network)


def download_all(
    items: Sequence[Download], policy: Policy, count: Counter | None = None
) -> Iterator[tuple[int, Fetched | FetchError]]:
    """Have many files, `policy.workers` at a time; results come in the order in which they finish.

    Raises FetchStopped when the disk is full, or when `policy.failures_in_a_row` files in a row met no
    network. Closing the iterator stops the workers; what they had stays in .part files for the next run.
    """
    paths = Counts(item.path for item in items)
    double = next((path for path, count_of in paths.items() if count_of > 1), None)
    if double is not None:
        raise FetchError(f"two downloads go to {double}; give each a place of its own")
    stop = threading.Event()
    pool = ThreadPoolExecutor(max(1, policy.workers), thread_name_prefix="fetch")
    running: dict[Future[Fetched], int] = {}
    following = iter(range(len(items)))
    failures = 0
    try:
        while True:
            for index in following:
                running[pool.submit(download, items[index], policy, count, stop)] = index
                if len(running) >= policy.workers * WINDOW:
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=running.__getitem__):
                index = running.pop(future)
                error = future.exception()
                if error is not None and not isinstance(error, FetchError):
                    raise error
                if isinstance(error, FetchStopped):
                    raise error
                if isinstance(error, FetchError):
                    failures = failures + 1 if error.network else 0
                    yield index, error
                    if failures >= policy.failures_in_a_row:
                        raise FetchStopped(
                            f"stopped after {failures} files in a row without a network; the last: {error}"
                        )
                else:
                    failures = 0
                    yield index, future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def fetch_json(url: str, policy: Policy, parameters: dict[str, str] | None = None) -> Any:
    """GET a JSON document. Raises FetchError as `download` does, and for an answer that is not JSON."""
    reason = Again("not tried")
    with requests.Session() as session:
        session.headers.update({"User-Agent": USER_AGENT})
        for attempt in range(policy.attempts):
            if attempt:
                time.sleep(min(policy.longest_wait, reason.after or policy.first_wait * 2 ** (attempt - 1)))
            try:
                with request(session, url, policy, {}, parameters) as response:
                    return response.json()
            except requests.exceptions.JSONDecodeError as error:
                raise FetchError(
                    f"{url}: the answer is not JSON ({error.msg}); is a proxy in the way?"
                ) from error
            except requests.RequestException as error:
                reason = network_trouble(url, error)
            except Again as again:
                reason = again
    raise FetchError(f"{url}: {reason} ({policy.attempts} attempts)", network=reason.network)


def _present(item: Download) -> Fetched | None:
    """The file, if an earlier run left it whole; one of another content is removed."""
    if not item.path.is_file():
        return None
    sha256, md5, size = digest(item.path)
    if (item.sha256 or sha256, item.md5 or md5, item.size or size) == (sha256, md5, size):
        return Fetched(item.path, sha256, size)
    item.path.unlink()
    return None
