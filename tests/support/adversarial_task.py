# SPDX-License-Identifier: Apache-2.0
"""A tiny task with two optimizers and a network that only training needs: normals, judged by a discriminator."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.data.batches import Batch
from multishade.models.base import Inputs, ModelSettings, Prediction, require
from multishade.training.config import TrainConfig
from multishade.training.task import Losses, Networks, OptimizerSpec, Parameters, Task
from multishade.training.validation import ValidationRow, angular_metrics, thinned


class TinyModel:
    """image (B, C, H, W) -> normals by three convolutions, with batch normalisation."""

    name: ClassVar[str] = "tiny"

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.network = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)
        )

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.network}

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Self:
        self.network.to(device=device, dtype=dtype)
        return self

    @torch.no_grad()
    def predict(self, inputs: Inputs, *, seed: int = 0) -> Prediction:
        (image,) = require(inputs, "image")
        return Prediction(normal=functional.normalize(self.network(image), dim=1))

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "tiny.json").write_text(json.dumps(self.settings.as_json()))
        torch.save(self.network.state_dict(), Path(folder) / "generator.pt")

    @classmethod
    def from_pretrained(cls, source: str | Path, *, device: Any = None, dtype: Any = None) -> Self:
        content = json.loads((Path(source) / "tiny.json").read_text())
        model = cls(ModelSettings.from_json(content, str(source)))
        model.network.load_state_dict(torch.load(Path(source) / "generator.pt", weights_only=True))
        return model.to(device, dtype)


class AdversarialConfig(TrainConfig):
    task: Literal["adversarial"] = "adversarial"


class AdversarialTask(Task[AdversarialConfig, TinyModel]):
    settings_type = AdversarialConfig
    grey = True

    def build(self) -> TinyModel:
        self.discriminator = nn.Sequential(
            nn.Conv2d(4, 8, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 1, 4, stride=2, padding=1),
        )
        model = TinyModel(ModelSettings(size=self.config.model.size))
        self.generator = model.network
        return model

    def networks(self, model: TinyModel) -> dict[str, nn.Module]:
        return {**model.networks(), "discriminator": self.discriminator}

    def optimizers(self, parameters: Parameters) -> list[OptimizerSpec]:
        def of(network: str) -> Parameters:
            return {name: value for name, value in parameters.items() if name.startswith(f"{network}.")}

        return [
            OptimizerSpec("discriminator", of("discriminator"), rate=0.5, betas=(0.5, 0.999)),
            OptimizerSpec("generator", of("generator")),
        ]

    def losses(
        self, model: TinyModel, networks: Networks, batch: Batch, optimizer: str, rng: torch.Generator
    ) -> Losses:
        def judged(normal: Tensor) -> Tensor:
            return networks["discriminator"](torch.cat([batch.image, normal], dim=1))

        def entropy(logits: Tensor, real: float) -> Tensor:
            wanted = torch.full_like(logits, real)
            return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(
                (1, 2, 3)
            )

        noisy = batch.image + 0.01 * torch.randn(batch.image.shape, generator=rng)
        normal = networks["generator"](noisy)
        if optimizer == "discriminator":
            real, made = entropy(judged(batch.normal), 1.0), entropy(judged(normal.detach()), 0.0)
            return Losses((real + made) / 2, {"real": real, "made": made})
        error = (normal - batch.normal).square().mean((1, 2, 3))
        adversarial = entropy(judged(normal), 1.0)
        return Losses(10 * error + 0.25 * adversarial, {"error": error, "adversarial": adversarial})

    def validate(self, model: TinyModel, batch: Batch, pictures: int) -> list[ValidationRow]:
        normal = model.predict(Inputs(image=batch.image)).normal
        assert normal is not None
        rows = []
        for key, made, true, mask in zip(
            batch.keys, normal, batch.normal, batch.mask[:, 0] > 0.5, strict=True
        ):
            cosine = (made * true).sum(0).clamp(-1, 1)
            error = torch.rad2deg(torch.arccos(cosine)).numpy()
            metrics = angular_metrics(error, mask.numpy())
            rows.append(ValidationRow(key, metrics, thinned(true.movedim(0, 2).numpy(), mask.numpy())))
        return rows
