# SPDX-License-Identifier: Apache-2.0
"""Batches from a worker process to the main one, through shared memory that is used again and again.

New shared memory for each batch costs a page fault per 4 KB, as much as decoding its content. Here a worker uses a few
slots in turn, and the main process copies a batch out of its slot before it requests another. By then the worker is at
most `prefetch` batches ahead, so with `prefetch` + 2 slots it never writes to the slot that is being read.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.batches import Batch


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """A batch without its large tensors, and the slot that holds them.

    new: the slot's tensors that were not sent before.
    """

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
        """Memory (float16) for an array of the batch that is being made."""
        slot = self._slots[self._current]
        if name not in slot or slot[name].shape != shape:
            slot[name] = self._new[name] = torch.empty(shape, dtype=torch.float16).share_memory_()
        array: NDArray[np.float16] = slot[name].numpy()
        return array

    def pack(self, batch: Batch) -> PackedBatch:
        """Pack the batch whose arrays are in the current slot, and go on to the next slot."""
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
        """Copy a batch out of its slot."""
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
