# SPDX-License-Identifier: Apache-2.0
"""Light adds up: a composed image is the one that would have been rendered under all its lights."""

import numpy as np
import pytest
import torch

from multishade.data.relight import relit, sample_image, sample_weights
from multishade.errors import DataError, SolveError
from multishade.imaging.exposure import exposure_to_median
from multishade.photometry.shading import relight
from multishade.shards.light_basis import (
    LightBasis,
    basis_files,
)
from multishade.shards.sample import FieldFormat, encode_sample
from tests.support.synthetic import make_sample

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def test_a_composed_image_is_the_image_under_all_lights() -> None:
    sample = make_sample(size=32, mode="photometric")
    basis = sample.shading
    assert basis is not None
    weights = np.zeros((9, 3))
    weights[2], weights[5] = [1.0, 0.5, 0.2], [0.3, 0.3, 0.9]
    normal, tint = sample.normal.astype(np.float64), np.array([0.8, 0.45, 0.25])
    directions = np.asarray(sample.meta["shading"]["directions"])
    expected = sum(
        np.maximum(normal @ directions[light], 0)[..., None] * tint * weights[light] for light in (2, 5)
    )
    np.testing.assert_allclose(relight(basis, weights, exposure=2.0), 2 * expected, atol=1e-5)
    np.testing.assert_allclose(relight(basis, np.ones(9)), basis.sum(axis=0), rtol=1e-5)


def test_light_cannot_be_negative_nor_exposure_nothing() -> None:
    basis = np.ones((2, 4, 4, 3), np.float32)
    with pytest.raises(SolveError, match="cannot be taken away; the least of them is -0.5"):
        relight(basis, [1.0, -0.5])
    with pytest.raises(SolveError, match="exposure: 0"):
        relight(basis, [1.0, 0.5], exposure=0)


@pytest.mark.parametrize("image", ["exr", "png16"])
def test_a_basis_is_read_from_a_photometric_sequence_or_its_own_field(image: str) -> None:
    sample = make_sample(size=24, mode="photometric")
    files = dict(encode_sample(sample, FieldFormat(image=image, image_compression="zip")))  # type: ignore[arg-type]
    needed = basis_files(list(files))
    basis = LightBasis("a", {name: files[name] for name in needed})
    assert len(basis) == 9
    np.testing.assert_allclose(basis.images(), sample.shading, atol=1e-3)
    weights = np.random.default_rng(0).random((9, 3)) * (np.arange(9) % 3 == 0)[:, None]
    np.testing.assert_allclose(
        relit(basis, weights).permute(1, 2, 0), relight(basis.images(), weights), rtol=1e-5, atol=1e-6
    )
    assert not relit(basis, np.zeros((9, 3))).any()
    if image == "exr":
        own = {"light_basis.exr": files["shading.exr"], "shading.exr": b"of another kind"}
        assert basis_files(list(own)) == ["light_basis.exr"]
        np.testing.assert_array_equal(LightBasis("a", own).images(), basis.images())


def test_what_is_no_basis_is_refused_with_the_remedy() -> None:
    files = dict(encode_sample(make_sample(size=24), FieldFormat()))
    with pytest.raises(
        DataError, match="a: its sequence holds shading, not images .*: render with light_basis: true"
    ):
        LightBasis("a", files)
    with pytest.raises(DataError, match="holds no light basis"):
        basis_files(["normal.exr", "mask.png"])


def test_drawn_lights_are_few_positive_and_near_white() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_weights(16, rng, lights=(1, 4), tint=0.15) for _ in range(200)]
    lit = [int((weights.sum(axis=1) > 0).sum()) for weights in drawn]
    assert set(lit) == {1, 2, 3, 4}
    strengths = np.concatenate([weights[weights.sum(axis=1) > 0] for weights in drawn])
    luminance = strengths @ LUMINANCE
    assert 2**-1.5 <= luminance.min() * 1.0001 and luminance.max() <= 2**1.5 * 1.0001
    assert 0.05 < np.log(strengths / luminance[:, None]).std() < 0.25
    assert (sample_weights(3, rng, lights=(5, 9)) > 0).all()  # no more than there are
    white = sample_weights(4, rng, lights=(4, 4), tint=0)
    np.testing.assert_allclose(white, np.repeat(white[:, :1], 3, axis=1), rtol=1e-6)


def test_exposure_brings_the_median_to_its_band_unless_highlights_would_clip() -> None:
    sample = make_sample(size=48, mode="photometric")
    basis = LightBasis("a", dict(encode_sample(sample, FieldFormat())))
    rng = np.random.default_rng(1)
    for _ in range(20):
        image = sample_image(basis, torch.from_numpy(sample.mask), rng, (1, 3), 0.1, (0.1, 0.3))
        luminance = image.permute(1, 2, 0).numpy()[sample.mask] @ LUMINANCE
        clipped = np.percentile(luminance, 95) == pytest.approx(1, rel=1e-3)
        assert clipped or 0.099 < np.median(luminance) < 0.301
    assert exposure_to_median(np.zeros(16), 0.2) == 1
