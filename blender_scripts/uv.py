# SPDX-License-Identifier: GPL-3.0-or-later
"""The meshes of an object -> the scale of their UVs, if these are usable for a material (else box projection is)."""

import bpy
import numpy as np

LARGEST_EMPTY_SHARE = 0.02  # of the surface: faces whose UVs have no area
LARGEST_SPREAD = (
    3.0  # between the 95th and the 5th percentile of the scale: beyond it tiles differ visibly in size
)
LARGEST_STRETCH = 2.5  # median ratio of the scales along and across: beyond it tiles are visibly drawn out


def density(objects: list[bpy.types.Object]) -> float | None:
    """UV units per scene unit (the median over the surface), or None if the UVs are missing or unusable."""
    areas: list[np.ndarray] = []
    scales: list[np.ndarray] = []
    stretches: list[np.ndarray] = []
    for item in objects:
        measured = _measure(item.data)
        if measured is None:
            return None
        for values, more in zip((areas, scales, stretches), measured, strict=True):
            values.append(more)
    area, scale, stretch = (np.concatenate(values) for values in (areas, scales, stretches))
    covered = scale > 1e-6
    if area[~covered].sum() > LARGEST_EMPTY_SHARE * area.sum():
        return None
    low, middle, high = (_weighted(scale[covered], area[covered], share) for share in (0.05, 0.5, 0.95))
    if high > LARGEST_SPREAD * low or _weighted(stretch[covered], area[covered], 0.5) > LARGEST_STRETCH:
        return None
    return middle


def _measure(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Area, scale (square root of UV area over area) and stretch of each triangle; None without finite UVs."""
    layer = next((layer for layer in mesh.uv_layers if layer.active_render), None)
    if layer is None:
        return None
    mesh.calc_loop_triangles()
    loops, corners = (np.empty(len(mesh.loop_triangles) * 3, dtype=np.int32) for _ in range(2))
    mesh.loop_triangles.foreach_get("loops", loops)
    mesh.loop_triangles.foreach_get("vertices", corners)
    positions = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", positions)
    flat = np.empty(len(mesh.loops) * 2, dtype=np.float32)
    layer.uv.foreach_get("vector", flat)
    if not np.isfinite(flat).all():
        return None
    points = positions.reshape(-1, 3)[corners].reshape(-1, 3, 3).astype(np.float64)
    uv = flat.reshape(-1, 2)[loops].reshape(-1, 3, 2).astype(np.float64)
    first, second = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    normal = np.cross(first, second)
    area = np.linalg.norm(normal, axis=1) / 2
    keep = area > 1e-14
    first, second, uv, area = first[keep], second[keep], uv[keep], area[keep]
    # Each triangle in its own frame, and the linear map from there to its UVs.
    along = first / np.linalg.norm(first, axis=1, keepdims=True)
    across = np.cross(normal[keep] / (2 * area)[:, None], along)
    flat_points = np.stack([_dots(first, along, across), _dots(second, along, across)], axis=-1)
    flat_uv = np.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], axis=-1)
    singular = np.linalg.svd(flat_uv @ np.linalg.inv(flat_points), compute_uv=False)
    scale = np.sqrt(singular[:, 0] * singular[:, 1])
    return area, scale, singular[:, 0] / np.maximum(singular[:, 1], 1e-12)


def _dots(vectors: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    return np.stack([(vectors * along).sum(axis=1), (vectors * across).sum(axis=1)], axis=-1)


def _weighted(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The weighted quantile."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, share * cumulative[-1])])
