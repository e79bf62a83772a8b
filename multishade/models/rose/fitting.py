# SPDX-License-Identifier: Apache-2.0
"""The parts of a RoSE model -> the channels of its photos and frames, and whether the network has them."""

from collections.abc import Sequence

from multishade.errors import ModelError
from multishade.models.rose.pretrained import Parts
from multishade.models.rose.unet import RoseUNet


def photo_channels(parts: Parts) -> int:
    """Return the channels of the codec's input: one only for a grey photo without a VAE."""
    return 1 if parts.settings.photo == "grey" and _is_pixels(parts) else 3


def frame_channels(parts: Parts) -> int:
    """Return the channels of a frame before the codec: one only for shading without a VAE."""
    return 1 if parts.settings.target == "shading" and _is_pixels(parts) else 3


def require_fitting(parts: Parts) -> None:
    """Require that the network's channels match the settings and the codec. Raises ModelError if not."""
    settings, config = parts.settings, parts.unet.config
    photo, frame = (parts.codec.channels(each(parts)) for each in (photo_channels, frame_channels))
    between_frames = isinstance(parts.unet, RoseUNet)
    expected = (
        photo + (frame if between_frames else 0),
        frame if between_frames else settings.frames * frame + len(settings.heads) * parts.codec.channels(1),
    )
    if settings.heads and (between_frames or not _is_pixels(parts)):
        raise ModelError(
            "heads are for networks with the frames as channels, without a VAE: take another preset"
        )
    if not between_frames and settings.process != "one_step":
        raise ModelError("a network with frames as channels is for process one_step only")
    found = (config.in_channels, config.out_channels)
    if found != expected:
        raise ModelError(
            f"the network has {found[0]} channels in and {found[1]} out; K = {settings.lights} lights, target "
            f"{settings.target}, photo {settings.photo}{_named(settings.heads)} and the codec need {expected[0]} and "
            f"{expected[1]}"
        )
    if parts.clip is not None and parts.clip.channels != config.cross_attention_dim:
        raise ModelError(
            f"CLIP gives {parts.clip.channels} numbers, the network takes {config.cross_attention_dim}"
        )


def _is_pixels(parts: Parts) -> bool:
    return parts.codec.channels(1) != parts.codec.channels(3)


def _named(heads: Sequence[str]) -> str:
    return f", heads {', '.join(heads)}" if heads else ""
