# SPDX-License-Identifier: Apache-2.0
"""Without a mask the object is found by predicted coverage: twice, the second time in the square round it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from multishade.inference.coverage import clean_mask, window_of_object
from multishade.inference.framing import Window
from multishade.inference.photo import Photo
from multishade.inference.predict import infer, infer_all
from multishade.models.base import Inputs, Prediction
from multishade.models.rose import RoseSettings


@dataclass
class RedFinder:
    """A model whose coverage is 1 on red pixels, and whose normals face the camera. It keeps what it saw."""

    settings: RoseSettings = RoseSettings(size=32, process="one_step", heads=("coverage",))
    seen: list[np.ndarray] = field(default_factory=list)
    arrays: ClassVar[bool] = True

    def predict(self, inputs: Inputs, *, seed: int = 0) -> Prediction:
        images: Any = inputs.image
        self.seen += list(images)
        red = (images[:, :1] - images[:, 1:2]).clip(0, 1)
        mask = red > 0.5 if inputs.mask is None else np.asarray(inputs.mask) > 0.5
        parts: dict[str, Any] = {
            "normal": mask * np.array([0, 0, 1], np.float32)[:, None, None],
            "confidence": mask.astype(np.float32),
            "mask": mask,
            "shading": np.repeat(red, 9, axis=1),
            "coverage": red,
        }
        return Prediction(**parts)


def scene(height: int = 120, width: int = 200) -> tuple[Photo, np.ndarray]:
    """A red disc of radius 20 on grey, and its mask."""
    rows, columns = np.mgrid[:height, :width]
    mask = (rows - 40) ** 2 + (columns - 150) ** 2 < 20**2
    pixels = np.full((height, width, 3), 0.5, np.float32)
    pixels[mask] = (1, 0, 0)
    return Photo(pixels), mask


class TestInfer:
    def test_the_object_is_found_and_seen_large_the_second_time(self) -> None:
        photo, mask = scene()
        model = RedFinder()
        found = infer(photo, model)  # type: ignore[arg-type]
        assert (found.mask & mask).sum() / (found.mask | mask).sum() > 0.95
        first, second = ((image[0] - image[1] > 0.5).mean() for image in model.seen)
        assert first < 0.06 and second > 0.5
        assert abs(found.window.side - 1.15 * 40) < 6
        np.testing.assert_array_equal((found.normal != 0).any(axis=2), found.mask)

    def test_the_background_stays_in_the_picture(self) -> None:
        model = RedFinder()
        infer(scene()[0], model)  # type: ignore[arg-type]
        assert model.seen[1][:, 0, 0] == pytest.approx([0.5, 0.5, 0.5], abs=0.01)

    def test_a_mask_that_is_given_stands(self) -> None:
        photo, _ = scene()
        given = np.zeros(photo.pixels.shape[:2], bool)
        given[60:100, 20:60] = True
        model = RedFinder()
        found = infer(Photo(photo.pixels, given), model)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.mask, given)
        assert len(model.seen) == 1

    def test_nothing_found_gives_an_empty_mask(self) -> None:
        found = infer(Photo(np.full((60, 80, 3), 0.5, np.float32)), RedFinder())  # type: ignore[arg-type]
        assert not found.mask.any() and not found.normal.any()

    def test_without_crop_the_whole_photo_is_seen_once(self) -> None:
        model = RedFinder()
        found = infer(scene()[0], model, crop=False)  # type: ignore[arg-type]
        assert len(model.seen) == 1 and found.mask.any()

    def test_results_do_not_depend_on_the_batch(self) -> None:
        photos = [scene()[0], Photo(scene()[0].pixels[:, ::-1].copy()), scene(90, 180)[0]]
        alone = [infer(photo, RedFinder()) for photo in photos]  # type: ignore[arg-type]
        together = list(infer_all(photos, RedFinder(), batch=3))  # type: ignore[arg-type]
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one.normal, other.normal)
            np.testing.assert_array_equal(one.mask, other.mask)


class TestMask:
    def test_small_parts_are_dropped_and_small_holes_filled(self) -> None:
        mask = np.zeros((100, 100), bool)
        mask[10:70, 10:70] = True
        mask[80:85, 80:85] = True  # small beside the object
        mask[10:50, 72:98] = True  # a part of it
        mask[30, 30] = False
        mask[40:50, 40:50] = False  # a true hole
        clean = clean_mask(mask)
        assert clean[30, 30] and not clean[45, 45]
        assert not clean[80:85, 80:85].any() and clean[10:50, 72:98].all()

    def test_the_outside_is_no_hole_however_small(self) -> None:
        mask = np.ones((40, 40), bool)
        mask[0, 0] = False
        assert clean_mask(mask).all()  # a hole of one pixel, at the edge or not
        assert not clean_mask(np.zeros((5, 5), bool)).any()

    def test_padding_is_no_object(self) -> None:
        coverage = np.ones((32, 32), np.float32)
        inside = np.zeros((32, 32), bool)
        assert window_of_object(coverage, Window(0, 0, 64, 64, 64), inside) is None
        inside[8:24] = True
        found = window_of_object(coverage, Window(-16, 0, 64, 32, 64), inside)
        assert found == Window(-21, -5, 74, 32, 64)
