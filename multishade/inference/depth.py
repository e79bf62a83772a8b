# SPDX-License-Identifier: Apache-2.0
"""Normals of a photo and a model of depth -> `Surface`: depth on the square that the network sees.

Importing this imports no torch.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, ModelError
from multishade.extras import require
from multishade.geometry.camera import Projection
from multishade.inference.framing import Window, resize, window_of
from multishade.inference.photo import Float32
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.surface import BOX_UNIT, DEPTH_UNIT, PREDICTED_CUT, Surface

if TYPE_CHECKING:
    from multishade.models.irondepth.model import IronDepth

METHODS = ("irondepth",)
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class DepthInput:
    """What is known of a photo's depth.

    Attributes:
        depth: (H, W) to refine, NaN where there is none; None: the network's own initial depth is refined.
        anchors: (N, 3) points u, v, depth that stay; None: none.
    """

    depth: Float64 | None = None
    anchors: Float64 | None = None


def load_depth_model(method: str, device: str | None = None) -> "IronDepth":
    """Load the model of a method.

    Args:
        method: "irondepth" (bundled), or "irondepth:" and a folder or Hub name.
        device: Default the CPU.

    Raises:
        ModelError: If there is no such method or model.
    """
    name, _, place = method.partition(":")
    if name not in METHODS:
        raise ModelError(f"--method {method}: expected {', '.join(METHODS)}, or irondepth:FOLDER")
    require("torch", extra="train")
    from multishade.models.bundled import bundled_model
    from multishade.models.irondepth.model import IronDepth
    from multishade.models.registry import load_model

    model = load_model(place or bundled_model(name), device)
    if not isinstance(model, IronDepth):
        raise ModelError(f"{method}: holds a model of {model.name}, which makes no depth")
    return model


def depth_of_prediction(
    prediction: PhotoPrediction,
    model: "IronDepth",
    known: DepthInput | None = None,
    iterations: int | None = None,
) -> Surface:
    """Make depth of the normals that were predicted for a photo.

    Args:
        prediction: Of `infer`; its normals may be replaced by better ones.
        model: The model of depth.
        known: Depth to refine, anchors.
        iterations: Of the refinement; None: the model's own.

    Returns:
        The surface, on a square of the model's size round the object. In units of what is known; without it of the mean
        depth, or, orthographic, of the longer side of the object's box with mean depth 0.

    Raises:
        ImageFileError: If there is no normal, or the anchors or the depth to refine do not lie on the object.
    """
    import torch

    from multishade.models.base import Inputs

    known = known or DepthInput()
    photo, mask = prediction.photo, (prediction.normal != 0).any(axis=2)
    if not mask.any():
        raise ImageFileError(f"{photo.name}: no object is found in it; give a mask")
    window, size = _window(prediction, mask), model.settings.size
    scale = size / window.side
    inside = _framed(mask.astype(np.float32), window, size) > 0.5
    normal = _framed(np.where(mask[..., None], prediction.normal, 0), window, size)
    length = np.linalg.norm(normal, axis=2)
    inside &= length > 1e-3
    normal = np.where(inside[..., None], normal / np.maximum(length, 1e-3)[..., None], 0)
    pixels = np.clip(_framed(photo.pixels, window, size), 0, 1)
    confidence = np.clip(_framed(prediction.confidence, window, size), 0, 1)
    camera, projection = _camera(photo.view.camera, window, scale, mask)
    depth, anchors = _depth(known, mask, inside, window, scale), _anchors(known, inside, window, scale)

    def tensor(planes: NDArray[Any] | None) -> Any:
        if planes is None:
            return None
        last = planes[..., None] if planes.ndim == 2 else planes
        return torch.from_numpy(np.moveaxis(last, 2, 0).astype(np.float32))[None]

    made = model.predict(
        Inputs(
            image=tensor(pixels),
            mask=tensor(inside),
            normal=tensor(normal),
            confidence=tensor(confidence),
            depth=tensor(depth),
            anchors=tensor(anchors),
            intrinsics=torch.from_numpy(camera.astype(np.float32))[None],
            orthographic=torch.tensor([projection == "orthographic"]),
        ),
        iterations=iterations,
    )
    assert made.depth is not None
    found = made.depth[0, 0].cpu().numpy().astype(np.float64)
    unit = DEPTH_UNIT if projection == "perspective" else BOX_UNIT
    if known.depth is not None or known.anchors is not None:
        unit = "that of the given depth"
    elif projection == "orthographic":
        found = found - found[inside].mean()
    return Surface(
        np.where(inside, found, np.nan),
        normal.astype(np.float32),
        camera,
        projection,
        float(window.left),
        float(window.top),
        scale,
        PREDICTED_CUT,
        unit,
    )


def _window(prediction: PhotoPrediction, mask: NDArray[np.bool_]) -> Window:
    """The square round the object, whether the photo came with its mask or not."""
    from dataclasses import replace

    return window_of(replace(prediction.photo, mask=mask))


def _framed(values: NDArray[Any], window: Window, size: int) -> Float32:
    """(H, W) or (H, W, C) -> the window's (S, S) or (S, S, C); 0 beyond the photo."""
    square = np.zeros((window.side, window.side, *values.shape[2:]), np.float32)
    top, left = max(window.top, 0), max(window.left, 0)
    part = values[top : window.top + window.side, left : window.left + window.side]
    rows, columns = top - window.top, left - window.left
    square[rows : rows + part.shape[0], columns : columns + part.shape[1]] = part
    return resize(square, size)


