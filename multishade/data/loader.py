# SPDX-License-Identifier: Apache-2.0
"""Shards, settings, seed, rank -> an endless sequence of batches, the same for any number of worker processes.

loader = Loader(Data(shards=("data/train",)), ring(9), batch_size=16, seed=1, workers=4)
for batch in loader:
    batch = batch.to("cuda")  # batch.image, batch.normal, batch.mask, batch.shading, batch.keys
    checkpoint = loader.state_dict()
"""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from multishade.data.batches import Allocate, Batch, Fault, allocate_anew, make_batch
from multishade.data.prepare import Prepared, Preparer
from multishade.data.reader import LocalTars, StreamReader
from multishade.data.schedule import Schedule, allowed_workers
from multishade.data.settings import Data
from multishade.data.slots import PackedBatch, Unpacker, WorkerSlots
from multishade.data.stream import stream_samples
from multishade.errors import DataError, MultiShadeError
from multishade.shards.locate import Shard, fingerprint, open_shards


class DamagedDataWarning(UserWarning):
    """A part of a shard could not be read and was replaced by other samples."""


class Loader:
    """Batches of one rank. Iterating never ends, and continues after the last batch that was taken.

    Attributes:
        shards: The tars, and how many samples each holds.
        schedule: Which samples are read in which order.
        damage: For each damaged tar, how many of its samples could not be read so far.
    """

    def __init__(
        self,
        settings: Data,
        directions: NDArray[np.floating],
        *,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
    ) -> None:
        """Find the shards, and check that shards and settings fit each other.

        Args:
            settings: Shards, and how their samples become batches.
            directions: (K, 3) unit vectors toward the lights of the shading, camera frame.
            batch_size: Samples per batch of this rank.
            seed: Decides the order and all augmentation.
            rank: Number of this process among `ranks`, from 0.
            ranks: Processes that train together; each gets other samples, and as many batches.
            workers: Processes that make batches; 0 makes them in this one.
            prefetch: Batches that each worker prepares in advance.
            pin_memory: Return batches in page-locked memory.

        Raises:
            DataError: If there are no shards, or they do not fit the settings.
        """
        if not 0 <= rank < ranks:
            raise DataError(f"rank {rank} of {ranks}: ranks count from 0")
        self._settings, self._directions = settings, np.asarray(directions, np.float32)
        self._seed, self._rank, self._workers = seed, rank, workers
        self._prefetch, self._pin_memory = prefetch, pin_memory
        self.shards = open_shards(settings.shards)
        run: int | None
        if settings.run == "auto":
            run = 1 if all(shard.local for shard in self.shards) else None
        else:
            run = None if settings.run == "shard" else settings.run
        if run is not None and not all(shard.local for shard in self.shards):
            raise DataError(f"run {run}: remote tars are read from first to last; set run to 'shard'")
        self.schedule = Schedule(
            counts=tuple(shard.samples for shard in self.shards),
            seed=seed,
            batch=batch_size,
            ranks=ranks,
            run=run,
            streams=settings.streams,
            buffer=settings.buffer,
        )
        if not allowed_workers(self.schedule, workers):
            allowed = [count for count in range(1, settings.streams + 1) if settings.streams % count == 0]
            raise DataError(
                f"{workers} workers cannot share {settings.streams} streams evenly: choose "
                f"{', '.join(map(str, allowed))} workers, or set streams to a multiple"
            )
        Preparer(settings, self._directions, seed)  # settings that cannot work fail here, not in a worker
        self.damage: dict[str, int] = {}
        self._done = 0  # batches handed out since the first epoch began

    @property
    def batches_per_epoch(self) -> int:
        """Batches of this rank per epoch; every rank has the same number."""
        return self.schedule.batches

    @property
    def epoch(self) -> int:
        """Number of the epoch of the next batch."""
        return self._done // self.batches_per_epoch

    @property
    def samples_seen(self) -> int:
        """Number of samples handed out by this rank since the first epoch began."""
        return self._done * self.schedule.batch

    def __iter__(self) -> Iterator[Batch]:
        source = _BatchSource(
            self.shards,
            self._settings,
            self._directions,
            self.schedule,
            self._seed,
            self._rank,
            self._done,
            self._prefetch,
        )
        outcomes = iter(source) if self._workers == 0 else iter(self._processes(source))
        unpacker = Unpacker(self._pin_memory)
        try:
            for outcome in outcomes:
                if isinstance(outcome, MultiShadeError):
                    raise outcome
                batch = unpacker.unpack(outcome) if isinstance(outcome, PackedBatch) else outcome
                self._note(batch.faults)
                self._done += 1
                yield batch.pin_memory() if self._pin_memory and self._workers == 0 else batch
        finally:
            # Ends the workers now. Kept alive by an error's traceback they would be ended by the garbage collector,
            # which takes their queues away first and then waits for them for seconds.
            del outcomes

    def state_dict(self) -> dict[str, Any]:
        """Describe where the next batch comes from.

        Returns:
            The epoch, the number of samples of this rank before the batch in the epoch, and what decides the order.
        """
        batches = self._done % self.batches_per_epoch
        return {"epoch": self.epoch, "samples": batches * self.schedule.batch, "order": self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the batch after the one at which `state_dict` was called.

        Args:
            state: What `state_dict` returned.

        Raises:
            DataError: If shards, seed, batch size, number of ranks or settings have changed, naming them.
        """
        try:
            order, epoch, samples = dict(state["order"]), int(state["epoch"]), int(state["samples"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"not the state of a loader ({error!r}); it has epoch, samples and order"
            ) from error
        changed = [
            f"{name} {order.get(name)} -> {now}"
            for name, now in self._order().items()
            if order.get(name) != now
        ]
        if changed:
            raise DataError(
                f"cannot go on with the same batches: {', '.join(changed)}; undo the change, or start the data anew"
            )
        self._done = epoch * self.batches_per_epoch + samples // self.schedule.batch

    def _order(self) -> dict[str, Any]:
        settings = self._settings.model_dump_json(exclude={"shards"}).encode()
        schedule = self.schedule
        return {
            "shards": fingerprint(self.shards),
            "seed": self._seed,
            "batch": schedule.batch,
            "ranks": schedule.ranks,
            "settings": hashlib.sha256(settings + self._directions.tobytes()).hexdigest()[:16],
        }

    def _processes(self, source: "_BatchSource") -> Any:
        return DataLoader(
            source,
            batch_size=None,
            num_workers=self._workers,
            prefetch_factor=self._prefetch,
            worker_init_fn=_one_thread,
            # Not the global generator: a seed taken from it would change the noise of training after a resume.
            generator=torch.Generator(),
        )

    def _note(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            known = fault.place in self.damage
            self.damage[fault.place] = self.damage.get(fault.place, 0) + 1
            if not known:
                warnings.warn(
                    f"{fault.reason}; other samples take the place of what cannot be read ({len(self.damage)} damaged "
                    f"shards, {sum(self.damage.values())} samples so far)",
                    DamagedDataWarning,
                    stacklevel=3,
                )


class _BatchSource(IterableDataset[Any]):
    """The batches of one rank from number `start` on; in worker w of W every W-th of them."""

    def __init__(
        self,
        shards: list[Shard],
        settings: Data,
        directions: NDArray[np.float32],
        schedule: Schedule,
        seed: int,
        rank: int,
        start: int,
        prefetch: int,
    ) -> None:
        self._shards, self._settings, self._directions = shards, settings, directions
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

    def _batches(self, first: int, step: int, allocate: Allocate = allocate_anew) -> Iterator[Batch]:
        schedule = self._schedule
        preparer = Preparer(self._settings, self._directions, self._seed)
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
                _telling(islice(samples, schedule.batch), faults),
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


def _telling(samples: Iterable[tuple[Prepared, list[Fault]]], faults: list[Fault]) -> Iterator[Prepared]:
    """The samples, their faults added to the list as they come."""
    for sample, met in samples:
        faults += met
        yield sample


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
