# SPDX-License-Identifier: Apache-2.0
"""Which of a network's weights are trained, by name -> parameter; and a running mean of them."""

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from multishade.errors import TrainingError

# "The first convolution and all attention": 199.9 million parameters of SVD's UNet, the paper's 200 million.
FIRST_CONV_ATTENTION = re.compile(r"^conv_in\.|\.attn[12]\.|\.attentions\.\d+\.(group_norm|to_)")
LORA_LAYERS = r".*\.(to_q|to_k|to_v|to_out\.0)"
Parameters = dict[str, nn.Parameter]


def choose(unet: nn.Module, trainable: str, lora_rank: int = 16) -> Parameters:
    """Enable gradients of these weights only: "all", "first_conv_attention" or "lora" (adapters are inserted).

    Returns the weights by name. Raises TrainingError if the network has none of them.
    """
    unet.requires_grad_(False)
    if trainable == "lora":
        from peft import LoraConfig, inject_adapter_in_model

        inject_adapter_in_model(
            LoraConfig(r=lora_rank, lora_alpha=lora_rank, target_modules=LORA_LAYERS), unet
        )
        chosen = {name: value for name, value in unet.named_parameters() if ".lora_" in name}
    elif trainable == "first_conv_attention":
        chosen = {name: value for name, value in unet.named_parameters() if FIRST_CONV_ATTENTION.search(name)}
    else:
        chosen = dict(unet.named_parameters())
    if not chosen:
        raise TrainingError(f"optimisation.trainable {trainable}: this network has no such weights")
    for value in chosen.values():
        value.requires_grad_(True)
    return chosen


def merged(unet: nn.Module) -> nn.Module:
    """Return a copy of the network with adapters folded into the weights that they adapt; itself if it has none."""
    from peft.tuners.lora import LoraLayer

    if not any(isinstance(module, LoraLayer) for module in unet.modules()):
        return unet
    plain = copy.deepcopy(unet)
    for name, module in list(plain.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(plain.get_submodule(parent), child, module.get_base_layer())
    return plain


class RunningMean:
    """Exponential mean of weights, float32. Early on it forgets faster: decay is at most (1 + step) / (10 + step)."""

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.mean = {name: value.detach().float().clone() for name, value in parameters.items()}

    @torch.no_grad()
    def update(self, parameters: Mapping[str, Tensor], step: int) -> None:
        """Add the present weights. step: updates made so far."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, value in parameters.items():
            self.mean[name].lerp_(value.detach().float(), 1 - keep)

    @contextmanager
    def in_place_of(self, parameters: Parameters) -> Iterator[None]:
        """Run the network on the mean, then on its own weights again."""
        own = {name: value.detach().clone() for name, value in parameters.items()}
        try:
            _copy(self.mean, parameters)
            yield
        finally:
            _copy(own, parameters)


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], parameters: Parameters) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
