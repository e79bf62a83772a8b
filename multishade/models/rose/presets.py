# SPDX-License-Identifier: Apache-2.0
"""Small networks to train from scratch, by name -> the parts of a model. No VAE: pixels are rearranged; no CLIP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multishade.errors import ModelError
from multishade.models.rose.codec import PixelUnshuffle
from multishade.models.rose.pretrained import Parts
from multishade.models.rose.schedule import NoiseSchedule
from multishade.models.rose.settings import RoseSettings
from multishade.models.rose.unet import NUMBERS_A_FRAME, RoseUNet

NUMBER_CHANNELS = 16  # of each number that a frame is conditioned on
CONTEXT_CHANNELS = 16  # cross-attention to the one zero vector that stands for CLIP: a learned constant


@dataclass(frozen=True)
class Preset:
    """network: "frames" is SVD's UNet, one image a frame with attention between frames; "channels" is a plain image
    UNet with all frames as channels, for one step only. channels: of each level, top first. attention: whether a level
    has it. layers: residual blocks a level. unshuffle: pixels a side that become one latent pixel."""

    network: str
    channels: tuple[int, ...]
    attention: tuple[bool, ...]
    layers: int = 1
    heads: int = 4
    unshuffle: int = 4
    groups: int = 32


PRESETS: Mapping[str, Preset] = {
    # diffusers' spatio-temporal blocks normalise 32 groups of channels: with 32 channels each would be a group of its
    # own, and what a block adds to a whole channel (noise level, light angles) would be normalised away.
    "tiny": Preset("frames", (64, 64, 96), (False, True, True)),
    "small": Preset("frames", (64, 96, 128), (False, True, True)),
    "medium": Preset("frames", (64, 96, 128, 160), (False, True, True, True)),
    "mini": Preset("frames", (64, 64), (False, True)),
    "channels-tiny": Preset("channels", (32, 64, 96), (False, False, True), groups=8),
    "channels-small": Preset("channels", (64, 128, 192, 256), (False, False, False, True)),
    "channels-fine": Preset(
        "channels", (32, 64, 128, 192, 256), (False, False, False, False, True), unshuffle=2, groups=16
    ),
    "channels-medium": Preset("channels", (96, 160, 224, 288), (False, False, True, True), layers=2),
}


def build(preset: str | Preset, settings: RoseSettings) -> Parts:
    """A network with random weights (of torch's global generator) for these settings. Raises ModelError."""
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise ModelError(f"preset {preset!r}: expected one of {', '.join(PRESETS)}")
        preset = PRESETS[preset]
    codec = PixelUnshuffle(preset.unshuffle)
    photo = codec.channels(1 if settings.photo == "grey" else 3)
    frame = codec.channels(1 if settings.target == "shading" else 3)
    multiple = preset.unshuffle * 2 ** (len(preset.channels) - 1)
    if settings.size % multiple:
        raise ModelError(f"size {settings.size}: this network takes multiples of {multiple} pixels")
    if preset.network == "frames":
        unet: Any = _frames_network(preset, settings, photo, frame)
    elif preset.network == "channels":
        unet = _channels_network(preset, settings, photo, frame)
    else:
        raise ModelError(f"network {preset.network!r}: expected 'frames' or 'channels'")
    return Parts(settings, unet, codec, None, NoiseSchedule())


def _frames_network(preset: Preset, settings: RoseSettings, photo: int, frame: int) -> RoseUNet:
    return RoseUNet(
        sample_size=settings.size // preset.unshuffle,
        in_channels=frame + photo,
        out_channels=frame,
        down_block_types=tuple(
            "CrossAttnDownBlockSpatioTemporal" if attends else "DownBlockSpatioTemporal"
            for attends in preset.attention
        ),
        up_block_types=tuple(
            "CrossAttnUpBlockSpatioTemporal" if attends else "UpBlockSpatioTemporal"
            for attends in reversed(preset.attention)
        ),
        block_out_channels=preset.channels,
        layers_per_block=preset.layers,
        num_attention_heads=preset.heads,
        cross_attention_dim=CONTEXT_CHANNELS,
        addition_time_embed_dim=NUMBER_CHANNELS,
        projection_class_embeddings_input_dim=NUMBERS_A_FRAME * NUMBER_CHANNELS,
        num_frames=settings.frames,
    )


def _channels_network(preset: Preset, settings: RoseSettings, photo: int, frame: int) -> Any:
    from diffusers import UNet2DModel

    if settings.process != "one_step":
        raise ModelError("a network with frames as channels takes no noisy latents: set process: one_step")
    return UNet2DModel(
        sample_size=settings.size // preset.unshuffle,
        in_channels=photo,
        out_channels=settings.frames * frame,
        down_block_types=tuple(
            "AttnDownBlock2D" if attends else "DownBlock2D" for attends in preset.attention
        ),
        up_block_types=tuple(
            "AttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(preset.attention)
        ),
        block_out_channels=preset.channels,
        layers_per_block=preset.layers,
        attention_head_dim=preset.channels[-1] // preset.heads,
        norm_num_groups=preset.groups,
    )
