# SPDX-License-Identifier: Apache-2.0
"""An image depends on what it shows, not on what was rendered before it nor on how strong its light is."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from multishade.config import models
from multishade.imaging.color import linear_to_srgb
from multishade.procedural import materials
from multishade.protocol.messages import Cast, Image, Load, Shot
from multishade.protocol.scene import Group, Light, ObjectSource, RenderSettings, Sequence, View
from multishade.render.assemble import middle_exposure, sample_exposure
from multishade.render.blender import BlenderProcess, render_views
from multishade.render.blender.passes import read_passes
from multishade.render.blender.views import RenderedView
from multishade.render.stopwatch import Stopwatch
from tests.support.scenes import ANY_FILE, camera, settings

SUN = Light("image_parallel", "parallel", direction=(0.6, 0.3, 0.74), strength=3.0)
STUDIO = Light(
    "image_env0",
    "environment",
    environment="studio:forest.exr",
    environment_strength=1.0,
    rotation_degrees=30.0,
)
TURNED = dataclasses.replace(STUDIO, field="image_env1", rotation_degrees=200.0)
FABRIC = {"source": "builtin", "family": "fabric", "parameters": materials.sample_parameters("fabric", 5)}


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


def load(blender: BlenderProcess, lights: tuple[Light, ...], chosen: RenderSettings) -> View:
    view = View("v", 7, camera("perspective"), lights, Sequence("cast", (SUN.direction,)))  # type: ignore[arg-type]
    group = Group("g", ObjectSource("monkey"), FABRIC, (view,))
    blender.request(Load(group, chosen))
    return view


def image(blender: BlenderProcess, number: int = 0) -> NDArray[np.float32]:
    path = blender.folder / "image.exr"
    blender.request(Image("v", number, Shot(str(path), box=None, seed=5)))
    return read_passes(path)["Combined"]


def cast(blender: BlenderProcess) -> NDArray[np.float32]:
    path = blender.folder / "cast.exr"
    blender.request(Cast("v", 0, str(path)))
    return read_passes(path)["Combined"]


@pytest.mark.blender
def test_an_image_is_the_same_before_and_after_the_geometry(blender: BlenderProcess) -> None:
    """Clay has no softened terminator, the material has; neither may leave its own to the other."""
    load(blender, (SUN,), settings())
    first_image, clay = image(blender), cast(blender)
    load(blender, (SUN,), settings())
    first_clay, second_image = cast(blender), image(blender)
    np.testing.assert_array_equal(second_image, first_image)
    np.testing.assert_array_equal(clay, first_clay)


@pytest.mark.blender
def test_an_image_is_the_same_whatever_was_lit_before(blender: BlenderProcess) -> None:
    load(blender, (STUDIO, TURNED, SUN), settings())
    seen = [image(blender, number) for number in (0, 1, 0, 2, 0)]
    np.testing.assert_array_equal(seen[2], seen[0])
    np.testing.assert_array_equal(seen[4], seen[0])
    assert np.abs(seen[1] - seen[0]).max() > 0.1


@pytest.mark.blender
def test_adaptive_sampling_judges_noise_as_it_is_exposed(blender: BlenderProcess) -> None:
    """Under a lamp sixteen times as strong the image is the same, sixteen times as bright: no more paths, no fewer."""
    bright = dataclasses.replace(SUN, field="image_bright", strength=16 * SUN.strength)
    chosen = settings(samples=64, adaptive_threshold=0.2, adaptive_min_samples=2)
    plain = exposures(models.Exposure(), limit=1e9)
    view = View("v", 7, camera("perspective"), (SUN, bright), Sequence("lambert", ((0.0, 0.0, 1.0),)))
    group = Group("g", ObjectSource("monkey"), FABRIC, (view,))
    alone = dataclasses.replace(view, lights=(bright,))
    (one,) = render_views(blender, group, chosen, Stopwatch(), plain)
    (other,) = render_views(blender, dataclasses.replace(group, views=(alone,)), chosen, Stopwatch(), plain)
    np.testing.assert_array_equal(other.images["image_bright"], 16 * one.images["image_parallel"])
    (unexposed,) = render_views(blender, group, chosen, Stopwatch())
    assert (unexposed.images["image_parallel"] != one.images["image_parallel"]).any()


@pytest.mark.blender
def test_an_image_gets_the_samples_that_its_quality_needs(blender: BlenderProcess) -> None:
    """Whatever its lamp's strength; and what is estimated is near what many samples tell."""
    bright = dataclasses.replace(SUN, field="image_bright", strength=16 * SUN.strength)
    small = dataclasses.replace(camera("perspective"), width=128, height=128)
    view = View("v", 7, small, (SUN, bright, STUDIO), Sequence("lambert", ((0.0, 0.0, 1.0),)))
    group = Group("g", ObjectSource("monkey"), FABRIC, (view,))
    expose = exposures(models.Exposure(), limit=1e9)

    def rendered(psnr: float | None, samples: int, denoise: bool) -> RenderedView:
        chosen = settings(samples, psnr=psnr, first_samples=4, denoise=denoise)
        return next(render_views(blender, group, chosen, Stopwatch(), expose))

    truth = rendered(None, 1024, denoise=False)
    assert truth.quality == {}
    for denoise in (True, False):
        low, high = (rendered(psnr, 1024, denoise) for psnr in (28, 36))
        for field in ("image_parallel", "image_env0"):
            assert low.quality[field].samples < high.quality[field].samples < 1024
            assert low.quality[field].psnr >= 28 and high.quality[field].psnr >= 36
            factor = np.float32(expose(truth.images[field][truth.mask]))
            shown, wanted = (linear_to_srgb(x.images[field][truth.mask] * factor) for x in (high, truth))
            real = -10 * np.log10(np.mean((shown - wanted) ** 2))
            assert real > 33.5, (field, real, high.quality[field])
        # Both images have noise of their own, so the numbers are near, not equal.
        bright_samples, samples = (
            high.quality[field].samples for field in ("image_bright", "image_parallel")
        )
        assert samples / 2 < bright_samples < samples * 2


