# SPDX-License-Identifier: Apache-2.0
"""A surface (points and normals on a pixel grid) -> a picture of it as matt clay, seen from any side."""

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.display import Mask, Picture, grey_to_rgb


def render_clay(
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    mask: Mask,
    height: int,
    turn_degrees: float = 0.0,
) -> Picture:
    """A surface as matt clay, turned about the vertical axis and lit from the upper left.

    points, normals: (H, W, 3) where `mask` (H, W) is, pixel neighbours being neighbours on the surface. Camera frame:
    +x right, +y up, +z toward the camera. Every square of four neighbours is filled with enough dots to leave no hole
    in a depth buffer; what faces away is not drawn.
    """
    angle = np.radians(turn_degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    placed, facing = points @ turn.T, normals @ turn.T
    inside = placed[mask]
    low, high = inside.min(axis=0), inside.max(axis=0)
    width_to_height = 1.6
    scale = (height - 4) / max(high[1] - low[1], (high[0] - low[0]) / width_to_height, 1e-12)
    size = (height, int((high[0] - low[0]) * scale) + 4)
    corners = [np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1], np.s_[1:, 1:]]
    square = np.logical_and.reduce([mask[corner] for corner in corners])
    flat = [(placed[corner][square][:, :2] - low[:2]) * scale for corner in corners]
    # A dot for each picture pixel of the longest side; past 24 a side belongs to a jump and not to the surface.
    sides = np.stack([np.abs(flat[0] - flat[1]), np.abs(flat[0] - flat[2]), np.abs(flat[0] - flat[3])])
    dots = int(np.clip(np.ceil(np.percentile(sides.max(axis=(0, 2)), 99)) + 1, 2, 24)) if square.any() else 2
    light = np.array([-0.45, 0.5, 0.74]) / np.linalg.norm([-0.45, 0.5, 0.74])
    nearest = np.full(size, -np.inf)
    shade = np.ones(size)
    steps = (np.arange(dots) + 0.5) / dots
    for down in steps:
        for right in steps:
            weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
            at = sum(weight * part for weight, part in zip(weights, flat, strict=True))
            depth = sum(w * placed[corner][square][:, 2] for w, corner in zip(weights, corners, strict=True))
            normal = sum(w * facing[corner][square] for w, corner in zip(weights, corners, strict=True))
            normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
            # Half Lambert: the side away from the light keeps its shape; below white, so that the paper shows apart.
            brightness = 0.93 * (0.5 + 0.5 * normal @ light) ** 1.5
            column, row = at[:, 0].astype(int) + 2, size[0] - 3 - at[:, 1].astype(int)
            order = np.argsort(depth, kind="stable")
            order = order[normal[order, 2] > 0]
            # Far to near: NumPy keeps the last value written to a place, so within a round the nearest dot wins.
            layer, layer_depth = np.ones(size), np.full(size, -np.inf)
            layer[row[order], column[order]] = brightness[order]
            layer_depth[row[order], column[order]] = depth[order]
            nearer = layer_depth > nearest
            shade[nearer], nearest[nearer] = layer[nearer], layer_depth[nearer]
    return grey_to_rgb(shade)
