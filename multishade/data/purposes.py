# SPDX-License-Identifier: Apache-2.0
"""What each random stream of the loader is for: one number each, so that no two uses share a stream.

A stream is `numpy.random.default_rng((seed, epoch, ..., purpose, ...))`. A number that is in use never changes: the
batches of a seed, and with them trained weights, depend on it.
"""

import enum


@enum.unique
class Purpose(enum.IntEnum):
    """The element of a stream's seed that separates its use from all others."""

    SHUFFLE = 1  # order of samples or shards in an epoch
    BUFFER = 2  # order within a buffer of a stream
    CHOICE = 3  # which image is the input, and its relighting
    GEOMETRY = 4  # window, rotation, mirror image
    CAMERA = 5  # exposure, background, blur, noise, JPEG
    CLAY = 6  # whether the input is made from normals, and how
    SUBSTITUTE = 7  # which sample replaces one that cannot be read
    LIGHTS = 8  # which images of a photometric sequence
