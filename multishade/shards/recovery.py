# SPDX-License-Identifier: Apache-2.0
"""A sample -> how far the normals that its shading sequence gives by least squares are from the stored ones."""

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.angles import angular_error_degrees
from multishade.photometry.solvers.methods import solve
from multishade.shards.sample import Sample, shading_of


def recovered_error(sample: Sample) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Degrees (H, W) between the stored normal and that of least squares on the shading, and where it is determined."""
    directions = np.asarray(sample.info.shading.directions)
    solution = solve(shading_of(sample), directions, sample.mask, method="ols_masked")
    determined = solution.determined & sample.mask & (sample.normal != 0).any(axis=-1)
    error = np.zeros(sample.mask.shape)
    error[determined] = angular_error_degrees(solution.normal[determined], sample.normal[determined])
    return error, determined
