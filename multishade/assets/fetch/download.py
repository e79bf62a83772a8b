# SPDX-License-Identifier: Apache-2.0
"""URLs in, whole and verified files out: continued where they broke off, retried where that helps, in parallel.

A missing file is requested once, a full disk ends the run, and so does a number of files in a row without a network.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped, new_session, with_retries
from multishade.assets.fetch.transfer import Download, Fetched, OnBytes, WrongHash, digest, transfer
from multishade.storage.retry import Retryable

WINDOW = 4  # downloads handed to the pool ahead of time, per worker


def download(
    item: Download, policy: FetchPolicy, on_bytes: OnBytes | None = None, stop: threading.Event | None = None
) -> Fetched:
    """Download one file, unless it is already there.

    Args:
        item: The file.
        policy: Attempts, waits and time-outs. An attempt that made the file longer does not count against it.
        on_bytes: Called with the number of bytes of each chunk.
        stop: Ends the download at the next chunk when set; what has arrived stays for the next run.

    Returns:
        The complete file.

    Raises:
        FetchError: If the file cannot be fetched; it names the URL and the reason.
        FetchStopped: If the disk is full or cannot be written.
    """
    present = _present(item)
    if present is not None:
        return present
    hash_was_wrong = False
    with new_session() as session:

        def attempt() -> Fetched:
            nonlocal hash_was_wrong
            try:
                return transfer(session, item, policy, on_bytes, stop)
            except WrongHash as error:
                if hash_was_wrong:
                    raise FetchError(f"{item.url}: {error}") from error
                hash_was_wrong = True  # the first time the transport may be at fault
                raise Retryable(str(error)) from error

        return with_retries(item.url, attempt, policy, stop or threading.Event())


def download_all(
    items: Sequence[Download], policy: FetchPolicy, on_bytes: OnBytes | None = None
) -> Iterator[tuple[int, Fetched | FetchError]]:
    """Download many files, `policy.workers` at once.

    Closing the iterator stops the workers; what has arrived stays in `.part` files for the next run.

    Args:
        items: The files; no two may have the same path.
        policy: As for `download`.
        on_bytes: Called, from several threads, with the number of bytes of each chunk.

    Yields:
        (position in `items`, the file or the error), in the order in which they finish.

    Raises:
        FetchStopped: If the disk is full, or after `policy.failures_in_a_row` files in a row without a network.
        FetchError: If two items have the same path.
    """
    paths = Counter(item.path for item in items)
    double = next((path for path, count in paths.items() if count > 1), None)
    if double is not None:
        raise FetchError(f"two downloads go to {double}; give each a path of its own")
    stop = threading.Event()
    pool = ThreadPoolExecutor(max(1, policy.workers), thread_name_prefix="fetch")
    running: dict[Future[Fetched], int] = {}
    following = iter(range(len(items)))
    failures = 0
    try:
        while True:
            for index in following:
                running[pool.submit(download, items[index], policy, on_bytes, stop)] = index
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


def _present(item: Download) -> Fetched | None:
    """The file, if an earlier run left it whole; one of another content is removed."""
    if not item.path.is_file():
        return None
    sha256, md5, size = digest(item.path)
    if (item.sha256 or sha256, item.md5 or md5, item.size or size) == (sha256, md5, size):
        return Fetched(item.path, sha256, size)
    item.path.unlink()
    return None
