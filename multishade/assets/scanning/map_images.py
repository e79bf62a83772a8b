# SPDX-License-Identifier: Apache-2.0
"""A texture file in, its pixels out, whatever its format: a file that is cut short is refused, not read in
part."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import AssetError, MultiShadeError

MAP_SUFFIXES = (".png", ".exr", ".tif", ".tiff", ".webp", ".tga", ".bmp", ".jpg", ".jpeg")


def read_map(path: Path) -> NDArray[np.float32]:
    """Read a texture at its own bit depth -> (H, W, C) float32, integers scaled to [0, 1], no gamma undone.

    C is 1 for grey, else 3; alpha is left out. Raises AssetError, naming the file, where it cannot be read
    whole.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".png":
            from multishade.imaging.codecs import read_png

            image: NDArray[Any] = read_png(path)
        elif suffix == ".exr":
            image = _read_exr(path)
        elif suffix in (".tif", ".tiff"):
            image = _read_tiff(path)
        else:
            image = _read_with_pillow(path)
    except MultiShadeError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise AssetError(f"{path.name} cannot be read ({error})") from error
    if image.ndim == 2:
        image = image[..., None]
    image = image[..., : 1 if image.shape[2] < 3 else 3]
    scale = 1.0 / np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.integer) else 1.0
    return np.asarray(image, np.float32) * np.float32(scale)


def _read_exr(path: Path) -> NDArray[Any]:
    from multishade.imaging.codecs import read_exr

    channels = read_exr(path)
    names: list[str] = [name for name in ("R", "G", "B") if name in channels] or list(channels)
    return np.stack([channels[name] for name in names], axis=-1)


def _read_tiff(path: Path) -> NDArray[Any]:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # Pillow has no TIFF of three 16-bit channels
    if image is None:
        raise AssetError(f"{path.name} cannot be read as TIFF")
    return image if image.ndim == 2 else image[..., 2::-1]


def _read_with_pillow(path: Path) -> NDArray[Any]:
    from PIL import Image

    with Image.open(path) as image:
        grey = image.mode in ("1", "L", "LA")
        return np.asarray(image.convert("L" if grey else "RGB"))
