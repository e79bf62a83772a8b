# SPDX-License-Identifier: Apache-2.0
"""A trained photometric-stereo network as a solver: images under known lights -> `Solution`, as of `photometry`.

Importing this imports no torch.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ModelError, SolveError
from multishade.extras import require
from multishade.photometry.shading import lambert
from multishade.photometry.solvers.solution import Solution

if TYPE_CHECKING:
    from multishade.models.base import Model

NETWORKS = ("iga-psn", "ps-fcn")  # names of models.registry
Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
LEAST_IMAGES = 3


def is_learned(method: str) -> bool:
    """Whether a method's name is that of a trained network: "iga-psn", or "iga-psn:" and a folder or file."""
    return method.partition(":")[0] in NETWORKS


def load_stereo(method: str, device: str | None = None) -> "Model":
    """Load the network of a method.

    Args:
        method: "iga-psn" (bundled), or a model's name, a colon, and its folder, Hub name or published checkpoint.
        device: Default the CPU.

    Raises:
        ModelError: If there is no such model.
    """
    require("torch", extra="train")
    from multishade.models.bundled import bundled_model
    from multishade.models.registry import load_model

    name, _, place = method.partition(":")
    model = load_model(place or bundled_model(name), device)
    if model.name != name:
        raise ModelError(f"{method}: holds a model of {model.name}; write {model.name}:{place}")
    return model


def solve_learned(images: NDArray[Any], directions: NDArray[Any], mask: Bool, model: "Model") -> Solution:
    """Predict normals by a network, and fit the albedo to them.

    Args:
        images: (K, H, W) or (K, H, W, 3) linear light, divided by the lights' intensities. Clipped values are seen as
            they are.
        directions: (K, 3) unit vectors to the lights, camera frame.
        mask: (H, W), the object.
        model: One of `NETWORKS`.

    Returns:
        The solution. The albedo fits max(0, n . l), residual and confidence follow from how well it does: the network
        predicts none.

    Raises:
        SolveError: If there are fewer than three images, or a value on the object is not finite.
    """
    import torch

    from multishade.models.base import Inputs

    if len(images) < LEAST_IMAGES:
        raise SolveError(f"{len(images)} images; {model.name} needs {LEAST_IMAGES} under different lights")
    values = np.asarray(images, np.float32)
    if not np.isfinite(values[:, mask]).all():
        raise SolveError("an image is not finite inside the mask")
    colour = np.repeat(values[..., None], 3, axis=3) if values.ndim == 3 else values
    planes = torch.from_numpy(colour).permute(0, 3, 1, 2)[None]
    lights = torch.from_numpy(np.asarray(directions, np.float32))[None]
    answer = model.predict(Inputs(images=planes, directions=lights, mask=torch.from_numpy(mask)[None, None]))
    assert answer.normal is not None
    normal = np.moveaxis(answer.normal[0].float().cpu().numpy(), 0, 2)
    determined = mask & (values.reshape(len(values), *mask.shape, -1) > 0).any(axis=(0, 3))
    normal = np.where(determined[..., None], normal, 0).astype(np.float32)
    albedo, residual, confidence = _fit(values, np.asarray(directions, np.float32), normal, determined)
    return Solution(normal, albedo, residual, confidence, determined)


def _fit(
    images: Float32, directions: Float32, normal: Float32, determined: Bool
) -> tuple[Float32, Float32, Float32]:
    """Fit albedo * max(0, n . l) to the images, given the normals.

    Returns:
        albedo (H, W) or (H, W, 3); the root mean square misfit (H, W), of the mean of the channels; and the confidence
        (H, W): the share of the images' energy that the fit explains.
    """
    shading = lambert(normal, directions, determined)
    energy = np.einsum("khw,khw->hw", shading, shading)
    colour = images.ndim == 4
    fitted = np.einsum("khw,khwc->hwc" if colour else "khw,khw->hw", shading, images)
    scale = np.where(energy > 0, energy, 1)
    albedo = (
        np.where(determined[..., None], fitted / scale[..., None], 0)
        if colour
        else fitted / scale * determined
    )
    misfit, total = (np.zeros(normal.shape[:2], np.float32) for _ in range(2))
    for image, lit in zip(images, shading, strict=True):  # one by one: the memory of one image
        grey, made = (image.mean(axis=2), albedo.mean(axis=2)) if colour else (image, albedo)
        misfit += (grey - made * lit) ** 2
        total += grey**2
    explained = np.where(determined & (total > 0), 1 - misfit / np.where(total > 0, total, 1), 0)
    residual = np.where(determined, np.sqrt(misfit / len(images)), 0)
    return albedo.astype(np.float32), residual.astype(np.float32), np.clip(explained, 0, 1).astype(np.float32)
