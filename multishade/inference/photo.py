# SPDX-License-Identifier: Apache-2.0
"""Image files of all kinds, and masks -> `Photo`: display-encoded colour in 0..1 and where the object is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.color import linear_to_srgb

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".exr")
SMALLEST_SIDE = 8
LARGEST_MEGAPIXELS = 40.0
WHITE_PERCENTILE = 99.0  # of a linear image: what is shown as white


@dataclass(frozen=True)
class Photo:
    """pixels: (H, W, 3) float32, display-encoded, 0 to 1. mask: (H, W), the object; None where nobody said."""

    pixels: Float32
    mask: Bool | None = None
    name: str = "photo"


def read_photo(
    path: str | Path, mask: str | Path | None = None, largest_megapixels: float = LARGEST_MEGAPIXELS
) -> Photo:
    """Read a photo, upright by its EXIF, and its mask: a file of its own, or the photo's alpha above one half.

    EXR is linear light and is shown with its 99th percentile as white; everything else is taken as sRGB. Raises
    ImageFileError for a file that is no image, cut short, below 8 pixels a side, above `largest_megapixels`, or that
    is not of its mask's size.
    """
    path = Path(path)
    stored = _read(path, largest_megapixels)
    _require_size(path, stored.shape[1], stored.shape[0], largest_megapixels)
    alpha = stored[..., 3] if stored.shape[2] == 4 else None
    pixels = np.ascontiguousarray(stored[..., :3])
    found = None
    if mask is not None:
        found = read_mask(Path(mask), pixels.shape[:2], largest_megapixels)
    elif alpha is not None and (alpha <= 0.5).any():
        found = alpha > 0.5
    if found is not None and not found.any():
        raise ImageFileError(
            f"{mask or path}: the mask is empty; mark the object with white (or leave the mask out)"
        )
    return Photo(pixels, found, path.stem)


def read_mask(path: Path, shape: tuple[int, ...], largest_megapixels: float = LARGEST_MEGAPIXELS) -> Bool:
    """(H, W) bool: alpha above one half where there is alpha, else brightness. Raises ImageFileError."""
    stored = _read(path, largest_megapixels)
    if stored.shape[:2] != shape:
        raise ImageFileError(
            f"{path}: a mask of {stored.shape[1]} x {stored.shape[0]} pixels for a photo of {shape[1]} x {shape[0]}"
        )
    transparent = stored.shape[2] == 4 and bool((stored[..., 3] <= 0.5).any())
    return (stored[..., 3] if transparent else stored[..., :3].mean(axis=2)) > 0.5


def linear_photo(linear: Float32, mask: Bool | None = None, name: str = "photo") -> Photo:
    """Scene-linear (H, W, 3) -> Photo, the 99th percentile inside the mask being white, as a camera would expose."""
    finite = np.nan_to_num(np.maximum(linear, 0), nan=0.0, posinf=0.0).astype(np.float32)
    values = finite if mask is None else finite[mask]
    white = float(np.percentile(values.max(axis=-1), WHITE_PERCENTILE)) if values.size else 1.0
    return Photo(linear_to_srgb(finite / max(white, 1e-9)), mask, name)


def find_photos(places: Iterable[str | Path]) -> list[Path]:
    """Files, folders and globs -> the image files there, in order. Raises ImageFileError for a place with none."""
    import glob

    found: dict[Path, None] = {}
    for place in places:
        path = Path(place)
        if path.is_dir():
            here = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
        elif path.exists():
            here = [path]
        else:
            here = [
                Path(match)
                for match in sorted(glob.glob(str(place), recursive=True))
                if Path(match).is_file()
            ]
        if not here:
            raise ImageFileError(
                f"{place}: no photo there; give files, folders or patterns such as 'photos/*.jpg'"
            )
        found.update(dict.fromkeys(here))
    return list(found)


def _read(path: Path, largest_megapixels: float) -> Float32:
    """(H, W, 3 or 4) float32 in 0..1, display-encoded."""
    if path.suffix.lower() == ".exr":
        return _read_exr(path)
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            # The header alone, before an attacker's or a gigapixel camera's pixels are unpacked.
            _require_size(path, image.width, image.height, largest_megapixels)
            if image.mode.startswith("I") and image.format == "PNG":
                return _colour(codecs.read_png(path))
            if image.format == "PNG" and _is_deep(path):
                return _colour(codecs.read_png(path))
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                return _colour(_scaled(np.asarray(image)))
            upright = ImageOps.exif_transpose(image)
            with_alpha = "A" in upright.getbands() or "transparency" in upright.info
            return _colour(np.asarray(upright.convert("RGBA" if with_alpha else "RGB")))
    except FileNotFoundError as error:
        raise ImageFileError(f"{path}: no such file") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise ImageFileError(
            f"{path}: cannot be read as an image ({error}); save it again as PNG or JPEG"
        ) from error


def _read_exr(path: Path) -> Float32:
    channels = codecs.read_exr(path)
    names = ("R", "G", "B") if {"R", "G", "B"} <= channels.keys() else (next(iter(channels)),) * 3
    photo = linear_photo(codecs.stack_channels(channels, names, str(path)))
    if "A" in channels:
        return np.concatenate([photo.pixels, channels["A"].astype(np.float32)[..., None]], axis=2)
    return photo.pixels


def _is_deep(path: Path) -> bool:
    """Whether a PNG has 16 bits a channel, which Pillow would cut to 8 in colour images."""
    with path.open("rb") as stream:
        return stream.read(25)[24:25] == b"\x10"


def _scaled(pixels: NDArray[Any]) -> Float32:
    """Integers of more than 8 bits, or floats, of a TIFF -> 0..1."""
    if np.issubdtype(pixels.dtype, np.integer):
        return pixels.astype(np.float32) / 65535
    return np.clip(pixels, 0, 1).astype(np.float32)


def _colour(pixels: NDArray[Any]) -> Float32:
    if np.issubdtype(pixels.dtype, np.integer):
        pixels = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def _require_size(path: Path, width: int, height: int, largest_megapixels: float) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise ImageFileError(
            f"{path}: {width} x {height} pixels; a photo needs at least {SMALLEST_SIDE} a side to show a shape"
        )
    if width * height > largest_megapixels * 1e6:
        raise ImageFileError(
            f"{path}: {width} x {height} pixels are {width * height / 1e6:.1f} megapixels, more than "
            f"{largest_megapixels:g}: shrink it, or allow it with --max-megapixels"
        )
