# SPDX-License-Identifier: Apache-2.0
"""Crop, scale, rotation in the image's plane and mirror of a view: pixels move, and normals turn with them.

The lights of the shading sequence stay with the camera, so shading is not moved but computed anew from the
turned normals. A stored sequence with cast shadows can only be mirrored, which exchanges its frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.settings import Geometric
from multishade.errors import DataError

Float32 = NDArray[np.float32]
# Length of the mean of unit normals below which they are not taken for one surface: two of them 28 degrees
# apart. A pixel that covers several averages more, for there is bump between them as often as an edge: two
# of them 60 degrees apart.
SMOOTH_LENGTH, SMOOTH_LENGTH_SHRUNK = 0.97, 0.866
_SAME_DIRECTION = 1e-3
DEPTH_STEP = 0.01  # of the depth: a larger difference to the mean around is an occlusion
_IDENTITY_TOLERANCE = 1e-6
_COVERED = 0.999  # of a pixel, by the mask, from which on all that it is a mean of is object


@dataclass(frozen=True)
class Window:
    """A square of the image, `side` pixels wide about `centre` (x, y; pixels from the outer corner of the
    top-left one), turned by `angle` (radians, counter-clockwise as seen, after the mirror), seen with
    `size` pixels a side.
    """

    centre: tuple[float, float]
    side: float
    angle: float
    mirrored: bool
    size: int

    @property
    def turn(self) -> NDArray[np.float64]:
        """(2, 2): x and y (up) of a normal in the image -> in the window."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        mirror = np.diag([-1.0 if self.mirrored else 1.0, 1.0])
        return np.array([[cosine, -sine], [sine, cosine]]) @ mirror

    def affine(self) -> NDArray[np.float64]:
        """(2, 3): pixel number (column, row) in the window -> in the image, pixel centres being whole numbers."""
        flip = np.diag([1.0, -1.0])  # rows go down, y goes up
        # The inverse of a rotation and mirror is its transpose.
        linear = (self.side / self.size) * flip @ self.turn.T @ flip
        offset = np.asarray(self.centre) - 0.5 + linear @ np.full(2, 0.5 - self.size / 2)
        return np.column_stack([linear, offset])

    def keeps(self, height: int, width: int) -> bool:
        """Whether the window shows an image of this size as it is."""
        if self.mirrored or not height == width == self.size:
            return False
        whole = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        return bool(np.abs(self.affine() - whole).max() < _IDENTITY_TOLERANCE)


