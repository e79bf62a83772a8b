# SPDX-License-Identifier: Apache-2.0
"""What every trained model is: settings, networks, `predict` from `Inputs` to `Prediction`, a folder on disk.

A model lives in a folder of its own, `models/NAME/`, and is listed in `models/registry.py`. On disk its settings are
`NAME.json`, beside its weights; the file's name tells which model a folder holds. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from pydantic import Field, ValidationError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

from multishade.config.section import Section
from multishade.errors import ModelError

FORMAT = 1


class ModelSettings(Section):
    """Base of a model's settings: one class for the `model` section of a training configuration and for NAME.json."""

    size: int = Field(256, ge=8, le=4096, description="pixels a side of the images that it is trained at")

    @classmethod
    def from_json(cls, content: Mapping[str, Any], source: str) -> Self:
        """Check the content of a settings file.

        Args:
            content: The parsed JSON. Settings that it lacks have their defaults, so that older files load.
            source: The file's name, for errors.

        Raises:
            ModelError: If the file has another format, an unknown setting or a value out of range.
        """
        if content.get("format") != FORMAT:
            raise ModelError(
                f"{source}: format {content.get('format')!r}; this version of multishade reads format {FORMAT}"
            )
        try:
            return cls.model_validate({name: value for name, value in content.items() if name != "format"})
        except ValidationError as error:
            raise ModelError(f"{source}: {describe(error)}") from error

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"format": FORMAT, **self.model_dump(mode="json")}


@dataclass(frozen=True)
class Inputs:
    """What a network is given, float32 tensors of one batch; a model states which of them it needs.

    Attributes:
        image: (B, 1 or 3, H, W) display-encoded (sRGB), 0 to 1.
        mask: (B, 1, H, W), 1 on the object.
        images: (B, K, 3, H, W) linear light, one image per light.
        directions: (B, K, 3) unit vectors towards the lights of `images`, camera frame.
        normal: (B, 3, H, W) unit vectors, camera frame; 0 off the object.
        depth: (B, 1, H, W) along the view axis, scene units; 0 off the object.
        intrinsics: (B, 3, 3) pinhole matrices, pixels, origin at the outer corner of the top-left pixel.
        orthographic: (B,) bool, whether a camera is orthographic, its matrix in pixels per scene unit; None: none is.
        confidence: (B, 1, H, W) of `normal`, 0 to 1.
        anchors: (B, 1, H, W) measured depth, scene units; 0 where none is.
    """

    image: Tensor | None = None
    mask: Tensor | None = None
    images: Tensor | None = None
    directions: Tensor | None = None
    normal: Tensor | None = None
    depth: Tensor | None = None
    intrinsics: Tensor | None = None
    orthographic: Tensor | None = None
    confidence: Tensor | None = None
    anchors: Tensor | None = None


@dataclass(frozen=True)
class Prediction:
    """What a network makes of one batch, float32; None for what the model does not predict.

    Attributes:
        normal: (B, 3, H, W) unit vectors, camera frame; 0 where there is none.
        confidence: (B, 1, H, W), 0 to 1.
        mask: (B, 1, H, W) bool, the object: as given, or where the model detects one.
        shading: (B, K, H, W), about 0 to 1, one frame per light of the model.
        depth: (B, 1, H, W) along the view axis; 0 off the object.
        coverage: (B, 1, H, W), 0 to 1, how much of a pixel the object is thought to cover, whatever mask was given.
    """

    normal: Tensor | None = None
    confidence: Tensor | None = None
    mask: Tensor | None = None
    shading: Tensor | None = None
    depth: Tensor | None = None
    coverage: Tensor | None = None


@runtime_checkable
class Model(Protocol):
    """A model that is ready to run."""

    name: ClassVar[str]

    @property
    def settings(self) -> ModelSettings: ...

    @property
    def device(self) -> torch.device: ...

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks that are trained, by the name of their folder on disk."""
        ...

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move everything to a device and give the networks another type. Returns self."""
        ...

    def predict(self, inputs: Inputs, *, seed: int = 0) -> Prediction:
        """Run the model on a batch. Models may take further keyword arguments, each with a default.

        Args:
            inputs: The batch, on any device.
            seed: Of a sampled model's noise.

        Raises:
            ModelError: If an input that the model needs is missing or has an unsupported shape.
        """
        ...

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write a folder that `from_pretrained` reads; dtype: of the stored networks."""
        ...

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Load a folder, or a name on the Hugging Face Hub. Raises ModelError."""
        ...


def require(inputs: Inputs, *names: str) -> list[Tensor]:
    """Get inputs that a model cannot do without.

    Args:
        inputs: What the model was given.
        *names: Attributes of `Inputs`.

    Returns:
        The tensors, in the order of the names.

    Raises:
        ModelError: If one is missing; names it.
    """
    found = []
    for name in names:
        value = getattr(inputs, name)
        if value is None:
            raise ModelError(f"this model needs the input '{name}', which is missing")
        found.append(value)
    return found


def describe(error: ValidationError) -> str:
    """Describe in one line which settings are wrong.

    Args:
        error: What pydantic raised for settings of a model.

    Returns:
        The settings with their values and what is allowed, separated by semicolons.
    """
    problems = []
    for problem in error.errors():
        field = ".".join(map(str, problem["loc"]))
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            problems.append(f"unknown {field}; it was written by a newer version of multishade")
        elif problem["type"] == "value_error":
            problems.append(message)
        else:
            problems.append(f"{field} {problem['input']!r}: {message[0].lower() + message[1:]}")
    return "; ".join(problems)
