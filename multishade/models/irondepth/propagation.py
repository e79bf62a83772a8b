# SPDX-License-Identifier: Apache-2.0
"""Depth is carried from pixel to pixel along planes: coordinates, steps, candidates, the coarse grid.

Depth as the network has it is *relief*: with the width of the image at the object as unit, measured from the object's
mean depth D, so that it depends neither on the object's distance nor on its size nor on the focal length.
Perspective: depth = D (1 + q z), q the image's width over its focal length. Orthographic: depth = D + w z, w the
image's width in scene units. A pixel has the coordinates (x, y), in widths of the image from the principal point, y up.

With the ray r = (q x, q y, -1), the plane through the point of pixel j with normal n has, at pixel i, the depth
d_j (n . r_j) / (n . r_i) (IronDepth, equation 2). In relief this is

    z_i = z_j + (1 + q z_j) s,    s = (n_x (x_j - x_i) + n_y (y_j - y_i)) / (n . r_i),

and for an orthographic camera the same with q = 0: z_i = z_j - (n_x (x_j - x_i) + n_y (y_j - y_i)) / n_z.
"""

import torch
from torch import Tensor
from torch.nn import functional

# Least cosine between a plane's normal and the direction to the camera: steeper planes are taken for as steep.
LEAST_FACING = 0.1
LEAST_DEPTH = 0.05  # of a relief, as a share of the object's depth


