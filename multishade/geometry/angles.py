# SPDX-License-Identifier: Apache-2.0
"""Two fields of vectors -> the angles between them, 0 to 180 degrees."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def angular_error_degrees(a: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
    """Compute the angle between vectors as atan2(|a x b|, a . b).

    The arccosine of a cosine near 1 cannot distinguish 0.00 from 0.02 degrees in float32; this distinguishes 0.00001.

    Args:
        a: (..., 3) vectors of any length.
        b: (..., 3) vectors; the shapes are broadcast.

    Returns:
        (...) degrees, 0 to 180; NaN for zero vectors, which have no direction. float32 for two inputs of float32 or
        narrower types, else float64.

    Raises:
        ValueError: If an input has another last axis than 3.
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
