# SPDX-License-Identifier: Apache-2.0
"""The combination of a batch's losses: a plain mean, or learned weights that the divergence keeps from collapsing."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from multishade.training.config import Weighting
from multishade.training.task import Losses
from multishade.training.weighting import (
    WATCHED_STEPS,
    CollapseWatch,
    InstanceWeighting,
    LossWeighting,
    build,
    divergence_from_uniform,
    effective_share,
    has_collapsed,
)

LOSSES = Losses(torch.tensor([0.1, 0.4, 2.0, 0.3]), {"angle": torch.tensor([0.2, 0.1, 1.5, 0.3])})


def learned(weighting: InstanceWeighting, losses: Losses, steps: int = 300) -> torch.Tensor:
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        weighting(losses).loss.backward()
        optimizer.step()
    return weighting.weights(losses).detach()


def test_fixed_is_the_mean_to_the_last_bit() -> None:
    fixed = build(Weighting())
    assert type(fixed) is LossWeighting
    assert torch.equal(fixed(LOSSES).loss, LOSSES.total.mean())
    assert not list(fixed.parameters())


def test_instance_weights_are_uniform_at_first() -> None:
    weighted = build(Weighting(kind="instance"))(LOSSES)
    torch.testing.assert_close(weighted.loss, LOSSES.total.mean())
    assert weighted.log["weighting/kl"] == pytest.approx(0, abs=1e-6)
    assert weighted.log["weighting/effective"] == pytest.approx(1)


def test_the_divergence_is_that_of_torch() -> None:
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    uniform = Categorical(probs=torch.full((4,), 0.25, dtype=torch.float64))
    expected = kl_divergence(Categorical(probs=weights), uniform)
    torch.testing.assert_close(divergence_from_uniform(weights), expected)
    one = torch.tensor([1.0, 0, 0, 0])
    assert float(divergence_from_uniform(one)) == pytest.approx(math.log(4))


def test_hard_samples_lose_weight_and_the_divergence_limits_it() -> None:
    loose = learned(InstanceWeighting(temperature=1.0, kl=1e-3), LOSSES)
    tight = learned(InstanceWeighting(temperature=1.0, kl=10.0), LOSSES)
    assert loose.argmin() == 2
    assert loose.max() > 0.9  # collapsed: what the log's share shows
    assert tight.std() < 0.1 * loose.std()
    torch.testing.assert_close(loose.sum(), torch.tensor(1.0))


def test_collapse_shows_in_the_log() -> None:
    weighting = InstanceWeighting(temperature=1.0, kl=0.0)
    learned(weighting, LOSSES)
    assert weighting(LOSSES).log["weighting/effective"] < 0.35  # of four samples one counts: 0.25


def test_a_high_temperature_evens_the_weights_out() -> None:
    cold, warm = InstanceWeighting(0.5, 0.0), InstanceWeighting(50.0, 0.0)
    for weighting in (cold, warm):
        weighting.total.data.fill_(-1.0)
    assert warm.weights(LOSSES).std() < 0.05 * cold.weights(LOSSES).std()


def test_gradients_reach_the_losses_by_their_weights_only() -> None:
    weighting = InstanceWeighting(1.0, 0.5)
    weighting.total.data.fill_(-1.0)
    total = LOSSES.total.clone().requires_grad_()
    weighting(Losses(total)).loss.backward()
    torch.testing.assert_close(total.grad, weighting.weights(Losses(total.detach())).detach())


def test_collapse_is_told_from_uneven_weights_in_batches_of_any_size() -> None:
    for samples in (2, 4, 32):
        one = torch.zeros(samples)
        one[0] = 1
        even = torch.full((samples,), 1 / samples)
        halves = torch.zeros(samples)
        halves[: samples // 2] = 2 / samples
        assert effective_share(even) == pytest.approx(1)
        assert effective_share(one) == pytest.approx(1 / samples)
        assert has_collapsed(effective_share(one), samples)
        assert not has_collapsed(effective_share(even), samples)
        assert has_collapsed(effective_share(halves), samples) == (samples == 2)
    assert not has_collapsed(1.0, 1)


def test_collapse_is_reported_once_and_again_after_it_has_passed() -> None:
    said: list[str] = []
    watch = CollapseWatch(said.append)
    weighting = InstanceWeighting(temperature=1.0, kl=0.0)
    even = dict(weighting(LOSSES).log)
    weighting.total.data.fill_(-20.0)
    collapsed = dict(weighting(LOSSES).log)
    assert (even["weighting/collapsed"], collapsed["weighting/collapsed"]) == (0.0, 1.0)
    watch.see(1, collapsed)
    watch.see(2, {"loss": 1.0})  # fixed weights log nothing of the kind
    assert not said  # one batch is none
    for turn in range(2):
        for step in range(5 * WATCHED_STEPS):
            watch.see(step, collapsed)
        assert len(said) == turn + 1
        for step in range(5 * WATCHED_STEPS):
            watch.see(step, even)
    assert "amount to 25% of a batch" in said[0] and "raise weighting.kl or weighting.temperature" in said[0]
