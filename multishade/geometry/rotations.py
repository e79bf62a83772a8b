# SPDX-License-Identifier: Apache-2.0
"""A unit quaternion, angles or a generator in, a rotation matrix out.

SciPy's `Rotation` rounds otherwise; meshes and cameras of earlier data sets depend on the last bit of these matrices.
"""

import numpy as np
from numpy.typing import NDArray


def matrix_from_quaternion(w: float, x: float, y: float, z: float) -> NDArray[np.float64]:
    """Return the rotation matrix (3, 3) of a unit quaternion, for column vectors; w is the real part."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def matrix_from_angles(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Return the matrix (3, 3) that rotates about the fixed x axis, then y, then z, by degrees, counter-clockwise."""
    (sx, sy, sz), (cx, cy, cz) = (function(np.radians([x, y, z])) for function in (np.sin, np.cos))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix: NDArray[np.float64] = about_z @ about_y @ about_x
    return matrix


def sample_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Sample a rotation matrix (3, 3) uniformly over all rotations.

    Four normal deviates make a quaternion whose direction is uniform on the unit sphere in four dimensions
    (Marsaglia 1972).
    """
    w, x, y, z = (quaternion := rng.normal(size=4)) / np.linalg.norm(quaternion)
    return matrix_from_quaternion(w, x, y, z)
