# SPDX-License-Identifier: Apache-2.0
"""The shards that a configuration names -> batches for training, without end, and for validation, always the same."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch

from multishade.data.batches import Batch
from multishade.data.loader import Loader
from multishade.training.config import TrainConfig


@dataclass(frozen=True)
class Sources:
    """Where batches come from. train: an endless stream from batch number so on; val: the same few every time."""

    train: Callable[[int], Iterator[Batch]]
    val: Callable[[], Iterable[Batch]]


def from_shards(config: TrainConfig, process: int, processes: int) -> Sources:
    """Batches of one of several training processes; validation is the same on all. Raises DataError."""
    directions = config.model.settings().directions

    def train(start: int) -> Iterator[Batch]:
        loader = Loader(
            config.data.settings(config.model, training=True),
            directions,
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
        loader = Loader(config.data.settings(config.model, training=False), directions, batch_size=1)
        return islice(loader, min(config.validation.samples, loader.batches_per_epoch))

    return Sources(train, val)
