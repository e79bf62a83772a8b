# SPDX-License-Identifier: Apache-2.0
"""The network: noisy latents of a sequence, noise level, photo -> v. diffusers' UNet with three numbers per frame.

Stable Video Diffusion gives its UNet three numbers a video (frames per second, motion, noise augmentation) in 256
channels each. SV3D-p and the published RoSE give three a frame: noise augmentation in 256 channels, polar angle and
azimuth in 512 each, together 1280. diffusers' own forward takes the first kind only, so this one replaces it;
parameters and their names are diffusers' own for both kinds, and published weights load as they are.
"""

from multishade.extras import require

require("torch", "diffusers", extra="train")

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.unets.unet_spatio_temporal_condition import (
    UNetSpatioTemporalConditionModel,
    UNetSpatioTemporalConditionOutput,
)
from torch import Tensor

NUMBERS_A_FRAME = 5  # times addition_time_embed_dim: one for the noise augmentation, two for each angle


class RoseUNet(UNetSpatioTemporalConditionModel):
    """`UNetSpatioTemporalConditionModel` that also takes `added_time_ids` as three (B, F) tensors."""

    @property
    def takes_angles(self) -> bool:
        """Three numbers a frame (SV3D, RoSE) and not a video (SVD)."""
        unit = self.config["addition_time_embed_dim"]
        return bool(self.config["projection_class_embeddings_input_dim"] == NUMBERS_A_FRAME * unit)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float | int,
        encoder_hidden_states: Tensor,
        added_time_ids: Tensor | Sequence[Tensor],
        return_dict: bool = True,
    ) -> Any:
        """One call.

        sample: (B, F, C, h, w), the scaled noisy latents with the photo's behind them. timestep: (B,) or (), ln(s) / 4.
        encoder_hidden_states: (B, T, D). added_time_ids: (B, 3), or (noise augmentation, polar angle, azimuth), each
        (B, F), angles in radians. Returns v, (B, F, C', h, w), in a tuple if not `return_dict`, as diffusers does.
        """
        batch, frames = sample.shape[:2]
        embedding = self._embedding(sample, timestep, added_time_ids)
        context = encoder_hidden_states.repeat_interleave(frames, dim=0)
        single_images = torch.zeros(batch, frames, dtype=sample.dtype, device=sample.device)

        def with_context(block: Any, **inputs: Any) -> Any:
            if getattr(block, "has_cross_attention", False):
                inputs["encoder_hidden_states"] = context
            return block(temb=embedding, image_only_indicator=single_images, **inputs)

        hidden = self.conv_in(sample.flatten(0, 1))
        skips = [hidden]
        for block in self.down_blocks:
            hidden, passed = with_context(block, hidden_states=hidden)
            skips += passed
        hidden = with_context(self.mid_block, hidden_states=hidden)
        for block in cast(Iterable[Any], self.up_blocks):
            passed = tuple(skips[-len(block.resnets) :])
            del skips[-len(block.resnets) :]
            # Sizes that are no multiple of the whole reduction: enlarge to the size that the next block's skips have.
            size = skips[-1].shape[2:] if skips and block.upsamplers else None
            hidden = with_context(
                block, hidden_states=hidden, res_hidden_states_tuple=passed, upsample_size=size
            )
        hidden = self.conv_out(self.conv_act(self.conv_norm_out(hidden)))
        velocity = hidden.unflatten(0, (batch, frames))
        if not return_dict:
            return (velocity,)
        return UNetSpatioTemporalConditionOutput(sample=velocity)

    def _embedding(
        self, sample: Tensor, timestep: Tensor | float | int, added: Tensor | Sequence[Tensor]
    ) -> Tensor:
        """(B F, 4 C): embedding of the noise level and the added numbers, an input of every block."""
        batch, frames = sample.shape[:2]
        times = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(batch)
        time = self.time_embedding(self.time_proj(times).to(sample.dtype)).repeat_interleave(frames, dim=0)
        if isinstance(added, Tensor):
            numbers = self.add_time_proj(added.flatten()).reshape(batch, -1).repeat_interleave(frames, dim=0)
        else:
            augmentation, *angles = (values.flatten() for values in added)
            width = 2 * self.config["addition_time_embed_dim"]
            waves = [get_timestep_embedding(angle, width, True, 0) for angle in angles]
            numbers = torch.cat([self.add_time_proj(augmentation), *waves], dim=1)
        return time + self.add_embedding(numbers.to(sample.dtype))
