# SPDX-License-Identifier: Apache-2.0
"""Images under known lights -> normals of least squares and of a robust fit, on any device: what a network corrects.

The robust fit is that of `multishade.photometry.solvers.robust` with fewer iterations: iteratively reweighted least
squares on sum |I_k - l_k . b| over the images that are not in shadow.
"""

import torch
from torch import Tensor
from torch.nn import functional

CHANNELS = 8  # of `fits`
ITERATIONS = 14
SHADOW = 0.05  # of a pixel's typical brightness; darker images are left out of the robust fit
SMOOTHING = 5e-3  # of the typical brightness: smaller residuals count as small
TYPICAL = 0.9  # quantile of the images
PIXELS_AT_ONCE = 1 << 22  # of all images together


def fits(observations: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Fit normals to observations.

    Args:
        observations: (B, K, 3, H, W) linear light, scaled pixel by pixel and channel by channel or not.
        directions: (B, K, 3) unit vectors towards the lights, camera frame.

    Returns:
        The normals of the robust fit, (B, 3, H, W) float32, of unit length or 0 where nothing is determined; and what
        is known of both fits, (B, 8, H, W): those normals, the normals of least squares, the share of the light that
        the robust fit does not explain, and the share of the images' weight that it discards.
    """
    with torch.no_grad(), torch.autocast(observations.device.type, enabled=False):
        count, images = observations.shape[:2]
        height, width = observations.shape[3:]
        rows = max(1, PIXELS_AT_ONCE // (count * images * width))
        parts = [
            _fits(
                observations[:, :, :, start : start + rows].float().mean(dim=2).flatten(2),
                directions.double(),
            )
            for start in range(0, height, rows)
        ]
        known = torch.cat(parts, dim=2).unflatten(2, (height, width)).float()
    return known[:, :3], known


def _fits(grey: Tensor, directions: Tensor) -> Tensor:
    """(B, K, N) and (B, K, 3) -> (B, 8, N)."""
    products = torch.stack([directions[..., i] * directions[..., j] for i, j in _PAIRS], dim=1)  # (B, 6, K)
    lights = directions.transpose(1, 2)
    every = torch.ones_like(grey)
    plain = _solved(grey, every, lights, products)
    rank = int(TYPICAL * (grey.shape[1] - 1)) + 1
    typical = grey.kthvalue(rank, dim=1, keepdim=True).values.clamp_min(0)
    used = (grey > SHADOW * typical).float()
    weights, width = used, 0.5
    found = _solved(grey, used, lights, products)
    for _ in range(ITERATIONS):
        width = max(width / 2, SMOOTHING)
        relative = (grey - _shading(found, directions)) / (width * typical).clamp_min(1e-12)
        weights = used * (1 + relative.square()).rsqrt()
        found = _solved(grey, weights, lights, products)
    lit = grey.clamp_min(0)
    total = lit.sum(dim=1, keepdim=True).clamp_min(1e-12)
    unexplained = (grey - _shading(found, directions).clamp_min(0)).abs().sum(dim=1, keepdim=True) / total
    discarded = 1 - (weights * lit).sum(dim=1, keepdim=True) / total
    normals = [functional.normalize(each, dim=1, eps=1e-9).float() for each in (found, plain)]
    return torch.cat([*normals, unexplained.clamp(0, 2), discarded], dim=1)


def _shading(scaled: Tensor, directions: Tensor) -> Tensor:
    return torch.einsum("bkc,bcn->bkn", directions.float(), scaled.float())


_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def _solved(grey: Tensor, weights: Tensor, lights: Tensor, products: Tensor) -> Tensor:
    """Solve weighted least squares by Cramer's rule: (B, 3, N) float64, albedo times normal."""
    sums = products @ weights.double()
    damping = 1e-7 * sums[:, :3].sum(dim=1, keepdim=True) + 1e-12
    xx, yy, zz = (sums[:, place : place + 1] + damping for place in range(3))
    xy, xz, yz = (sums[:, place : place + 1] for place in range(3, 6))
    x, y, z = (lights @ (weights * grey).double()).split(1, dim=1)
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    determinant = xx * a + xy * b + xz * c
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    adjugate = torch.cat([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z], dim=1)
    return adjugate / determinant.clamp_min(1e-30)
