# SPDX-License-Identifier: Apache-2.0
"""The network takes SVD's and SV3D's numbers, published folders load, and models survive saving."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel

from multishade.errors import ModelError
from multishade.models.rose import RoSE, RoseSettings
from multishade.models.rose.codec import PixelUnshuffle
from multishade.models.rose.presets import PRESETS, build
from multishade.models.rose.unet import RoseUNet
from tests.support.rose_samples import (
    CHANNELS_NETWORK,
    FRAMES_NETWORK,
    PLAIN_SAMPLING,
    published_unet,
    save_published,
    tiny_model,
)


def inputs(batch: int = 2, frames: int = 3, size: tuple[int, int] = (8, 8)) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "sample": torch.randn(batch, frames, 8, *size, generator=generator),
        "timestep": torch.tensor([0.5, -1.0])[:batch],
        "encoder_hidden_states": torch.randn(batch, 1, 24, generator=generator),
    }


def upstream(unet: RoseUNet) -> UNetSpatioTemporalConditionModel:
    """diffusers' own network with the same weights."""
    theirs = UNetSpatioTemporalConditionModel.from_config(dict(unet.config))
    theirs.load_state_dict(unet.state_dict(), strict=True)
    return theirs.eval()


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
@torch.no_grad()
def test_three_numbers_a_video_give_diffusers_own_answer(size: tuple[int, int]) -> None:
    unet = published_unet(angles=False).eval()
    numbers = torch.tensor([[6.0, 127.0, 0.02], [5.0, 100.0, 0.1]])
    expected = upstream(unet)(**inputs(size=size), added_time_ids=numbers).sample
    assert not unet.takes_angles
    torch.testing.assert_close(unet(**inputs(size=size), added_time_ids=numbers).sample, expected)


@torch.no_grad()
def test_three_numbers_a_frame_enter_in_256_512_and_512_channels() -> None:
    unet = published_unet().eval()
    theirs = upstream(unet)
    augmentation, polar, azimuth = torch.rand(3, 2, 1)
    widths = ((augmentation, 8), (polar, 16), (azimuth, 16))
    waves = torch.cat([get_timestep_embedding(v.flatten(), width, True, 0) for v, width in widths], dim=1)
    theirs.add_time_proj.forward = lambda _: waves  # type: ignore[method-assign, assignment]
    expected = theirs(**inputs(), added_time_ids=torch.zeros(2, 3)).sample
    added = tuple(values.expand(2, 3) for values in (augmentation, polar, azimuth))
    assert unet.takes_angles
    torch.testing.assert_close(unet(**inputs(), added_time_ids=added).sample, expected)


