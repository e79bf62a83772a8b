# SPDX-License-Identifier: Apache-2.0
"""Prepared samples -> one batch of torch tensors, small enough to pass between processes and to a GPU."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.display import display_of
from multishade.data.photometric import grey_of
from multishade.data.prepare import Prepared
from multishade.errors import DataError

Allocate = Callable[[str, tuple[int, ...], "np.dtype[Any]"], NDArray[Any]]


@dataclass(frozen=True)
class Fault:
    """A sample that could not be read: its tar, and what was wrong."""

    place: str
    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples on one device. The properties are float32 and are computed at first use, on the batch's device.

    Attributes:
        keys: Of the samples in their shards.
        epoch, number: Which batch of this rank it is.
        indices: (B,) the samples' numbers in the data set.
        fields: Name -> what the properties are computed from, packed as it travels. image: (B, 1 or 3, H, W) float16,
            not yet display-encoded if `linear`, then to be made `grey` or not. normal: (B, 3, H, W) float16. shading:
            (B, K, H, W) float16, absent if it follows from the normal. images: (B, 3 K, H, W) float16. depth:
            (B, 1, H, W) float32. albedo: (B, 3, H, W) float16; roughness, metallic: (B, 1, H, W) float16.
            light_directions, intrinsics, orthographic: as the properties.
        directions: (K, 3) the lights of `shading`, camera frame.
        linear, grey: How `image` follows from its field.
        faults: Samples that could not be read, and were replaced, in the making of this batch.
    """

    keys: tuple[str, ...]
    epoch: int
    number: int
    indices: Tensor
    fields: Mapping[str, Tensor]
    directions: Tensor
    linear: bool
    grey: bool
    faults: tuple[Fault, ...] = ()

    @cached_property
    def image(self) -> Tensor:
        """(B, 1 or 3, H, W) display-encoded (sRGB), 0 to 1."""
        packed = self._packed("image")
        display = display_of(packed) if self.linear else packed
        return (grey_of(display) if self.grey else display).float()

    @cached_property
    def images(self) -> Tensor:
        """(B, K, 3, H, W) linear light, one image for each of `light_directions`; background 0."""
        return self._packed("images").unflatten(1, (-1, 3)).float()

    @property
    def light_directions(self) -> Tensor:
        """(B, K, 3) unit vectors towards the lights of `images`, camera frame."""
        return self._packed("light_directions")

    @cached_property
    def normal(self) -> Tensor:
        """(B, 3, H, W) unit vectors, camera frame; 0 off the mask."""
        normal = self._packed("normal").float()
        squared = (normal * normal).sum(dim=1, keepdim=True)
        return normal.mul_(squared.clamp_min_(1e-6).rsqrt_())

    @cached_property
    def mask(self) -> Tensor:
        """(B, 1, H, W), 1 on the object and 0 elsewhere."""
        return (self._packed("normal") != 0).any(dim=1, keepdim=True).float()

    @cached_property
    def shading(self) -> Tensor:
        """(B, K, H, W): max(0, normal . direction[k]), or the stored sequence with cast shadows; 0 off the mask."""
        if "shading" in self.fields:
            return self.fields["shading"].float()
        count, _, height, width = self._packed("normal").shape
        shading = torch.matmul(self.directions, self.normal.flatten(2)).clamp_min_(0)
        return shading.view(count, len(self.directions), height, width)

    @property
    def depth(self) -> Tensor:
        """(B, 1, H, W) along the view axis, scene units; 0 off the mask."""
        return self._packed("depth")

    @cached_property
    def albedo(self) -> Tensor:
        """(B, 3, H, W) base colour, linear; 0 off the mask."""
        return self._packed("albedo").float()

    @cached_property
    def roughness(self) -> Tensor:
        """(B, 1, H, W), 0 to 1; 0 off the mask."""
        return self._packed("roughness").float()

    @cached_property
    def metallic(self) -> Tensor:
        """(B, 1, H, W), 0 to 1; 0 off the mask."""
        return self._packed("metallic").float()

    @property
    def intrinsics(self) -> Tensor:
        """(B, 3, 3) pinhole matrices of the images as they are in the batch: cropped, resized, turned.

        In pixels, origin at the outer corner of the top-left pixel. Of an orthographic camera: pixels per scene unit.
        """
        return self._packed("intrinsics")

    @property
    def orthographic(self) -> Tensor:
        """(B,) bool: whether the camera is orthographic, not perspective."""
        return self._packed("orthographic")

    def _packed(self, name: str) -> Tensor:
        if name not in self.fields:
            raise DataError(
                f"this batch has no {name}; it has {', '.join(self.fields)}: ask the loader for it (fields)"
            )
        return self.fields[name]

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on another device; what was computed here is computed there anew."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory, from which a GPU copies while the CPU goes on."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            indices=change(self.indices),
            fields={name: change(tensor) for name, tensor in self.fields.items()},
            directions=change(self.directions),
        )


def allocate_new(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Memory that nothing else uses."""
    return np.empty(shape, dtype)


def make_batch(
    samples: Iterable[Prepared],
    count: int,
    directions: Tensor,
    epoch: int = 0,
    number: int = 0,
    grey: bool = False,
    allocate: Allocate = allocate_new,
) -> Batch:
    """Copy samples into one batch, each as soon as it comes, while the caches hold it.

    Args:
        samples: At least `count`.
        count: B.
        directions: (K, 3) lights of the shading.
        epoch, number: Of the batch.
        grey: Whether an image that is still linear is to be made grey.
        allocate: Field, shape, dtype -> where to put such an array.

    Raises:
        DataError: If samples differ in size or number of lights; names two.
    """
    keys: list[str] = []
    indices: list[int] = []
    arrays: dict[str, NDArray[Any]] = {}
    numbers: dict[str, list[NDArray[Any]]] = {}
    first: Prepared | None = None
    for place, sample in enumerate(samples):
        first = first or sample
        keys.append(sample.key)
        indices.append(sample.index)
        for name, given in sample.planes.items():
            planes = [plane.numpy() for plane in given]
            if name not in arrays:
                arrays[name] = allocate(name, (count, len(planes), *planes[0].shape), planes[0].dtype)
            elif len(planes) != arrays[name].shape[1]:
                raise DataError(
                    f"{keys[0]} has {arrays[name].shape[1]} planes of {name} and {keys[-1]} has {len(planes)}: give "
                    "the field a count, so that all samples of a batch have as many"
                )
            for channel, plane in enumerate(planes):
                if plane.shape != arrays[name].shape[2:]:
                    raise DataError(
                        f"{keys[0]} is {_size(arrays[name])} and {keys[-1]} is {_size(plane)}: set geometric.size, so "
                        "that all samples of a batch have one size"
                    )
                arrays[name][place, channel] = plane  # NumPy's copy starts six times as fast as torch's
        for name, value in sample.numbers.items():
            numbers.setdefault(name, []).append(value)
    assert first is not None and len(keys) == count
    fields = {name: torch.from_numpy(array) for name, array in arrays.items()}
    fields |= {name: torch.from_numpy(np.stack(values)) for name, values in numbers.items()}
    return Batch(
        keys=tuple(keys),
        epoch=epoch,
        number=number,
        indices=torch.tensor(indices),
        fields=fields,
        directions=directions,
        linear=first.linear,
        grey=grey and first.linear,
    )


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[-1]} x {array.shape[-2]}"
