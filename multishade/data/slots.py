# SPDX-License-Identifier: Apache-2.0
"""Batches from a worker process to the main one, through shared memory that is reused.

New shared memory for each batch costs a page fault per 4 KB, as much as decoding its content. Here a worker uses a few
slots in turn, and the main process copies a batch out of its slot before it requests another. By then the worker is at
most `prefetch` batches ahead, so with `prefetch` + 2 slots it never writes to the slot that is being read.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.batches import Batch


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """A batch without its large tensors, and where they are.

    Attributes:
        batch: Only small fields are in it.
        worker, slot: Where the fields `large` are.
        new: Those of them that the main process has not seen yet.
    """

    batch: Batch
    worker: int
    slot: int
    large: tuple[str, ...]
    new: dict[str, Tensor]


class WorkerSlots:
    """The slots of one worker."""

    def __init__(self, worker: int, prefetch: int) -> None:
        self._worker = worker
        self._slots: list[dict[str, Tensor]] = [{} for _ in range(prefetch + 2)]
        self._current = 0
        self._new: dict[str, Tensor] = {}

    def allocate(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the memory of a field of the batch that is being made."""
        slot = self._slots[self._current]
        if name not in slot or slot[name].shape != shape:
            kind = torch.from_numpy(np.empty(0, dtype)).dtype
            slot[name] = self._new[name] = torch.empty(shape, dtype=kind).share_memory_()
        array: NDArray[Any] = slot[name].numpy()
        return array

    def pack(self, batch: Batch) -> PackedBatch:
        """Take the batch whose arrays lie in the current slot, and go on to the next slot."""
        large = tuple(name for name in batch.fields if name in self._slots[self._current])
        small = {name: tensor for name, tensor in batch.fields.items() if name not in large}
        packed = PackedBatch(replace(batch, fields=small), self._worker, self._current, large, self._new)
        self._current = (self._current + 1) % len(self._slots)
        self._new = {}
        return packed


class Unpacker:
    """The main process's side of all workers' slots."""

    def __init__(self, pin_memory: bool) -> None:
        self._copy = Tensor.pin_memory if pin_memory else Tensor.clone
        self._slots: dict[tuple[int, int], dict[str, Tensor]] = {}

    def unpack(self, packed: PackedBatch) -> Batch:
        """Return the batch in memory of its own."""
        slot = self._slots.setdefault((packed.worker, packed.slot), {})
        slot.update(packed.new)
        large = {name: self._copy(slot[name]) for name in packed.large}
        return replace(packed.batch, fields={**large, **packed.batch.fields})
