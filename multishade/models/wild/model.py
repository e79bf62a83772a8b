# SPDX-License-Identifier: Apache-2.0
"""`Wild`: photos (B, 1 or 3, H, W) in 0..1 -> normals; with heads, the object's coverage and the expected error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.errors import ModelError
from multishade.models.base import Inputs, Prediction
from multishade.models.base import require as require_inputs
from multishade.models.network_folder import load_weights, read_folder, read_record, save_folder
from multishade.models.wild.network import LiteNetwork, WildNetwork, build
from multishade.models.wild.settings import WildSettings

WEIGHTS = "generator/model.safetensors"
COVERED = 0.5


@dataclass(frozen=True)
class Outputs:
    """What the network makes of photos, float32.

    Attributes:
        normal: (B, 3, H, W) unit vectors, camera frame, at every pixel.
        coverage: (B, 1, H, W) logits of the object's coverage; None without that head.
        error: (B, 1, H, W) logarithm of the expected angular error, radians; None without that head.
    """

    normal: Tensor
    coverage: Tensor | None = None
    error: Tensor | None = None


class Wild:
    """A model that is ready to run.

    Attributes:
        settings: What it is.
        network: What is trained; the source's generator.
        record: Where it comes from: "encoder", the origin of pretrained weights, or None, and "perceptual", the
            features of that loss in training. It is stored with the weights.

    Args:
        settings: Of the network.
        record: As the attribute.
    """

    name: ClassVar[str] = "wild"

    def __init__(self, settings: WildSettings, record: Mapping[str, Any] | None = None) -> None:
        self.settings = settings
        self.network: WildNetwork = build(settings).eval()
        self.record: dict[str, Any] = dict(record or {})
        if isinstance(self.network, LiteNetwork) and self.record.get("encoder"):
            self.network.freeze_statistics()

    def load_encoder(self) -> None:
        """Take the encoder's weights of ImageNet, and record their origin.

        Raises:
            ModelError: If the network has no such encoder, or the weights are damaged.
            MissingPackageError: If the package that holds them is not installed.
        """
        if not isinstance(self.network, LiteNetwork):
            raise ModelError(f"network {self.settings.network}: has no encoder with weights of ImageNet")
        self.record["encoder"] = self.network.load_encoder()

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def networks(self) -> dict[str, nn.Module]:
        """Return the network that is trained, by its folder's name."""
        return {"generator": self.network}

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move the network to a device and give it another type. Returns self."""
        self.network.to(device=device, dtype=dtype)
        return self

    def outputs(self, images: Tensor, network: Callable[[Tensor], Tensor] | None = None) -> Outputs:
        """Run the network; differentiable.

        Args:
            images: (B, 1 or 3, H, W), display-encoded, 0 to 1, on the model's device. Grey ones are repeated.
            network: The model's, as training has wrapped it.

        Raises:
            ModelError: If the images have an unsupported shape.
        """
        batch, channels, height, width = images.shape
        multiple = self.network.reduction
        if channels not in (1, 3) or height % multiple or width % multiple:
            raise ModelError(
                f"a photo of {width} x {height} pixels and {channels} channels; this network takes 1 or 3 channels and "
                f"multiples of {multiple} pixels"
            )
        kind = next(self.network.parameters()).dtype
        coded = images.expand(batch, 3, height, width) * 2 - 1
        raw = (self.network if network is None else network)(coded.to(kind)).float()
        heads = {name: raw[:, [3 + place]] for place, name in enumerate(self.settings.heads)}
        return Outputs(functional.normalize(torch.tanh(raw[:, :3]), dim=1), **heads)

    @torch.no_grad()
    def predict(self, inputs: Inputs, *, seed: int = 0) -> Prediction:
        """Predict normals.

        Args:
            inputs: `image` (B, 1 or 3, H, W), display-encoded, and optionally `mask` (B, 1, H, W).
            seed: Not used.

        Returns:
            Normals, confidence, mask, and coverage if the model has that head, on the network's device. Without a mask
            the object is where the coverage is above one half; everywhere, if the model predicts none. The confidence
            is 1 less the expected error's share of a right angle; 1 on the object if the model predicts none.

        Raises:
            ModelError: If the image is missing or of an unsupported shape.
        """
        self.network.eval()
        (image,) = require_inputs(inputs, "image")
        found = self._averaged(image.to(self.device))
        coverage = None if found.coverage is None else found.coverage.sigmoid()
        if inputs.mask is not None:
            mask = inputs.mask.to(self.device) > COVERED
        elif coverage is not None:
            mask = coverage > COVERED
        else:
            mask = torch.ones_like(found.normal[:, :1], dtype=torch.bool)
        trust = torch.ones_like(found.normal[:, :1])
        if found.error is not None:
            trust = (1 - found.error.exp() / (torch.pi / 2)).clamp(0, 1)
        return Prediction(normal=found.normal * mask, confidence=trust * mask, mask=mask, coverage=coverage)

    def _averaged(self, images: Tensor) -> Outputs:
        """`outputs`, averaged with those of the mirrored images if the settings say so."""
        first = self.outputs(images)
        if not self.settings.mirror:
            return first
        second = self.outputs(images.flip(-1))
        mirrored = second.normal.flip(-1) * second.normal.new_tensor([-1.0, 1.0, 1.0]).reshape(1, 3, 1, 1)

        def mean(one: Tensor | None, other: Tensor | None) -> Tensor | None:
            return None if one is None or other is None else (one + other.flip(-1)) / 2

        return Outputs(
            functional.normalize(first.normal + mirrored, dim=1),
            mean(first.coverage, second.coverage),
            mean(first.error, second.error),
        )

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write a folder that `from_pretrained` reads; dtype: of the stored weights, torch.float16 halves them."""
        save_folder(folder, self.name, self.settings, self.network, dtype, file=WEIGHTS, record=self.record)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Load a folder of ours, or a name on the Hub.

        Args:
            source: The folder or name.
            device: Default the CPU.
            dtype: Of the network while it runs; default float32.

        Raises:
            ModelError: If something is missing, damaged, or of another model.
        """
        settings, weights = read_folder(source, cls.name, WildSettings, WEIGHTS)
        model = cls(settings, read_record(source, cls.name))
        load_weights(model.network, weights, source, cls.name)
        return model.to(device, dtype)
