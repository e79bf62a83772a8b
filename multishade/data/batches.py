# SPDX-License-Identifier: Apache-2.0
"""Prepared samples -> one batch of torch tensors, small enough to pass between processes and to a GPU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from multishade.data.display import display_of
from multishade.data.photometric import grey_of
from multishade.data.prepare import Prepared
from multishade.errors import DataError


@dataclass(frozen=True)
class Fault:
    """A sample that could not be read: its tar, and what was wrong."""

    place: str
    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """B samples on one device. The properties are float32; they are computed at first use, where the batch then is.

    keys: of the samples in their shards. epoch, number: which batch of this rank it is. indices: (B,) the
    samples' numbers in the data set. packed_image: (B, 1 or 3, H, W) float16. packed_normal: (B, 3, H, W)
    float16. packed_mask: (B, 1, H, W) bool. packed_shading: (B, K, H, W) float16, or None where it follows
    from the normal. directions: (K, 3) lights, camera frame. faults: what could not be read, and was
    replaced, in the making of this batch.
    """

    keys: tuple[str, ...]
    epoch: int
    number: int
    indices: Tensor
    packed_image: Tensor
    packed_normal: Tensor
    packed_mask: Tensor
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
        return self.packed_mask.float()

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
            packed_mask=change(self.packed_mask),
            packed_shading=None if self.packed_shading is None else change(self.packed_shading),
            directions=change(self.directions),
        )


def make_batch(
    samples: Sequence[Prepared],
    directions: Tensor,
    epoch: int = 0,
    number: int = 0,
    grey: bool = False,
    faults: Sequence[Fault] = (),
) -> Batch:
    """Stack samples. Raises DataError, naming two of them, where their sizes differ."""
    first = samples[0]
    for sample in samples:
        if sample.mask.shape != first.mask.shape:
            raise DataError(
                f"{first.key} is {_size(first)} and {sample.key} is {_size(sample)}: set geometric.size, so that all "
                "samples of a batch have one size"
            )
    shadings = [sample.shading for sample in samples if sample.shading is not None]
    return Batch(
        keys=tuple(sample.key for sample in samples),
        epoch=epoch,
        number=number,
        indices=torch.tensor([sample.index for sample in samples]),
        packed_image=torch.stack([sample.image for sample in samples]),
        packed_normal=torch.stack([sample.normal for sample in samples]),
        packed_mask=torch.stack([sample.mask for sample in samples])[:, None],
        packed_shading=torch.stack(shadings) if shadings else None,
        directions=directions,
        linear=first.linear,
        grey=grey and first.linear,
        faults=tuple(faults),
    )


def _size(sample: Prepared) -> str:
    height, width = sample.mask.shape
    return f"{width} x {height}"