def pixel_coordinates(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Compute the coordinates of all pixel centres.

    Args:
        intrinsics: (B, 3, 3) pinhole matrices without skew, pixels, origin at the outer corner of the top-left pixel.
        height, width: Of the image, pixels.

    Returns:
        (B, 2, H, W): x to the right and y upward, in widths of the image (see the module).
    """
    across = torch.arange(width, device=intrinsics.device, dtype=torch.float32) + 0.5
    down = torch.arange(height, device=intrinsics.device, dtype=torch.float32) + 0.5
    matrix = intrinsics.float()
    x = (across - matrix[:, 0, 2, None]) / width
    y = (matrix[:, 1, 2, None] - down) * (matrix[:, 0, 0] / matrix[:, 1, 1] / width)[:, None]
    return torch.stack(
        [x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=1
    ).contiguous()


def width_at_object(intrinsics: Tensor, width: int) -> Tensor:
    """Return the unit of relief, (B, 1, 1, 1): the width of the image over its focal length.

    Args:
        intrinsics: (B, 3, 3), as `pixel_coordinates`.
        width: Of the image, pixels.
    """
    return (width / intrinsics[:, 0, 0].float()).view(-1, 1, 1, 1)


def to_relief(depth: Tensor, distance: Tensor, unit: Tensor, orthographic: Tensor) -> Tensor:
    """Convert depth to relief.

    Args:
        depth: (B, ..., H, W) along the view axis, scene units.
        distance: (B, 1, 1, 1) the object's mean depth D.
        unit: (B, 1, 1, 1) of `width_at_object`.
        orthographic: (B, 1, 1, 1) bool, the kind of camera.

    Returns:
        As `depth`.
    """
    return torch.where(orthographic, depth - distance, depth / distance - 1) / unit


def to_depth(relief: Tensor, distance: Tensor, unit: Tensor, orthographic: Tensor) -> Tensor:
    """Convert relief to depth, the inverse of `to_relief`."""
    scaled = relief * unit
    return torch.where(orthographic, distance + scaled, distance * (1 + scaled))


def slopes(normal: Tensor, source: Tensor, target: Tensor, q: Tensor) -> Tensor:
    """Compute s of the module's formula, by which relief changes from one pixel to another on a plane.

    Args:
        normal: (B, 3, ...) of the planes, unit vectors, camera frame.
        source: (B, 2, ...) coordinates of the pixels whose relief is known.
        target: (B, 2, ...) coordinates of the pixels that it is carried to.
        q: (B, 1, ...) the unit of relief for a perspective camera, 0 for an orthographic one.

    Returns:
        (B, ...). Planes that are seen at less than `LEAST_FACING` are taken for planes seen at this.
    """
    across = normal[:, 0] * (source[:, 0] - target[:, 0]) + normal[:, 1] * (source[:, 1] - target[:, 1])
    scale = q[:, 0]
    x, y = target[:, 0] * scale, target[:, 1] * scale
    facing = normal[:, 2] - normal[:, 0] * x - normal[:, 1] * y
    least = LEAST_FACING * (1 + x.square() + y.square()).sqrt()
    return -across / torch.maximum(facing, least)


def carried(relief: Tensor, slope: Tensor, q: Tensor) -> Tensor:
    """Carry relief along planes.

    Args:
        relief: At the sources.
        slope: Of `slopes`, for each target.
        q: As there; all three of shapes that broadcast.

    Returns:
        Relief at the targets, in front of the camera.
    """
    moved = relief + (1 + q * relief) * slope
    return torch.where(q > 0, torch.maximum(moved, (LEAST_DEPTH - 1) / q.clamp_min(1e-12)), moved)


def neighbours(planes: Tensor, side: int) -> Tensor:
    """Gather the square neighbourhoods of all pixels, 0 beyond the image's edges.

    Args:
        planes: (B, C, H, W).
        side: Pixels a side, odd.

    Returns:
        (B, C, side * side, H, W), row by row; the middle one is the pixel itself.
    """
    height, width = planes.shape[2:]
    reach = side // 2
    padded = functional.pad(planes, (reach, reach, reach, reach))
    return torch.stack(
        [
            padded[:, :, row : row + height, column : column + width]
            for row in range(side)
            for column in range(side)
        ],
        dim=2,
    )


def plane_normals(normal: Tensor, target: Tensor, both: bool) -> Tensor:
    """Return the normals of the planes along which relief is carried.

    Args:
        normal: (B, 3, N, H, W) at the sources; 0 where there is none.
        target: (B, 3, 1, H, W) at the targets.
        both: Whether a plane's normal is the mean of those at its two ends, which is that of the chord of a sphere: the
            points p_i, p_j of a sphere about c have (p_i - p_j) . (n_i + n_j) = 0.

    Returns:
        (B, 3, N, H, W), unit vectors.
    """
    return functional.normalize(normal + target, dim=1) if both else normal


def cell_means(planes: Tensor, mask: Tensor, stride: int) -> Tensor:
    """Average over the object's pixels of each cell of the coarse grid.

    Args:
        planes: (B, C, H, W).
        mask: (B, 1, H, W), 1 on the object and 0 elsewhere.
        stride: Pixels a side of a cell; divides H and W.

    Returns:
        (B, C, H / stride, W / stride); 0 for cells without object.
    """
    share = functional.avg_pool2d(mask, stride)
    return functional.avg_pool2d(planes * mask, stride) / share.clamp_min(1e-6)


def cell_relief(relief: Tensor, mask: Tensor, stride: int, q: Tensor) -> Tensor:
    """Compute the relief of cells at the mean coordinates of their pixels; exact on planes.

    Args:
        relief: (B, 1, H, W).
        mask, stride: As `cell_means`.
        q: (B, 1, 1, 1), 0 for an orthographic camera.

    Returns:
        (B, 1, H / stride, W / stride).
    """
    # The inverse of depth is linear in the image; z / (1 + q z) is that up to a constant, and relief itself for q = 0.
    inverse = cell_means(relief / (1 + q * relief), mask, stride)
    return inverse / (1 - q * inverse)


def enlarged(planes: Tensor, stride: int) -> Tensor:
    """Repeat each cell's value for its pixels: (B, ..., h, w) -> (B, ..., h stride, w stride)."""
    return planes.repeat_interleave(stride, dim=-1).repeat_interleave(stride, dim=-2)
