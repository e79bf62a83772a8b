# SPDX-License-Identifier: Apache-2.0
"""Losses (B,) of a batch's samples -> one number: their mean, or a mean with weights that are learned.

The learned weights are a softmax over the batch of a score per sample, divided by a temperature. The score is a linear
function of the logarithms of the sample's loss and its parts. Samples with high losses would lose all weight, so the
Kullback-Leibler divergence from uniform weights is added: it is 0 for uniform weights and ln B if one sample has all.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from multishade.training.config import Weighting
from multishade.training.task import Losses

SMALLEST_LOSS = 1e-6  # below it, logarithms would grow without bound


@dataclass(frozen=True)
class Weighted:
    """loss: (), to be minimised. log: numbers for the log."""

    loss: Tensor
    log: dict[str, float] = field(default_factory=dict)


class LossWeighting(nn.Module):
    """Combine the losses of a batch. This class takes their mean and has no parameters."""

    def forward(self, losses: Losses) -> Weighted:
        return Weighted(losses.total.mean())


class InstanceWeighting(LossWeighting):
    """Weights per sample, learned with the model.

    Args:
        temperature: Of the softmax; high temperatures give uniform weights.
        kl: Weight of the divergence from uniform weights.
    """

    def __init__(self, temperature: float, kl: float) -> None:
        super().__init__()
        self.temperature, self.kl = temperature, kl
        # Zeros: uniform weights at first. The bias of a score would cancel in the softmax, so there is none.
        self.total = nn.Parameter(torch.zeros(()))
        self.parts = nn.Parameter(torch.zeros(()))

    def forward(self, losses: Losses) -> Weighted:
        """Compute sum of w_i l_i + kl * KL(w || uniform), with w the softmax of the scores.

        Returns:
            The loss, and for the log "weighting/kl" and "weighting/effective": 1 / sum of w_i^2 over B, the share of
            the batch that the weights amount to; 1 / B means that they have collapsed onto one sample.
        """
        weights = self.weights(losses)
        divergence = divergence_from_uniform(weights)
        effective = 1 / (weights.detach().square().sum() * len(weights))
        log = {"weighting/kl": float(divergence.detach()), "weighting/effective": float(effective)}
        return Weighted((weights * losses.total).sum() + self.kl * divergence, log)

    def weights(self, losses: Losses) -> Tensor:
        """(B,), summing to 1; gradients flow to the scores, not through them to the losses."""
        score = self.total * _logarithm(losses.total)
        if losses.parts:
            score = score + self.parts * torch.stack(
                [_logarithm(part) for part in losses.parts.values()]
            ).mean(0)
        return torch.softmax(score / self.temperature, dim=0)


def divergence_from_uniform(weights: Tensor) -> Tensor:
    """Compute KL(w || uniform) = sum of w_i ln(B w_i).

    Args:
        weights: (B,), summing to 1.

    Returns:
        (), in nats: 0 for uniform weights, ln B if one sample has all the weight.
    """
    return torch.special.xlogy(weights, weights).sum() + math.log(len(weights))


def build(options: Weighting) -> LossWeighting:
    """Make the weighting of a configuration.

    Args:
        options: The section `weighting`.

    Returns:
        A module that is called with the `Losses` of a batch.
    """
    if options.kind == "instance":
        return InstanceWeighting(options.temperature, options.kl)
    return LossWeighting()


def _logarithm(loss: Tensor) -> Tensor:
    return loss.detach().float().clamp_min(SMALLEST_LOSS).log()
