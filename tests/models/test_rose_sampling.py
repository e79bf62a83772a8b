# SPDX-License-Identifier: Apache-2.0
"""Sampling is what diffusers' pipeline does, and, with the published settings, what the published sampler does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableVideoDiffusionPipeline
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    _resize_with_antialiasing,
)
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from multishade.models.rose import RoSE, RoseSettings, Sampling
from multishade.models.rose.sampling import guidance_scales
from tests.support.rose_samples import FRAMES_NETWORK, PLAIN_SAMPLING, save_published, scheduler, tiny_model

SIZE = 16
PHOTO = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 1), dtype=np.uint8).repeat(3, axis=2)


def as_tensor(photo: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255


def test_stable_video_diffusion_is_diffusers_own_pipeline(tmp_path: Path) -> None:
    place, base = save_published(tmp_path, temporal_vae=True, angles=False)
    model = RoSE.from_pretrained(place, base=base)
    pipeline = StableVideoDiffusionPipeline(
        vae=model.codec.vae,
        image_encoder=model.clip.encoder,
        unet=model.unet,
        scheduler=EulerDiscreteScheduler.from_pretrained(base / "scheduler"),
        feature_extractor=CLIPImageProcessor.from_pretrained(base / "feature_extractor"),
    )
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        Image.fromarray(PHOTO),
        height=SIZE,
        width=SIZE,
        num_frames=9,
        num_inference_steps=4,
        min_guidance_scale=2.0,
        max_guidance_scale=2.0,
        noise_aug_strength=1e-5,
        generator=torch.Generator().manual_seed(42),
        output_type="pt",
    ).frames.mean(dim=2)
    made = model.generate(
        as_tensor(PHOTO), seed=42, sampling=Sampling(steps=4, guidance="constant", max_guidance=2.0)
    )
    # The pipeline clips; the photo goes through 8 bits in both.
    torch.testing.assert_close(made.clamp(0, 1), expected, atol=2e-4, rtol=0)
    assert expected.std() > 0.01


@torch.no_grad()
def published_sampler(place: Path, base: Path, seed: int) -> torch.Tensor:
    """The published test script's steps, one by one, in float32: 25 Euler steps, a triangle of guidance from 1.0 to
    2.5, noise augmentation 1e-5, camera angles constant, channel mean -> (1, 9, H, W)."""
    from diffusers import AutoencoderKL

    from multishade.models.rose.unet import RoseUNet

    frames = 9
    unet = RoseUNet.from_pretrained(place, subfolder="unet")
    vae = AutoencoderKL.from_pretrained(base, subfolder="vae")
    clip = CLIPVisionModelWithProjection.from_pretrained(base, subfolder="image_encoder")
    processor = CLIPImageProcessor.from_pretrained(base, subfolder="feature_extractor")
    generator = torch.Generator().manual_seed(seed)
    grey = PHOTO.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    photo = as_tensor(grey) * 2 - 1
    small = (_resize_with_antialiasing(photo, (224, 224)) + 1) / 2
    mean, std = (
        torch.tensor(values).reshape(3, 1, 1) for values in (processor.image_mean, processor.image_std)
    )
    embedding = clip((small - mean) / std).image_embeds[:, None]
    embedding = torch.cat([torch.zeros_like(embedding), embedding])
    photo = photo + 1e-5 * torch.randn(photo.shape, generator=generator)
    latent = vae.encode(photo).latent_dist.mode()
    latent = torch.cat([torch.zeros_like(latent), latent])[:, None].repeat(1, frames, 1, 1, 1)
    added = [torch.full((2, frames), 1e-5), torch.full((2, frames), np.deg2rad(90)), torch.zeros(2, frames)]
    steps = scheduler()
    steps.set_timesteps(25)
    shape = (1, frames, 4, SIZE // 2, SIZE // 2)
    latents = torch.randn(shape, generator=generator) * steps.init_noise_sigma
    guidance = torch.cat([torch.linspace(1, 2.5, 5)[1:], torch.linspace(2.5, 1, 6)[1:]]).reshape(
        1, 9, 1, 1, 1
    )
    for time in steps.timesteps:
        scaled = steps.scale_model_input(torch.cat([latents] * 2), time)
        answer = unet(
            torch.cat([scaled, latent], dim=2), time, encoder_hidden_states=embedding, added_time_ids=added
        ).sample
        without, with_photo = answer.chunk(2)
        latents = steps.step(without + guidance * (with_photo - without), time, latents).prev_sample
    images = vae.decode(latents[0] / vae.config.scaling_factor).sample
    return ((images + 1) / 2).mean(dim=1)[None]


def test_published_settings_match_the_published_sampler(tmp_path: Path) -> None:
    place, base = save_published(tmp_path)
    expected = published_sampler(place, base, seed=42)
    made = RoSE.from_pretrained(place, base=base).generate(as_tensor(PHOTO), seed=42)
    torch.testing.assert_close(made, expected, atol=5e-4, rtol=0)
    assert expected.std() > 0.01


def test_guidance_matters_where_it_is_not_one() -> None:
    model = tiny_model(FRAMES_NETWORK)
    photo = torch.rand(1, 1, 16, 16)
    plain = model.generate(photo, sampling=PLAIN_SAMPLING)
    triangle = model.generate(
        photo, sampling=Sampling(steps=3, guidance="triangle", min_guidance=1, max_guidance=4)
    )
    assert guidance_scales(Sampling(), 9)[-1] == 1
    assert not torch.allclose(plain, triangle, atol=1e-4)


def test_without_guidance_the_network_is_called_once_a_step() -> None:
    model = tiny_model(FRAMES_NETWORK)
    batches: list[int] = []
    model.unet.register_forward_pre_hook(lambda module, given: batches.append(len(given[0])))
    model.generate(torch.rand(1, 1, 16, 16), sampling=PLAIN_SAMPLING)
    assert batches == [1, 1, 1]
    batches.clear()
    model.generate(torch.rand(1, 1, 16, 16), sampling=Sampling(steps=2))
    assert batches == [2, 2]


@pytest.mark.parametrize("network", ["frames", "channels"])
def test_one_step_is_one_call_from_zeros(network: str) -> None:
    from tests.support.rose_samples import CHANNELS_NETWORK

    preset = FRAMES_NETWORK if network == "frames" else CHANNELS_NETWORK
    model = tiny_model(preset, process="one_step")
    calls: list[torch.Tensor] = []
    model.unet.register_forward_pre_hook(lambda module, given: calls.append(given[0]))
    photo = torch.rand(1, 1, 16, 16)
    assert torch.equal(model.generate(photo, seed=1), model.generate(photo, seed=2))
    assert len(calls) == 2
    if network == "frames":
        assert torch.count_nonzero(calls[0][:, :, :16]) == 0


def test_defaults_are_the_papers() -> None:
    settings = RoseSettings()
    assert settings.sampling == Sampling(
        steps=25, guidance="triangle", min_guidance=1.0, max_guidance=2.5, noise_augmentation=1e-5
    )
    assert (settings.lights, settings.elevation_degrees, settings.size, settings.photo) == (
        9,
        45,
        576,
        "grey",
    )