def _camera(
    matrix: Float64 | None, window: Window, scale: float, mask: NDArray[np.bool_]
) -> tuple[Float64, Projection]:
    """Intrinsics of the square: grid points, or grid points per longer side of the object's box."""
    shrink = np.diag([scale, scale, 1.0])
    if matrix is not None:
        moved = np.array(matrix, np.float64)
        moved[:2, 2] -= (window.left, window.top)
        return shrink @ moved, "perspective"
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    longer = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    middle = (columns[0] + columns[-1] + 1) / 2 - window.left, (rows[0] + rows[-1] + 1) / 2 - window.top
    return shrink @ np.array([[longer, 0, middle[0]], [0, longer, middle[1]], [0, 0, 1.0]]), "orthographic"


def _depth(
    known: DepthInput, mask: NDArray[np.bool_], inside: NDArray[np.bool_], window: Window, scale: float
) -> Float64 | None:
    """The depth to refine on the square, holes filled with the nearest depth."""
    if known.depth is None:
        return None
    from scipy import ndimage

    given = mask & np.isfinite(known.depth)
    if not given.any():
        raise ImageFileError("the depth to refine has no value on the object")
    size = round(window.side * scale)
    share = _framed(given.astype(np.float32), window, size)
    total = _framed(np.where(given, known.depth, 0), window, size)
    there = share > 0.25
    nearest = ndimage.distance_transform_edt(~there, return_distances=False, return_indices=True)
    mean = total / np.maximum(share, 0.25)
    return np.where(inside, mean[tuple(nearest)], 0).astype(np.float64)


def _anchors(known: DepthInput, inside: NDArray[np.bool_], window: Window, scale: float) -> Float64 | None:
    """Anchors on the square, 0 where there is none; several in one place are averaged."""
    if known.anchors is None:
        return None
    total, count = np.zeros(inside.shape), np.zeros(inside.shape)
    columns = np.floor((known.anchors[:, 0] - window.left) * scale).astype(int)
    rows = np.floor((known.anchors[:, 1] - window.top) * scale).astype(int)
    for row, column, depth in zip(rows, columns, known.anchors[:, 2], strict=True):
        if 0 <= row < len(inside) and 0 <= column < len(inside) and inside[row, column]:
            total[row, column] += depth
            count[row, column] += 1
    if not count.any():
        raise ImageFileError(f"none of the {len(known.anchors)} anchors lies on the object")
    return total / np.maximum(count, 1)
