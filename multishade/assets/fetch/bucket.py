# SPDX-License-Identifier: Apache-2.0
"""A folder of a bucket (s3://, gs://, az://, ...) in, its files in the cache and manifest rows out.

Files lie in the cache as they lie in the bucket. `NAME.versions.json` beside their folder has the version of each,
as the bucket states it, so that another run fetches only what is new or changed, and removes what is gone.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from multishade.assets.fetch.client import FetchError, FetchStopped
from multishade.assets.fetch.ingest import FetchJob, FetchResult, Rejected
from multishade.assets.files import write_text
from multishade.assets.scanning.listing import LARGEST_FILE
from multishade.assets.scanning.names import slug
from multishade.assets.scanning.scan import ScanOptions, scan
from multishade.errors import FileMissing, MultiShadeError
from multishade.storage.local import atomic_file
from multishade.storage.remote import RemoteStore
from multishade.storage.store import open_store

REMEDY = "free space or choose another --cache, then run again"
CHUNK_BYTES = 1 << 20
LONGEST_NAME = 200  # bytes; file systems have 255, of which a temporary name takes some


def fetch_bucket(url: str, options: ScanOptions, job: FetchJob) -> FetchResult:
    """Fetch every file below a folder of a bucket, then scan them as `multishade assets scan` does.

    Args:
        url: The folder: s3://BUCKET/FOLDER, or of another scheme that fsspec has. Requests are tried again as those of
            data sets are; credentials and endpoint are those of fsspec's driver.
        options: Kind, licence and split of the files; their limits are those of the job.
        job: Where the files go; `policy.workers` are fetched at once.

    Returns:
        Rows and rejections; `stopped` if the disk is full or the bucket refused: another run continues.

    Raises:
        FetchError: If the URL is no bucket's, or there is no file below it.
        StorageError: If the bucket cannot be listed.
        AssetError: If the folder has several kinds of assets and none is chosen.
    """
    store = open_store(url)
    if not isinstance(store, RemoteStore):
        raise FetchError(f"{url}: not a bucket (s3://, gs://, az://); for folders there is `assets scan`")
    name = f"{slug(store.url.rpartition('/')[2])}-{hashlib.sha256(store.url.encode()).hexdigest()[:8]}"
    folder, record = job.cache / "bucket" / name, job.cache / "bucket" / f"{name}.versions.json"
    rejected: list[Rejected] = []
    files = dict(_files(store, "", rejected))
    if not files:
        raise FetchError(f"{store.url}: there is no file below it; is it the folder that you mean?")
    known = _read_versions(record)
    for path in set(known) - set(files):
        del known[path]
        (folder / path).unlink(missing_ok=True)
    try:
        stopped = _copy_all(files, folder, known, job, rejected)
    finally:  # an interrupted run keeps what it has fetched
        record.parent.mkdir(parents=True, exist_ok=True)
        write_text(record, json.dumps(known, indent=1, sort_keys=True))
    if not any((folder / path).is_file() for path in files):
        raise FetchError(stopped or f"no file of {store.url} could be fetched: {rejected[0].reason}")
    limited = replace(options, limits=job.limits)
    scanned = scan(folder, job.manifest, limited, lambda done, total: job.report("reading", done, total))
    rejected += [Rejected(each.location, each.reason) for each in scanned.rejections]
    return FetchResult(scanned.rows, tuple(sorted(rejected, key=lambda each: each.name)), stopped=stopped)


def _files(store: RemoteStore, prefix: str, rejected: list[Rejected]) -> Iterator[tuple[str, RemoteStore]]:
    """(path below the first folder, store of its folder) of each file; keys that are no safe path are rejected."""
    names, folders = store.list_names(), store.list_folders()
    both = set(names) & set(folders)
    rejected += [
        Rejected(prefix + name, "is a file and a folder at once; rename one") for name in sorted(both)
    ]
    for found, is_folder in ((names, False), (folders, True)):
        for name in found:
            if name in both:  # a file system has no room for both
                continue
            if name in ("", ".", "..") or any(letter in name for letter in "\\\0\n\r"):
                rejected.append(Rejected(prefix + name, "a key that is no path below a folder; rename it"))
            elif len(name.encode()) > LONGEST_NAME:
                rejected.append(
                    Rejected(prefix + name, f"a name of more than {LONGEST_NAME} bytes; shorten it")
                )
            elif is_folder:
                yield from _files(store.child(name), f"{prefix}{name}/", rejected)
            else:
                yield prefix + name, store


def _read_versions(record: Path) -> dict[str, str]:
    """Path -> version of the files in the cache; empty at first. Raises FetchError if the file is damaged."""
    if not record.is_file():
        return {}
    try:
        known = json.loads(record.read_text())
        return {str(path): str(version) for path, version in known.items()}
    except (ValueError, AttributeError, OSError) as error:
        raise FetchError(
            f"{record}: cannot be read ({error}); remove it, and all files are fetched again"
        ) from error


def _copy_all(
    files: dict[str, RemoteStore],
    folder: Path,
    known: dict[str, str],
    job: FetchJob,
    rejected: list[Rejected],
) -> str | None:
    """Fetch what is not there in this version. Returns why it ended early, if it did; `known` gets the versions."""
    stopped = None
    with ThreadPoolExecutor(max(1, job.policy.workers), thread_name_prefix="fetch") as pool:
        running = {
            path: pool.submit(_copy, store, path, folder, known.get(path)) for path, store in files.items()
        }
        try:
            for done, (path, future) in enumerate(running.items(), 1):
                if future.cancelled():
                    continue
                try:
                    known[path] = future.result()
                except FetchStopped as error:
                    stopped = stopped or str(error)
                    pool.shutdown(wait=False, cancel_futures=True)
                except FetchError as error:
                    # What an earlier run fetched is of another version.
                    known.pop(path, None)
                    (folder / path).unlink(missing_ok=True)
                    rejected.append(Rejected(path, str(error)))
                job.report("downloading", done, len(files))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return stopped


def _copy(store: RemoteStore, path: str, folder: Path, before: str | None) -> str:
    """Fetch one file whole, unless that version is there. Returns its version."""
    name, target = path.rpartition("/")[2], folder / path
    try:
        version = store.version(name)
        if version == before and target.is_file():
            return version
        size = store.size(name)
        if size > LARGEST_FILE:
            raise FetchError(f"{size / 2**30:.1f} GiB; files above {LARGEST_FILE >> 30} GiB are refused")
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(target, FetchStopped, REMEDY) as stream, store.open(name) as source:
            while chunk := source.read(CHUNK_BYTES):
                _require_space(target, len(chunk))
                stream.write(chunk)
    except FileMissing as error:
        raise FetchError("was removed while the folder was read; run again") from error
    except FetchError:
        raise
    except MultiShadeError as error:  # after all attempts: the next file would fare alike
        raise FetchStopped(f"{error}") from error
    except OSError as error:
        raise FetchStopped(f"{target}: cannot be written ({error.strerror}); {REMEDY}") from error
    return version


def _require_space(target: Path, size: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < size + (64 << 20):
        raise FetchStopped(f"disk full: {free / 2**20:.0f} MiB are free in {target.parent}; {REMEDY}")
