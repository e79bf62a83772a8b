# SPDX-License-Identifier: Apache-2.0
"""A texture file in, its pixels out, whatever its format: a file that is cut short is refused, not read in
part."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.read import read_image

MAP_SUFFIXES = (".png", ".exr", ".tif", ".tiff", ".webp", ".tga", ".bmp", ".jpg", ".jpeg")


def read_map(path: Path) -> NDArray[np.float32]:
    """Read a texture at its own bit depth -> (H, W, C) float32, integers scaled to [0, 1], no gamma undone.

    C is 1 for grey, else 3; alpha is left out. Raises ImageFileError, naming the file, if it cannot be read whole.
    """
    return read_image(path, name=path.name).unit
