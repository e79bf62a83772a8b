# SPDX-License-Identifier: Apache-2.0
"""Prepared samples -> one batch of torch tensors, small enough to pass between processes and to a GPU."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.display import display_of
from multishade.data.photometric import grey_of
from multishade.data.prepare import Prepared
from multishade.errors import DataError

Allocate = Callable[[str, tuple[int, ...]], NDArray[np.float16]]


@dataclass(frozen=True)
class Fault:
    """A sample that could not be read: its tar, and what was wrong."""

    place: str
    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples on one device. The properties are float32; they are computed at first use, where the batch then is.

    keys: of the samples in their shards. epoch, number: which batch of this rank it is. indices: (B,) the samples'
    numbers in the data set. packed_image: (B, 1 or 3, H, W) float16; not yet display-encoded where `linear`, and then
    to be made `grey` or not. packed_normal: (B, 3, H, W) float16. packed_shading: (B, K, H, W) float16, or None where
    it follows from the normal. directions: (K, 3) lights, camera frame. faults: what could not be read, and was
    replaced, in the making of this batch.
    """

    keys: tuple[str, ...]
    epoch: int
    number: int
    indices: Tensor
    packed_image: Tensor
    packed_normal: Tensor
    packed_shading: Tensor | None
    directions: Tensor
    linear: bool
    grey: bool
    faults: tuple[Fault, ...] = ()

    @cached_property
    def image(self) -> Tensor:
        """(B, 1 or 3, H, W) display-encoded (sRGB), 0 to 1."""
        display = display_of(self.packed_image) if self.linear else self.packed_image
        return (grey_of(display) if self.grey else display).float()

    @cached_property
    def normal(self) -> Tensor:
        """(B, 3, H, W) unit vectors, camera frame; 0 off the mask."""
        normal = self.packed_normal.float()
        squared = (normal * normal).sum(dim=1, keepdim=True)
        return normal.mul_(squared.clamp_min_(1e-6).rsqrt_())

    @cached_property
    def mask(self) -> Tensor:
        """(B, 1, H, W), 1 on the object and 0 elsewhere."""
        return (self.packed_normal != 0).any(dim=1, keepdim=True).float()

    @cached_property
    def shading(self) -> Tensor:
        """(B, K, H, W): max(0, normal . direction[k]), or the stored sequence with cast shadows; 0 off the mask."""
        if self.packed_shading is not None:
            return self.packed_shading.float()
        count, _, height, width = self.packed_normal.shape
        shading = torch.matmul(self.directions, self.normal.flatten(2)).clamp_min_(0)
        return shading.view(count, len(self.directions), height, width)

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The batch on another device; what was computed here is computed there anew."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from which a GPU copies while the CPU goes on."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            indices=change(self.indices),
            packed_image=change(self.packed_image),
            packed_normal=change(self.packed_normal),
            packed_shading=None if self.packed_shading is None else change(self.packed_shading),
            directions=change(self.directions),
        )


def allocate_anew(name: str, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Allocate an array of its own."""
    return np.empty(shape, np.float16)


def make_batch(
    samples: Iterable[Prepared],
    count: int,
    directions: Tensor,
    epoch: int = 0,
    number: int = 0,
    grey: bool = False,
    allocate: Allocate = allocate_anew,
) -> Batch:
    """Copy `count` samples into one batch, each as soon as it comes, while the caches hold it.

    allocate: name ("image", "normal", "shading") and shape -> where to put such an array, float16.

    Raises DataError, naming two samples, if their sizes differ.
    """
    keys: list[str] = []
    indices: list[int] = []
    arrays: dict[str, NDArray[np.float16]] = {}
    first: Prepared | None = None
    for place, sample in enumerate(samples):
        first = first or sample
        keys.append(sample.key)
        indices.append(sample.index)
        for name, given in (("image", sample.image), ("normal", sample.normal), ("shading", sample.shading)):
            planes = [] if given is None else [plane.numpy() for plane in given]
            if planes and name not in arrays:
                arrays[name] = allocate(name, (count, len(planes), *planes[0].shape))
            for channel, plane in enumerate(planes):
                if plane.shape != arrays[name].shape[2:]:
                    raise DataError(
                        f"{keys[0]} is {_size(arrays[name])} and {keys[-1]} is {_size(plane)}: set geometric.size, so "
                        "that all samples of a batch have one size"
                    )
                arrays[name][place, channel] = plane  # NumPy's copy starts six times as fast as torch's
    assert first is not None and len(keys) == count
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Batch(
        keys=tuple(keys),
        epoch=epoch,
        number=number,
        indices=torch.tensor(indices),
        packed_image=tensors["image"],
        packed_normal=tensors["normal"],
        packed_shading=tensors.get("shading"),
        directions=directions,
        linear=first.linear,
        grey=grey and first.linear,
    )


def _size(array: NDArray[np.float16]) -> str:
    return f"{array.shape[-1]} x {array.shape[-2]}"
