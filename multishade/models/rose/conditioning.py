# SPDX-License-Identifier: Apache-2.0
"""A photo -> the network's conditions: its latents, its CLIP embedding, and numbers for each frame."""

from multishade.extras import require

require("torch", extra="train")

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multishade.models.rose.settings import RoseSettings

CLIP_SIZE = (224, 224)
# What diffusers' pipeline sends Stable Video Diffusion: 7 frames per second (trained with one less), motion.
SVD_RATE, SVD_MOTION = 6.0, 127.0


@dataclass(frozen=True)
class Condition:
    """latents: (B, C, h, w) of the photo. context: (B, 1, D), CLIP's embedding or zeros. added: see `RoseUNet`."""

    latents: Tensor
    context: Tensor
    added: Tensor | tuple[Tensor, Tensor, Tensor]

    def without_photo(self, dropped: Tensor | None = None) -> "Condition":
        """Replace the photo by zeros, of all samples or of those that `dropped` (B,) marks: "unconditional"."""
        if dropped is None:
            return replace(
                self, latents=torch.zeros_like(self.latents), context=torch.zeros_like(self.context)
            )
        keep = (~dropped).to(self.latents).reshape(-1, 1, 1, 1)
        return replace(self, latents=self.latents * keep, context=self.context * keep[..., 0])

    def twice(self, other: "Condition") -> "Condition":
        """Two conditions of one batch as one batch of both."""
        added: Tensor | tuple[Tensor, ...]
        if isinstance(self.added, Tensor) and isinstance(other.added, Tensor):
            added = torch.cat([self.added, other.added])
        else:
            added = tuple(torch.cat(pair) for pair in zip(self.added, other.added, strict=True))
        return Condition(
            torch.cat([self.latents, other.latents]),
            torch.cat([self.context, other.context]),
            added,  # type: ignore[arg-type]
        )


class ClipEncoder(nn.Module):
    """Frozen CLIP image encoder: (B, 3, H, W) in -1..1 -> (B, 1, D)."""

    def __init__(self, encoder: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    @property
    def channels(self) -> int:
        return int(self.encoder.config.projection_dim)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        # The pipeline that the weights were trained with blurs before it shrinks, and so does this one.
        require("diffusers", extra="train")
        from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
            _resize_with_antialiasing,
        )

        small = _resize_with_antialiasing(images.float(), CLIP_SIZE)
        normalised = ((small + 1) / 2 - self.mean) / self.std
        return self.encoder(normalised.to(self.encoder.dtype)).image_embeds.unsqueeze(1).to(images.dtype)

    def save_pretrained(self, folder: Path) -> None:
        require("transformers", extra="train")
        from transformers import CLIPImageProcessor

        self.encoder.save_pretrained(folder / "image_encoder")
        processor = CLIPImageProcessor(
            image_mean=self.mean.flatten().tolist(), image_std=self.std.flatten().tolist()
        )
        processor.save_pretrained(folder / "feature_extractor")


def frame_numbers(
    settings: RoseSettings, takes_angles: bool, batch: int, device: torch.device
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """`added_time_ids`: (B, 3) for networks of SVD's kind, three (B, F) for SV3D's, float32.

    The published model has every camera angle at its frontal value (polar 90 degrees, azimuth 0), so that only a
    frame's position identifies its light. With light_angles "lights" they are the light's own angles.
    """
    augmentation = settings.sampling.noise_augmentation
    if not takes_angles:
        numbers = torch.tensor([SVD_RATE, SVD_MOTION, augmentation], device=device)
        return numbers.expand(batch, 3)
    frames = settings.frames
    polar, azimuth = torch.full((frames,), np.pi / 2), torch.zeros(frames)
    if settings.light_angles == "lights" and settings.target == "shading":
        x, y, z = torch.from_numpy(settings.directions).float().T
        polar, azimuth = torch.arccos(z), torch.atan2(x, y) % (2 * np.pi)

    def repeated(values: Tensor) -> Tensor:
        return values.to(device).expand(batch, frames)

    return repeated(torch.full((frames,), augmentation)), repeated(polar), repeated(azimuth)
