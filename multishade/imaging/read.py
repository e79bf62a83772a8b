# SPDX-License-Identifier: Apache-2.0
"""Image, mask and array files -> arrays: the one reader of photos, benchmark images, textures and masks."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging.decode import CheckSize, StoredImage, decode_image

Bool = NDArray[np.bool_]

ARRAY_SUFFIXES = (".npy", ".npz")


def read_image(
    path: str | Path, upright: bool = False, check_size: CheckSize | None = None, name: str | None = None
) -> StoredImage:
    """Read one image file, whatever its format.

    Args:
        path: The file.
        upright: Apply the orientation in its EXIF data (TIFF: always applied).
        check_size: Called with (width, height), before pixels are decoded if the format allows; raises to refuse.
        name: How messages name the file; by default its path.

    Raises:
        ImageFileError: The file is missing, or `decode_image` cannot decode it.
    """
    path = Path(path)
    source = name or str(path)
    return decode_image(_read_bytes(path, source), source, path.suffix.lower(), upright, check_size)


def read_mask(path: str | Path, check_size: CheckSize | None = None, name: str | None = None) -> Bool:
    """Read a mask -> (H, W) bool: alpha above one half if it is not so everywhere, else bright pixels.

    Bright means that the brightest channel is above half of the file's maximum, so that masks of 0 and 1 and of 0 and
    255 are the same mask. Raises ImageFileError as `read_image`.
    """
    image = read_image(path, upright=True, check_size=check_size, name=name)
    coverage = image.coverage
    if coverage is not None and (coverage <= 0.5).any():
        return coverage > 0.5
    brightest = image.pixels.max(axis=2)
    return brightest > brightest.max() / 2 if brightest.max() > 0 else np.zeros(brightest.shape, dtype=bool)


def read_array(path: Path) -> NDArray[Any]:
    """Read a .npy file, or the only array of a .npz file (or its one named like the file). Raises ImageFileError."""
    if not path.is_file():
        raise ImageFileError(f"{path}: no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ImageFileError(f"{path}: not a NumPy array file ({error})") from error
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if path.stem in loaded.files:
            return loaded[path.stem]
        if len(loaded.files) != 1:
            raise ImageFileError(
                f"{path}: holds {', '.join(loaded.files)}; expected one array, or one named {path.stem}"
            )
        return loaded[loaded.files[0]]


def read_stored(path: Path) -> NDArray[Any]:
    """Read the numbers of an image or array file as stored, alpha left out: (H, W) for one channel, else (H, W, C)."""
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return read_array(path)
    pixels = read_image(path).pixels
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _read_bytes(path: Path, source: str) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageFileError(f"{source}: no such file") from error
    except OSError as error:
        raise ImageFileError(f"{source}: cannot be read ({error.strerror})") from error
