# SPDX-License-Identifier: Apache-2.0
"""Cameras, render settings and meshes for tests that render with Blender."""

from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from multishade.protocol.scene import Camera, ObjectSource, RenderSettings
from multishade.render.blender.confined import AssetFiles

ANY_FILE = AssetFiles(paths=["/"])
SIZE = 192
DISTANCE = 1.6
# A camera that looks from an oblique direction with some roll: no axis of it is an axis of the world.
OBLIQUE = np.linalg.qr(np.array([[2.0, 1.0, 0.3], [-0.4, 1.7, 0.8], [0.5, -0.9, 1.9]]))[0]
OBLIQUE = OBLIQUE * np.sign(np.linalg.det(OBLIQUE))


def camera(kind: str, rotation: NDArray[np.float64] = OBLIQUE) -> Camera:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = rotation[:, 2] * DISTANCE
    nested = tuple(tuple(float(value) for value in row) for row in matrix)
    return Camera(kind, SIZE, SIZE, nested)  # type: ignore[arg-type]


def settings(samples: int = 4, **changes: object) -> RenderSettings:
    values: dict = {
        "device": "cpu",
        "threads": 2,
        "samples": dict.fromkeys(("parallel", "point", "environment", "mixed", "shading"), samples),
        "denoise": False,
        "denoise_quality": "balanced",
        "denoise_prefilter": "none",
        "denoise_guides": "albedo-normal",
        "max_bounces": 4,
        "diffuse_bounces": 2,
        "glossy_bounces": 3,
        "transmission_bounces": 4,
        "clamp_indirect": 0.0,
        "filter_width": 1.5,
        "light_tree": False,
        "crop": True,
    }
    return RenderSettings(**{**values, **changes})


def mesh_source(mesh: trimesh.Trimesh, folder: Path, crease: float) -> ObjectSource:
    path = folder / "mesh.npz"
    np.savez(path, vertices=mesh.vertices, faces=mesh.faces, crease_degrees=crease)
    return ObjectSource("arrays", str(path))
