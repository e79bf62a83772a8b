# SPDX-License-Identifier: Apache-2.0
"""Image files of all kinds, and masks -> `Photo`: display-encoded colour in [0, 1] and the object's mask."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging.color import linear_to_srgb
from multishade.imaging.read import read_image, read_mask

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".exr")
SMALLEST_SIDE = 8
LARGEST_MEGAPIXELS = 40.0
WHITE_PERCENTILE = 99.0  # of a linear image: what is shown as white


@dataclass(frozen=True)
class Photo:
    """A photo as a network gets it.

    Attributes:
        pixels: (H, W, 3) float32, display-encoded (sRGB), 0 to 1.
        mask: (H, W) bool, the object; None if it is unknown.
        name: For messages and tables.
    """

    pixels: Float32
    mask: Bool | None = None
    name: str = "photo"


def read_photo(
    path: str | Path, mask: str | Path | None = None, largest_megapixels: float = LARGEST_MEGAPIXELS
) -> Photo:
    """Read a photo, upright by its EXIF, and its mask: a file of its own, or the photo's alpha above one half.

    Linear light (EXR) is encoded for display with its 99th percentile as white; everything else is taken as sRGB.
    Raises ImageFileError for a file that is no image, cut short, below 8 pixels a side, above `largest_megapixels`, or
    that is not of its mask's size.
    """
    path = Path(path)
    stored = read_image(path, upright=True, check_size=_size_check(path, largest_megapixels))
    object_mask = None
    if mask is not None:
        object_mask = read_photo_mask(mask, stored.pixels.shape[:2], largest_megapixels)
    elif stored.coverage is not None and (stored.coverage <= 0.5).any():
        object_mask = stored.coverage > 0.5
    if object_mask is not None and not object_mask.any():
        raise ImageFileError(
            f"{mask or path}: the mask is empty; mark the object with white (or leave the mask out)"
        )
    pixels = linear_photo(stored.rgb).pixels if stored.transfer == "linear" else stored.rgb
    return Photo(pixels, object_mask, path.stem)


def read_photo_mask(
    path: str | Path, shape: tuple[int, ...], largest_megapixels: float = LARGEST_MEGAPIXELS
) -> Bool:
    """`read_mask` of a photo of `shape` (H, W). Raises ImageFileError, also if the sizes differ."""
    mask = read_mask(path, _size_check(Path(path), largest_megapixels))
    if mask.shape != shape:
        raise ImageFileError(
            f"{path}: a mask of {mask.shape[1]} x {mask.shape[0]} pixels for a photo of {shape[1]} x {shape[0]}"
        )
    return mask


def linear_photo(linear: Float32, mask: Bool | None = None, name: str = "photo") -> Photo:
    """Scene-linear (H, W, 3) -> Photo, the 99th percentile inside the mask being white, as a camera would expose."""
    finite = np.nan_to_num(np.maximum(linear, 0), nan=0.0, posinf=0.0).astype(np.float32)
    values = finite if mask is None else finite[mask]
    white = float(np.percentile(values.max(axis=-1), WHITE_PERCENTILE)) if values.size else 1.0
    return Photo(linear_to_srgb(finite / max(white, 1e-9)), mask, name)


def find_photos(patterns: Iterable[str | Path]) -> list[Path]:
    """Files, folders and globs -> the image files that match, in order. Raises ImageFileError if one matches none."""
    import glob

    photos: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            matches = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
        elif path.exists():
            matches = [path]
        else:
            paths = map(Path, sorted(glob.glob(str(pattern), recursive=True)))
            matches = [match for match in paths if match.is_file()]
        if not matches:
            raise ImageFileError(
                f"{pattern}: no photo there; give files, folders or patterns such as 'photos/*.jpg'"
            )
        photos.update(dict.fromkeys(matches))
    return list(photos)


def _size_check(path: Path, largest_megapixels: float) -> Callable[[int, int], None]:
    """A function that raises ImageFileError for a (width, height) that is too small or too large."""

    def check(width: int, height: int) -> None:
        if min(width, height) < SMALLEST_SIDE:
            raise ImageFileError(
                f"{path}: {width} x {height} pixels; a photo needs at least {SMALLEST_SIDE} a side to show a shape"
            )
        if width * height > largest_megapixels * 1e6:
            raise ImageFileError(
                f"{path}: {width} x {height} pixels are {width * height / 1e6:.1f} megapixels, more than "
                f"{largest_megapixels:g}: shrink it, or allow it with --max-megapixels"
            )

    return check
