# SPDX-License-Identifier: Apache-2.0
"""A sample of strangers -> whether it can be drawn: valid meta, finite arrays of its camera's size."""

import numpy as np

from multishade.errors import ShardError
from multishade.shards.sample import Sample


def is_drawable(sample: Sample) -> bool:
    """Return whether the arrays of a sample fit its meta and one another, so that pictures can be made of them.

    Args:
        sample: A decoded sample.
    """
    try:
        info = sample.info
    except ShardError:
        return False
    size = (info.camera.height, info.camera.width)
    planes = [sample.alpha, sample.mask, sample.depth]
    colours = [sample.normal, *sample.images.values()]
    if sample.normal_geometry is not None:
        colours.append(sample.normal_geometry)
    frames = [] if sample.shading is None else list(sample.shading)
    frames += [] if sample.light_basis is None else list(sample.light_basis)
    if sample.shading is not None and len(sample.shading) != len(info.shading.directions):
        return False
    matrix = np.asarray(info.camera.K, np.float64)
    return (
        all(plane.shape == size for plane in planes)
        and all(colour.shape == (*size, 3) for colour in colours)
        and all(frame.shape in (size, (*size, 3)) for frame in frames)
        and all(np.isfinite(array).all() for array in (*colours, *frames))
        and bool(matrix[0, 0] > 0 and matrix[1, 1] > 0)
    )
