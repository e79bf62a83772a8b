# SPDX-License-Identifier: Apache-2.0
"""Images under known lights -> normals: what PS-FCN and IGA-PSN are to everyone else, and their folders on disk."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from multishade.errors import ModelError
from multishade.models.base import FORMAT, Inputs, Prediction
from multishade.models.network_folder import load_weights, read_folder, save_folder
from multishade.models.ps_fcn.network import PsFcnNetwork, StereoNetwork
from multishade.models.ps_fcn.observations import normalised
from multishade.models.ps_fcn.published import published_weights
from multishade.models.ps_fcn.settings import PsFcnSettings, StereoSettings

PIXELS_AT_ONCE = 1 << 18  # of all images that go through the network together, in prediction
S = TypeVar("S", bound=StereoSettings)


class StereoModel(ABC, Generic[S]):
    """A photometric-stereo network that is ready to run.

    Attributes:
        settings: What it is.
        network: What is trained.

    Args:
        settings: Of its class's `settings_type`.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[StereoSettings]]
    settings: S
    network: StereoNetwork

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self.network = self.build(settings).eval()

    @staticmethod
    @abstractmethod
    def build(settings: S) -> StereoNetwork:
        """Make the network with random weights, from torch's global generator."""

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def networks(self) -> dict[str, nn.Module]:
        """Return the network that is trained, by its folder's name."""
        return {"network": self.network}

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move the network to a device and give it another type. Returns self."""
        self.network.to(device=device, dtype=dtype)
        return self

    def observe(self, images: Tensor, mask: Tensor) -> Tensor:
        """Make of images (B, K, 3, H, W), linear light, and their mask (B, 1, H, W) what the network sees."""
        return normalised(images, mask) if self.settings.normalise else images * (mask != 0).unsqueeze(1)

    @torch.no_grad()
    def predict(self, inputs: Inputs, *, seed: int = 0, part: int | None = None) -> Prediction:
        """Predict normals.

        Args:
            inputs: `images` (B, K, 3, H, W) and `directions` (B, K, 3), in any order, and optionally `mask`.
            seed: Not used.
            part: How many images go through the network at once; None: as many as the memory of one of 512 x 512 pixels
                takes.

        Returns:
            Normals, 0 off the mask, and the mask, on the network's device. Without a mask the object is where any image
            is above 0.

        Raises:
            ModelError: If images or directions are missing, or do not belong together.
        """
        self.network.eval()
        images, directions = self._checked(inputs)
        mask = inputs.mask
        if mask is None:
            mask = torch.stack([(image > 0).any(dim=1) for image in images.unbind(1)]).any(dim=0)[:, None]
        mask = (mask != 0).to(self.device)
        part = part or max(1, PIXELS_AT_ONCE // (len(images) * images.shape[3] * images.shape[4]))
        kind = next(self.network.parameters()).dtype
        outputs = self.network(self.observe(images, mask).to(kind), directions.to(kind), part)
        return Prediction(normal=outputs[-1] * mask, mask=mask)

    def _checked(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        images, directions = inputs.images, inputs.directions
        if images is None or directions is None:
            raise ModelError(
                f"{self.name} takes several images under known lights, not one photo: multishade solve FOLDER --method "
                f"{self.name}"
            )
        if images.ndim != 5 or images.shape[2] != 3 or directions.shape != (*images.shape[:2], 3):
            raise ModelError(
                f"images of shape {tuple(images.shape)} and directions of shape {tuple(directions.shape)}; {self.name} "
                "takes (B, K, 3, H, W) and (B, K, 3)"
            )
        return images.to(self.device, torch.float32), directions.to(self.device, torch.float32)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write a folder that `from_pretrained` reads; dtype: of the stored weights, torch.float16 halves them."""
        save_folder(folder, self.name, self.settings, self.network, dtype)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Load a folder of ours, a name on the Hub, or the file of a published checkpoint.

        Args:
            source: The folder, name or file.
            device: Default the CPU.
            dtype: Of the network while it runs; default float32.

        Raises:
            ModelError: If something is missing, damaged, or of another model.
        """
        if Path(source).is_file():
            name, options, weights = published_weights(Path(source))
            if name != cls.name:
                raise ModelError(f"{source}: holds {name}, not {cls.name}")
            settings = cls.settings_type.from_json({"format": FORMAT, **options}, str(source))
        else:
            settings, weights = read_folder(source, cls.name, cls.settings_type)
        model = cls(settings)  # type: ignore[arg-type]
        load_weights(model.network, weights, source, cls.name)
        return model.to(device, dtype)


class PSFCN(StereoModel[PsFcnSettings]):
    """PS-FCN (Chen et al., ECCV 2018; with `normalise` PS-FCN(N), TPAMI 2020)."""

    name: ClassVar[str] = "ps-fcn"
    settings_type: ClassVar[type[StereoSettings]] = PsFcnSettings

    @staticmethod
    def build(settings: PsFcnSettings) -> StereoNetwork:
        return PsFcnNetwork(settings)
