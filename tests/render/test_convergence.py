# SPDX-License-Identifier: Apache-2.0
"""Parts of an image whose truth is known: the estimate is near the real error, and sampling ends when it may."""

import numpy as np
import pytest
from numpy.typing import NDArray

from multishade.imaging.color import linear_to_srgb
from multishade.render.blender.convergence import Accumulation, Part, QualityTarget, render_to_psnr

Array = NDArray[np.float32]
SIZE = 96


def smooth() -> Array:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    return np.stack([0.2 + 0.2 * x, 0.25 + 0.1 * y, 0.3 - 0.2 * x * y], axis=-1).astype(np.float32)


def weave() -> Array:
    """Threads as wide as a pixel: what any denoiser takes for noise."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return (smooth() * (1 + 0.6 * ((x + y) % 2 - 0.5))[..., None]).astype(np.float32)


class Renderer:
    """Renders `truth` with noise that falls with the samples, and a denoiser that averages 3 x 3 pixels."""

    def __init__(self, truth: Array, noise: float, coverage: float = 1.0) -> None:
        self.truth, self.noise, self.coverage = truth, noise, coverage
        self.asked: list[tuple[int, int]] = []

    def __call__(self, samples: int, number: int) -> Part:
        self.asked.append((samples, number))
        rng = np.random.default_rng([3, number])
        raw = self.truth + (rng.normal(0, self.noise, self.truth.shape) / np.sqrt(samples)).astype(np.float32)
        wide = np.pad(raw, ((1, 1), (1, 1), (0, 0)), mode="edge")
        blurred = sum(wide[i : i + SIZE, j : j + SIZE] for i in range(3) for j in range(3)) / 9
        alpha = np.full((*raw.shape[:2], 1), self.coverage, np.float32)
        return Part(samples, np.concatenate([blurred, alpha], axis=-1).astype(np.float32), raw)

    def psnr(self, image: Array, exposure: float = 1.0) -> float:
        shown, wanted = (linear_to_srgb(x * np.float32(exposure)) for x in (image[..., :3], self.truth))
        return float(-10 * np.log10(np.mean((shown - wanted) ** 2)))


def one(_: Array) -> float:
    return 1.0


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("truth", [smooth, weave])
def test_the_estimate_is_near_the_truth_and_rather_too_low(truth, noise: float) -> None:
    renderer = Renderer(truth(), noise)
    image, found = render_to_psnr(renderer, QualityTarget(38, 8, 100_000), one)
    real = renderer.psnr(image)
    assert real - 7 < found.psnr < real + 1.5  # the laws are those of a better denoiser than this one
    assert found.psnr >= 38 and real > 37


def test_noisier_images_and_higher_goals_get_more_samples() -> None:
    samples = [
        [
            render_to_psnr(Renderer(smooth(), noise), QualityTarget(goal, 8, 100_000), one)[1].samples
            for goal in (34, 40)
        ]
        for noise in (0.1, 0.8)
    ]
    assert samples[0][0] == 16  # two first parts were enough
    assert samples[0][1] <= samples[1][1] and samples[1][0] * 2 < samples[1][1]


def test_a_weave_that_the_denoiser_smooths_away_comes_back_undenoised() -> None:
    renderer = Renderer(weave(), 0.05)
    image, found = render_to_psnr(renderer, QualityTarget(38, 8, 4096), one)
    smoothed = renderer(1_000_000, 99).clean
    assert renderer.psnr(smoothed) < 26 < 38 < renderer.psnr(image)
    assert found.samples < 64


def test_it_stops_at_the_most_samples_and_says_what_it_has() -> None:
    renderer = Renderer(smooth(), 4.0)
    _, found = render_to_psnr(renderer, QualityTarget(50, 8, 100), one)
    assert found.samples == 100 == sum(samples for samples, _ in renderer.asked)
    assert found.psnr < 40
    numbers = [number for _, number in renderer.asked]
    assert numbers == list(range(len(numbers)))  # each with noise of its own
    assert renderer.asked[0][0] == renderer.asked[1][0] == 8


def test_noise_counts_as_it_will_be_shown() -> None:
    """The same scene under a dim lamp, exposed for it, needs the same samples; unexposed it would need fewer."""
    bright = render_to_psnr(Renderer(smooth(), 0.8), QualityTarget(38, 8, 4096), one)[1].samples
    dim = Renderer(smooth() / 64, 0.8 / 64)
    assert render_to_psnr(dim, QualityTarget(38, 8, 4096), lambda pixels: 64.0)[1].samples == pytest.approx(
        bright, rel=0.02
    )
    assert render_to_psnr(dim, QualityTarget(38, 8, 4096), one)[1].samples < bright / 2


def test_without_a_denoiser_the_parts_tell_all() -> None:
    renderer = Renderer(weave(), 0.3)

    def render(samples: int, number: int) -> Part:
        part = renderer(samples, number)
        assert part.raw is not None
        return Part(samples, np.concatenate([part.raw, part.clean[..., 3:]], axis=-1), None)

    image, found = render_to_psnr(render, QualityTarget(38, 8, 100_000), one)
    assert renderer.psnr(image) == pytest.approx(found.psnr, abs=0.5) and found.psnr >= 38


def test_the_exposure_is_asked_for_the_objects_pixels() -> None:
    renderer = Renderer(smooth(), 0.01, coverage=0.8)
    seen: list[Array] = []
    render_to_psnr(renderer, QualityTarget(30, 8, 64), lambda pixels: float(seen.append(pixels) or 1.0))
    assert seen[0].shape == (SIZE * SIZE, 3)
    np.testing.assert_allclose(
        seen[0].mean(), renderer.truth.mean() / 0.8, rtol=0.01
    )  # without what shines through


def test_few_samples_are_halved() -> None:
    renderer = Renderer(smooth(), 0.1)
    _, found = render_to_psnr(renderer, QualityTarget(60, 8, 5), one)
    assert [samples for samples, _ in renderer.asked] == [2, 2, 1] and np.isfinite(found.psnr)


def test_an_object_thinner_than_a_pixel_ends() -> None:
    for coverage in (0.2, 0.0):
        renderer = Renderer(smooth(), 0.1, coverage)
        image, found = render_to_psnr(
            renderer, QualityTarget(36, 8, 4096), lambda pixels: float(pixels.max() < 1e9)
        )
        assert np.isfinite(image).all() and found.psnr >= 36


def test_the_mean_weighs_parts_by_their_samples() -> None:
    flat = [
        Part(n, np.full((2, 2, 4), v, np.float32), np.full((2, 2, 3), v, np.float32))
        for n, v in ((8, 0.2), (24, 0.6))
    ]
    found = Accumulation(flat[0])
    found.add(flat[1], 1.0, np.ones((2, 2), bool))
    np.testing.assert_allclose(found.pixels, 0.5, rtol=1e-6)
    assert found.samples == 32
