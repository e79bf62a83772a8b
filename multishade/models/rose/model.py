# SPDX-License-Identifier: Apache-2.0
"""`RoSE`: photos (B, C, H, W) in 0..1 -> K shading images, or a normal map, by one network and its frozen helpers."""

from multishade.extras import require

require("torch", extra="train")

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.models import base
from multishade.models.base import Inputs, Prediction
from multishade.models.rose import pretrained
from multishade.models.rose.backbone import BackboneNetwork
from multishade.models.rose.conditioning import Condition, frame_numbers
from multishade.models.rose.fitting import frame_channels, photo_channels, require_fitting
from multishade.models.rose.pretrained import Parts
from multishade.models.rose.sampling import one_step, sample
from multishade.models.rose.schedule import scale_input, time_of
from multishade.models.rose.settings import Sampling
from multishade.models.rose.solve import DEFAULT_SOLVER, solve_batch
from multishade.models.rose.unet import RoseUNet

Network = Callable[..., Any]


@dataclass(frozen=True)
class Outputs:
    """What the network makes of photos, float32.

    Attributes:
        frames: Shading (B, K, H, W), about 0 to 1, or normals (B, 3, H, W), about unit length.
        coverage: (B, 1, H, W) logits of the object's coverage; None without that head.
        error: (B, 1, H, W) logarithm of the expected angular error, radians; None without that head.
    """

    frames: Tensor
    coverage: Tensor | None = None
    error: Tensor | None = None


