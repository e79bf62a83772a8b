# SPDX-License-Identifier: Apache-2.0
"""Small networks, by name -> the parts of a model. No VAE: pixels are rearranged; no CLIP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from multishade.errors import ModelError
from multishade.extras import require
from multishade.models.rose import imagenet
from multishade.models.rose.backbone import BackboneNetwork, Statistics
from multishade.models.rose.codec import PixelUnshuffle
from multishade.models.rose.efficientnet import REDUCTION, initialise
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


@dataclass(frozen=True)
class EncoderPreset:
    """An EfficientNet-Lite encoder with a decoder, all frames as channels, for one step only.

    encoder: a key of `efficientnet.VARIANTS`. decoder: channels at 1/16, 1/8, 1/4, 1/2 and all of the photo's size."""

    network: ClassVar[str] = "encoder"
    unshuffle: ClassVar[int] = 1
    encoder: str
    decoder: tuple[int, ...]
    groups: int = 8


PRESETS: Mapping[str, Preset | EncoderPreset] = {
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
    "lite0-small": EncoderPreset("lite0", (96, 64, 40, 24, 16)),
    "lite0": EncoderPreset("lite0", (160, 112, 64, 40, 24)),
    "lite2": EncoderPreset("lite2", (160, 112, 64, 40, 24)),
}
EncoderWeights = Literal["imagenet", "random"]


def build(
    preset: str | Preset | EncoderPreset,
    settings: RoseSettings,
    *,
    weights: EncoderWeights | None = None,
    statistics: Statistics | None = None,
) -> Parts:
    """Make a network for these settings.

    Args:
        preset: A key of `PRESETS`, or a preset.
        settings: What the network is to do.
        weights: Of the encoder, if the preset has one; default "imagenet". All other weights are random, of torch's
            global generator.
        statistics: Of the encoder's BatchNorm in training, see `BackboneNetwork`; default "frozen" with the weights of
            ImageNet, "batch" with random ones.

    Raises:
        ModelError: If preset, settings and options do not fit each other.
        MissingPackageError: If the package that holds the encoder's weights is not installed.
    """
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise ModelError(f"preset {preset!r}: expected one of {', '.join(PRESETS)}")
        preset = PRESETS[preset]
    if isinstance(preset, EncoderPreset):
        return _with_encoder(preset, settings, weights or "imagenet", statistics)
    if weights is not None or statistics is not None:
        raise ModelError(
            "weights and statistics of an encoder: this preset has no encoder; leave model.encoder out"
        )
    codec = PixelUnshuffle(preset.unshuffle)
    photo = codec.channels(1 if settings.photo == "grey" else 3)
    frame = codec.channels(1 if settings.target == "shading" else 3)
    _require_multiple(settings.size, preset.unshuffle * 2 ** (len(preset.channels) - 1))
    if preset.network == "frames":
        unet: Any = _frames_network(preset, settings, photo, frame)
    elif preset.network == "channels":
        unet = _channels_network(preset, settings, photo, frame)
    else:
        raise ModelError(f"network {preset.network!r}: expected 'frames' or 'channels'")
    return Parts(settings, unet, codec, None, NoiseSchedule())


def _with_encoder(
    preset: EncoderPreset, settings: RoseSettings, weights: EncoderWeights, statistics: Statistics | None
) -> Parts:
    _require_one_step(settings)
    _require_multiple(settings.size, REDUCTION)
    pretrained = weights == "imagenet"
    if statistics == "frozen" and not pretrained:
        raise ModelError(
            "statistics: frozen, but random weights have no statistics yet: set statistics to batch"
        )
    network = BackboneNetwork(
        in_channels=1 if settings.photo == "grey" else 3,
        out_channels=settings.frames * (1 if settings.target == "shading" else 3) + len(settings.heads),
        variant=preset.encoder,
        decoder_channels=preset.decoder,
        groups=preset.groups,
        statistics=statistics or ("frozen" if pretrained else "batch"),
    )
    if pretrained:
        network.register_to_config(origin=imagenet.load_imagenet(network.encoder, preset.encoder))
    else:
        initialise(network.encoder)
    return Parts(settings, network, PixelUnshuffle(preset.unshuffle), None, NoiseSchedule())


def _require_multiple(size: int, multiple: int) -> None:
    if size % multiple:
        raise ModelError(f"size {size}: this network takes multiples of {multiple} pixels")


def _require_one_step(settings: RoseSettings) -> None:
    if settings.process != "one_step":
        raise ModelError("a network with frames as channels takes no noisy latents: set process: one_step")


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
    require("diffusers", extra="train")
    from diffusers import UNet2DModel

    _require_one_step(settings)
    return UNet2DModel(
        sample_size=settings.size // preset.unshuffle,
        in_channels=photo,
        out_channels=settings.frames * frame + len(settings.heads) * preset.unshuffle**2,
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
