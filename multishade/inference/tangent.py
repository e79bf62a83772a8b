# SPDX-License-Identifier: Apache-2.0
"""Normals in camera space -> whether they may serve as a tangent-space map: only those of a plane facing the camera.

A tangent-space map stores how detail tilts the normal of the mesh that it is put on; a camera-space map contains the
shape of the object, too. They are the same for a flat wall, a relief or a piece of cloth photographed straight on.
"""

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.depth import patch_means

LIMIT_DEGREES = 10.0  # how far the coarse shape may tilt from the image plane
_PERCENTILE = 95.0


def deviation(normal: NDArray[np.floating], given: NDArray[np.bool_]) -> float:
    """Measure how far the coarse shape tilts away from the image plane.

    Args:
        normal: (H, W, 3) unit vectors, camera frame.
        given: (H, W) where there is a normal.

    Returns:
        The 95th percentile over the object of the angle, in degrees, between the view axis and the mean normal of a
        patch a twelfth of the image wide; 90 without normals.
    """
    if not given.any():
        return 90.0
    means = patch_means(normal, given)[given]
    tilt = angular_error_degrees(means, np.array([0.0, 0.0, 1.0]))
    return float(np.percentile(np.nan_to_num(tilt, nan=90.0), _PERCENTILE))


def require_tangent(degrees: float, name: str) -> None:
    """Raise SolveError if a map with this deviation is no tangent-space map.

    Args:
        degrees: Of `deviation`.
        name: Of the photo, for the message.
    """
    if degrees > LIMIT_DEGREES:
        raise SolveError(
            f"{name}: --maps tangent: the coarse shape tilts by {degrees:.0f} degrees from the image plane (at most "
            f"{LIMIT_DEGREES:g} may), so its camera-space normals are no tangent-space map. Photograph a flat piece "
            "straight on, or use the maps as they are with surface.glb"
        )
