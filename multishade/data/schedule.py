# SPDX-License-Identifier: Apache-2.0
"""Samples per shard, seed, epoch -> which rank reads which samples, in which order, for which batch.

Everything follows from these numbers alone. Each rank has the same number of batches in each epoch, by
construction: the data set is divided into whole batches, and samples that do not fill a round of them are left out of
the epoch; other samples in each epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.data.purposes import Purpose
from multishade.errors import DataError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """The order of a data set's samples, for all ranks and epochs.

    Attributes:
        counts: Samples of each shard.
        seed: Decides the order.
        batch: Samples per batch of one rank.
        ranks: Processes that train together.
        run: Samples read in a row; None: whole shards.
        streams: Streams of each rank, unless `run` is 1; the batches of a rank come from its streams in turn.
        buffer: Samples that a stream reads ahead and shuffles, unless `run` is 1.
        shuffled: Whether to shuffle at all.
    """

    counts: tuple[int, ...]
    seed: int
    batch: int
    ranks: int = 1
    run: int | None = 1
    streams: int = 12
    buffer: int = 256
    shuffled: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1 or self.ranks < 1:
            raise DataError(f"batch size {self.batch}, {self.ranks} ranks: both must be 1 or more")
        if not self.batches:
            raise DataError(
                f"{sum(self.counts)} samples do not fill a batch of {self.batch} on each of {self.ranks} ranks: "
                "lower the batch size, or render more shards"
            )

    @property
    def batches(self) -> int:
        """Number of batches of each rank in each epoch."""
        return sum(self.counts) // (self.batch * self.ranks)

    def stream_count(self) -> int:
        """Number of streams of a rank. If samples are read at random, each batch is a stream of its own."""
        return self.batches if self.run == 1 else self.streams

    def reading_order(self, epoch: int) -> Indices:
        """List all samples of the data set in the order of an epoch, (N,)."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.int64)
        lengths = np.asarray(self.counts, np.int64)
        if self.run is not None:
            pieces = -(-lengths // self.run)
            number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            within = number * self.run
            lengths = np.minimum(np.repeat(lengths, pieces) - within, self.run)
            starts = np.repeat(starts, pieces) + within
        if self.shuffled:
            order = np.random.default_rng((self.seed, epoch, Purpose.SHUFFLE)).permutation(len(starts))
            starts, lengths = starts[order], lengths[order]
        first = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        return first + np.arange(len(first))

    def stream(self, order: Indices, epoch: int, rank: int, number: int) -> "Stream":
        """Select the part of `order` (of this epoch) that one stream of one rank reads and hands out."""
        # Stream `number` makes every n-th batch of n streams: one batch more if the division leaves a rest.
        each, rest = divmod(self.batches, self.stream_count())
        before = rank * self.batches + number * each + min(number, rest)
        reads = order[before * self.batch : (before + each + (number < rest)) * self.batch]
        return self.buffered(reads, epoch, rank, number)

    def buffered(self, reads: Indices, epoch: int, rank: int, number: int) -> "Stream":
        """`reads`, and the order in which a buffer hands them out: unchanged if reads are shuffled or must not be."""
        buffer = 1 if self.run == 1 or not self.shuffled else self.buffer
        order = np.arange(len(reads))
        if buffer > 1:
            generator = np.random.default_rng((self.seed, epoch, Purpose.BUFFER, rank, number))
            for block in range(0, len(reads), buffer):
                order[block : block + buffer] = generator.permutation(order[block : block + buffer])
        return Stream(reads, order, buffer)


@dataclass(frozen=True, eq=False)
class Stream:
    """The samples that one stream reads.

    reads: numbers of samples in the order in which they are read, (n,). output_order: positions in `reads` in the
    order in which they are handed out, (n,); each block of `buffer` positions is shuffled in itself.
    """

    reads: Indices
    output_order: Indices
    buffer: int

    def block_end(self, position: int) -> int:
        """The position after the block of a position."""
        return min(len(self.reads), (position // self.buffer + 1) * self.buffer)


def allowed_workers(schedule: Schedule, workers: int) -> bool:
    """Whether `workers` processes can make the batches without reading one stream twice."""
    return schedule.run == 1 or workers <= 1 or schedule.stream_count() % workers == 0


def samples_by_stream(schedule: Schedule, epoch: int, rank: int) -> Sequence[Indices]:
    """List, for each stream of a rank, its samples in the order in which they are handed out."""
    order = schedule.reading_order(epoch)
    streams = (schedule.stream(order, epoch, rank, number) for number in range(schedule.stream_count()))
    return [stream.reads[stream.output_order] for stream in streams]
