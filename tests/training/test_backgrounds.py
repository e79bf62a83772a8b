# SPDX-License-Identifier: Apache-2.0
"""Pictures for backgrounds: a view looks where it is told to, and each split has its own assets."""

from pathlib import Path

import cv2
import numpy as np

from multishade.data.torch_dataset import ShardDataset
from multishade.training.backgrounds import (
    Sources,
    _with_object,
    make_backgrounds,
    sample_picture,
    view_into,
)


def spotted(column: int, row: int) -> np.ndarray:
    environment = np.zeros((64, 128, 3), np.float32)
    environment[row - 2 : row + 3, column - 2 : column + 3] = 1
    return environment


class TestViewInto:
    def middle(self, environment: np.ndarray, yaw: float, pitch: float) -> float:
        view = view_into(environment, yaw, pitch, np.radians(60), 33)
        return float(view[15:18, 15:18].mean())

    def test_the_middle_of_the_map_is_ahead_on_the_horizon(self) -> None:
        assert self.middle(spotted(64, 32), 0, 0) > 0.9
        assert self.middle(spotted(64, 32), np.pi, 0) == 0

    def test_yaw_turns_to_the_right_and_pitch_up(self) -> None:
        assert self.middle(spotted(96, 32), np.pi / 2, 0) > 0.9
        assert self.middle(spotted(64, 16), 0, np.pi / 4) > 0.9

    def test_what_is_right_and_up_in_the_map_is_right_and_up_in_the_view(self) -> None:
        view = view_into(spotted(70, 28), 0, 0, np.radians(60), 33)[..., 0]
        rows, columns = np.nonzero(view > 0.5)
        assert columns.mean() > 17 and rows.mean() < 15

    def test_the_seam_of_the_map_is_not_seen(self) -> None:
        view = view_into(np.ones((64, 128, 3), np.float32), np.pi, 0, np.radians(90), 32)
        np.testing.assert_allclose(view, 1, atol=1e-6)


def test_pictures_are_the_same_for_the_same_seed_and_are_exposed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sources = Sources(
        (rng.random((32, 64, 3)).astype(np.float32) * 100,), (rng.random((300, 300, 3)).astype(np.float32),)
    )
    for seed in range(6):
        first, again = (sample_picture(sources, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert first.shape == (256, 256, 3) and 0 <= first.min() and first.max() <= 1
        assert 0.02 < float(np.median(first)) < 0.7
    make_backgrounds(sources, tmp_path, 2, np.random.default_rng(1))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0000.jpg", "0001.jpg"]
    assert cv2.imread(str(tmp_path / "0001.jpg")).shape == (256, 256, 3)


def test_objects_of_shards_cover_what_is_behind_them(shards: Path) -> None:
    black = np.zeros((32, 64, 3), np.float32)
    behind = Sources((black,), ())
    with_objects = Sources((black,), (), ShardDataset([str(shards)], ("image_*", "alpha")))
    pictures = [sample_picture(with_objects, np.random.default_rng(seed)) for seed in range(20)]
    shown = [picture.max() > 0 for picture in pictures]
    assert all(sample_picture(behind, np.random.default_rng(seed)).max() == 0 for seed in range(20))
    assert 3 <= sum(shown) <= 14
    np.testing.assert_array_equal(
        pictures[shown.index(True)], sample_picture(with_objects, np.random.default_rng(shown.index(True)))
    )


def test_an_opaque_object_hides_a_white_wall(shards: Path) -> None:
    wall = np.ones((256, 256, 3), np.float32)
    objects = ShardDataset([str(shards)], ("image_*", "alpha"))
    darkest = min(float(_with_object(wall, objects, np.random.default_rng(seed)).min()) for seed in range(8))
    assert darkest < 0.5
