# SPDX-License-Identifier: Apache-2.0
"""Number of a sample in the data set -> its key and files: at random in local tars, in ascending order if remote."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from multishade.errors import DataError, ShardError
from multishade.shards.index import Choose, TarIndex
from multishade.shards.locate import Shard
from multishade.shards.tar_stream import tar_samples

_OPEN_FILES = 64


@dataclass(frozen=True)
class Raw:
    """The files of a sample as they are stored.

    index: its number in the data set. place: path or URL of the tar.
    """

    index: int
    place: str
    key: str
    files: dict[str, bytes]


class LocalTars:
    """The indexes of local tars by number of the shard, shared by all streams of a process. Owns the open files."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards
        self._indexes: dict[int, TarIndex] = {}
        self._open: OrderedDict[int, None] = OrderedDict()

    def __getitem__(self, shard: int) -> TarIndex:
        index = self._indexes.get(shard)
        if index is None:
            index = self._indexes[shard] = TarIndex(self._shards[shard].url)
        self._open[shard] = None
        self._open.move_to_end(shard)
        if len(self._open) > _OPEN_FILES:
            oldest, _ = self._open.popitem(last=False)
            self._indexes[oldest].close()
        return index

    def close(self) -> None:
        while self._open:
            self._indexes[self._open.popitem()[0]].close()


class StreamReader:
    """The shards of a data set as one sequence of samples, for one stream. Owns the connection to a remote tar.

    may_need: whether a file of this name (without the key) can be needed; other files of remote tars are skipped.
    """

    def __init__(self, shards: Sequence[Shard], tars: LocalTars, may_need: Callable[[str], bool]) -> None:
        self._shards = shards
        self._ends = np.cumsum([shard.samples for shard in shards])
        self._tars = tars
        self._may_need = may_need
        self._remote: tuple[int, _RemoteTar] | None = None

    @property
    def samples(self) -> int:
        return int(self._ends[-1])

    def shard(self, index: int) -> Shard:
        """The shard that holds sample `index`."""
        return self._shards[self._shard_number(index)]

    def first_of_shard(self, index: int) -> int:
        """The number of the first sample in the shard that holds sample `index`."""
        number = self._shard_number(index)
        return int(self._ends[number]) - self._shards[number].samples

    def read(self, index: int, choose: Choose) -> Raw:
        """Read the files of sample `index` that `choose` picks from the names of all.

        Raises ShardError, naming the tar, if it cannot be read. An exception of `choose` gets the tar's name.
        """
        number, within = self._shard_number(index), index - self.first_of_shard(index)
        url = self._shards[number].url

        def chosen(names: Sequence[str]) -> Sequence[str]:
            try:
                return choose(names)
            except (DataError, ShardError) as error:
                raise type(error)(f"{url}: sample {within}: {error}") from error

        if self._shards[number].local:
            key, files = self._tars[number].read(within, chosen)
            return Raw(index, url, key, files)
        if self._remote is None or self._remote[0] != number:
            self.close()
            self._remote = number, _RemoteTar(self._shards[number], self._may_need)
        key, files = self._remote[1].read(within)
        return Raw(index, url, key, {name: files[name] for name in chosen(list(files))})

    def close(self) -> None:
        """Close the connection."""
        if self._remote is not None:
            self._remote[1].close()
            self._remote = None

    def _shard_number(self, index: int) -> int:
        return int(np.searchsorted(self._ends, index, side="right"))


class _RemoteTar:
    """A tar that is read forward. Reading an earlier sample opens it again; a damaged place is not read twice."""

    def __init__(self, shard: Shard, may_need: Callable[[str], bool]) -> None:
        self._shard, self._may_need = shard, may_need
        self._stream: BinaryIO | None = None
        self._samples: Iterator[tuple[int, str, dict[str, bytes]]] = iter(())
        self._next = self._wanted = 0
        self._broken: tuple[int, str] | None = None

    def read(self, number: int) -> tuple[str, dict[str, bytes]]:
        if self._broken is not None and number >= self._broken[0]:
            raise ShardError(self._broken[1])
        try:
            if self._stream is None or number < self._next:
                self._reopen()
            self._wanted = number
            for found, key, files in self._samples:
                self._next = found + 1
                if found == number:
                    return key, files
            raise ShardError(f"{self._shard.url}: ends after {self._next} of {self._shard.samples} samples")
        except ShardError as error:
            self._broken = (self._next, str(error))
            raise

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _reopen(self) -> None:
        self.close()
        self._next = 0
        self._stream = self._shard.file.open()
        self._samples = tar_samples(
            self._shard.url, self._stream, lambda each, name: each >= self._wanted and self._may_need(name)
        )
