# SPDX-License-Identifier: Apache-2.0
"""The shards that a configuration names -> batches for training, without end, and for validation, always the same."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from multishade.data.batches import Batch
from multishade.data.loader import Loader
from multishade.training.task import Task


@dataclass(frozen=True)
class Sources:
    """Where batches come from. train: an endless stream from batch n on; val: the same few every time."""

    train: Callable[[int], Iterator[Batch]]
    val: Callable[[], Iterable[Batch]]


def from_shards(task: Task[Any, Any], process: int, processes: int) -> Sources:
    """Open the shards of a task's configuration.

    Args:
        task: Its fields, lights and settings decide what is loaded.
        process, processes: Each of several training processes gets batches of its own; validation is the same on all.

    Raises:
        DataError: When batches are asked for, if shards and settings do not go together.
    """
    config = task.config

    def train(start: int) -> Iterator[Batch]:
        loader = Loader(
            task.data(training=True),
            task.directions(),
            fields=task.fields,
            batch_size=config.optimisation.batch,
            seed=config.seed,
            rank=process,
            ranks=processes,
            workers=config.data.workers,
            pin_memory=torch.cuda.is_available(),
        )
        state = loader.state_dict()
        epoch, batches = divmod(start, loader.batches_per_epoch)
        loader.load_state_dict({**state, "epoch": epoch, "samples": batches * config.optimisation.batch})
        return iter(loader)

    def val() -> Iterable[Batch]:
        # One image a batch: any number of processes can share them out.
        loader = Loader(task.data(training=False), task.directions(), fields=task.fields, batch_size=1)
        return islice(loader, min(config.validation.samples, loader.batches_per_epoch))

    return Sources(train, val)
