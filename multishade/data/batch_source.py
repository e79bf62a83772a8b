# SPDX-License-Identifier: Apache-2.0
"""Shards, schedule, rank -> the batches that one worker process makes, in order."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from multishade.data.batches import Allocate, Batch, Fault, allocate_new, make_batch
from multishade.data.fields import FieldSpec
from multishade.data.prepare import Prepared, Preparer
from multishade.data.reader import LocalTars, StreamReader
from multishade.data.schedule import Schedule
from multishade.data.settings import Data
from multishade.data.slots import PackedBatch, WorkerSlots
from multishade.data.stream import stream_samples
from multishade.errors import MultiShadeError
from multishade.shards.locate import Shard


class BatchSource(IterableDataset[Any]):
    """The batches of one rank from number `start` on; in worker w of W every W-th of them."""

    def __init__(
        self,
        shards: list[Shard],
        settings: Data,
        directions: NDArray[np.float32],
        fields: tuple[FieldSpec, ...],
        schedule: Schedule,
        seed: int,
        rank: int,
        start: int,
        prefetch: int,
    ) -> None:
        self._shards, self._settings, self._directions = shards, settings, directions
        self._fields = fields
        self._schedule, self._seed, self._rank, self._start = schedule, seed, rank, start
        self._prefetch = prefetch

    def __iter__(self) -> Iterator[Batch | PackedBatch | MultiShadeError]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        expected = (
            MultiShadeError  # a name that is still there when the interpreter ends before the batches do
        )
        try:
            if info is None:
                yield from self._batches(self._start, 1)
            else:
                slots = WorkerSlots(worker, self._prefetch)
                for batch in self._batches(self._start + worker, workers, slots.allocate):
                    yield slots.pack(batch)
        except expected as error:
            # As a value: raised here it would arrive with this process's traceback in its message.
            yield error

    def _batches(self, first: int, step: int, allocate: Allocate = allocate_new) -> Iterator[Batch]:
        schedule = self._schedule
        preparer = Preparer(self._settings, self._directions, self._seed, self._fields)
        tars = LocalTars(self._shards)
        directions = torch.from_numpy(self._directions)
        streams: dict[int, Any] = {}
        current, order = -1, np.empty(0, np.int64)
        total = first
        while True:
            epoch, number = divmod(total, schedule.batches)
            if epoch != current:
                for samples, reader in streams.values():
                    samples.close()
                    reader.close()
                current, order, streams = epoch, schedule.reading_order(epoch), {}
            stream, turn = number % schedule.stream_count(), number // schedule.stream_count()
            if stream not in streams:
                reader = StreamReader(self._shards, tars, preparer.may_need)
                samples = stream_samples(
                    schedule.stream(order, epoch, self._rank, stream),
                    reader,
                    preparer,
                    self._seed,
                    epoch,
                    start=turn * schedule.batch,
                )
                streams[stream] = samples, reader
            samples, reader = streams[stream]
            faults: list[Fault] = []
            batch = make_batch(
                _collecting(islice(samples, schedule.batch), faults),
                schedule.batch,
                directions,
                epoch,
                number,
                self._settings.grey,
                allocate,
            )
            if schedule.run == 1:
                del streams[stream]
            yield replace(batch, faults=tuple(faults))
            total += step


def _collecting(samples: Iterable[tuple[Prepared, list[Fault]]], faults: list[Fault]) -> Iterator[Prepared]:
    """Yield the samples, and add their faults to the list."""
    for sample, met in samples:
        faults += met
        yield sample
