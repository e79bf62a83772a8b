# SPDX-License-Identifier: Apache-2.0
"""Losses (B,) of a batch's samples -> one number: their mean, or a mean with weights that are learned.

The learned weights are a softmax over the batch of a score per sample, divided by a temperature. The score is a linear
function of the logarithms of the sample's loss and its parts. Samples with high losses would lose all weight, so the
Kullback-Leibler divergence from uniform weights is added: it is 0 for uniform weights and ln B if one sample has all.
Weights that collapse onto one sample all the same are reported (`CollapseWatch`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from multishade.training.config import Weighting
from multishade.training.task import Losses

SMALLEST_LOSS = 1e-6  # below it, logarithms would grow without bound
# Weights have collapsed if fewer samples than this share of the way from one to all of a batch carry them.
COLLAPSED_SHARE = 0.1
COLLAPSED = "weighting/collapsed"
# The watch takes the mean over about this many steps, and reports again after it has fallen below the lower bound.
WATCHED_STEPS, REPORTED_ABOVE, FORGOTTEN_BELOW = 20, 0.5, 0.25


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
            the batch that the weights amount to; 1 / B means that they have collapsed onto one sample. And
            "weighting/collapsed": 1 if they have (nearly), else 0.
        """
        weights = self.weights(losses)
        divergence = divergence_from_uniform(weights)
        effective = effective_share(weights)
        log = {
            "weighting/kl": float(divergence.detach()),
            "weighting/effective": effective,
            COLLAPSED: float(has_collapsed(effective, len(weights))),
        }
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


def effective_share(weights: Tensor) -> float:
    """Compute which share of a batch its weights amount to: 1 / (B sum of w_i^2).

    Args:
        weights: (B,), summing to 1.

    Returns:
        1 for uniform weights, 1 / B if one sample has all the weight.
    """
    return float(1 / (weights.detach().square().sum() * len(weights)))


def has_collapsed(effective: float, samples: int) -> bool:
    """Tell whether weights have collapsed onto about one sample.

    Args:
        effective: Of `effective_share`.
        samples: B. One sample cannot collapse.

    Returns:
        Whether they have.
    """
    return samples > 1 and (effective * samples - 1) / (samples - 1) < COLLAPSED_SHARE


class CollapseWatch:
    """Reports learned weights that have collapsed, once each time that they do.

    Args:
        report: Called with a line for the terminal.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report, self._mean, self._reported = report, 0.0, False

    def see(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers that a step logs; step: how many are made."""
        if COLLAPSED not in values:
            return
        self._mean += (values[COLLAPSED] - self._mean) / WATCHED_STEPS
        if self._mean > REPORTED_ABOVE and not self._reported:
            self._reported = True
            self._report(
                f"step {step}: the learned weights have collapsed: they amount to "
                f"{values['weighting/effective']:.0%} of "
                "a batch, so most samples are not trained on; raise weighting.kl or weighting.temperature"
            )
        elif self._mean < FORGOTTEN_BELOW:
            self._reported = False


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
