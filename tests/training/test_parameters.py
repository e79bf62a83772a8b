# SPDX-License-Identifier: Apache-2.0
"""Which weights are trained, adapters, the running mean, the learning rate."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from multishade.models.rose import RoSE
from multishade.training import trainer
from multishade.training.config import Optimisation
from multishade.training.parameters import RunningMean, choose, merged
from multishade.training.tasks.rose import RoseConfig
from tests.support.rose_samples import (
    FRAMES_NETWORK,
    sphere_batch,
    tiny_model,
)
from tests.support.training_runs import config, quiet, spheres, weights


class TestParameters:
    def test_first_convolution_and_attention_are_the_papers_200_million(self) -> None:
        from multishade.models.rose.unet import RoseUNet

        with torch.device("meta"):
            chosen = choose(RoseUNet(projection_class_embeddings_input_dim=1280), "first_conv_attention")
        assert sum(value.numel() for value in chosen.values()) == pytest.approx(200e6, rel=0.005)

    def test_only_what_is_chosen_changes(self, tmp_path: Path) -> None:
        run = config(
            tmp_path,
            model={"preset": "frames"},
            optimisation={"trainable": "first_conv_attention", "weight_decay": 0.1},
        )
        torch.manual_seed(0)
        trainer.train(run, sources=spheres(), report=quiet)
        start = tiny_model(FRAMES_NETWORK, seed=run.seed, process="one_step").unet.state_dict()
        for name, value in weights(tmp_path / "model").items():
            trained = name.startswith("conv_in") or ".attn" in name
            same = torch.equal(value, start[name])
            assert same or trained, name
        assert not torch.equal(weights(tmp_path / "model")["conv_in.weight"], start["conv_in.weight"])

    def test_adapters_fold_into_the_weights(self) -> None:
        model, batch = tiny_model(FRAMES_NETWORK), sphere_batch(0)
        plain = set(model.unet.state_dict())
        chosen = choose(model.unet, "lora", lora_rank=2)
        for name, value in chosen.items():
            value.data = 0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(len(name)))
        adapted = model.generate(batch.image)
        folded = merged(model.unet)
        assert set(folded.state_dict()) == plain
        again = RoSE(replace(model.parts, unet=folded)).generate(batch.image)
        torch.testing.assert_close(again, adapted, atol=1e-4, rtol=1e-4)
        assert any(".lora_" in name for name in model.unet.state_dict())

    def test_lora_trains_and_resumes(self, tmp_path: Path) -> None:
        def run(steps: int) -> RoseConfig:
            options = {"trainable": "lora", "lora_rank": 2, "steps": steps}
            return config(tmp_path, model={"preset": "frames"}, optimisation=options)

        trainer.train(run(3), sources=spheres(), report=quiet)
        trainer.train(run(6), resume=True, sources=spheres(), report=quiet)
        assert not any("lora" in name for name in weights(tmp_path / "model"))

    def test_running_mean_comes_and_goes(self) -> None:
        value = torch.nn.Parameter(torch.zeros(3))
        mean = RunningMean({"w": value}, decay=0.5)
        with torch.no_grad():
            value += 1
        mean.update({"w": value}, step=100)
        with mean.in_place_of({"w": value}):
            assert value.tolist() == [0.5] * 3
        assert value.tolist() == [1.0] * 3

    def test_learning_rate(self) -> None:
        options = Optimisation(steps=100, learning_rate=1.0, warmup=10, decay="cosine")
        rates = [trainer.learning_rate(options, step) for step in (0, 9, 10, 55, 100)]
        assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])