@pytest.mark.blender
def test_a_sequence_shares_one_exposure(blender: BlenderProcess) -> None:
    seen: list[int] = []

    def expose(pixels: NDArray[np.float32]) -> float:
        seen.append(len(pixels))
        return 1.0

    directions = tuple((0.1 * x, 0.2, 1.0) for x in range(12))
    chosen = settings(samples=4, adaptive_threshold=0.2, adaptive_min_samples=2)
    view = View("v", 7, camera("perspective"), (), Sequence("photometric", directions))
    group = Group("g", ObjectSource("monkey"), FABRIC, (view,))
    (rendered,) = render_views(blender, group, chosen, Stopwatch(), expose)
    assert rendered.sequence is not None and len(rendered.sequence) == 12
    assert len(seen) == 1 and seen[0] > 6 * 50  # the pixels of six small frames
    assert not rendered.quality
    chosen = settings(samples=4, psnr=30.0, first_samples=1)
    (rendered,) = render_views(blender, group, chosen, Stopwatch(), expose)
    assert len(seen) == 2 and 2 <= rendered.quality["shading"].samples <= 4
    (rendered,) = render_views(blender, group, settings(), Stopwatch(), expose)
    assert len(seen) == 2  # plain sampling needs no pilot


def exposures(base: models.Exposure, limit: float):
    wide = base.model_copy(update={"limit": limit})
    return lambda pixels: middle_exposure(pixels, wide)


def test_what_is_hardly_lit_stays_dark() -> None:
    pixels = np.full((1000, 3), 1e-6, np.float32)
    pixels[:20] = 1.0  # fewer than the highlight's percentile sees
    bounds = models.Exposure()
    assert (
        sample_exposure(pixels, bounds, np.random.default_rng(0))
        == bounds.limit
        == middle_exposure(pixels, bounds)
    )
    pixels[:] = 0.02
    usual = middle_exposure(pixels, bounds)
    assert usual * 0.02 == pytest.approx((0.10 * 0.35) ** 0.5, rel=1e-3)
