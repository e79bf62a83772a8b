# SPDX-License-Identifier: Apache-2.0
"""Shards, settings, seed, rank -> an endless sequence of batches, the same for any number of worker processes.

loader = Loader(Data(shards=("data/train",)), ring(9), batch_size=16, seed=1, workers=4)
for batch in loader:
    batch = batch.to("cuda")  # batch.image, batch.normal, batch.mask, batch.shading, batch.keys
    checkpoint = loader.state_dict()
"""

import hashlib
import signal
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from multishade.data.batch_source import BatchSource
from multishade.data.batches import Batch, Fault
from multishade.data.fields import DEFAULT_FIELDS, FieldSpec
from multishade.data.prepare import Preparer
from multishade.data.schedule import Schedule, allowed_workers
from multishade.data.settings import Data
from multishade.data.slots import PackedBatch, Unpacker
from multishade.errors import DataError, MultiShadeError
from multishade.shards.locate import fingerprint, open_shards

GRACE_SECONDS = 20.0  # between SIGTERM and the end of a worker, by SIGALRM


class DamagedDataWarning(UserWarning):
    """A part of a shard could not be read and was replaced by other samples."""


class Loader:
    """Yields the batches of one rank. Iterating never ends, and continues after the last batch that was taken.

    Each item is a `Batch` of B samples, whose properties are float32 tensors: `image` (B, 1 or 3, H, W) in sRGB,
    `normal` (B, 3, H, W) unit vectors in the camera frame, `mask` (B, 1, H, W), `shading` (B, K, H, W), and, if asked
    for, `images` (B, K, 3, H, W) linear light with `light_directions` (B, K, 3), `depth` (B, 1, H, W) and `intrinsics`
    (B, 3, 3). The batches are the same for any number of workers; every rank has equally many in each epoch.

    Attributes:
        shards: The tars, and how many samples each holds.
        schedule: Which samples are read in which order.
        damage: For each damaged tar, how many of its samples could not be read so far.
    """

    def __init__(
        self,
        settings: Data,
        directions: NDArray[np.floating] | None = None,
        *,
        fields: Sequence[FieldSpec] = DEFAULT_FIELDS,
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
            directions: (K, 3) unit vectors toward the lights of the shading, camera frame; None if it is not used.
            fields: What the batches hold. Files of other fields are neither read nor decoded.
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
        lights = np.zeros((0, 3)) if directions is None else directions
        self._settings, self._directions = settings, np.asarray(lights, np.float32)
        self._seed, self._rank, self._workers = seed, rank, workers
        self._prefetch, self._pin_memory = prefetch, pin_memory
        self._fields = tuple(fields)
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
        # Settings that cannot work at all are refused here, not in a worker.
        Preparer(settings, self._directions, seed, self._fields)
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
        source = BatchSource(
            self.shards,
            self._settings,
            self._directions,
            self._fields,
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
        # What is verified or kept has the same content: runs of versions that knew no such setting resume.
        settings = self._settings.model_dump_json(exclude={"shards", "verify", "cache"}).encode()
        schedule = self.schedule
        fields = (
            {} if self._fields == DEFAULT_FIELDS else {"fields": [astuple(spec) for spec in self._fields]}
        )
        return {
            "shards": fingerprint(self.shards),
            "seed": self._seed,
            "batch": schedule.batch,
            "ranks": schedule.ranks,
            "settings": hashlib.sha256(settings + self._directions.tobytes()).hexdigest()[:16],
            **fields,
        }

    def _processes(self, source: "BatchSource") -> Any:
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


def _one_thread(worker: int) -> None:
    # Ctrl-C, and a batch system's SIGTERM, reach all processes. The one that trains finishes its step first and
    # then ends its workers, so these do not end before it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS))
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
