# SPDX-License-Identifier: Apache-2.0
"""Declared axes are signed permutations, and turn vectors into the camera frame."""

from itertools import permutations, product

import numpy as np
import pytest

from multishade.errors import EvaluationError
from multishade.geometry import conventions

ALL_CONVENTIONS = [
    ",".join(sign + axis for sign, axis in zip(signs, order, strict=True))
    for order in permutations("xyz")
    for signs in product(("", "-"), repeat=3)
]


def test_y_down_and_z_into_the_scene() -> None:
    opencv = np.array([[[0.1, 0.2, -0.9]]], np.float32)
    assert conventions.to_camera_frame(opencv, "x,-y,-z")[0, 0] == pytest.approx([0.1, -0.2, 0.9])


def test_axes_may_change_places() -> None:
    assert conventions.to_camera_frame(np.array([[[1.0, 2.0, 3.0]]]), "y,-x,z")[0, 0] == pytest.approx(
        [2, -1, 3]
    )


@pytest.mark.parametrize("text", ALL_CONVENTIONS)
def test_text_and_matrix_are_inverse(text: str) -> None:
    assert conventions.format_axes(conventions.parse_axes(text)) == text


@pytest.mark.parametrize("text", ["", "x,y", "x,y,y", "x,y,z,x", "a,b,c", "x;y;z", "--x,y,z"])
def test_what_is_no_declaration_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError, match="convention"):
        conventions.parse_axes(text)
