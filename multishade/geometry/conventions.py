# SPDX-License-Identifier: Apache-2.0
"""Every axis and pixel convention: the ones that shards state, and axes of normal maps declared as text (`x,-y,z`).

The camera frame of this project: +x right, +y up, +z from the scene toward the camera (OpenGL's, and DiLiGenT's).
Another library's frame is declared as three signed axes, one for each of our x, y and z in the numbers of its file:
`x,-y,z` if its y points down, `-x,y,z` if its x points left. The declaration is never guessed;
`evaluation.axis_check` compares it with true normals.
"""

import re

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError

# Written into every meta.json, so that a shard without its documentation explains itself.
CONVENTIONS = {
    "camera_frame": "+x right, +y up, +z from the scene toward the camera; row 0 is the top of the image",
    "projection": (
        "K in pixels, origin at the outer corner of the top-left pixel, so pixel centres lie at "
        "(column + 0.5, row + 0.5); perspective: u = cx + fx x / depth, v = cy - fy y / depth; "
        "orthographic: u = cx + fx x, v = cy - fy y"
    ),
    "normal": "unit, camera frame, shading normal with bump, at the pixel's centre; 0 off the mask",
    "depth": "distance along the camera's z axis (depth = -z) in scene units; +inf off the mask",
    "mask": "255 where the pixel's centre hits the object, else 0",
    "image": "radiance times exposure, linear, Rec.709 primaries, background 0, weighted by coverage",
    "alpha": "coverage, 0 to 255",
    "light": "unit direction from surface to light, or position, in the camera frame; angles in degrees",
    "shading": "shading[k] belongs to directions[k]; 0 off the mask",
}

# The declaration of files that are in our frame.
CAMERA_AXES = "x,y,z"

# Frames by the name that people know them by -> the axes of their files, as for `parse_axes`, and in words.
FRAMES = {
    "opengl": (CAMERA_AXES, "+x right, +y up, +z from the scene toward the camera"),
    "directx": ("x,-y,z", "+x right, +y down, +z from the scene toward the camera (left-handed)"),
    "opencv": ("x,-y,-z", "+x right, +y down, +z from the camera into the scene"),
}


def parse_axes(text: str) -> NDArray[np.float32]:
    """Parse a declaration of axes.

    Args:
        text: Three signed axes, such as `x,-y,z`.

    Returns:
        (3, 3) the signed permutation M with ours = M @ theirs.

    Raises:
        EvaluationError: If `text` is not a signed permutation of x, y and z.
    """
    terms = [term.strip().lower() for term in text.split(",")]
    axes = [re.fullmatch(r"([+-]?)([xyz])", term) for term in terms]
    if len(terms) != 3 or any(axis is None for axis in axes):
        raise EvaluationError(f"convention {text!r}: expected three signed axes such as x,-y,z")
    matrix = np.zeros((3, 3), dtype=np.float32)
    for row, axis in enumerate(axes):
        assert axis is not None
        matrix[row, "xyz".index(axis.group(2))] = -1 if axis.group(1) == "-" else 1
    if not (np.abs(matrix).sum(axis=0) == 1).all():
        raise EvaluationError(f"convention {text!r}: each of x, y and z must occur once")
    return matrix


def format_axes(matrix: NDArray[np.floating]) -> str:
    """Format a signed permutation as the declaration that `parse_axes` parses to it.

    Args:
        matrix: (3, 3) signed permutation.

    Returns:
        The declaration, such as "x,-y,-z".
    """
    columns = np.abs(matrix).argmax(axis=1)
    return ",".join(
        ("-" if matrix[row, column] < 0 else "") + "xyz"[column] for row, column in enumerate(columns)
    )


def from_camera_frame(vectors: NDArray[np.floating], frame: str) -> NDArray[np.float32]:
    """Turn vectors of our camera frame into another frame.

    Args:
        vectors: (..., 3) in the camera frame.
        frame: A key of `FRAMES`.

    Returns:
        (..., 3) float32, the same vectors in that frame.
    """
    # Signed permutations are orthogonal: the transpose of ours = M theirs.
    return np.ascontiguousarray(vectors.astype(np.float32) @ parse_axes(FRAMES[frame][0])) + np.float32(0)


def to_camera_frame(normal: NDArray[np.floating], axes: str) -> NDArray[np.float32]:
    """Turn normals into our camera frame.

    Args:
        normal: (H, W, 3) vectors in the declared axes.
        axes: Their declaration, as for `parse_axes`.

    Returns:
        (H, W, 3) float32, the same vectors in the camera frame.
    """
    return np.ascontiguousarray(normal.astype(np.float32) @ parse_axes(axes).T)
