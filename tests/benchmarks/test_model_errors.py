# SPDX-License-Identifier: Apache-2.0
"""Tables of a model's errors count what they say, and composites put the object where its mask is."""

from pathlib import Path

import numpy as np

from benchmarks.bundled_assets import VALIDATION
from benchmarks.coverage import PHOTOGRAPHS, composites
from benchmarks.model_errors import Errors, by_confidence, by_range, by_tag
from multishade.imaging.color import linear_to_srgb
from multishade.shards.dataset import write_shard
from tests.support.synthetic import make_sample


def test_bins_of_confidence_hold_equally_many_pixels() -> None:
    confidence = np.linspace(0, 1, 1000, dtype=np.float32)[::-1]
    bins = by_confidence(confidence, (90 * (1 - confidence)).astype(np.float32))
    assert len(bins) == 10
    np.testing.assert_allclose([error for _, error in bins], [90 * (1 - mean) for mean, _ in bins], atol=1e-3)
    assert [error for _, error in bins] == sorted((error for _, error in bins), reverse=True)


def test_ranges_cover_every_pixel_once() -> None:
    values = np.array([0, 0.5, 1, 1.5, 2], np.float32)
    found = by_range(values, np.array([1, 3, 5, 7, 9], np.float32), (0, 1, 2))
    assert [(share, mean) for _, _, share, mean in found] == [(0.4, 2.0), (0.6, 7.0)]


def test_tags_are_sorted_by_error() -> None:
    nothing = np.zeros(0, np.float32)
    images = [
        Errors(str(mean), {"family": family}, mean, nothing, nothing, nothing, nothing)
        for family, mean in (("a", 10.0), ("b", 30.0), ("a", 20.0))
    ]
    assert by_tag(images, "family") == {"b": (1, 30.0), "a": (2, 15.0)}


def test_a_composite_shows_the_object_inside_its_mask_and_the_photograph_outside(tmp_path: Path) -> None:
    sample = make_sample(size=64)
    write_shard(tmp_path / "a.tar", [sample])
    for kind, names in PHOTOGRAPHS.items():
        (made,) = composites([tmp_path / "a.tar"], kind, 1, seed=3)
        assert made.name.endswith(names[0])
        assert 0.05 < made.mask.mean() < 0.6
        assert (made.normal != 0).any(axis=2)[made.mask].mean() > 0.97  # the outline is rounded otherwise
        (again,) = composites([tmp_path / "a.tar"], kind, 1, seed=3)
        np.testing.assert_array_equal(made.pixels, again.pixels)
        name = next(iter(sample.images))
        inside = linear_to_srgb(sample.images[name][sample.mask].astype(np.float32).clip(0, 1))
        assert abs(float(np.median(made.pixels[made.mask])) - float(np.median(inside))) < 0.1


def test_the_meshes_held_out_are_named_once() -> None:
    assert len(set(VALIDATION)) == len(VALIDATION) == 5