@torch.no_grad()
def test_every_frame_is_told_its_own_numbers() -> None:
    unet = published_unet()
    sample, time = torch.zeros(2, 3, 8, 4, 4), torch.tensor([0.1, 0.2])
    added = [torch.rand(2, 3, generator=torch.Generator().manual_seed(k)) for k in range(3)]
    together = unet._embedding(sample, time, added)
    for b in range(2):
        for f in range(3):
            alone = [values[b : b + 1, f : f + 1] for values in added]
            expected = unet._embedding(sample[b : b + 1, :1], time[b : b + 1], alone)
            torch.testing.assert_close(together[3 * b + f], expected[0])


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_pixel_codec_is_exact(factor: int) -> None:
    codec, images = PixelUnshuffle(factor), torch.rand(2, 3, 16, 8)
    latents = codec.encode_frames(images)
    assert latents.shape == (2, codec.channels(3), 16 // factor, 8 // factor)
    assert torch.equal(codec.decode(latents, 2), images)


def test_published_checkpoint_loads(tmp_path: Path) -> None:
    place, base = save_published(tmp_path)
    model = RoSE.from_pretrained(place, base=base)
    assert model.settings.directions.shape == (9, 3)
    assert (model.settings.process, model.settings.light_angles) == ("diffusion", "constant")
    assert (model.settings.sampling.steps, model.settings.sampling.max_guidance) == (25, 2.5)
    for name, value in published_unet().state_dict().items():
        assert torch.equal(model.unet.state_dict()[name], value), name
    made = model.generate(torch.rand(1, 3, 16, 16), sampling=PLAIN_SAMPLING)
    assert made.shape == (1, 9, 16, 16)


def test_published_checkpoint_saved_again_is_the_same_model(tmp_path: Path) -> None:
    place, base = save_published(tmp_path)
    model = RoSE.from_pretrained(place, base=base)
    model.save_pretrained(tmp_path / "again")
    again = RoSE.from_pretrained(tmp_path / "again")
    photo = torch.rand(1, 3, 16, 16)
    assert again.settings == model.settings
    assert torch.equal(
        again.generate(photo, sampling=PLAIN_SAMPLING), model.generate(photo, sampling=PLAIN_SAMPLING)
    )


@pytest.mark.parametrize("network", [CHANNELS_NETWORK, FRAMES_NETWORK], ids=["channels", "frames"])
def test_saved_model_gives_the_same_answers(tmp_path: Path, network: object) -> None:
    model = tiny_model(network, light_angles="lights", lights=6)  # type: ignore[arg-type]
    model.save_pretrained(tmp_path / "model")
    again = RoSE.from_pretrained(tmp_path / "model", lights=6)
    photo = torch.rand(2, 1, 16, 16)
    assert again.settings == model.settings
    assert torch.equal(again.generate(photo), model.generate(photo))


def test_model_can_be_stored_in_half_its_size(tmp_path: Path) -> None:
    model = tiny_model()
    for dtype in (torch.float32, torch.float16):
        model.save_pretrained(tmp_path / str(dtype), dtype=dtype)
    full, half = (
        (tmp_path / str(dtype) / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
        for dtype in (torch.float32, torch.float16)
    )
    assert half < 0.6 * full
    again = RoSE.from_pretrained(tmp_path / "torch.float16")
    assert next(again.unet.parameters()).dtype == torch.float32
    assert next(model.unet.parameters()).dtype == torch.float32
    photo = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(again.generate(photo), model.generate(photo), atol=5e-3, rtol=0)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("lights", [6, 9, 12])
@pytest.mark.parametrize("target", ["shading", "normal"])
def test_presets_make_what_is_asked_for(preset: str, lights: int, target: str) -> None:
    with torch.device("meta"):
        unet = build(preset, RoseSettings(process="one_step", lights=lights, target=target, size=64)).unet  # type: ignore[arg-type]
    frame = PRESETS[preset].unshuffle ** 2 * (1 if target == "shading" else 3)
    frames = lights if target == "shading" else 1
    expected = frame if PRESETS[preset].network == "frames" else frames * frame
    assert unet.config.out_channels == expected


def test_colour_and_grey_photos() -> None:
    grey, colour = tiny_model(), tiny_model(photo="rgb")
    photo = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(grey.generate(photo), grey.generate(photo.mean(1, keepdim=True)))
    assert colour.generate(photo).shape == (1, 9, 16, 16)
    with pytest.raises(ModelError, match="1 channels; this model sees RGB"):
        colour.generate(photo[:, :1])


def test_a_batch_is_as_good_as_its_photos_alone() -> None:
    model = tiny_model(FRAMES_NETWORK)
    photos = torch.rand(2, 1, 16, 16)
    together = model.generate(photos, seed=5)
    alone = torch.cat([model.generate(photo[None], seed=5) for photo in photos])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(model.generate(photos, seed=6), together, atol=1e-2)


class TestWrongModels:
    def test_another_k(self, tmp_path: Path) -> None:
        tiny_model(lights=6).save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="trained for K = 6 lights, but K = 9 is asked for"):
            RoSE.from_pretrained(tmp_path, lights=9)

    def test_settings_of_another_k_than_the_weights(self, tmp_path: Path) -> None:
        tiny_model(lights=6).save_pretrained(tmp_path)
        path = tmp_path / "rose.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "lights": 9}))
        with pytest.raises(ModelError, match=r"96 out; K = 9 lights.*need 16 and 144"):
            RoSE.from_pretrained(tmp_path)

    def test_a_folder_that_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"no unet/config\.json in it; is this the folder of a model\?"):
            RoSE.from_pretrained(tmp_path)

    def test_weights_cut_short(self, tmp_path: Path) -> None:
        tiny_model().save_pretrained(tmp_path)
        weights = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ModelError, match="its unet cannot be loaded"):
            RoSE.from_pretrained(tmp_path)

    def test_weights_that_lack_some(self, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        tiny_model().save_pretrained(tmp_path)
        path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
        weights = load_file(path)
        del weights["conv_in.bias"]
        save_file(weights, path, metadata={"format": "pt"})
        with pytest.raises(ModelError, match=r"do not fit its config\.json: missing_keys conv_in\.bias"):
            RoSE.from_pretrained(tmp_path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_not_finite(self, tmp_path: Path, value: float) -> None:
        from safetensors.torch import load_file, save_file

        tiny_model().save_pretrained(tmp_path)
        path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
        weights = load_file(path)
        weights["conv_in.bias"][1] = value
        save_file(weights, path, metadata={"format": "pt"})
        with pytest.raises(ModelError, match=r"its unet has weights that are not finite, in conv_in\.bias"):
            RoSE.from_pretrained(tmp_path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[" * 100_000, "nested too deeply"),
            ("{}" + " " * (5 << 20), "larger than 4 MiB"),
            (
                '{"format": 1, "sampling": {"max_guidance": Infinity}}',
                "max_guidance inf: input should be a finite",
            ),
            (
                '{"format": 1, "lights": 1000000000}',
                "lights 1000000000: input should be less than or equal to 256",
            ),
            ('{"format": 1, "size": "huge"}', "size 'huge'"),
        ],
    )
    def test_settings_that_attack(self, tmp_path: Path, text: str, message: str) -> None:
        tiny_model().save_pretrained(tmp_path)
        (tmp_path / "rose.json").write_text(text)
        with pytest.raises(ModelError, match=message):
            RoSE.from_pretrained(tmp_path)

    def test_another_diffusion_process(self, tmp_path: Path) -> None:
        place, base = save_published(tmp_path)
        path = base / "scheduler" / "scheduler_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "epsilon"}))
        with pytest.raises(ModelError, match="prediction_type is 'epsilon'; this model needs 'v_prediction'"):
            RoSE.from_pretrained(place, base=base)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": 2}, "format 2; this version of multishade reads format 1"),
            ({"colour": 1}, "unknown colour; it was written by a newer version"),
            ({"process": "magic"}, "process 'magic': input should be 'diffusion' or 'one_step'"),
            ({"lights": 2}, "lights 2: input should be greater than or equal to 3"),
        ],
    )
    def test_settings_of_another_kind(self, tmp_path: Path, change: dict[str, object], message: str) -> None:
        tiny_model().save_pretrained(tmp_path)
        path = tmp_path / "rose.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(ModelError, match=message):
            RoSE.from_pretrained(tmp_path)

    def test_sizes(self) -> None:
        with pytest.raises(ModelError, match="takes multiples of 8 pixels"):
            tiny_model(size=20)
        with pytest.raises(ModelError, match=r"20 x 16 pixels; this network takes multiples of 8"):
            tiny_model().generate(torch.rand(1, 1, 16, 20))

    def test_frames_as_channels_are_for_one_step(self) -> None:
        with pytest.raises(ModelError, match="takes no noisy latents"):
            tiny_model(CHANNELS_NETWORK, process="diffusion")


def test_lights_are_told_as_angles() -> None:
    from multishade.models.rose.conditioning import frame_numbers

    settings = RoseSettings(light_angles="lights", lights=4)
    _, polar, azimuth = frame_numbers(settings, True, 1, torch.device("cpu"))
    assert np.degrees(polar[0].numpy()) == pytest.approx([45] * 4)
    assert np.degrees(azimuth[0].numpy()) == pytest.approx([0, 90, 180, 270])
