# SPDX-License-Identifier: Apache-2.0
"""Small photometric-stereo networks, spheres under known lights, and checkpoints in the layout of the public code."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from multishade.models.base import Inputs
from multishade.models.iga_psn.model import IGAPSN
from multishade.models.iga_psn.settings import IgaPsnSettings
from multishade.models.ps_fcn.model import PSFCN
from multishade.models.ps_fcn.settings import PsFcnSettings
from tests.support.synthetic import camera_matrix, cast_sphere

WIDTH = 8


def tiny(name: str, seed: int = 0, **settings: Any) -> PSFCN | IGAPSN:
    """A network of width 8 with random weights."""
    torch.manual_seed(seed)
    if name == "ps-fcn":
        return PSFCN(PsFcnSettings(width=WIDTH, **settings))
    return IGAPSN(IgaPsnSettings(width=WIDTH, **settings))


def lit_sphere(size: int = 24, lights: int = 6, seed: int = 0) -> tuple[Inputs, Tensor]:
    """A sphere with a random albedo under random lights, and its normals (1, 3, H, W)."""
    mask, normal, _ = cast_sphere("orthographic", size, camera_matrix("orthographic", size))
    rng = np.random.default_rng(seed)
    towards = rng.normal(size=(lights, 3))
    towards[:, 2] = np.abs(towards[:, 2]) + 0.5
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    shading = np.maximum(np.einsum("kc,hwc->khw", towards, normal), 0)
    albedo = rng.uniform(0.3, 0.9, (3, size, size))
    images = shading[:, None] * albedo * mask
    inputs = Inputs(
        images=torch.from_numpy(images.astype(np.float32))[None],
        directions=torch.from_numpy(towards.astype(np.float32))[None],
        mask=torch.from_numpy(mask.astype(np.float32))[None, None],
    )
    return inputs, torch.from_numpy(normal.astype(np.float32)).permute(2, 0, 1)[None]


# The layers of the public code: name -> channels in and out of the convolution, kernel, whether it is transposed.
_EXTRACTOR = {
    "conv1": (6, 1, 3),
    "conv2": (1, 2, 3),
    "conv3": (2, 2, 3),
    "conv4": (2, 4, 3),
    "conv5": (4, 4, 3),
    "conv6": (4, 2, 4),
    "conv7": (2, 2, 3),
}
_PS_FCN_REGRESSOR = {"deconv1": (2, 2, 3), "deconv2": (2, 2, 3), "deconv3": (2, 1, 4)}
_IGA_PSN_REGRESSOR = {
    "deconv0": (8, 4, 3),
    "deconv1": (4, 2, 3),
    "deconv2": (2, 2, 3),
    "deconv3": (2, 1, 4),
    "deconv4": (1, 1, 3),
}
_HOURGLASS = {
    "mconv1": (1, 2, 3),
    "mconv2": (2, 2, 3),
    "mconv3": (2, 4, 3),
    "mconv4": (4, 4, 3),
    "mconv5": (4, 2, 4),
    "mconv6": (2, 1, 4),
    "red1": (1, 1, 1),
    "red2": (2, 2, 1),
}


def published_state(name: str, width: int = WIDTH, inputs: int = 6, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names and in the shapes of the public code, whose width is 64."""
    rng = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def random(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=rng)

    def layers(prefix: str, table: dict[str, tuple[int, int, int]]) -> None:
        for layer, (before, after, kernel) in table.items():
            first, second = inputs if layer == "conv1" else before * width, after * width
            transposed = kernel == 4
            shape = (first, second) if transposed else (second, first)
            state[f"{prefix}.{layer}.0.weight"] = random(*shape, kernel, kernel)
            if not transposed:
                state[f"{prefix}.{layer}.0.bias"] = random(second)

    layers("extractor", _EXTRACTOR)
    if name == "ps-fcn":
        layers("regressor", _PS_FCN_REGRESSOR)
        state["regressor.est_normal.0.weight"] = random(3, width, 3, 3)
        return state
    layers("high_extractor", _EXTRACTOR)
    hidden = max(1, 2 * width // 16)
    state["attentionfusion.ChannelGate.mlp.1.weight"] = random(hidden, 2 * width)
    state["attentionfusion.ChannelGate.mlp.1.bias"] = random(hidden)
    state["attentionfusion.ChannelGate.mlp.3.weight"] = random(2 * width, hidden)
    state["attentionfusion.ChannelGate.mlp.3.bias"] = random(2 * width)
    state["attentionfusion.SpatialGate.spatial.conv.weight"] = random(1, 2, 7, 7)
    state["attentionfusion.SpatialGate.spatial.conv.bias"] = random(1)
    layers("regressor", _IGA_PSN_REGRESSOR)
    for stage in (2, 3):
        layers(f"regressor.multi_reg{stage}", _HOURGLASS)
    for head in ("est_normal", "est_normal2", "est_normal3"):
        state[f"regressor.{head}.0.weight"] = random(3, width, 3, 3)
    return state


def save_published(path: Path, name: str, **options: Any) -> dict[str, Tensor]:
    """Write such a checkpoint as the public code does. Returns the weights."""
    state = published_state(name, **options)
    model = "PS_FCN_run" if name == "ps-fcn" else "IGA_PSN_run"
    torch.save({"state_dict": state, "model": model}, path)
    return state


def published_normals(state: dict[str, Tensor], images: Tensor, directions: Tensor) -> Tensor:
    """What the public code computes from its weights, written out layer by layer.

    images: (K, 3, H, W) as its network sees them, H and W multiples of 4. directions: (K, 3). Returns (1, 3, H, W).
    """

    def layer(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight, bias = state[f"{name}.0.weight"], state.get(f"{name}.0.bias")
        if weight.shape[2] == 4:
            x = functional.conv_transpose2d(x, weight, stride=2, padding=1)
        else:
            x = functional.conv2d(x, weight, bias, stride=stride, padding=weight.shape[2] // 2)
        return functional.leaky_relu(x, 0.1)

    def extract(prefix: str, x: Tensor) -> Tensor:
        for number in range(1, 8):
            x = layer(f"{prefix}.conv{number}", x, 2 if number in (2, 4) else 1)
        return x

    def gate(x: Tensor, y: Tensor) -> Tensor:
        def mlp(v: Tensor) -> Tensor:
            prefix = "attentionfusion.ChannelGate.mlp"
            v = functional.linear(v, state[f"{prefix}.1.weight"], state[f"{prefix}.1.bias"]).relu()
            return functional.linear(v, state[f"{prefix}.3.weight"], state[f"{prefix}.3.bias"])

        channels = torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))[..., None, None]
        pooled = torch.stack([x.amax(1), x.mean(1)], dim=1)
        prefix = "attentionfusion.SpatialGate.spatial.conv"
        pixels = functional.conv2d(pooled, state[f"{prefix}.weight"], state[f"{prefix}.bias"], padding=3)
        return y * channels * torch.sigmoid(pixels)

    def head(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, state[f"regressor.{name}.0.weight"], padding=1)

    lights = directions[..., None, None].expand(-1, -1, *images.shape[2:])
    plain = extract("extractor", torch.cat([images, lights], 1))
    if "high_extractor.conv1.0.weight" not in state:
        x = plain.amax(0, keepdim=True)
        for name in ("deconv1", "deconv2", "deconv3"):
            x = layer(f"regressor.{name}", x)
        return functional.normalize(head("est_normal", x), dim=1)
    padded = functional.pad(images, (1, 1, 1, 1))
    across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    steep = extract("high_extractor", torch.cat([2 * (across**2 + down**2), lights], 1))
    streams = [gate(plain, steep), gate(steep, plain), plain, steep]
    x = torch.cat([stream.amax(0, keepdim=True) for stream in streams], 1)
    for name in ("deconv0", "deconv1", "deconv2", "deconv3", "deconv4"):
        x = layer(f"regressor.{name}", x)
    for stage in (2, 3):
        prefix = f"regressor.multi_reg{stage}"
        half = layer(f"{prefix}.mconv2", layer(f"{prefix}.mconv1", x, 2))
        low = layer(f"{prefix}.mconv4", layer(f"{prefix}.mconv3", half, 2))
        up = layer(f"{prefix}.mconv6", layer(f"{prefix}.mconv5", low) + layer(f"{prefix}.red2", half))
        x = functional.normalize(up + layer(f"{prefix}.red1", x), dim=1)
    # The third stage's features go through the second head, and the third head is not used.
    return functional.normalize(head("est_normal2", x), dim=1)
