# SPDX-License-Identifier: Apache-2.0
"""Tiny models with random weights, in all the shapes that the real ones have, and batches of lit spheres."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder, EulerDiscreteScheduler
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from multishade.geometry.lights import ring
from multishade.models.rose.model import RoSE
from multishade.models.rose.presets import Preset, build
from multishade.models.rose.settings import RoseSettings, Sampling
from multishade.models.rose.unet import RoseUNet

FRAMES_NETWORK = Preset("frames", (32, 32), (False, True), heads=2)
CHANNELS_NETWORK = Preset("channels", (8, 16), (False, False), heads=1, groups=4)
PLAIN_SAMPLING = Sampling(steps=3, guidance="constant", max_guidance=1.0)


def tiny_model(preset: Preset = CHANNELS_NETWORK, seed: int = 0, **settings: Any) -> RoSE:
    """A model of 16 x 16 pixels without VAE and CLIP."""
    torch.manual_seed(seed)
    process = "one_step" if preset.network == "channels" else "diffusion"
    return RoSE(
        build(
            preset, RoseSettings(**{"size": 16, "process": process, "sampling": PLAIN_SAMPLING, **settings})
        )
    )


@dataclass(frozen=True)
class LitSpheres:
    """What training takes of a `multishade.data` batch."""

    keys: tuple[str, ...]
    number: int
    image: Tensor
    normal: Tensor
    mask: Tensor
    shading: Tensor
    directions: Tensor

    def to(self, device: Any, non_blocking: bool = False) -> "LitSpheres":
        return self


def sphere_batch(number: int, count: int = 2, size: int = 16, lights: int = 9) -> LitSpheres:
    """`count` spheres of random place, size and light; the same for the same `number`."""
    rng = np.random.default_rng(number)
    row, column = np.mgrid[:size, :size] + 0.5
    images, normals, masks = [], [], []
    for _ in range(count):
        radius, centre = rng.uniform(0.3, 0.45) * size, size / 2 + rng.uniform(-1, 1, 2)
        x, y = (column - centre[0]) / radius, (centre[1] - row) / radius
        mask = x**2 + y**2 < 0.98
        normal = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))]) * mask
        light = np.array([*rng.uniform(-0.5, 0.5, 2), 1.0])
        shade = np.maximum(np.einsum("chw,c->hw", normal, light / np.linalg.norm(light)), 0)
        images.append(shade[None] * rng.uniform(0.5, 1))
        normals.append(normal)
        masks.append(mask[None])
    normal = torch.from_numpy(np.stack(normals)).float()
    directions = torch.from_numpy(ring(lights)).float()
    return LitSpheres(
        keys=tuple(f"s{number:06d}-g{place:04d}-v0" for place in range(count)),
        number=number,
        image=torch.from_numpy(np.stack(images)).float(),
        normal=normal,
        mask=torch.from_numpy(np.stack(masks)).float(),
        shading=torch.einsum("bchw,kc->bkhw", normal, directions).clamp_min(0),
        directions=directions,
    )


def scheduler() -> EulerDiscreteScheduler:
    """Stable Video Diffusion's, which SV3D and the published RoSE share."""
    return EulerDiscreteScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        interpolation_type="linear",
        num_train_timesteps=1000,
        prediction_type="v_prediction",
        sigma_max=700.0,
        sigma_min=0.002,
        steps_offset=1,
        timestep_spacing="leading",
        timestep_type="continuous",
        use_karras_sigmas=True,
    )


def published_unet(angles: bool = True) -> RoseUNet:
    """SV3D's network (three numbers a frame), or SVD's (three a video), with 64 channels in place of 320.

    Not 32: groups of one channel would normalise away what the network is told.
    """
    torch.manual_seed(1)
    unet = RoseUNet(
        sample_size=8,
        block_out_channels=(64, 64),
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        layers_per_block=1,
        num_attention_heads=2,
        cross_attention_dim=24,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=40 if angles else 24,
    )
    with torch.no_grad():
        # Random weights barely listen to what they are told; make them.
        for name, weight in unet.named_parameters():
            if "time_emb_proj.weight" in name or "add_embedding" in name:
                weight *= 3
    return unet


def save_published(folder: Path, temporal_vae: bool = False, angles: bool = True) -> tuple[Path, Path]:
    """A checkpoint in the published layout -> (folder with the UNet, folder with the rest)."""
    ours, base = folder / "RoSE", folder / "base"
    published_unet(angles).save_pretrained(ours / "unet")
    config_path = ours / "unet" / "config.json"
    config = json.loads(config_path.read_text())
    config["_class_name"] = "RoSEUNetSpatioTemporalConditionModel"
    config_path.write_text(json.dumps(config))
    torch.manual_seed(2)
    common = {"block_out_channels": (8, 16), "layers_per_block": 1, "latent_channels": 4}
    if temporal_vae:
        vae: Any = AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 2, **{**common, "block_out_channels": (32, 32)}
        )
    else:
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            **common,
        )
    vae.save_pretrained(base / "vae")
    scheduler().save_pretrained(base / "scheduler")
    clip = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        projection_dim=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=224,
        patch_size=56,
    )
    CLIPVisionModelWithProjection(clip).eval().save_pretrained(base / "image_encoder")
    CLIPImageProcessor().save_pretrained(base / "feature_extractor")
    return ours, base
