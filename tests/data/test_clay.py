# SPDX-License-Identifier: Apache-2.0
"""Images made from true normals: Lambert's cosine under one light in front, exposed, moved with the pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from multishade.data.clay import cover, sample_clay
from multishade.data.loader import Loader
from multishade.data.settings import Clay, Data, Geometric
from multishade.geometry.lights import ring
from multishade.imaging.color import srgb_to_linear
from tests.support.synthetic import make_sample, write_synthetic_shard

DULL = Clay(share=1, glossy=0, ambient=0, tint=0)


def sphere(size: int = 48) -> tuple[Tensor, Tensor]:
    sample = make_sample(size=size)
    return torch.from_numpy(sample.normal.copy()).permute(2, 0, 1).float(), torch.from_numpy(sample.mask)


def fitted_light(image: Tensor, normal: Tensor, mask: Tensor) -> tuple[np.ndarray, float]:  # type: ignore[type-arg]
    """The light that explains the lit pixels, and the largest error of all under max(0, n . l)."""
    values, normals = image[0][mask].double().numpy(), normal[:, mask].T.double().numpy()
    lit = values > 0.02 * values.max()
    light = np.linalg.lstsq(normals[lit], values[lit], rcond=None)[0]
    return light, float(np.abs(np.maximum(normals @ light, 0) - values).max() / values.max())


@pytest.mark.parametrize("seed", range(8))
def test_dull_clay_is_lamberts_cosine_under_a_light_in_front(seed: int) -> None:
    normal, mask = sphere()
    image = sample_clay(normal, mask, DULL, np.random.default_rng(seed))
    light, error = fitted_light(image, normal, mask)
    assert error < 1e-5
    assert light[2] / np.linalg.norm(light) > 0.19
    assert not image[:, ~mask].any()
    torch.testing.assert_close(image[0], image[2])


def test_gloss_ambient_and_tint_do_what_they_say() -> None:
    normal, mask = sphere()

    def errors(settings: Clay) -> list[float]:
        drawn = (sample_clay(normal, mask, settings, np.random.default_rng(seed)) for seed in range(20))
        return [fitted_light(image, normal, mask)[1] for image in drawn]

    assert sum(error > 0.02 for error in errors(Clay(share=1, glossy=1, ambient=0, tint=0))) > 10
    assert 5 < sum(error > 0.01 for error in errors(Clay(share=1, glossy=0, ambient=0.5, tint=0))) < 15
    image = sample_clay(normal, mask, Clay(share=1, tint=0.3), np.random.default_rng(1))
    assert (image[0] - image[2]).abs().max() > 0.01


def test_the_median_is_in_its_band_unless_highlights_would_clip() -> None:
    normal, mask = sphere()
    for seed in range(20):
        settings = Clay(share=1, glossy=0, ambient=0, tint=0, median=(0.1, 0.2))
        image = sample_clay(normal, mask, settings, np.random.default_rng(seed))
        median = float(image[:, mask].mean(dim=0).median())
        assert median < 0.21
        assert median > 0.095 or float(image.max()) > 0.7


def test_batches_of_clay_move_with_their_normals_and_come_again(tmp_path: Path) -> None:
    write_synthetic_shard(tmp_path / "a.tar", [make_sample(f"s000000-g0000-v{v}", size=48) for v in range(4)])
    moved = Geometric(frame="object", rotation_degrees=(-180, 180), mirror=0.5)
    settings = Data(shards=(str(tmp_path),), clay=DULL, geometric=moved)
    first, again = (next(iter(Loader(settings, ring(9), batch_size=4, seed=3))) for _ in range(2))
    assert torch.equal(first.image, again.image)
    for image, normal, mask in zip(first.image, first.normal, first.mask, strict=True):
        light = torch.from_numpy(srgb_to_linear(image.numpy()))
        # Pixels whose neighbours are on the object, too: elsewhere light is mixed with the dark.
        inner = -torch.nn.functional.max_pool2d(-mask[None], 3, 1, 1)[0, 0] > 0.5
        assert fitted_light(light, normal, inner)[1] < 0.05


def test_the_share_is_kept_and_what_is_not_clay_stays_as_it_was(tmp_path: Path) -> None:
    write_synthetic_shard(
        tmp_path / "a.tar", [make_sample(f"s000000-g{g:04d}-v0", size=24) for g in range(40)]
    )

    def images(share: float) -> Tensor:
        settings = Data(shards=(str(tmp_path),), clay=Clay(share=share))
        return next(iter(Loader(settings, ring(9), batch_size=40, seed=3))).image

    plain, mixed = images(0.0), images(0.5)
    same = (plain == mixed).flatten(1).all(dim=1)
    assert 10 <= int(same.sum()) <= 30


def test_clay_before_a_background_is_weighted_by_coverage_as_renders_are() -> None:
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[2:6, 2:6] = True
    alpha = mask.float()
    alpha[2:6, 6] = 0.25  # touched, and not on the mask
    image = torch.rand(3, 1, 1) * mask
    covered = cover(image, mask, alpha)
    torch.testing.assert_close(covered[:, 2:6, 2:6], image[:, 2:6, 2:6])
    torch.testing.assert_close(covered[:, 3, 6], 0.25 * image[:, 3, 5])
    assert not covered[:, 0].any()
