# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> a data set repository of the Hugging Face Hub, in commits that can be continued.

Files that the repository has, by their hashes, are not sent again: an interrupted upload is continued by running it
again. Shards come first and the card last, so that a repository with a card is complete.
"""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from multishade.errors import HubError, ShardError
from multishade.extras import require
from multishade.publish import energon
from multishade.publish.croissant import tars_described
from multishade.publish.preview import FOLDER as PREVIEW_FOLDER
from multishade.publish.write import CARD, CROISSANT, PICTURES
from multishade.shards.layout import RECORD_NAME, marker_name
from multishade.shards.locate import find_shards
from multishade.shards.marker import Marker, committed
from multishade.storage.scratch import scratch_prefix
from multishade.storage.store import FolderPlace, Store, StoredFile, open_store

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# Limits of a commit: the Hub advises 50 to 100 files; large commits lose more when they are interrupted.
COMMIT_FILES, COMMIT_BYTES = 64, 20 << 30
_CHUNK = 1 << 20


@dataclass(frozen=True)
class PushedFile:
    """A file to upload.

    Attributes:
        file: Where it is.
        name: Its path in the repository.
        size: Bytes.
        sha256: If it is known without reading the file, else None.
    """

    file: StoredFile
    name: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Pushed:
    """What an upload did.

    Attributes:
        url: The repository's page.
        uploaded: Files that were sent.
        skipped: Files that the repository had already.
        bytes: Length of the files that were sent.
    """

    url: str
    uploaded: int
    skipped: int
    bytes: int


def push(
    folder: FolderPlace,
    repository: str,
    private: bool = False,
    progress: Callable[[Sequence[PushedFile], int, int], object] = lambda files, done, total: None,
) -> Pushed:
    """Upload a data set's folder to the Hugging Face Hub. The repository is created if it does not exist.

    The token is that of `hf auth login` or of HF_TOKEN; HF_ENDPOINT names another hub.

    Args:
        folder: The data set, with its card. Files of a remote one are copied here, one commit at a time.
        repository: USER/NAME.
        private: Whether a new repository can be seen by its owner only.
        progress: Called before each commit with its files, and the bytes that are done and those of all files to send.

    Returns:
        What was sent.

    Raises:
        ShardError: If the folder is no data set, has no card, or a shard has no marker.
        HubError: If the Hub cannot be reached or refuses.
        MissingPackageError: If huggingface_hub is not installed.
    """
    require("huggingface_hub", extra="hub")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    files = files_to_push(folder)
    api = HfApi()
    try:
        url = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        repository = url.repo_id
        present = _present(api, repository)
        missing = [file for file in files if not _is_present(file, present)]
        total, done = sum(file.size for file in missing), 0
        for batch in _batches(missing):
            progress(batch, done, total)
            _commit(api, repository, batch)
            done += sum(file.size for file in batch)
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        raise HubError(
            f"{repository}: {_reason(error)}; run the command again to continue, `hf auth login` to log in"
        ) from error
    return Pushed(str(url), len(missing), len(files) - len(missing), total)


def files_to_push(folder: FolderPlace) -> list[PushedFile]:
    """List the files of a data set in the order of their upload: each shard with its marker, the card at the end.

    Args:
        folder: The data set.

    Raises:
        ShardError: If there is no finished shard, a tar is not the one of its marker, or the card is missing or was
            written for other shards.
    """
    store = open_store(folder)
    tars = find_shards([store.url])
    names, files = set(store.list_names()), []
    for tar in tars:
        marker: Marker | None = committed(tar)
        if marker is None:
            raise ShardError(
                f"{tar}: is not finished; render it, or remove it, before the data set is pushed"
            )
        files.append(PushedFile(tar, tar.name, marker.bytes, marker.sha256))
        files.append(_listed(store, marker_name(tar.name)))
        index = f"{tar.name}{energon.INDEX_SUFFIX}"
        files += [_listed(store, index)] if index in names else []
    for name in (CARD, RECORD_NAME, CROISSANT):
        if name not in names:
            raise ShardError(f"{store.url_of(name)}: is missing; write it with `multishade card {folder}`")
    shards = {file.name: file.sha256 for file in files if file.sha256}
    if tars_described(store.file(CROISSANT)) != shards:
        raise ShardError(
            f"{folder}: the card was written for other shards than the folder holds; write it again with "
            f"`multishade card {folder}`"
        )
    for part in (energon.FOLDER, PREVIEW_FOLDER, PICTURES):
        child = store.child(part)
        files += [_listed(child, name, f"{part}/") for name in child.list_names()]
    return files + [_listed(store, name) for name in (RECORD_NAME, CROISSANT, CARD)]


def _listed(store: Store, name: str, folder: str = "") -> PushedFile:
    return PushedFile(store.file(name), folder + name, store.size(name))


def _present(api: "HfApi", repository: str) -> dict[str, Any]:
    """Path -> entry of every file in the repository."""
    entries = api.list_repo_tree(repository, recursive=True, repo_type="dataset")
    return {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}


def _is_present(file: PushedFile, present: Mapping[str, Any]) -> bool:
    """Whether the repository has the same content: by sha256 for large files, by git's hash for the others."""
    entry = present.get(file.name)
    if entry is None or entry.size != file.size:
        return False
    if entry.lfs is not None:
        sha256 = file.sha256 or _digest(file, hashlib.sha256())
        return bool(sha256 == entry.lfs.sha256)
    return bool(_digest(file, hashlib.sha1(b"blob %d\0" % file.size)) == entry.blob_id)


def _digest(file: PushedFile, hasher: Any) -> str:
    with file.file.open() as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
    return str(hasher.hexdigest())


def _batches(files: Sequence[PushedFile]) -> Iterator[list[PushedFile]]:
    batch: list[PushedFile] = []
    for file in files:
        if batch and (
            len(batch) >= COMMIT_FILES or sum(each.size for each in batch) + file.size > COMMIT_BYTES
        ):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _commit(api: "HfApi", repository: str, batch: Sequence[PushedFile]) -> None:
    from huggingface_hub import CommitOperationAdd

    more = f" to {batch[-1].name}" if len(batch) > 1 else ""
    with TemporaryDirectory(prefix=scratch_prefix()) as copies:
        paths = [_local_path(file, Path(copies, str(number))) for number, file in enumerate(batch)]
        operations = [CommitOperationAdd(file.name, path) for file, path in zip(batch, paths, strict=True)]
        api.create_commit(
            repository, operations, commit_message=f"Add {batch[0].name}{more}", repo_type="dataset"
        )


def _local_path(file: PushedFile, copy: Path) -> str:
    """The path of a file on this machine: its own, or that of a copy."""
    if file.file.store.local:
        return file.file.url
    with file.file.open() as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, _CHUNK)
    return str(copy)


def _reason(error: Exception) -> str:
    """The first line of an error and of what caused it."""
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ and str(error.__cause__) else ""
    return (str(error).strip() or type(error).__name__).splitlines()[0] + cause
