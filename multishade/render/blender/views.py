# SPDX-License-Identifier: Apache-2.0
"""What Cycles rendered of a view, as arrays: float32, scene-linear, unexposed."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.protocol.scene import View
from multishade.render.blender.convergence import EstimatedQuality

Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class RenderedView:
    """All arrays of one view."""

    view: View
    mask: NDArray[np.bool_]  # (H, W)
    normal: Array  # (H, W, 3), camera frame, 0 off the mask
    normal_geometry: Array  # (H, W, 3), likewise, without bump
    depth: Array  # (H, W), along the camera's z axis, +inf off the mask
    alpha: Array  # (H, W), coverage
    images: dict[str, Array]  # field -> (H, W, 3), background 0, premultiplied
    sequence: Array | None  # (K, H, W) for mode cast, (K, H, W, 3) for photometric
    basis: Array | None = None  # (M, H, W, 3), one light of the basis each
    quality: dict[str, EstimatedQuality] = dataclasses.field(
        default_factory=dict
    )  # field -> the least estimated
    passes: dict[str, NDArray[Any]] = dataclasses.field(
        default_factory=dict
    )  # material passes (`blender.passes.material_passes`)
    findings: tuple[str, ...] = ()  # what was corrected in the object's file, as tags


@dataclasses.dataclass(frozen=True)
class RenderedImage:
    """rgba: (H, W, 4), linear, unexposed, premultiplied; quality: None if `psnr` is not set."""

    rgba: Array
    quality: EstimatedQuality | None


@dataclasses.dataclass(frozen=True)
class GeometryBuffers:
    """The fields of `RenderedView` that are rendered in clay."""

    mask: NDArray[np.bool_]
    normal: Array
    normal_geometry: Array
    depth: Array
    sequence: Array | None  # mode cast only
    passes: dict[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
