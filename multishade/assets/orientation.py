# SPDX-License-Identifier: Apache-2.0
"""An object's row -> the rotation that stands it upright in the z-up world, from its columns `up` and `rotation`."""

import numpy as np
from numpy.typing import NDArray

from multishade.assets.schema import ObjectRow
from multishade.geometry.rotations import matrix_from_angles

# File axes -> world axes, by the file's axis that points up.
_UPRIGHT = {
    "x": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
# Formats that are y-up by definition; Blender turns them when it imports them.
_Y_UP = (".glb", ".gltf", ".obj")


def orientation_of(row: ObjectRow) -> NDArray[np.float64] | None:
    """Compute the rotation of an object after its import.

    Args:
        row: Its `up` is an axis of the file's own coordinates (of FBX, USD and BLEND: of the coordinates that Blender
            imports); its `rotation` follows, in degrees about the world's x, then y, then z.

    Returns:
        (3, 3) matrix for column vectors; None if the row states neither.
    """
    if row.up is None and row.rotation is None:
        return None
    matrix = np.eye(3)
    if row.up is not None:
        suffix = row.location.lower()
        imported = np.array(_UPRIGHT["y" if suffix.endswith(_Y_UP) else "z"], np.float64)
        matrix = np.array(_UPRIGHT[row.up], np.float64) @ imported.T
    if row.rotation is not None:
        matrix = matrix_from_angles(*row.rotation) @ matrix
    return matrix
