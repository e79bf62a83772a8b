# SPDX-License-Identifier: Apache-2.0
"""Short runs of RoSE on lit spheres or on synthetic shards, and what they leave behind."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from multishade.models.rose import RoSE
from multishade.training import trainer
from multishade.training.sources import Sources
from multishade.training.tasks.rose import RoseConfig
from tests.support.rose_samples import (
    CHANNELS_NETWORK,
    FRAMES_NETWORK,
    LitSpheres,
    sphere_batch,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "train"
NETWORKS = {"channels": CHANNELS_NETWORK, "frames": FRAMES_NETWORK}


def config(output: Path, **sections: Any) -> RoseConfig:
    """A run of 6 steps on 16 x 16 pixels."""
    tree: dict[str, Any] = {
        "name": "test",
        "output": str(output),
        "model": {
            "preset": "channels",
            "process": "one_step",
            "size": 16,
            "sampling": {"steps": 2, "guidance": "constant", "max_guidance": 1.0},
        },
        "data": {"train": ["none"], "val": ["none"], "workers": 0},
        "optimisation": {"steps": 6, "batch": 2, "learning_rate": 1e-3},
        "validation": {"every": 3, "pictures": 1},
        "checkpoints": {"every": 3},
        "logging": {"every": 1, "tensorboard": False},
    }
    for section, values in sections.items():
        tree[section] = {**tree[section], **values} if section in tree else values
    return RoseConfig.model_validate(tree)


def spheres(
    stop: int | None = None,
    lights: int = 9,
    change: Callable[[LitSpheres], LitSpheres] = lambda b: b,
    size: int = 16,
) -> Sources:
    """Batches by their number; asked for number `stop`, the machine goes down."""

    def train(start: int) -> Iterator[LitSpheres]:
        number = start
        while True:
            if number == stop:
                raise KeyboardInterrupt
            batch = sphere_batch(number, size=size, lights=lights)
            yield batch if change is None else change(batch)
            number += 1

    return Sources(train, lambda: [sphere_batch(1000, size=size, lights=lights)])


def quiet(text: str) -> None:
    pass


def metrics(run: Path, name: str) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row[name] for row in rows if name in row]


def weights(folder: Path) -> dict[str, Tensor]:
    return RoSE.from_pretrained(folder).unet.state_dict()


def require_same_weights(one: Path, other: Path) -> None:
    """Fail unless two models have the same weights, bit for bit."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


def require_exact_resumption(
    run: Callable[[str], RoseConfig], sources: Callable[[int | None], Sources], stop: int
) -> None:
    """Train the run "whole", and "killed" when it asks for batch `stop`, then resumed; fail unless they agree."""
    trainer.train(run("whole"), sources=sources(None), report=quiet)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(run("killed"), sources=sources(stop), report=quiet)
    trainer.train(run("killed"), resume=True, sources=sources(None), report=quiet)
    require_same_weights(run("whole").folder / "model", run("killed").folder / "model")


def on_shards(output: Path, shards: Path, **sections: Any) -> RoseConfig:
    places = {"train": [str(shards / "*0.tar")], "val": [str(shards / "*1.tar")], "workers": 0}
    return config(output, data=places, **sections)