class RoSE:
    """A model that is ready to run.

    Attributes:
        settings: What it is trained to do.
        unet: The network that is trained.
        codec, clip: Frozen: images <-> latents; photo -> embedding, or None.
        schedule: Noise levels.
    """

    name: ClassVar[str] = "rose"

    def __init__(self, parts: Parts) -> None:
        self.settings = parts.settings
        self.unet = parts.unet.eval()
        self.codec = parts.codec
        self.clip = parts.clip
        self.schedule = parts.schedule
        require_fitting(parts)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        base: str | Path | None = None,
        lights: int | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> "RoSE":
        """Load our own checkpoints, the published RoSE, SV3D or SVD.

        Args:
            source: A folder, or a name on the Hugging Face Hub.
            base: Where VAE, CLIP and scheduler are if `source` has only the UNet (published RoSE: SV3D's, by default).
            lights: The expected K.
            device: Default the CPU.
            dtype: Of the network and CLIP, such as torch.float16; the VAE stays in float32, which it needs.

        Raises:
            ModelError: If something is missing or damaged, or the model is for another K than `lights`.
        """
        parts = pretrained.load_parts(source, base)
        if lights is not None and lights != parts.settings.lights:
            raise ModelError(
                f"{source}: trained for K = {parts.settings.lights} lights, but K = {lights} is asked for; "
                "take a model of that K or train one (model.lights)"
            )
        return cls(parts).to(device, dtype)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write a folder that `from_pretrained` reads; dtype: of the stored network, torch.float16 halves its size."""
        unet = self.unet
        if dtype is not None:
            import copy

            unet = copy.deepcopy(unet).to(dtype)
        pretrained.save_parts(Path(folder), replace(self.parts, unet=unet))

    def networks(self) -> dict[str, nn.Module]:
        """Return the network that is trained, by its folder's name."""
        return {"unet": self.unet}

    @property
    def parts(self) -> Parts:
        return Parts(self.settings, self.unet, self.codec, self.clip, self.schedule)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "RoSE":
        """Move everything to a device, and give the network and CLIP another type. Returns self."""
        for part in (self.unet, self.codec, self.clip):
            if part is not None and device is not None:
                part.to(device)
        for part in (self.unet, self.clip):
            if part is not None and dtype is not None:
                part.to(dtype)
        return self

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    @property
    def multiple(self) -> int:
        """Heights and widths must be multiples of this."""
        if isinstance(self.unet, RoseUNet):
            return self.codec.factor  # it makes sizes fit on its way up; the others do not
        if isinstance(self.unet, BackboneNetwork):
            return self.codec.factor * self.unet.reduction
        levels = len(self.unet.config.block_out_channels)
        return int(self.codec.factor * 2 ** (levels - 1))

    @property
    def photo_channels(self) -> int:
        """Channels of the codec's input: one only for a grey photo without a VAE."""
        return photo_channels(self.parts)

    @property
    def frame_channels(self) -> int:
        return frame_channels(self.parts)

    def encode_photos(self, images: Tensor, noise: Tensor | None = None) -> Condition:
        """Encode photos as conditions of the network.

        images: (B, 1 or 3, H, W), display-encoded, 0 to 1. noise: of `photo_shape`, scaled by the settings' noise
        augmentation. A grey model gets the mean of the channels (the paper's grey). Raises ModelError for a grey image
        given to a model of colour, and for unsupported sizes.
        """
        batch, channels, height, width = images.shape
        if height % self.multiple or width % self.multiple:
            raise ModelError(
                f"a photo of {width} x {height} pixels; this network takes multiples of {self.multiple}"
            )
        if self.settings.photo == "grey":
            images = images.mean(dim=1, keepdim=True)
        elif channels != 3:
            raise ModelError(f"a photo of {channels} channels; this model sees RGB")
        coded = images.expand(batch, self.photo_channels, height, width) * 2 - 1
        with torch.no_grad():
            if self.clip is None:
                width = getattr(self.unet.config, "cross_attention_dim", 1)
                context = coded.new_zeros(batch, 1, width if isinstance(width, int) else width[0])
            else:
                context = self.clip(coded)
            if noise is not None:
                coded = coded + self.settings.sampling.noise_augmentation * noise.to(coded)
            latents = self.codec.encode_image(coded)
        takes_angles = getattr(self.unet, "takes_angles", True)
        return Condition(latents, context, frame_numbers(self.settings, takes_angles, batch, latents.device))

    def photo_shape(self, batch: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape of the codec's input."""
        return batch, self.photo_channels, height, width

    def latent_shape(self, batch: int, height: int, width: int) -> tuple[int, int, int, int, int]:
        """Shape of the sequence's latents: (B, F, C, h, w)."""
        factor = self.codec.factor
        channels = self.codec.channels(self.frame_channels)
        return batch, self.settings.frames, channels, height // factor, width // factor

    @torch.no_grad()
    def encode_target(self, target: Tensor) -> Tensor:
        """Encode shading (B, K, H, W), 0 to 1, or normals (B, 3, H, W) as latents (B, F, C, h, w)."""
        if self.settings.target == "normal":
            return self.codec.encode_frames(target).unsqueeze(1)
        batch, frames, height, width = target.shape
        coded = (target * 2 - 1).reshape(batch * frames, 1, height, width)
        coded = coded.expand(-1, self.frame_channels, -1, -1)
        return self.codec.encode_frames(coded).unflatten(0, (batch, frames))

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, F, C, h, w): shading (B, K, H, W), 0 to 1, or normals (B, 3, H, W), about unit length."""
        images = self.codec.decode(latents.flatten(0, 1), latents.shape[1])
        if self.settings.target == "normal":
            return images
        return (images.mean(dim=1).unflatten(0, latents.shape[:2]) + 1) / 2

    def velocity(
        self, noisy: Tensor, sigma: Tensor, condition: Condition, network: Network | None = None
    ) -> Tensor:
        """Run the network once: v (B, F, C, h, w). network: `unet`, as training has wrapped it."""
        call = self.unet if network is None else network
        kind = next(self.unet.parameters()).dtype
        photo = condition.latents.to(kind)
        if not isinstance(self.unet, RoseUNet):
            return self._channels(photo, call)[0]
        frames = noisy.shape[1]
        seen = torch.cat(
            [scale_input(noisy, sigma).to(kind), photo.unsqueeze(1).expand(-1, frames, -1, -1, -1)], dim=2
        )
        return call(seen, time_of(sigma), condition.context.to(kind), condition.added, return_dict=False)[0]

    def _channels(self, photo: Tensor, call: Network) -> tuple[Tensor, Tensor]:
        """v (B, F, C, h, w) and the heads (B, N, H, W) of a network with the frames as channels.

        One step from zeros: there is no noisy latent to see, and no other noise level.
        """
        answer = call(photo, 0, return_dict=False)[0]
        heads = len(self.settings.heads)
        split = answer.shape[1] - heads * self.codec.channels(1)
        values = self.codec.decode(answer[:, split:], heads) if heads else answer[:, split:]
        return answer[:, :split].unflatten(1, (self.settings.frames, -1)), values

    def one_step(self, images: Tensor, network: Network | None = None) -> Outputs:
        """Run the network once, from zeros in place of noise; differentiable.

        Args:
            images: (B, 1 or 3, H, W), display-encoded, 0 to 1, on the model's device.
            network: `unet`, as training has wrapped it.

        Raises:
            ModelError: If the images have an unsupported shape.
        """
        condition = self.encode_photos(images)
        extra: list[Tensor] = []

        def velocity(noisy: Tensor, sigma: Tensor, given: Condition) -> Tensor:
            if isinstance(self.unet, RoseUNet):
                return self.velocity(noisy, sigma, given, network)
            kind = next(self.unet.parameters()).dtype
            found, heads = self._channels(given.latents.to(kind), self.unet if network is None else network)
            extra.append(heads)
            return found

        shape = self.latent_shape(images.shape[0], *images.shape[2:])
        frames = self.decode(one_step(velocity, condition, shape, self.schedule)).float()
        heads = {name: extra[0][:, [place]].float() for place, name in enumerate(self.settings.heads)}
        return Outputs(frames, **heads)

    @torch.no_grad()
    def _averaged(self, images: Tensor, how: Sampling) -> Outputs:
        """`one_step`, averaged with that of the mirrored images if `how` says so."""
        first = self.one_step(images)
        if not how.mirror:
            return first
        second = self.one_step(images.flip(-1))
        frames = second.frames.flip(-1)
        if self.settings.target == "shading":
            frames = frames[:, self.settings.mirrored_frames]
        else:
            frames = frames * frames.new_tensor([-1.0, 1.0, 1.0]).reshape(1, 3, 1, 1)

        def mean(one: Tensor | None, other: Tensor | None) -> Tensor | None:
            return None if one is None or other is None else (one + other.flip(-1)) / 2

        return Outputs(
            (first.frames + frames) / 2,
            mean(first.coverage, second.coverage),
            mean(first.error, second.error),
        )

    def predict(
        self,
        inputs: Inputs,
        *,
        seed: int = 0,
        sampling: Sampling | None = None,
        solver: str = DEFAULT_SOLVER,
    ) -> Prediction:
        """Predict shading and solve it for normals, or predict normals.

        Args:
            inputs: `image` (B, 1 or 3, H, W), display-encoded, and optionally `mask` (B, 1, H, W).
            seed: Of the noise, the same for every photo.
            sampling: Steps and guidance in place of the model's own.
            solver: Of `multishade.photometry.solvers.methods`, for models that make shading.

        Returns:
            normal, confidence, mask, and shading if the model makes it; on the CPU.

        Raises:
            ModelError: If the image is missing or of an unsupported shape.
            SolveError: If the solver is unknown.
        """
        (image,) = base.require(inputs, "image")
        if self.settings.process == "one_step":
            outputs = self._averaged(image.to(self.device), sampling or self.settings.sampling)
        else:
            outputs = Outputs(self.generate(image, seed, sampling))
        return self.solved(outputs, inputs.mask, solver)

    def solved(
        self, outputs: Outputs | Tensor, mask: Tensor | None = None, solver: str = DEFAULT_SOLVER
    ) -> Prediction:
        """Turn what the network made into a prediction.

        Args:
            outputs: Of `one_step`, or the tensor of `generate`.
            mask: (B, 1, H, W), the object; None: where the model detects one.
            solver: Of `multishade.photometry.solvers.methods`, for models that make shading.

        Raises:
            SolveError: If the solver is unknown.
        """
        if isinstance(outputs, Tensor):
            outputs = Outputs(outputs)
        generated = outputs.frames.cpu()
        coverage = None if outputs.coverage is None else outputs.coverage.cpu().sigmoid()
        error = None if outputs.error is None else outputs.error.cpu().exp()
        normal, confidence, masks = solve_batch(
            self.settings,
            generated.numpy(),
            None if mask is None else mask[:, 0].cpu().numpy() > 0.5,
            solver,
            None if coverage is None else coverage.numpy(),
            None if error is None else error.numpy(),
        )
        return Prediction(
            normal=torch.from_numpy(normal),
            confidence=torch.from_numpy(confidence),
            mask=torch.from_numpy(masks),
            shading=generated if self.settings.target == "shading" else None,
            coverage=coverage,
        )

    def generate(self, images: Tensor, seed: int = 0, sampling: Sampling | None = None) -> Tensor:
        """Run the network as it is meant to be run: sampled from noise, or one call.

        Args:
            images: (B, 1 or 3, H, W), display-encoded, 0 to 1.
            seed: Of the noise, the same for every photo.
            sampling: Steps and guidance in place of the model's own.

        Returns:
            Shading (B, K, H, W), about 0 to 1, or normals (B, 3, H, W), about unit length; float32.

        Raises:
            ModelError: If the images have an unsupported shape.
        """
        how = sampling or self.settings.sampling
        batch, _, height, width = images.shape
        images = images.to(self.device)
        with torch.no_grad():
            if self.settings.process == "one_step":
                return self._averaged(images, how).frames
            # Sampled on the CPU, so that a seed gives the same noise on every device: the photo's noise first.
            shape = self.latent_shape(batch, height, width)
            generator = torch.Generator().manual_seed(seed)
            photo_noise = torch.randn(self.photo_shape(1, height, width), generator=generator)
            noise = torch.randn(1, *shape[1:], generator=generator).to(self.device)
            condition = self.encode_photos(images, photo_noise)
            latents = sample(self.velocity, condition, noise.expand(shape), self.schedule, how)
            return self.decode(latents).float()
