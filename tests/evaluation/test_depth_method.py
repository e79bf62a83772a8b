# SPDX-License-Identifier: Apache-2.0
"""Normals of a depth on a square of a photo come back at the photo's size and place."""

from pathlib import Path

import numpy as np
import pytest

from multishade.errors import ModelError
from multishade.evaluation.methods.depth import normals_at_photo
from multishade.evaluation.methods.named import named_method
from multishade.evaluation.readers.shards import object_of
from multishade.geometry.angles import angular_error_degrees
from multishade.inference.surface import Surface
from tests.support.depth_scenes import tiny
from tests.support.synthetic import make_sample


def test_the_normals_of_a_sphere_on_a_square_are_put_back_into_the_photo() -> None:
    """A square of 64 x 64 over 32 x 32 pixels of a photo of 40 x 60, at row 4 and column 20."""
    row, column = np.mgrid[:64, :64] + 0.5
    x, y = (column - 32) / 28, (32 - row) / 28
    inside = x**2 + y**2 < 0.8
    z = np.sqrt(np.where(inside, 1 - x**2 - y**2, 0))
    matrix = np.array([[28.0, 0, 32], [0, 28, 32], [0, 0, 1]])
    normal = np.stack([x, y, z], axis=2).astype(np.float32)
    depth = np.where(inside, -z, np.nan)
    surface = Surface(depth, normal, matrix, "orthographic", 20.0, 4.0, 2.0)
    v, u = np.mgrid[:40, :60] + 0.5
    across, up = (u - 36) / 14, (20 - v) / 14
    mask = across**2 + up**2 < 0.7
    truth = np.stack([across, up, np.sqrt(np.where(mask, 1 - across**2 - up**2, 0))], axis=2)
    found = normals_at_photo(surface, mask)
    assert not found[~mask].any()
    np.testing.assert_allclose(np.linalg.norm(found[mask], axis=1), 1, atol=1e-5)
    assert angular_error_degrees(found[mask], truth[mask]).mean() < 3


def test_a_depth_without_a_surface_has_no_normals() -> None:
    empty = np.full((8, 8), np.nan)
    surface = Surface(empty, np.zeros((8, 8, 3), np.float32), np.eye(3), "orthographic", 0.0, 0.0, 1.0)
    assert not normals_at_photo(surface, np.ones((8, 8), bool)).any()


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_each_photo_of_an_object_gives_normals_on_its_mask(kind: str, tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path)
    target = object_of(make_sample(size=48, kind=kind))
    predictions = list(named_method(f"irondepth:{tmp_path}")(target))
    assert [each.image for each in predictions] == list(target.inputs)
    for each in predictions:
        given = (each.normal != 0).any(axis=2)
        assert not given[~target.mask].any()
        assert given[target.mask].mean() > 0.95
        assert (each.normal[given][:, 2] > 0).mean() > 0.9  # towards the camera


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        named_method(f"irondepth:{tmp_path}")
