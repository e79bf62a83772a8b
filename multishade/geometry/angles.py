# SPDX-License-Identifier: Apache-2.0
"""Two fields of vectors -> the angle between them; opposite vectors are 180 degrees apart, not 0."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def angular_error_degrees(a: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
    """Angle between vectors, in degrees from 0 to 180.

    a, b: (..., 3), any length but zero, shapes broadcast. Returns (...), float32 for two float32 (or
    narrower) inputs, else float64. It is computed as atan2(|a x b|, a . b): arccos of a cosine near 1 cannot
    tell 0.00 from 0.02 degrees in float32, this can tell 0.00001. A zero vector has no direction: its angle
    is NaN, so that it cannot pass for a perfect answer.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.shape[-1:] != (3,) or second.shape[-1:] != (3,):
        raise ValueError(
            f"angular_error_degrees: expected (..., 3) twice, got {first.shape} and {second.shape}"
        )
    kind = np.result_type(first.dtype, second.dtype, np.float32)
    first, second = first.astype(kind, copy=False), second.astype(kind, copy=False)
    ax, ay, az = first[..., 0], first[..., 1], first[..., 2]
    bx, by, bz = second[..., 0], second[..., 1], second[..., 2]
    cross = np.sqrt(
        np.square(ay * bz - az * by) + np.square(az * bx - ax * bz) + np.square(ax * by - ay * bx)
    )
    dot = ax * bx + ay * by + az * bz
    angle = np.degrees(np.arctan2(cross, dot))
    return np.where((cross == 0) & (dot == 0), kind.type(np.nan), angle)
