# SPDX-License-Identifier: Apache-2.0
"""What a model is trained on and how: fields of a batch, networks, optimizers, losses, validation.

A new model's task is a file in `training/tasks/`, listed in `training/tasks/__init__.py`. The trainer does the rest:
steps, precision, processes, logs, checkpoints, resumption.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multishade.data.batches import Batch
from multishade.data.fields import DEFAULT_FIELDS, FieldSpec
from multishade.data.settings import Data as DataSettings
from multishade.errors import TrainingError
from multishade.models.base import Model
from multishade.training.config import Optimisation, TrainConfig
from multishade.training.validation import ValidationRow

Parameters = Mapping[str, nn.Parameter]
Networks = Mapping[str, Callable[..., Any]]
C = TypeVar("C", bound=TrainConfig)
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Losses:
    """total: (B,), what is minimised. parts: its ingredients, (B,) each, for the log.

    Losses are kept per sample, so that one that is not finite is traced to its sample, and samples can be weighted.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerSpec:
    """An AdamW over some of the trained parameters.

    Attributes:
        name: In the log, and an argument of `Task.losses`.
        parameters: By the names that `Task.trainable` gives them. Every parameter belongs to one optimizer.
        rate: Factor on `optimisation.learning_rate`.
        betas: In place of `optimisation.betas`.
        factors: Further factors on the learning rate, by the names of parameters; 1 for all others.
    """

    name: str
    parameters: Parameters
    rate: float = 1.0
    betas: tuple[float, float] | None = None
    factors: Mapping[str, float] = field(default_factory=dict)

    def build(self, options: Optimisation) -> torch.optim.AdamW:
        """Make the optimizer; the groups of parameters of equal factor bear it as "factor"."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, value in self.parameters.items():
            groups.setdefault(self.factors.get(name, 1.0), []).append(value)
        return torch.optim.AdamW(
            [{"params": values, "factor": factor} for factor, values in groups.items()],
            lr=options.learning_rate * self.rate,
            betas=self.betas or options.betas,
            weight_decay=options.weight_decay,
        )


class Task(ABC, Generic[C, M]):
    """One kind of training: C is its configuration, M its model.

    Attributes:
        settings_type: The class of its configuration files.
        fields: What the loader delivers, see `multishade.data.fields`.
        grey: Whether the input image is the mean of the channels.

    Args:
        config: The run's configuration, of `settings_type`.
    """

    settings_type: ClassVar[type[TrainConfig]]
    fields: tuple[FieldSpec, ...] = DEFAULT_FIELDS
    grey: bool = False

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def build(self) -> M:
        """Make the model that training starts from. Random weights come from torch's global generator.

        Raises:
            ModelError: If the settings do not fit each other or the pretrained model.
        """

    @abstractmethod
    def losses(
        self, model: M, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        """Compute the losses that one optimizer minimises.

        Args:
            model: The model, on the device that trains.
            networks: The networks of `self.networks(model)` as prepared for this process, to be called instead.
            batch: On the same device.
            optimizer: The name of the `OptimizerSpec` whose turn it is.
            rng: On the CPU, seeded by run, step and process: the only source of random numbers.

        Returns:
            (B,) each.
        """

    @abstractmethod
    def validate(self, model: M, batch: Batch, pictures: int) -> list[ValidationRow]:
        """Predict and measure each image of a batch; picture the first `pictures` of them."""

    def networks(self, model: M) -> dict[str, nn.Module]:
        """Return all networks that are trained: the model's, and those that only training needs, such as a
        discriminator."""
        return model.networks()

    def trainable(self, model: M) -> dict[str, nn.Parameter]:
        """Return the parameters that are trained, by name, and disable the gradients of all others."""
        networks = self.networks(model)
        prefixed = len(networks) > 1
        return {
            f"{name}.{key}" if prefixed else key: value
            for name, network in networks.items()
            for key, value in network.named_parameters()
        }

    def optimizers(self, parameters: Parameters) -> list[OptimizerSpec]:
        """Distribute the trained parameters over optimizers; in a step each has its turn, in this order."""
        return [OptimizerSpec("all", parameters)]

    def directions(self) -> NDArray[np.float64] | None:
        """Return the lights (K, 3) of `batch.shading`, camera frame; None if the task needs no shading."""
        return None

    def data(self, training: bool) -> DataSettings:
        """Return the loader's settings, for training or for validation."""
        return self.config.data.settings(self.config.model.size, self.grey, training)

    def remarks(self) -> tuple[str, ...]:
        """Return lines for the log on what `build` has found on this machine."""
        return ()

    def found(self) -> Mapping[str, Any]:
        """Return what `build` has found on this machine and a continuation of the run must find again, as JSON."""
        return {}

    def save(self, model: M, folder: Path) -> None:
        """Write the model as inference reads it."""
        model.save_pretrained(folder)


def require_finite(losses: Losses, batch: Batch, step: int) -> None:
    """Check the losses of a batch.

    Args:
        losses: Of the batch.
        batch: Its keys are used in the error.
        step: Number of the update, for the error.

    Raises:
        TrainingError: If a loss is not finite; names the samples, or says that the weights have diverged.
    """
    wrong = ~torch.isfinite(losses.total.detach())
    if not bool(wrong.any()):
        return
    keys = [key for key, bad in zip(batch.keys, wrong.tolist(), strict=True) if bad]
    cause = (
        "every sample of the batch: the weights have diverged; lower optimisation.learning_rate, or use bf16"
        if len(keys) == len(wrong) and len(keys) > 1
        else "inspect these samples with multishade-inspect"
    )
    raise TrainingError(f"step {step}: the loss is not a number for {', '.join(keys)} ({cause})")
