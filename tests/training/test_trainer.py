# SPDX-License-Identifier: Apache-2.0
"""Training learns, in any precision; errors name the sample; models are saved, logged and pushed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from multishade.errors import ModelError, TrainingError
from multishade.models.rose import RoSE
from multishade.training import trainer
from tests.support.rose_samples import (
    LitSpheres,
    save_published,
    tiny_model,
)
from tests.support.training_runs import config, metrics, quiet, spheres, weights


@pytest.mark.parametrize("process", ["one_step", "diffusion"])
def test_training_learns(tmp_path: Path, process: str) -> None:
    network = "channels" if process == "one_step" else "frames"
    run = config(
        tmp_path,
        model={"preset": network, "process": process, "light_angles": "lights"},
        optimisation={"steps": 30, "ema": 0.9, "warmup": 5, "learning_rate": 2e-3},
        validation={"every": 30},
    )
    finished = trainer.train(run, sources=spheres(), report=quiet)
    losses = metrics(tmp_path, "train/loss")
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert (tmp_path / "validation" / "step-0000030.png").is_file()
    if process == "one_step":
        assert metrics(tmp_path, "val/mean_angle")[-1] < 0.7 * metrics(tmp_path, "val/constant_angle")[-1]
    assert RoSE.from_pretrained(finished).settings.process == process


def test_gradient_checkpointing_changes_memory_only(tmp_path: Path) -> None:
    losses = []
    for name, on in (("without", False), ("with", True)):
        options = {"steps": 2, "gradient_checkpointing": on}
        run = config(tmp_path / name, model={"preset": "frames"}, optimisation=options)
        trainer.train(run, sources=spheres(), report=quiet)
        losses.append(metrics(tmp_path / name, "train/loss"))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_half_precision(tmp_path: Path) -> None:
    for precision in ("no", "bf16"):
        run = config(tmp_path / precision, optimisation={"steps": 3, "precision": precision})
        trainer.train(run, sources=spheres(), report=quiet)
    plain, half = (metrics(tmp_path / name, "train/loss") for name in ("no", "bf16"))
    assert half == pytest.approx(plain, rel=0.05)
    assert half != plain
    assert {value.dtype for value in weights(tmp_path / "bf16" / "model").values()} == {torch.float32}


def test_a_sample_that_is_not_a_number_is_named(tmp_path: Path) -> None:
    def poison(batch: LitSpheres) -> LitSpheres:
        image = batch.image.clone()
        if batch.number == 3:
            image[1] = float("nan")
        return replace(batch, image=image)

    with pytest.raises(TrainingError, match="step 3: the loss is not a number for s000003-g0001-v0 "):
        trainer.train(config(tmp_path), sources=spheres(change=poison), report=quiet)


def test_weights_that_diverge_are_told_from_bad_samples(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="every sample of the batch: the weights have diverged"):
        trainer.train(
            config(tmp_path, optimisation={"learning_rate": 1e30, "steps": 20}),
            sources=spheres(),
            report=quiet,
        )


def test_pretrained_base_is_trained_and_only_its_network_is_saved(tmp_path: Path) -> None:
    place, base = save_published(tmp_path)
    run = config(
        tmp_path / "run",
        model={"preset": None, "pretrained": str(place), "base": str(base), "process": "diffusion"},
        optimisation={"steps": 1, "trainable": "first_conv_attention"},
    )
    finished = trainer.train(run, sources=spheres(), report=quiet)
    assert sorted(path.name for path in finished.iterdir()) == ["rose.json", "unet"]
    model = RoSE.from_pretrained(finished)
    assert model.settings.size == 16
    assert model.clip is not None


def test_pretrained_model_of_another_k(tmp_path: Path) -> None:
    tiny_model(lights=6).save_pretrained(tmp_path / "six")
    run = config(tmp_path / "run", model={"preset": None, "pretrained": str(tmp_path / "six")})
    with pytest.raises(ModelError, match="was trained with lights = 6, the configuration has 9"):
        trainer.train(run, sources=spheres(), report=quiet)


def test_finished_model_is_pushed_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    calls: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        def create_repo(self, name: str, **options: Any) -> None:
            calls.append((name, options))

        def upload_folder(self, **options: Any) -> None:
            assert (Path(options["folder_path"]) / "rose.json").is_file()
            calls.append(("upload", options))

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    trainer.train(config(tmp_path, hub={"repository": "me/rose"}), sources=spheres(), report=quiet)
    assert calls[0] == ("me/rose", {"private": True, "exist_ok": True})
    assert calls[1][1]["repo_id"] == "me/rose"


def test_wandb_that_is_not_installed_is_said_before_training(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    if __import__("importlib.util").util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed here")
    with pytest.raises(TrainingError, match="wandb is not installed"):
        trainer.train(config(tmp_path, logging={"wandb": True}), sources=spheres(), report=quiet)


def test_tensorboard_gets_curves_and_pictures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer.train(config(tmp_path, logging={"tensorboard": True}), sources=spheres(), report=quiet)
    events = EventAccumulator(str(tmp_path / "log")).Reload()
    assert {"train/loss", "val/mean_angle"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"]
