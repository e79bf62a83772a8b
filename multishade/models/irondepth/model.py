# SPDX-License-Identifier: Apache-2.0
"""`IronDepth`: a photo, its normals and the camera -> depth; or a depth map -> a better one."""

from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from multishade.errors import ModelError
from multishade.models import base
from multishade.models.base import Inputs, Prediction
from multishade.models.irondepth.network import IronDepthNetwork, Scene
from multishade.models.irondepth.propagation import (
    pixel_coordinates,
    to_depth,
    to_relief,
    width_at_object,
)
from multishade.models.irondepth.settings import REDUCTION, IronDepthSettings
from multishade.models.network_folder import load_weights, read_folder, save_folder


class IronDepth:
    """A model that is ready to run (Bae, Budvytis and Cipolla, BMVC 2022).

    Attributes:
        settings: What it is.
        network: What is trained.

    Args:
        settings: Its weights are random, from torch's global generator.
    """

    name: ClassVar[str] = "irondepth"

    def __init__(self, settings: IronDepthSettings) -> None:
        self.settings = settings
        self.network = IronDepthNetwork(settings).eval()

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

    @torch.no_grad()
    def predict(self, inputs: Inputs, *, seed: int = 0, iterations: int | None = None) -> Prediction:
        """Predict depth, or refine a given one.

        Args:
            inputs: `image` (B, 3, H, W), `normal` and `intrinsics`, of any size; `mask` (default: where there is a
                normal), `confidence` (default: 1), `orthographic`. `depth` is refined in place of the network's own
                initial depth; `anchors` stay as they are and bring their scale.
            seed: Not used.
            iterations: Of the refinement; default: the model's own.

        Returns:
            Depth and mask. Without `depth` and `anchors` the scale is not known, and the object's mean depth is 1: with
            an orthographic camera, 0 plus 1.

        Raises:
            ModelError: If an input is missing or of another shape.
        """
        self.network.eval()
        return Prediction(depth=self.refinements(inputs, iterations)[-1], mask=self._mask(inputs) > 0)

    @torch.no_grad()
    def refinements(self, inputs: Inputs, iterations: int | None = None) -> list[Tensor]:
        """Return the depth after each iteration, (B, 1, H, W) each, the initial one first. Arguments as `predict`."""
        self.network.eval()
        normal, intrinsics = self._checked(inputs)
        mask = self._mask(inputs)
        width = normal.shape[-1]
        unit = width_at_object(intrinsics, width)
        orthographic = _orthographic(inputs, intrinsics)
        distance = torch.ones_like(unit)
        initial, anchors = inputs.depth, inputs.anchors
        if initial is not None:
            initial = initial.to(self.device, torch.float32)
            distance = mean_depth(initial, mask)
            initial = to_relief(initial, distance, unit, orthographic)
        scene = self._padded(make_scene(inputs, normal, mask, intrinsics, self.device, initial))
        count = self.settings.iterations if iterations is None else iterations
        if anchors is not None:
            anchors = torch.where(
                (anchors.to(self.device) > 0) & (mask > 0), anchors.to(self.device), torch.nan
            )
            if initial is None:
                first = to_depth(_cut(self.network(scene, 0)[0], normal), distance, unit, orthographic)
                distance = anchored_distance(anchors, first, distance, orthographic)
            known = to_relief(anchors, distance, unit, orthographic)
            scene = self._padded(
                make_scene(inputs, normal, mask, intrinsics, self.device, initial, known.float())
            )
        reliefs = self.network(scene, count)
        return [to_depth(_cut(each, normal), distance, unit, orthographic) * (mask > 0) for each in reliefs]

    def _checked(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        image, normal, intrinsics = base.require(inputs, "image", "normal", "intrinsics")
        if image.ndim != 4 or image.shape[1] != 3 or normal.shape != image.shape:
            raise ModelError(
                f"image of shape {tuple(image.shape)} and normal of shape {tuple(normal.shape)}; irondepth takes "
                "(B, 3, H, W) both"
            )
        plane = (len(image), 1, *image.shape[2:])
        for name in ("mask", "confidence", "depth", "anchors"):
            value = getattr(inputs, name)
            if value is not None and tuple(value.shape) != plane:
                raise ModelError(f"{name} of shape {tuple(value.shape)}; expected {plane}")
        if intrinsics.shape != (len(image), 3, 3):
            raise ModelError(f"intrinsics of shape {tuple(intrinsics.shape)}; expected {(len(image), 3, 3)}")
        return normal.to(self.device, torch.float32), intrinsics.to(self.device, torch.float32)

    def _mask(self, inputs: Inputs) -> Tensor:
        """(B, 1, H, W), 1 where there is object and a normal."""
        assert inputs.normal is not None
        given = (inputs.normal != 0).any(dim=1, keepdim=True)
        mask = given if inputs.mask is None else given & (inputs.mask > 0.5)
        return mask.to(self.device, torch.float32)

    @staticmethod
    def _padded(scene: Scene) -> Scene:
        """The scene enlarged to multiples of 32 pixels, to the right and below."""
        height, width = scene.mask.shape[2:]
        more = (0, -width % REDUCTION, 0, -height % REDUCTION)
        if not any(more):
            return scene

        def grown(planes: Tensor | None, value: float = 0.0) -> Tensor | None:
            return None if planes is None else functional.pad(planes, more, value=value)

        planes = {
            name: grown(getattr(scene, name))
            for name in ("image", "mask", "normal", "confidence", "coordinates", "initial")
        }
        return Scene(**planes, q=scene.q, anchors=grown(scene.anchors, torch.nan))  # type: ignore[arg-type]

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
        """Load a folder of ours or a name on the Hub.

        Args:
            source: The folder or name.
            device: Default the CPU.
            dtype: Of the network while it runs; default float32.

        Raises:
            ModelError: If something is missing, damaged, or of another model.
        """
        settings, weights = read_folder(source, cls.name, IronDepthSettings)
        model = cls(settings)
        load_weights(model.network, weights, source, cls.name)
        return model.to(device, dtype)


def make_scene(
    inputs: Inputs,
    normal: Tensor,
    mask: Tensor,
    intrinsics: Tensor,
    device: torch.device,
    initial: Tensor | None = None,
    anchors: Tensor | None = None,
) -> Scene:
    """Put together what the network is given.

    Args:
        inputs: `image`, and `confidence` and `orthographic` if there are any.
        normal, mask, intrinsics: On the device.
        device: Where the network is.
        initial, anchors: Relief, as `Scene`.
    """
    assert inputs.image is not None
    height, width = mask.shape[2:]
    confidence = mask if inputs.confidence is None else inputs.confidence.to(device, torch.float32) * mask
    unit = width_at_object(intrinsics, width)
    return Scene(
        image=inputs.image.to(device, torch.float32) * mask,  # no background can be taken for the object
        mask=mask,
        normal=normal * mask,
        confidence=confidence,
        coordinates=pixel_coordinates(intrinsics, height, width),
        q=torch.where(_orthographic(inputs, intrinsics), 0.0, unit),
        initial=None if initial is None else initial * mask,
        anchors=anchors,
    )


def mean_depth(depth: Tensor, mask: Tensor) -> Tensor:
    """Return the mean depth (B, 1, 1, 1) over the object of maps (B, 1, H, W); 1 if there is no object."""
    count = mask.sum(dim=(1, 2, 3), keepdim=True)
    mean = torch.where(mask > 0, depth, 0.0).sum(dim=(1, 2, 3), keepdim=True) / count.clamp_min(1)
    return torch.where(count > 0, mean, 1.0)


def anchored_distance(anchors: Tensor, depth: Tensor, distance: Tensor, orthographic: Tensor) -> Tensor:
    """Fit the object's mean depth to anchors.

    Args:
        anchors: (B, 1, H, W) measured depth; NaN where none is.
        depth: (B, 1, H, W) depth of an object at `distance`.
        distance: (B, 1, 1, 1).
        orthographic: (B, 1, 1, 1) bool.

    Returns:
        (B, 1, 1, 1): times the median ratio of anchors to depth, or plus their median difference (orthographic);
        `distance` for samples without anchors.
    """
    ratio = (anchors / depth).flatten(1).nanmedian(dim=1).values.view(-1, 1, 1, 1)
    offset = (anchors - depth).flatten(1).nanmedian(dim=1).values.view(-1, 1, 1, 1)
    fitted = torch.where(orthographic, distance + offset, distance * ratio)
    return torch.where(torch.isfinite(fitted), fitted, distance)


def _orthographic(inputs: Inputs, intrinsics: Tensor) -> Tensor:
    """(B, 1, 1, 1) bool."""
    if inputs.orthographic is None:
        return torch.zeros(len(intrinsics), 1, 1, 1, dtype=torch.bool, device=intrinsics.device)
    return inputs.orthographic.to(intrinsics.device).view(-1, 1, 1, 1)


def _cut(planes: Tensor, like: Tensor) -> Tensor:
    return planes[..., : like.shape[-2], : like.shape[-1]]
