# SPDX-License-Identifier: Apache-2.0
"""A multi-layer EXR that Cycles wrote -> float32 arrays by pass, and world normals -> camera normals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, RenderFailed
from multishade.imaging.codecs import read_exr_layers, stack_channels
from multishade.imaging.decode import colour_channels
from multishade.protocol.scene import Camera

BACKGROUND_DEPTH = 1e9  # Cycles writes 1e10 if a ray hits nothing


def read_passes(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read all passes of Blender's one layer.

    Args:
        path: A multi-layer EXR file.

    Returns:
        Pass -> float32 array: "Combined" and AOVs (H, W, 4), "Depth" (H, W), "Normal" (H, W, 3).

    Raises:
        RenderFailed: If the file is missing or damaged, since Blender said that it was written.
    """
    passes: dict[str, NDArray[np.float32]] = {}
    try:
        layers = read_exr_layers(path)
    except ImageFileError as error:
        raise RenderFailed(f"Blender's image cannot be read: {error}") from error
    for layer, channels in layers.items():
        names, alpha = colour_channels(channels, str(path))
        stacked = stack_channels(channels, names if alpha is None else (*names, alpha), str(path))
        passes[layer.split(".", 1)[1]] = stacked if stacked.shape[2] > 1 else stacked[..., 0]
    return passes


def hit_mask(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the pixels whose centres hit the object. depth: (H, W) as Cycles writes it; returns (H, W)."""
    return depth < BACKGROUND_DEPTH


def camera_normals(
    world: NDArray[np.float32], mask: NDArray[np.bool_], camera: Camera
) -> NDArray[np.float32]:
    """Rotate normals into the camera's frame.

    Args:
        world: (H, W, 3 or more), the first three channels are normals in the world's frame.
        mask: (H, W), where the normals are valid.
        camera: Whose frame is wanted.

    Returns:
        (H, W, 3) float32, unit length on the mask, 0 off it.
    """
    rotation = np.asarray(camera.camera_to_world, dtype=np.float64)[:3, :3]
    normal = np.zeros((*mask.shape, 3), dtype=np.float32)
    turned = world[mask][:, :3].astype(np.float64) @ rotation
    length = np.linalg.norm(turned, axis=-1, keepdims=True)
    normal[mask] = turned / np.maximum(length, 1e-12)
    return normal


def material_passes(
    passes: Mapping[str, NDArray[np.float32]], names: Sequence[str], mask: NDArray[np.bool_], camera: Camera
) -> dict[str, NDArray[Any]]:
    """Take what the materials are made of out of the AOVs of one sample at each pixel's centre.

    Values that Cycles clamps are clamped likewise, so that they are those with which the images were rendered.

    Args:
        passes: As `read_passes` reads them; the AOVs are those of `blender_scripts.material_passes`.
        names: Of `protocol.scene.PASSES`.
        mask: (H, W), where there is a surface.
        camera: The view's.

    Returns:
        Name -> array, 0 off the mask. albedo: (H, W, 3) float32, linear. roughness, metallic: (H, W) float32, 0 to 1.
        position: (H, W, 3) float32, camera frame, scene units. object_index: (H, W) uint16, from 1.
    """
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        if name == "albedo":
            values: NDArray[Any] = np.maximum(passes["material_albedo"][..., :3], 0)
        elif name == "position":
            pose = np.asarray(camera.camera_to_world, dtype=np.float64)
            world = passes["material_position"][..., :3].astype(np.float64)
            values = ((world - pose[:3, 3]) @ pose[:3, :3]).astype(np.float32)
        elif name == "object_index":
            values = np.rint(passes["material_surface"][..., 2]).astype(np.uint16)
        else:
            channel = ("roughness", "metallic").index(name)
            values = np.clip(passes["material_surface"][..., channel], 0, 1)
        found[name] = np.where(mask[..., None] if values.ndim == 3 else mask, values, values.dtype.type(0))
    return found
