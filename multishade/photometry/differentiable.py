# SPDX-License-Identifier: Apache-2.0
"""The formulas of `shading` and `solvers` as PyTorch functions with gradients; the results are the same.

The set of lights that a fit uses (those above 0, or those that the rectified model takes for lit) has no gradient: it
is held fixed, and gradients flow through the least squares over those lights. That is the exact derivative wherever a
small change of the images does not change the set. Pixels that are not determined have normal 0 and gradient 0, never
NaN.
"""

from multishade.extras import require

require("torch", extra="train")

import torch
from torch import Tensor

from multishade.photometry.solvers.normal_equations import LEAST_SPREAD


def lambert(normal: Tensor, directions: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute Lambertian shading with attached shadow, as `shading.lambert`.

    Args:
        normal: (..., H, W, 3) unit vectors.
        directions: (K, 3) or (..., K, 3) unit vectors toward the lights.
        mask: (..., H, W), zero where there is no object.

    Returns:
        (..., K, H, W) in the type of the normals.
    """
    shading = torch.einsum("...hwi,...ki->...khw", normal, directions.to(normal)).clamp_min(0)
    return shading if mask is None else shading * (mask != 0).to(shading).unsqueeze(-3)


def solve_ols(intensities: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Fit normals by least squares over all lights, as `solve(method="ols")`.

    Args:
        intensities: (..., K, H, W) grey images.
        directions: (K, 3) unit vectors toward the lights.

    Returns:
        Normals (..., H, W, 3) and albedo (..., H, W), 0 where they are not determined.
    """
    return _fit(intensities, directions, torch.ones_like(intensities), 0.0)


def solve_ols_masked(intensities: Tensor, directions: Tensor, ridge: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Fit normals by least squares over the lights whose image is above 0, as `solve(method="ols_masked")`.

    Args:
        intensities: (..., K, H, W) grey images.
        directions: (K, 3) unit vectors toward the lights.
        ridge: Added to the diagonal of the normal equations.

    Returns:
        Normals (..., H, W, 3) and albedo (..., H, W), 0 where they are not determined.
    """
    return _fit(intensities, directions, (intensities > 0).to(intensities), ridge)


def solve_relu(intensities: Tensor, directions: Tensor, iterations: int = 12) -> tuple[Tensor, Tensor]:
    """Fit max(0, l . b) by least squares, as `solve(method="relu")`.

    The lit lights are determined without gradients by Gauss-Newton steps from the lights above 0.05 of the pixel's
    largest value; a step that does not reduce the misfit is cut to a quarter. Then they are fitted with gradients.

    Args:
        intensities: (..., K, H, W) grey images.
        directions: (K, 3) unit vectors toward the lights.
        iterations: Gauss-Newton steps.

    Returns:
        Normals (..., H, W, 3) and albedo (..., H, W), 0 where they are not determined.
    """
    with torch.no_grad():
        images = intensities.double()
        lights = directions.to(images)
        lit = images > 0.05 * images.amax(dim=-3, keepdim=True).clamp_min(0)
        scaled, determined = _solve(images, lights, lit.to(images), 1e-6)
        fallback = torch.einsum("...khw,ki->...hwi", images.clamp_min(0), lights) / len(lights)
        scaled = torch.where(determined.unsqueeze(-1), scaled, fallback)
        cut = torch.ones_like(scaled[..., 0])
        cost = _misfit(images, lights, scaled)
        for _ in range(iterations):
            shading = torch.einsum("...hwi,ki->...khw", scaled, lights)
            active = (shading > 0).to(images)
            step, possible = _solve(active * (images - shading), lights, active, 1e-6)
            trial = scaled + torch.where(possible, cut, 0.0).unsqueeze(-1) * step
            trial_cost = _misfit(images, lights, trial)
            better = trial_cost < cost
            scaled = torch.where(better.unsqueeze(-1), trial, scaled)
            cost = torch.where(better, trial_cost, cost)
            cut = torch.where(better, (2 * cut).clamp_max(1), cut / 4)
        active = torch.einsum("...hwi,ki->...khw", scaled, lights) > 0
        enough = ((images > 0) & active).sum(dim=-3, keepdim=True) >= 3
        weights = (active & enough).to(intensities)
    return _fit(intensities, directions, weights, 0.0)


def _misfit(images: Tensor, lights: Tensor, scaled: Tensor) -> Tensor:
    return (images - torch.einsum("...hwi,ki->...khw", scaled, lights).clamp_min(0)).square().sum(dim=-3)


def _fit(intensities: Tensor, directions: Tensor, weights: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    # In float64 throughout: three close lights leave float32 no digits, and their gradients fewer.
    images = intensities.double()
    scaled, determined = _solve(images, directions.to(images), weights.to(images), ridge)
    lit = (intensities > 0).sum(dim=-3) >= 3
    squared = scaled.square().sum(dim=-1)
    good = determined & lit & (squared > 0)
    # The derivative of the root is infinite at 0, and 0 * infinity is NaN: the root must not be taken of 0, even if
    # `where` drops the result.
    albedo = torch.where(good, squared, 1.0).sqrt()
    normal = torch.where(good.unsqueeze(-1), scaled / albedo.unsqueeze(-1), 0.0)
    return normal.to(intensities), torch.where(good, albedo, 0.0).to(intensities)


def _solve(images: Tensor, lights: Tensor, weights: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """b (..., H, W, 3) of sum w l l^T b = sum w l I, and where the lights determine it; 0 elsewhere."""
    total = weights.sum(dim=-3)
    matrix = torch.einsum("...khw,ki,kj->...hwij", weights, lights, lights)
    right = torch.einsum("...khw,ki->...hwi", weights * images, lights)
    identity = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    spread = 27 * torch.linalg.det(matrix.detach()) / total.clamp_min(1) ** 3
    determined = spread > LEAST_SPREAD
    solvable = determined[..., None, None]
    matrix = torch.where(solvable, matrix + ridge * identity, identity)
    right = torch.where(solvable[..., 0], right, 0.0)
    return torch.linalg.solve(matrix, right), determined
