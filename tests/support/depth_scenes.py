# SPDX-License-Identifier: Apache-2.0
"""A plane and a sphere before both kinds of camera, as IronDepth sees them: their truth is known by formula."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from multishade.geometry.camera import pixel_grid
from multishade.models.base import Inputs
from multishade.models.irondepth.model import IronDepth, make_scene, mean_depth
from multishade.models.irondepth.network import Scene
from multishade.models.irondepth.propagation import to_relief, width_at_object
from multishade.models.irondepth.settings import IronDepthSettings
from tests.support.synthetic import camera_matrix, cast_sphere

Kind = Literal["perspective", "orthographic"]
KINDS: tuple[Kind, ...] = ("perspective", "orthographic")
TILT = np.array([0.35, -0.3, 0.0])


def tiny(seed: int = 0, **settings: Any) -> IronDepth:
    """A small network with random weights."""
    torch.manual_seed(seed)
    small: dict[str, Any] = {"size": 32, "stride": 4, "decoder": (16, 16, 16), "features": 8, "hidden": 8}
    return IronDepth(IronDepthSettings(**{**small, **settings}))


def plane_inputs(kind: Kind, size: int = 32) -> Inputs:
    """A tilted plane that fills the image of a camera whose principal point is off the middle."""
    matrix = np.asarray(camera_matrix(kind, size), np.float64)
    matrix[0, 2] += 2.5
    normal = TILT + [0, 0, np.sqrt(1 - TILT @ TILT)]
    x, y = pixel_grid((size, size), matrix)
    middle = np.array([0.1, 0.05, -1.7])
    if kind == "perspective":
        depth = (normal @ middle) / (normal[0] * x + normal[1] * y - normal[2])
    else:
        depth = (normal[0] * (x - middle[0]) + normal[1] * (y - middle[1])) / normal[2] - middle[2]
    mask = np.ones((size, size), bool)
    return _inputs(kind, np.broadcast_to(normal, (size, size, 3)), depth, mask, matrix)


def sphere_inputs(kind: Kind, size: int = 32, least: float = 0.3) -> Inputs:
    """A sphere, seen where its normal's z is above `least`."""
    matrix = np.asarray(camera_matrix(kind, size), np.float64)
    mask, normal, depth = cast_sphere(kind, size, matrix)
    mask &= normal[..., 2] > least
    return _inputs(kind, normal, depth, mask, matrix)


def scene_of(inputs: Inputs, initial: Tensor | None = None, anchors: Tensor | None = None) -> Scene:
    """The scene that a network is given."""
    assert inputs.normal is not None and inputs.mask is not None and inputs.intrinsics is not None
    device = torch.device("cpu")
    return make_scene(inputs, inputs.normal, inputs.mask, inputs.intrinsics, device, initial, anchors)


def relief_of(inputs: Inputs) -> Tensor:
    """The true relief (1, 1, H, W)."""
    assert inputs.depth is not None and inputs.mask is not None and inputs.intrinsics is not None
    assert inputs.orthographic is not None
    unit = width_at_object(inputs.intrinsics, inputs.mask.shape[-1])
    distance = mean_depth(inputs.depth, inputs.mask)
    return to_relief(inputs.depth, distance, unit, inputs.orthographic.view(-1, 1, 1, 1)) * inputs.mask


def _inputs(kind: Kind, normal: Any, depth: Any, mask: Any, matrix: Any) -> Inputs:
    inside = mask[..., None]
    return Inputs(
        image=torch.rand(1, 3, *mask.shape, generator=torch.Generator().manual_seed(0)),
        mask=torch.from_numpy(mask.astype(np.float32))[None, None],
        normal=torch.from_numpy(np.where(inside, normal, 0).astype(np.float32)).permute(2, 0, 1)[None],
        depth=torch.from_numpy(np.where(mask, depth, 0).astype(np.float32))[None, None],
        intrinsics=torch.from_numpy(matrix.astype(np.float32))[None],
        orthographic=torch.tensor([kind == "orthographic"]),
    )
