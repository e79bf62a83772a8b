# SPDX-License-Identifier: Apache-2.0
"""Batches from a worker process to the main one, through shared memory that is used again and again.

New shared memory for each batch costs a page fault for every 4 KB, as much as decoding what is in it. Here
a worker has a few slots of it in turn, and the main process copies a batch out of its slot before it asks
for another: by then the worker is at most `prefetch` batches on, so that with one slot more than that it
never writes where the main process still reads.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.batches import Batch


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """A batch without its large tensors, and where they are: new holds those that the main process has not seen."""

    batch: Batch
    worker: int
    slot: int
    new: dict[str, Tensor]


class WorkerSlots:
    """The slots of one worker."""

    def __init__(self, worker: int, prefetch: int) -> None:
        self._worker = worker
        self._slots: list[dict[str, Tensor]] = [{} for _ in range(prefetch + 2)]
        self._current = 0
        self._new: dict[str, Tensor] = {}

    def allocate(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float16]:
        """The place of an array of the batch that is being made, float16."""
        slot = self._slots[self._current]
        if name not in slot or slot[name].shape != shape:
            slot[name] = self._new[name] = torch.empty(shape, dtype=torch.float16).share_memory_()
        array: NDArray[np.float16] = slot[name].numpy()
        return array

    def pack(self, batch: Batch) -> PackedBatch:
        """The batch whose arrays lie in the current slot; then the next slot's turn begins."""
        nothing = torch.empty(0)
        light = replace(
            batch,
            packed_image=nothing,
            packed_normal=nothing,
            packed_shading=None if batch.packed_shading is None else nothing,
        )
        packed = PackedBatch(light, self._worker, self._current, self._new)
        self._current = (self._current + 1) % len(self._slots)
        self._new = {}
        return packed


class Unpacker:
    """The main process's side of all workers' slots."""

    def __init__(self, pin_memory: bool) -> None:
        self._pin_memory = pin_memory
        self._slots: dict[tuple[int, int], dict[str, Tensor]] = {}

    def unpack(self, packed: PackedBatch) -> Batch:
        """The batch, in memory of its own."""
        slot = self._slots.setdefault((packed.worker, packed.slot), {})
        slot.update(packed.new)
        keep = Tensor.pin_memory if self._pin_memory else Tensor.clone
        stored = packed.batch.packed_shading is not None
        return replace(
            packed.batch,
            packed_image=keep(slot["image"]),
            packed_normal=keep(slot["normal"]),
            packed_shading=keep(slot["shading"]) if stored else None,
        )
