# SPDX-License-Identifier: Apache-2.0
"""The torch twins give what NumPy gives, their slopes are the true ones, and degenerate pixels give no NaN."""

import numpy as np
import pytest

from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import ring
from multishade.photometry.shading import lambert
from multishade.photometry.solvers.methods import solve

torch = pytest.importorskip("torch")
twins = pytest.importorskip("multishade.photometry.differentiable")

SOLVERS = {"ols": "solve_ols", "ols_masked": "solve_ols_masked", "relu": "solve_relu"}


def noisy_sphere(size=40, sigma=0.02):
    along = np.linspace(-1, 1, size)
    x, y = np.meshgrid(along, -along)
    inside = x * x + y * y < 1
    z = np.sqrt(np.where(inside, 1 - x * x - y * y, 0))
    normal = np.where(inside[..., None], np.stack([x, y, z], axis=2), 0).astype(np.float32)
    noise = np.random.default_rng(11).standard_normal((9, size, size), dtype=np.float32)
    return (
        normal,
        inside,
        np.maximum(lambert(normal, ring(9), inside) + np.float32(sigma) * noise, 0) * inside,
    )


def test_lambert_is_the_same():
    normal, mask, _ = noisy_sphere()
    twin = twins.lambert(torch.from_numpy(normal), torch.from_numpy(ring(9)), torch.from_numpy(mask))
    np.testing.assert_allclose(twin.numpy(), lambert(normal, ring(9), mask), atol=1e-6)


@pytest.mark.parametrize("method", SOLVERS)
@pytest.mark.parametrize("sigma", [0.0, 0.05])
def test_solvers_are_the_same(method, sigma):
    _, mask, shading = noisy_sphere(sigma=sigma)
    reference = solve(shading, ring(9), mask, method)
    normal, albedo = getattr(twins, SOLVERS[method])(torch.from_numpy(shading), torch.from_numpy(ring(9)))
    determined = (normal.abs().sum(dim=-1) > 0).numpy()
    np.testing.assert_array_equal(determined, reference.determined)
    assert angular_error_degrees(normal.numpy(), reference.normal)[determined].max() < 0.005
    np.testing.assert_allclose(albedo.numpy(), reference.albedo, atol=1e-4)


@pytest.mark.parametrize("method", SOLVERS)
def test_batches_are_solved_one_by_one(method):
    _, _, shading = noisy_sphere(size=12)
    batch = torch.from_numpy(np.stack([shading, 2 * shading]))[None]
    normal, albedo = getattr(twins, SOLVERS[method])(batch, torch.from_numpy(ring(9)))
    assert normal.shape == (1, 2, 12, 12, 3) and albedo.shape == (1, 2, 12, 12)
    torch.testing.assert_close(normal[0, 0], normal[0, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(2 * albedo[0, 0], albedo[0, 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", SOLVERS)
def test_slopes_are_the_measured_ones(method):
    _, _, shading = noisy_sphere(size=6, sigma=0.05)
    images = torch.from_numpy(shading[:, 2:4, 1:5]).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: getattr(twins, SOLVERS[method])(x, torch.from_numpy(ring(9))),
        (images,),
        eps=1e-7,
        atol=1e-4,
    )


@pytest.mark.parametrize("method", SOLVERS)
@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_slopes_are_finite_where_nothing_is_determined(method, kind):
    dtype = getattr(torch, kind)
    images = torch.rand((9, 2, 3), generator=torch.Generator().manual_seed(1)).to(dtype)
    images[:, 0, 0] = 0
    images[2:, 0, 1] = 0
    images[1:, 0, 2] = 0
    images.requires_grad_()
    normal, albedo = getattr(twins, SOLVERS[method])(images, torch.from_numpy(ring(9)))
    (normal.sum() + albedo.sum()).backward()
    assert normal.dtype == dtype
    assert torch.isfinite(images.grad).all()
    assert not images.grad[:, 0].any() and images.grad[:, 1].any()
    assert not normal[0].any() and not albedo[0].any()


def test_coplanar_lights_give_zero_and_no_slope():
    elevation = np.radians([30, 60, 90, 120])
    lights = torch.from_numpy(np.stack([np.cos(elevation), 0 * elevation, np.sin(elevation)], axis=1))
    images = torch.ones((4, 2, 2), requires_grad=True)
    for name in SOLVERS.values():
        normal, albedo = getattr(twins, name)(images, lights)
        (gradient,) = torch.autograd.grad(normal.sum() + albedo.sum(), images)
        assert not normal.any() and not gradient.any()


def test_descent_through_the_solver_finds_the_shading():
    """A training step in small: images pulled toward a target normal map reach it."""
    normal, mask, shading = noisy_sphere(size=16, sigma=0.0)
    target = torch.from_numpy(normal)
    weight = torch.from_numpy(mask).float()
    start = torch.from_numpy(
        shading + 0.3 * np.random.default_rng(12).random(shading.shape, dtype=np.float32)
    )
    images = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([images], lr=0.02)

    def loss():
        found, _ = twins.solve_relu(images, torch.from_numpy(ring(9)))
        return ((1 - (found * target).sum(dim=-1)) * weight).sum() / weight.sum()

    before = loss().item()
    for _ in range(40):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
    assert loss().item() < 0.05 * before
