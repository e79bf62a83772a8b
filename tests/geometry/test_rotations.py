# SPDX-License-Identifier: Apache-2.0
"""Rotation matrices are rotations, agree with SciPy's, and are sampled without a preferred direction."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from multishade.geometry.rotations import matrix_from_quaternion, sample_rotation


@pytest.mark.parametrize("seed", range(5))
def test_the_matrix_of_a_quaternion_is_that_of_scipy(seed: int) -> None:
    w, x, y, z = (quaternion := np.random.default_rng(seed).normal(size=4)) / np.linalg.norm(quaternion)
    expected = Rotation.from_quat((x, y, z, w)).as_matrix()
    np.testing.assert_allclose(matrix_from_quaternion(w, x, y, z), expected, atol=1e-15)


def test_sampled_matrices_are_rotations_without_a_preferred_direction() -> None:
    rng = np.random.default_rng(0)
    matrices = np.stack([sample_rotation(rng) for _ in range(4000)])
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), matrices.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=1e-12)
    # Over uniform rotations an entry has mean 0 and variance 1/3: 4000 samples have a standard error of 0.009.
    assert np.abs(matrices.mean(axis=0)).max() < 0.05
    assert np.abs((matrices**2).mean(axis=0) - 1 / 3).max() < 0.05
