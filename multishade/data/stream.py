# SPDX-License-Identifier: Apache-2.0
"""One stream of a schedule -> its samples, prepared, in order; what cannot be read is replaced and reported."""

from collections.abc import Iterator

import numpy as np

from multishade.data.batches import Fault
from multishade.data.prepare import Prepared, Preparer
from multishade.data.purposes import Purpose
from multishade.data.reader import Raw, StreamReader
from multishade.data.schedule import Stream
from multishade.data.settings import SUBSTITUTES
from multishade.errors import DataError, ShardError


def stream_samples(
    stream: Stream, reader: StreamReader, preparer: Preparer, seed: int, epoch: int, start: int = 0
) -> Iterator[tuple[Prepared, list[Fault]]]:
    """Yield the samples of a stream from position `start` on, each with the faults met on the way to it.

    A sample that cannot be read is replaced by the next readable one of its block, else by a random one of the
    data set. The number of samples, and all other samples, are as they would be without the damage.

    Raises:
        DataError: If SUBSTITUTES random samples of the whole data set in a row cannot be read.
    """
    first = start // stream.buffer * stream.buffer
    gone = set(stream.output_order[first:start].tolist())
    pool: dict[int, Raw | ShardError] = {}
    read = first
    for position in range(start, len(stream.reads)):
        while read < min(len(stream.reads), position + stream.buffer):
            if read not in gone:
                pool[read] = _read(reader, preparer, epoch, int(stream.reads[read]))
            read += 1
        faults: list[Fault] = []
        index = int(stream.reads[stream.output_order[position]])
        waiting = stream.output_order[position : stream.block_end(position)]
        candidates = (pool[int(place)] for place in waiting)
        replacements = _random_samples(reader, preparer, seed, epoch, index)
        tried = 0
        for raw in (each for source in (candidates, replacements) for each in source):
            outcome = _prepared(raw, preparer, epoch, index)
            if isinstance(outcome, Prepared):
                break
            if not faults:
                faults.append(Fault(reader.shard(index).url, str(outcome)))
            tried += 1
            if tried >= len(waiting) + SUBSTITUTES:
                raise DataError(
                    f"{SUBSTITUTES} samples in a row, drawn from the whole data set, cannot be read; the "
                    f"last: {outcome} (inspect the shards with multishade-inspect)"
                )
        del pool[int(stream.output_order[position])]
        yield outcome, faults  # type: ignore[misc]


def _read(reader: StreamReader, preparer: Preparer, epoch: int, index: int) -> Raw | ShardError:
    try:
        return reader.read(index, lambda names: preparer.choose(names, epoch, index))
    except ShardError as error:
        return error


def _prepared(raw: Raw | ShardError, preparer: Preparer, epoch: int, index: int) -> Prepared | ShardError:
    if isinstance(raw, ShardError):
        return raw
    try:
        return preparer.prepare(raw, epoch, index)
    except ShardError as error:
        return error


def _random_samples(
    reader: StreamReader, preparer: Preparer, seed: int, epoch: int, index: int
) -> Iterator[Raw | ShardError]:
    """Random samples of the whole data set; of a remote shard its first, since it is read from the beginning."""
    rng = np.random.default_rng((seed, epoch, index, Purpose.SUBSTITUTE))
    while True:
        other = int(rng.integers(reader.samples))
        if not reader.shard(other).local:
            other = reader.first_of_shard(other)
        yield _read(reader, preparer, epoch, other)
