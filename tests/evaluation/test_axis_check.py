# SPDX-License-Identifier: Apache-2.0
"""A declaration of axes that contradicts the truth is named together with the one that fits."""

from itertools import permutations, product

import numpy as np
import pytest

from multishade.evaluation.axis_check import AxisCheck
from multishade.geometry.conventions import parse_axes
from tests.support.synthetic_benchmarks import ball

ALL_AXES = [
    ",".join(sign + axis for sign, axis in zip(signs, order, strict=True))
    for order in permutations("xyz")
    for signs in product(("", "-"), repeat=3)
]


@pytest.mark.parametrize("stored_as", ALL_AXES)
def test_a_wrong_declaration_is_named_with_the_right_one(stored_as: str) -> None:
    target = ball()
    true = target.normal[target.mask]
    # A prediction with errors of its own, stored in the axes `stored_as`, declared as ours.
    rng = np.random.default_rng(3)
    noisy = true + 0.05 * rng.standard_normal(true.shape).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    stored = noisy @ parse_axes(stored_as)  # the inverse of a signed permutation is its transpose
    check = AxisCheck("x,y,z")
    check.add(stored, true)
    found = check.mismatch()
    if stored_as == "x,y,z":
        assert found is None
    else:
        assert found is not None
        assert found.better == stored_as
        assert found.better_error < 5
        assert f"--convention {stored_as}" in str(found)


def test_the_correction_is_relative_to_what_was_declared() -> None:
    target = ball()
    true = target.normal[target.mask]
    stored = true * np.array([1, -1, -1], np.float32)
    declared = "x,y,-z"
    check = AxisCheck(declared)
    check.add(stored @ parse_axes(declared).T, true)
    found = check.mismatch()
    assert found is not None
    assert found.better == "x,-y,-z"


def test_poor_predictions_are_not_taken_for_wrong_axes() -> None:
    target = ball()
    true = target.normal[target.mask]
    rng = np.random.default_rng(5)
    for blend in (0.5, 1.0, 3.0):
        poor = true + blend * rng.standard_normal(true.shape).astype(np.float32)
        poor[:, 2] = np.abs(poor[:, 2])
        poor /= np.linalg.norm(poor, axis=1, keepdims=True)
        check = AxisCheck()
        check.add(poor, true)
        assert check.mismatch() is None
    flat = np.tile(np.float32([0, 0, 1]), (len(true), 1))
    check = AxisCheck()
    check.add(flat, true)
    assert check.mismatch() is None


def test_an_error_above_90_degrees_is_never_accepted() -> None:
    true = np.tile(np.float32([0, 0, 1]), (50, 1))
    check = AxisCheck()
    check.add(-true, true)
    found = check.mismatch()
    assert found is not None and found.error == pytest.approx(180) and found.better_error == pytest.approx(0)
    assert "above 90" in str(found)


def test_nothing_to_check_is_no_mismatch() -> None:
    check = AxisCheck()
    check.add(np.empty((0, 3)), np.empty((0, 3)))
    assert check.mismatch() is None
