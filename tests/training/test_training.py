# SPDX-License-Identifier: Apache-2.0
"""Training: losses that mean what they say, runs that resume exactly, errors that name the sample and the setting."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from multishade.config import load_settings
from multishade.errors import ConfigError, DataError, ModelError, TrainingError
from multishade.models.rose import RoSE, presets
from multishade.photometry import differentiable
from multishade.shards.sample import FieldFormat
from multishade.training import state as checkpoints
from multishade.training import trainer
from multishade.training.config import Optimisation
from multishade.training.losses import rose as losses_of_rose
from multishade.training.losses.rose import Objective
from multishade.training.parameters import RunningMean, choose, merged
from multishade.training.sources import Sources, from_shards
from multishade.training.tasks.rose import RoseConfig, RoseTask
from tests.support.rose_samples import (
    CHANNELS_NETWORK,
    FRAMES_NETWORK,
    LitSpheres,
    save_published,
    sphere_batch,
    tiny_model,
)
from tests.support.synthetic import make_sample, write_synthetic_shard

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "train"
NETWORKS = {"channels": CHANNELS_NETWORK, "frames": FRAMES_NETWORK}


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS", {**presets.PRESETS, **NETWORKS})


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
    stop: int | None = None, lights: int = 9, change: Callable[[LitSpheres], LitSpheres] = lambda b: b
) -> Sources:
    """Batches by their number; asked for number `stop`, the machine goes down."""

    def train(start: int) -> Iterator[LitSpheres]:
        number = start
        while True:
            if number == stop:
                raise KeyboardInterrupt
            batch = sphere_batch(number, lights=lights)
            yield batch if change is None else change(batch)
            number += 1

    return Sources(train, lambda: [sphere_batch(1000, lights=lights)])


def quiet(text: str) -> None:
    pass


def metrics(run: Path, name: str) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row[name] for row in rows if name in row]


def weights(folder: Path) -> dict[str, Tensor]:
    return RoSE.from_pretrained(folder).unet.state_dict()


class TestObjectives:
    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(0)

    def test_true_shading_costs_nothing(self) -> None:
        model, batch = tiny_model(), sphere_batch(0)
        latents = model.encode_target(batch.shading)

        def perfect(photo: Tensor, time: int, return_dict: bool) -> tuple[Tensor]:
            return (-latents.flatten(1, 2),)

        losses = losses_of_rose.one_step(model, perfect, batch, Objective(), self.generator())
        assert losses.parts["pixel"].max() < 1e-9
        assert torch.rad2deg(losses.parts["angle"]).max() < 0.1

    @pytest.mark.parametrize("target", ["shading", "normal"])
    def test_angle_is_the_solved_normals_mean_error_in_radians(self, target: str) -> None:
        model, batch = tiny_model(target=target), sphere_batch(0)
        options = Objective(angular_pixels=200_000)
        losses = losses_of_rose.one_step(model, model.unet, batch, options, self.generator())
        made = model.generate(batch.image)
        for place in range(2):
            mask = batch.mask[place, 0] > 0
            truth = batch.normal[place].movedim(0, -1)[mask]
            if target == "shading":
                directions = torch.from_numpy(model.settings.directions)
                lit = torch.where(made[place] > losses_of_rose.LIT, made[place], 0.0)
                normal, _ = differentiable.solve_ols_masked(lit.double(), directions)
                normal = normal[mask].float()
            else:
                normal = torch.nn.functional.normalize(made[place].movedim(0, -1)[mask], dim=-1)
            given = normal.abs().sum(-1) > 0
            expected = torch.arccos((normal * truth).sum(-1).clamp(-1, 1))[given].mean()
            assert losses.parts["angle"][place].item() == pytest.approx(float(expected), rel=0.02)

    @pytest.mark.parametrize("target", ["shading", "normal"])
    @pytest.mark.parametrize("network", NETWORKS)
    def test_gradients_reach_the_network_and_are_finite(self, network: str, target: str) -> None:
        model = tiny_model(NETWORKS[network], process="one_step", target=target)
        losses = losses_of_rose.one_step(model, model.unet, sphere_batch(0), Objective(), self.generator())
        losses.total.mean().backward()
        gradients = [p.grad for p in model.unet.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0

    def test_every_sample_has_its_own_noise_level(self) -> None:
        model, seen = tiny_model(FRAMES_NETWORK), []

        def spy(sample: Tensor, time: Tensor, *rest: Any, **options: Any) -> Any:
            seen.append(time)
            return model.unet(sample, time, *rest, **options)

        losses_of_rose.diffusion(model, spy, sphere_batch(0, count=4), Objective(), self.generator())
        assert len(torch.unique(seen[0])) == 4

    def test_photos_are_dropped_whole_and_as_often_as_asked(self) -> None:
        model, seen = tiny_model(FRAMES_NETWORK), []

        def spy(sample: Tensor, *rest: Any, **options: Any) -> Any:
            seen.append(sample[:, 0, 16:].abs().amax(dim=(1, 2, 3)))
            return (torch.zeros_like(sample[:, :, :16]),)

        for share, expected in ((0.0, 8), (1.0, 0)):
            seen.clear()
            options = Objective(photo_dropout=share)
            losses_of_rose.diffusion(model, spy, sphere_batch(0, count=8), options, self.generator())
            assert int((seen[0] > 0).sum()) == expected

    def test_a_network_that_says_nothing_costs_what_v_is_worth(self) -> None:
        """E|v|^2 = (1 + s^2 E|x0|^2) / (1 + s^2), for noise of variance 1."""
        model, batch = tiny_model(FRAMES_NETWORK), sphere_batch(0, count=16)

        def silent(sample: Tensor, *rest: Any, **options: Any) -> Any:
            return (torch.zeros_like(sample[:, :, :16]),)

        options = Objective(sigma_mean=0.0, sigma_deviation=1e-9)
        losses = losses_of_rose.diffusion(model, silent, batch, options, self.generator())
        power = model.encode_target(batch.shading).square().flatten(1).mean(1)
        torch.testing.assert_close(losses.total, (1 + power) / 2, atol=0.1, rtol=0)

    def test_shading_of_another_k(self) -> None:
        with pytest.raises(
            TrainingError, match=r"s000000-g0000-v0, .*K = 6 lights, but the model is for K = 9"
        ):
            losses_of_rose.target_of(tiny_model(), sphere_batch(0, lights=6))

    def test_shading_under_other_lights(self) -> None:
        with pytest.raises(TrainingError, match="other lights than the model's ring at 30 degrees"):
            losses_of_rose.target_of(tiny_model(elevation_degrees=30.0), sphere_batch(0))


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


class TestResume:
    @pytest.mark.parametrize("process", ["one_step", "diffusion"])
    def test_a_killed_run_goes_on_as_if_nothing_had_been(self, tmp_path: Path, process: str) -> None:
        def run(name: str) -> RoseConfig:
            return config(
                tmp_path / name,
                model={"preset": "channels" if process == "one_step" else "frames", "process": process},
                optimisation={"ema": 0.9, "warmup": 2, "decay": "cosine", "accumulation": 2, "steps": 4},
                checkpoints={"every": 2},
                validation={"every": 4},
            )

        trainer.train(run("whole"), sources=spheres(), report=quiet)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(run("killed"), sources=spheres(stop=7), report=quiet)
        trainer.train(run("killed"), resume=True, sources=spheres(), report=quiet)
        whole, killed = (weights(tmp_path / name / "model") for name in ("whole", "killed"))
        for name, value in whole.items():
            torch.testing.assert_close(killed[name], value, rtol=0, atol=0)
        # Step 3, made after the checkpoint and lost, is made again with the same loss.
        before, after = metrics(tmp_path / "whole", "train/loss"), metrics(tmp_path / "killed", "train/loss")
        assert after == [*before[:3], *before[2:]]

    def test_settings_that_changed_are_named(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        changed = config(
            tmp_path,
            model={"lights": 6},
            optimisation={"learning_rate": 2e-3, "steps": 9},
            validation={"every": 4},
        )
        with pytest.raises(TrainingError) as caught:
            trainer.train(changed, resume=True, sources=spheres(lights=6), report=quiet)
        assert "model.lights: 9 -> 6" in str(caught.value)
        assert "optimisation.learning_rate: 0.001 -> 0.002" in str(caught.value)
        assert "steps" not in str(caught.value)

    def test_more_steps_may_be_asked_for(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        trainer.train(
            config(tmp_path, optimisation={"steps": 7}), resume=True, sources=spheres(), report=quiet
        )
        assert len(metrics(tmp_path, "train/loss")) == 7

    def test_a_run_is_not_overwritten(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        with pytest.raises(TrainingError, match="holds a run already: go on with --resume"):
            trainer.train(config(tmp_path), sources=spheres(), report=quiet)

    def test_nothing_to_resume(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match="no checkpoint to resume from"):
            trainer.train(config(tmp_path), resume=True, sources=spheres(), report=quiet)

    def test_a_damaged_checkpoint(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        state = checkpoints.listed(tmp_path)[-1] / "training" / "state.safetensors"
        state.write_bytes(state.read_bytes()[:-50])
        with pytest.raises(
            TrainingError, match=r"state\.safetensors: cannot be read .* go on from an older one"
        ):
            trainer.train(config(tmp_path), resume=True, sources=spheres(), report=quiet)

    def test_another_number_of_processes(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        with pytest.raises(TrainingError, match="made by 1 processes, not 2"):
            checkpoints.read_progress(checkpoints.listed(tmp_path)[-1], config(tmp_path), 2)

    def test_old_checkpoints_go(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path, checkpoints={"every": 1, "keep": 2}), sources=spheres(), report=quiet)
        assert [path.name for path in checkpoints.listed(tmp_path)] == ["step-0000005", "step-0000006"]


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


class TestConfig:
    @pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
    def test_shipped_configs_load(self, path: Path) -> None:
        assert load_settings(path, RoseConfig).name == path.stem

    def test_paper_settings(self) -> None:
        paper = load_settings(CONFIGS / "rose-sv3d.yaml", RoseConfig)
        options = paper.optimisation
        assert (options.learning_rate, options.betas, options.clip) == (1e-5, (0.9, 0.999), 1.0)
        assert (options.steps, options.precision, options.trainable) == (
            80_000,
            "fp16",
            "first_conv_attention",
        )
        assert options.batch * options.accumulation * 8 == 16
        assert (paper.model.pretrained, paper.model.lights, paper.model.size) == (
            "chenguolin/sv3d-diffusers",
            9,
            576,
        )

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("model.pretrained=a/b", "give either preset (random weights) or pretrained"),
            ("model.proces=diffusion", "unknown setting 'model.proces'. Allowed: preset, pretrained"),
            ("optimisation.batch=0", "'optimisation.batch' is 0"),
            ("objective={pixel_weight: 0, angular_weight: 0}", "there is no loss"),
            ("data.photometric.noise=2", "'data.photometric.noise' is 2"),
        ],
    )
    def test_wrong_settings_are_named(self, override: str, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            load_settings(CONFIGS / "rose-tiny.yaml", RoseConfig, [override])
        assert message in str(caught.value)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(2):
        samples = [make_sample(f"s{shard:06d}-g0000-v{view}", size=24, bump=0.1 * view) for view in range(4)]
        write_synthetic_shard(folder / f"multishade-{shard:06d}.tar", samples)
    return folder


def on_shards(output: Path, shards: Path, **sections: Any) -> RoseConfig:
    places = {"train": [str(shards / "*0.tar")], "val": [str(shards / "*1.tar")], "workers": 0}
    return config(output, data=places, **sections)


def test_shards_become_batches_of_the_models_lights_and_size(tmp_path: Path, shards: Path) -> None:
    run = on_shards(tmp_path, shards, model={"lights": 6})
    sources = from_shards(RoseTask(run), 0, 1)
    batch = next(sources.train(0))
    assert batch.image.shape == (2, 1, 16, 16)
    assert batch.shading.shape == (2, 6, 16, 16)
    assert sorted(key for one in sources.val() for key in one.keys) == [
        f"s000001-g0000-v{v}" for v in range(4)
    ]
    trainer.train(run, report=quiet)
    assert metrics(tmp_path, "val/mean_angle")


def test_shards_without_the_stored_shading_that_is_asked_for(tmp_path: Path) -> None:
    samples = [make_sample(f"s000000-g0000-v{view}", size=24) for view in range(2)]
    write_synthetic_shard(tmp_path / "a0.tar", samples, FieldFormat(shading_stored=False))
    write_synthetic_shard(tmp_path / "a1.tar", samples)
    run = on_shards(tmp_path / "run", tmp_path)
    data = run.data.model_copy(update={"shading": "cast"})
    with pytest.raises(DataError, match=r"a0\.tar: .*lacks shading\.exr: set shading to lambert") as raised:
        trainer.train(run.model_copy(update={"data": data}), report=quiet)
    assert "in a row" not in str(raised.value)  # said of the first sample, not after a search for others


def test_stored_shading_of_another_k(tmp_path: Path) -> None:
    samples = [make_sample(f"s000000-g0000-v{view}", size=24, mode="cast", lights=6) for view in range(2)]
    for name in ("a0.tar", "a1.tar"):
        write_synthetic_shard(tmp_path / name, samples)
    run = on_shards(tmp_path / "run", tmp_path)
    data = run.data.model_copy(update={"shading": "cast"})
    with pytest.raises(DataError, match=r"6 .*9"):
        trainer.train(run.model_copy(update={"data": data}), report=quiet)


def test_sigkill_in_mid_run(tmp_path: Path, shards: Path) -> None:
    """A process that is killed, by the command that people run; the rest is trained here."""

    def arguments(name: str) -> list[str]:
        settings = {
            "output": tmp_path / name,
            "model.preset": "channels-tiny",
            "model.size": 16,
            "model.process": "one_step",
            "data.train": f"['{shards}/*0.tar']",
            "data.val": f"['{shards}/*1.tar']",
            "data.workers": 0,
            "data.photometric.noise": 1.0,
            "optimisation.steps": 40,
            "optimisation.batch": 2,
            "checkpoints.every": 5,
            "validation.every": 40,
            "logging.tensorboard": False,
        }
        return [f"{key}={value}" for key, value in settings.items()]

    path = CONFIGS / "rose-tiny.yaml"
    overrides = [word for setting in arguments("killed") for word in ("--set", setting)]
    # Slow enough to be killed in the middle: the data waits a moment for each batch.
    code = (
        "import sys, time\n"
        "from multishade.training import trainer\n"
        "from multishade.training import sources\n"
        "from multishade.cli import main\n"
        "def slowly(batches):\n"
        "    for batch in batches:\n"
        "        time.sleep(0.05)\n"
        "        yield batch\n"
        "def open_slowly(*given):\n"
        "    opened = sources.from_shards(*given)\n"
        "    return sources.Sources(lambda start: slowly(opened.train(start)), opened.val)\n"
        "trainer.from_shards = open_slowly\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "train", str(path), *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 120
        while not checkpoints.listed(tmp_path / "killed"):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    latest = checkpoints.listed(tmp_path / "killed")[-1]
    assert int(latest.name.removeprefix("step-")) < 40
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the killed process ran: sums in another order differ in the last digit
    try:
        for name, resume in (("killed", True), ("whole", False)):
            trainer.train(load_settings(path, RoseConfig, arguments(name)), resume=resume, report=quiet)
    finally:
        torch.set_num_threads(threads)
    whole, killed = (weights(tmp_path / name / "model") for name in ("whole", "killed"))
    for name, value in whole.items():
        torch.testing.assert_close(killed[name], value, rtol=1e-6, atol=1e-7)


def test_two_processes(tmp_path: Path, shards: Path) -> None:
    """Each sees its own samples, both end with the same weights, and validation is of all images."""
    script = tmp_path / "run.py"
    script.write_text(
        "import json, sys, torch\n"
        "from pathlib import Path\n"
        "from accelerate import PartialState\n"
        "from multishade.training import sources, trainer\n"
        "from multishade.training.tasks.rose import RoseConfig, RoseTask\n"
        "config = RoseConfig.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "state = PartialState(cpu=True)\n"
        "rank, keys, models = state.process_index, [], []\n"
        "task = RoseTask(config)\n"
        "opened = sources.from_shards(task, rank, state.num_processes)\n"
        "def train(start):\n"
        "    for batch in opened.train(start):\n"
        "        keys.extend(batch.keys)\n"
        "        yield batch\n"
        "build = task.build\n"
        "task.build = lambda: models.append(build()) or models[-1]\n"
        "trainer.Trainer(config, task, sources.Sources(train, opened.val)).fit()\n"
        "total = sum(float(p.detach().double().abs().sum()) for p in models[0].unet.parameters())\n"
        "Path(sys.argv[1] + f'.{rank}').write_text(json.dumps({'keys': keys, 'total': total}))\n"
    )
    run = on_shards(
        tmp_path / "run",
        shards,
        model={"preset": "channels-tiny"},
        optimisation={"steps": 2, "accumulation": 2, "batch": 1},
    )
    settings = tmp_path / "config.json"
    settings.write_text(run.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29517"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(script), str(settings)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"config.json.{rank}").read_text()) for rank in range(2))
    assert set(first["keys"][:2]).isdisjoint(second["keys"][:2])
    assert first["total"] == second["total"]
    assert "validation over 4 images" in done.stdout
    assert done.stdout.count("step 2/2") == 1
    assert checkpoints.read_progress(checkpoints.listed(tmp_path / "run")[-1], run, 2).batches == 4
