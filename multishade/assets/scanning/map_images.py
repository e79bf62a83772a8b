# SPDX-License-Identifier: Apache-2.0
"""A texture file of any supported format in, its pixels out; a truncated file is an error."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging.read import read_image

MAP_SUFFIXES = (".png", ".exr", ".tif", ".tiff", ".webp", ".tga", ".bmp", ".jpg", ".jpeg")


def read_alpha(path: Path) -> NDArray[np.float32]:
    """Read the alpha of a texture in which a map is packed, as Unity packs smoothness.

    Args:
        path: As for `read_map`.

    Returns:
        (H, W, 1) float32, 0 to 1.

    Raises:
        ImageFileError: If the file cannot be read completely or has no alpha; it names the file.
    """
    coverage = read_image(path, upright=False, name=path.name).coverage
    if coverage is None:
        raise ImageFileError(
            f"{path.name}: has no alpha, in which its name says that smoothness is packed; save it with alpha"
        )
    return coverage[..., None]


def read_map(path: Path) -> NDArray[np.float32]:
    """Read a texture at its own bit depth.

    Args:
        path: A file whose suffix is one of `MAP_SUFFIXES`.

    Returns:
        (H, W, C) float32, integers scaled to [0, 1], not decoded from sRGB; C is 1 for grey, else 3; without alpha.

    Raises:
        ImageFileError: If the file cannot be read completely; it names the file.
    """
    image = read_image(path, upright=False, name=path.name)
    if image.orientation != 1:
        raise ImageFileError(
            f"{path.name}: stored sideways (orientation {image.orientation} in its EXIF), which Blender does not turn; "
            "save it upright"
        )
    layers = {name.rpartition(".")[0] for name in image.channels}
    if len(layers) > 1 and "" not in layers:
        raise ImageFileError(
            f"{path.name}: several layers, channels {', '.join(image.channels)}; save it with one"
        )
    return image.unit
