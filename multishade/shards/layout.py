# SPDX-License-Identifier: Apache-2.0
"""Names of the files in a data set's folder: shards, their markers and failures, and the record."""

import re

from multishade.storage.store import FolderPlace, StoredFile, open_store

RECORD_NAME = "dataset.json"
QUARANTINE_NAME = "quarantine.json"
TAR_SUFFIX = ".tar"
TAR_PATTERN = f"*{TAR_SUFFIX}"
FAILURES_SUFFIX = ".failures.json"
FAILURES_PATTERN = f"*{FAILURES_SUFFIX}"


def tar_name(shard: int) -> str:
    """The name of a shard: 123 -> multishade-000123.tar."""
    return f"multishade-{shard:06d}{TAR_SUFFIX}"


def shard_file(folder: FolderPlace, shard: int) -> StoredFile:
    """The tar of a shard in a data set's folder; it need not exist."""
    return open_store(folder).file(tar_name(shard))


def shard_number(name: str) -> int | None:
    """The number at the end of a tar's name, whoever wrote it: train-000123.tar -> 123; None if there is none."""
    match = re.search(rf"(\d+){re.escape(TAR_SUFFIX)}$", name)
    return int(match[1]) if match else None


def marker_name(tar: str) -> str:
    """multishade-000123.tar -> multishade-000123.json"""
    return _renamed(tar, ".json")


def failures_name(tar: str) -> str:
    """multishade-000123.tar -> multishade-000123.failures.json"""
    return _renamed(tar, FAILURES_SUFFIX)


def tar_of_failures(name: str) -> str:
    """multishade-000123.failures.json -> multishade-000123.tar"""
    return name.removesuffix(FAILURES_SUFFIX) + TAR_SUFFIX


def staging_name(tar: str) -> str:
    """The folder of the finished groups of a shard in progress: multishade-000123.tar -> .multishade-000123.groups"""
    return "." + tar.removesuffix(TAR_SUFFIX) + ".groups"


def _renamed(tar: str, suffix: str) -> str:
    name, mark, query = tar.partition("?")  # a URL may have a query
    return name.removesuffix(TAR_SUFFIX) + suffix + mark + query
