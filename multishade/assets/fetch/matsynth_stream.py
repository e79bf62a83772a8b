# SPDX-License-Identifier: Apache-2.0
"""A data set of MatSynth's layout in, its materials out, one after another: continued from any of them.

Of each material only the columns that are used are read, images as the bytes that were uploaded.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped
from multishade.errors import AssetError
from multishade.extras import MissingPackageError, require
from multishade.storage.hosts import unreachable
from multishade.storage.retry import RetriesExhausted, Retryable, call_with_retries

COLUMNS = {  # of the data set -> map of a material row
    "basecolor": "base_color",
    "roughness": "roughness",
    "metallic": "metallic",
    "normal": "normal",
    "height": "height",
    "opacity": "opacity",
}
HUB = "https://huggingface.co"  # unless HF_ENDPOINT names a mirror
# By name, since datasets, huggingface_hub, fsspec and pyarrow each raise their own.
_MISSING = {"DatasetNotFoundError", "RepositoryNotFoundError", "EntryNotFoundError", "RevisionNotFoundError"}
_MALFORMED = {"ValueError", "KeyError", "ArrowInvalid", "CastError", "DatasetGenerationError"}

State = dict[str, Any]


def stream_materials(
    repository: str, part: str, policy: FetchPolicy, state: State | None = None
) -> Iterator[tuple[dict[str, Any], State]]:
    """Stream the materials of a data set; a broken connection is opened again at the last material.

    Args:
        repository: Name on the Hugging Face Hub, or a folder of the same layout.
        part: Split of the data set: "train" or "test".
        policy: Attempts and waits for each material.
        state: The state after the last material that is already there, None for the first.

    Yields:
        (columns of a material by name, state after it). `category` is the category's name.

    Raises:
        FetchError: If the data set does not exist or has another layout, or cannot be reached at all.
        FetchStopped: If it cannot be reached any more.
        MissingPackageError: If the package `datasets` is not installed.
    """
    require("datasets", extra="fetch")
    if not Path(repository).is_dir():
        endpoint = os.environ.get("HF_ENDPOINT", HUB)
        reason = unreachable(endpoint)
        if reason is not None:
            kind = FetchError if state is None else FetchStopped  # what is there already can be used
            raise kind(f"{repository}: {endpoint} cannot be reached ({reason}); run again with a network")
    stream = _Stream(repository, part, state)
    while True:
        try:
            material = call_with_retries(stream.next, policy)
        except RetriesExhausted as error:
            raise FetchStopped(
                f"{repository}: no network, or the stream broke ({error.last}; "
                f"{error.failed_attempts} attempts in a row); run again to continue"
            ) from error
        if material is None:
            return
        yield material


class _Stream:
    """An open stream and the state after the last material that it gave."""

    def __init__(self, repository: str, part: str, state: State | None) -> None:
        self._repository, self._part, self._state = repository, part, state
        self._data: Any = None
        self._examples: Iterator[dict[str, Any]] = iter(())
        self._categories: list[str] = []

    def next(self) -> tuple[dict[str, Any], State] | None:
        """The next material and the state after it; None at the end. Raises Retryable for a broken connection."""
        try:
            if self._data is None:
                self._open()
            example = next(self._examples, None)
            if example is None:
                return None
            category = example["category"]
            named = isinstance(category, int) and self._categories
            example["category"] = self._categories[category] if named else str(category)
            self._state = self._data.state_dict()
            assert self._state is not None
            return example, self._state
        except (AssetError, MissingPackageError):
            raise
        except Exception as error:
            self._data = None
            permanent = _permanent_reason(error)
            if permanent:
                raise FetchError(f"{self._repository}: {permanent}") from error
            raise Retryable(f"{type(error).__name__}: {_one_line(error)}") from error

    def _open(self) -> None:
        data, self._categories = open_data_set(self._repository, self._part)
        if self._state is not None:
            data.load_state_dict(self._state)
        self._data, self._examples = data, iter(data)


def open_data_set(repository: str, part: str) -> tuple[Any, list[str]]:
    """Open the stream of the columns that are used, images as bytes, and return it with the names of the categories.

    Raises:
        MissingPackageError: If the package `datasets` is not installed.
        ValueError: If a needed column is missing.
    """
    require("datasets", extra="fetch")
    import datasets

    columns = ["name", "category", "metadata", *COLUMNS]
    data = datasets.load_dataset(repository, split=part, streaming=True, columns=columns)
    features = data.features
    if features is None:
        raise ValueError("its columns are not described")
    missing = [name for name in ("name", "category", "basecolor") if name not in features]
    if missing:
        raise ValueError(f"there is no column {missing[0]!r}")
    for name in COLUMNS:
        if name in features:
            data = data.cast_column(name, datasets.Image(decode=False))
    return data, list(getattr(features["category"], "names", []))


def _permanent_reason(error: Exception) -> str | None:
    """The reason why another attempt would fail as well, None if it may succeed."""
    names = {each.__name__ for each in type(error).__mro__}
    text = _one_line(error)
    if names & _MISSING:
        offline = "offline" in text.lower() or "couldn't reach" in text.lower()
        return None if offline else f"there is no such data set ({text})"
    if names & _MALFORMED:
        return f"has another form than expected ({type(error).__name__}: {text})"
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
