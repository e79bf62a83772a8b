# SPDX-License-Identifier: Apache-2.0
"""Images in -1..1 <-> the latents that the network works on: by rearranging pixels, or by a frozen VAE.

Both kinds have the same members: `factor`, pixels a side of one latent pixel; `channels`, of the latents of images
with so many channels; `encode_image` for the photo and `encode_frames` for the target, (N, C, H, W) -> (N, c, h, w);
`decode`, back.
"""

from multishade.extras import require

require("torch", extra="train")

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.errors import ModelError

LARGEST_FACTOR = 16


class PixelUnshuffle(nn.Module):
    """Each factor x factor block of pixels becomes the channels of one latent pixel. Exact, and has no weights."""

    CLASS_NAME = "PixelUnshuffleCodec"

    def __init__(self, factor: int) -> None:
        super().__init__()
        if not 1 <= factor <= LARGEST_FACTOR:
            raise ModelError(f"codec factor {factor}: expected 1 to {LARGEST_FACTOR}")
        self.factor = factor

    def channels(self, image_channels: int) -> int:
        return image_channels * self.factor**2

    def encode_image(self, images: Tensor) -> Tensor:
        """The photo's latents."""
        return functional.pixel_unshuffle(images, self.factor)

    def encode_frames(self, frames: Tensor) -> Tensor:
        """The target's latents."""
        return functional.pixel_unshuffle(frames, self.factor)

    def decode(self, latents: Tensor, frames: int) -> Tensor:
        """Latents -> images; `frames` belong together."""
        return functional.pixel_shuffle(latents, self.factor)

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"_class_name": self.CLASS_NAME, "factor": self.factor}
        (folder / "config.json").write_text(json.dumps(content, indent=2) + "\n")


class VAE(nn.Module):
    """diffusers' AutoencoderKL (SV3D) or AutoencoderKLTemporalDecoder (SVD), frozen. Images have three channels.

    The photo's latent is the mode of the posterior, not scaled; the target's is the mode, times the VAE's scaling
    factor (Blattmann et al. 2023; public code samples it for the photo, which is a mistake).
    """

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae.eval().requires_grad_(False)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.scaling = float(vae.config.scaling_factor)
        self._temporal = "num_frames" in inspect.signature(vae.forward).parameters

    def channels(self, image_channels: int) -> int:
        return int(self.vae.config.latent_channels)

    def encode_image(self, images: Tensor) -> Tensor:
        # In float32 even under autocast: these VAEs overflow in half precision.
        with torch.autocast(images.device.type, enabled=False):
            return self.vae.encode(images.float()).latent_dist.mode()

    def encode_frames(self, frames: Tensor) -> Tensor:
        # One frame at a time: nine of 576 x 576 at once would need more memory than the network's own step.
        return self.scaling * torch.cat([self.encode_image(frame) for frame in frames.split(1)])

    def decode(self, latents: Tensor, frames: int) -> Tensor:
        scaled = latents.float() / self.scaling
        with torch.autocast(latents.device.type, enabled=False):
            if self._temporal:
                return torch.cat(
                    [self.vae.decode(part, num_frames=frames).sample for part in scaled.split(frames)]
                )
            return torch.cat([self.vae.decode(part).sample for part in scaled.split(1)])

    def save_pretrained(self, folder: Path) -> None:
        self.vae.save_pretrained(folder)


Codec = PixelUnshuffle | VAE