def sample_window(mask: NDArray[np.bool_], settings: Geometric, rng: np.random.Generator) -> Window:
    """Sample what of an image is seen. mask: (H, W). Each setting has a random number of its own, used or not."""
    height, width = mask.shape
    scale, shift_x, shift_y, turn, mirror, far = rng.random(6)
    scales, shift = settings.scale, settings.shift
    if far < settings.far:
        scales, shift = settings.far_scale, settings.far_shift
    side = float(max(height, width))
    centre = np.array([width / 2, height / 2])
    if settings.frame == "object" and mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        centre = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
        side = settings.margin * max(columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
    low, high = np.log(scales)
    side /= float(np.exp(low + scale * (high - low)))
    centre = centre + shift * side * (2 * np.array([shift_x, shift_y]) - 1)
    least, most = settings.rotation_degrees
    return Window(
        centre=(float(centre[0]), float(centre[1])),
        side=side,
        angle=float(np.radians(least + turn * (most - least))),
        mirrored=bool(mirror < settings.mirror),
        size=settings.size or max(height, width),
    )


def warp_light(image: Tensor, window: Window) -> Tensor:
    """(C, H, W) float32 light, coverage and the like, 0 beyond its edges -> (C, size, size): bilinear, averaged
    if it shrinks.
    """
    return _warp(*_shrunk(_interleaved(image), window), window.size, cv2.INTER_LINEAR)


def warp_normal(normal: Tensor, mask: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """(3, H, W) float32 normals, 0 off the mask (H, W) -> the window's normals, turned, of unit length, and its mask.

    The mask is that of the nearest pixel. The normal is the mean of the pixels around, or of those that a pixel
    covers; at creases and outlines the nearest pixel's, since a mean across them is the normal of nothing.
    """
    stacked = _interleaved(torch.cat([normal, mask[None].float()]))
    nearest = _warp(stacked, window.affine(), window.size, cv2.INTER_NEAREST)
    mean = _warp(*_shrunk(stacked, window), window.size, cv2.INTER_LINEAR)
    inside = nearest[3] > 0.5
    least = SMOOTH_LENGTH_SHRUNK if window.side > window.size else SMOOTH_LENGTH
    squared = mean[:3].square().sum(dim=0)
    smooth = inside & (mean[3] > _COVERED) & (squared > least**2)
    turned = torch.where(smooth, mean[:3], nearest[:3])
    (a, b), (c, d) = window.turn.tolist()
    x, y, z = turned
    turned = torch.stack([a * x + b * y, c * x + d * y, z])
    turned *= inside * turned.square().sum(dim=0).clamp_min_(1e-12).rsqrt_()
    return turned, inside


def warp_shading(shading: Tensor, mask: Tensor, window: Window, directions: NDArray[np.floating]) -> Tensor:
    """(K, H, W) float32 stored shading -> the window's, (K, size, size). The window must not be turned.

    Mirrored, frame k becomes the frame of light k's mirror image.
    """
    frames = []
    for frame in shading:
        stacked = _interleaved(torch.stack([frame, mask.float()]))
        nearest = _warp(stacked, window.affine(), window.size, cv2.INTER_NEAREST)
        mean = _warp(*_shrunk(stacked, window), window.size, cv2.INTER_LINEAR)
        frames.append(torch.where(mean[1] > _COVERED, mean[0], nearest[0]))
    order = mirrored_lights(directions) if window.mirrored else range(len(frames))
    return torch.stack([frames[number] for number in order])


def warp_depth(depth: Tensor, mask: Tensor, window: Window) -> Tensor:
    """(H, W) float32 depth, any value off the mask (H, W) -> (size, size), 0 off the window's mask.

    The mean of the pixels around, or of those that a pixel covers; at outlines and occlusions the nearest pixel's
    depth, since a mean across them is the depth of nothing.
    """
    stacked = _interleaved(torch.stack([torch.where(mask, depth, 0.0), mask.float()]))
    nearest = _warp(stacked, window.affine(), window.size, cv2.INTER_NEAREST)
    mean = _warp(*_shrunk(stacked, window), window.size, cv2.INTER_LINEAR)
    smooth = (mean[1] > _COVERED) & ((mean[0] - nearest[0]).abs() < DEPTH_STEP * nearest[0])
    return torch.where(smooth, mean[0], nearest[0]) * (nearest[1] > 0.5)


def warp_material(values: Tensor, mask: Tensor, window: Window) -> Tensor:
    """(C, H, W) float32 values of a material, any off the mask (H, W) -> (C, size, size), 0 off the window's mask.

    The mean of the pixels around, or of those that a pixel covers; at outlines the nearest pixel's values.
    """
    stacked = _interleaved(torch.cat([values, mask[None].float()]))
    nearest = _warp(stacked, window.affine(), window.size, cv2.INTER_NEAREST)
    mean = _warp(*_shrunk(stacked, window), window.size, cv2.INTER_LINEAR)
    return torch.where(mean[-1] > _COVERED, mean[:-1], nearest[:-1]) * (nearest[-1] > 0.5)


def window_intrinsics(matrix: NDArray[np.floating], window: Window) -> NDArray[np.float64]:
    """Compute the pinhole matrix of the camera that sees the window, turned about the view axis with it.

    Args:
        matrix: (3, 3) K of the image, pixels, origin at the outer corner of the top-left pixel, no skew.
        window: What is seen.

    Returns:
        (3, 3) inverse(A) K inverse(R): A takes corner coordinates of the window to the image's, R turns the camera's
        frame (x right, y down). With square pixels it has no skew.
    """
    flip = np.diag([1.0, -1.0])  # rows go down, y goes up
    to_image, turn = np.eye(3), np.eye(3)
    turn[:2, :2] = flip @ window.turn @ flip
    to_image[:2, :2] = (window.side / window.size) * turn[:2, :2].T
    to_image[:2, 2] = np.asarray(window.centre) - to_image[:2, :2] @ np.full(2, window.size / 2)
    return np.linalg.solve(to_image, np.asarray(matrix, np.float64) @ turn.T)


def mirrored_lights(directions: NDArray[np.floating]) -> NDArray[np.intp]:
    """(K, 3) lights -> for each light the number of its mirror image (x reversed), (K,).

    Raises DataError if one of them has none among them.
    """
    mirrored = np.asarray(directions) * [-1.0, 1.0, 1.0]
    distance = np.abs(mirrored[:, None] - np.asarray(directions)[None]).max(axis=2)
    partner = distance.argmin(axis=1)
    if distance.min(axis=1).max() > _SAME_DIRECTION:
        raise DataError(
            "stored cast shadows cannot be mirrored: the mirror image of a light is not among the lights; set "
            "geometric.mirror to 0"
        )
    return partner


def _shrunk(image: Float32, window: Window) -> tuple[Float32, NDArray[np.float64]]:
    """(H, W, C) -> the image at the size at which a window pixel is one pixel, by areas, so that none goes unseen,
    and the affine to it. Where the window does not shrink the image, the image itself.
    """
    height, width = image.shape[:2]
    affine = window.affine()
    shrink = window.side / window.size
    if shrink <= 1:
        return image, affine
    small = max(1, round(width / shrink)), max(1, round(height / shrink))
    ratio = np.array([small[0] / width, small[1] / height])
    affine = np.column_stack([ratio[:, None] * affine[:, :2], ratio * (affine[:, 2] + 0.5) - 0.5])
    smaller = cv2.resize(image, small, interpolation=cv2.INTER_AREA).reshape(small[1], small[0], -1)
    return smaller.astype(np.float32, copy=False), affine


def _warp(image: Float32, affine: NDArray[np.float64], size: int, filtering: int) -> Tensor:
    """(H, W, C) -> (C, size, size), 0 beyond the image's edges."""
    warped = cv2.warpAffine(
        image,
        affine,
        (size, size),
        flags=filtering | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0, 0, 0, 0),
    )
    return torch.from_numpy(warped.reshape(size, size, -1)).permute(2, 0, 1).contiguous()


def _interleaved(image: Tensor) -> Float32:
    """(C, H, W) -> (H, W, C), as OpenCV wants it."""
    interleaved: Float32 = image.permute(1, 2, 0).contiguous().numpy()
    return interleaved
