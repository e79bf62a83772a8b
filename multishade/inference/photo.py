# SPDX-License-Identifier: Apache-2.0
"""Image files of all kinds, and masks -> `Photo`: display-encoded colour in [0, 1] and the object's mask."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.extras import is_installed
from multishade.imaging import heic, raw
from multishade.imaging.color import linear_to_srgb
from multishade.imaging.read import read_mask, read_photograph
from multishade.inference.view import UNKNOWN_VIEW, View, view_of_photo
from multishade.shards.keys import natural_order

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
_ALWAYS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif"),
    *(".tga", ".jp2", ".ppm", ".pgm", ".exr", ".hdr"),
)
# Package of the extra `photos` -> what it reads.
_WITH_EXTRA = {heic.PACKAGE: heic.SUFFIXES, raw.PACKAGE: raw.SUFFIXES}
# What people call photos and nothing here decodes; the reader names each of them.
_NEVER = (".jxl", ".psd", ".svg", ".pdf", ".raw", ".pfm", ".dds", ".ktx2", ".mp4", ".mov")
SMALLEST_SIDE = 8
LARGEST_MEGAPIXELS = 40.0
# A background counts as plain if all but this share of the photo's edge is this close to its median colour.
PLAIN_SHARE, PLAIN_WITHIN = 0.05, 0.06
NO_MASK = (
    "no mask, and its background is not plain: the model takes the background for a part of the object. Give "
    "the object's mask with --mask (white on the object), or cut it out (alpha)"
)
WHITE_PERCENTILE = 99.0  # of a linear image: what is shown as white


@dataclass(frozen=True)
class Photo:
    """A photo as a network gets it.

    Attributes:
        pixels: (H, W, 3) float32, display-encoded (sRGB), 0 to 1.
        mask: (H, W) bool, the object; None if it is unknown.
        name: For messages and tables.
        notes: What a person should know about how it was read, in plain sentences.
        view: Its camera, as far as it is known.
    """

    pixels: Float32
    mask: Bool | None = None
    name: str = "photo"
    notes: tuple[str, ...] = ()
    view: View = UNKNOWN_VIEW


def readable_suffixes() -> tuple[str, ...]:
    """Suffixes of the image files that are read here, lower case; those of optional packages if they are installed."""
    extra = (suffixes for package, suffixes in _WITH_EXTRA.items() if is_installed(package))
    return (*_ALWAYS, *(suffix for suffixes in extra for suffix in suffixes))


def unread_suffixes() -> dict[str, str]:
    """Suffixes of files that people call photos and that are not read here -> why, and what to do."""
    unread = {suffix: f"{suffix} is not read; convert it to PNG, JPEG or TIFF" for suffix in _NEVER}
    for package, suffixes in _WITH_EXTRA.items():
        if not is_installed(package):
            unread |= {
                suffix: f"{suffix} is not read without {package} (pip install 'multishade[photos]'); install it, or "
                "convert it to PNG, JPEG or TIFF"
                for suffix in suffixes
            }
    return unread


def read_photo(
    path: str | Path,
    mask: str | Path | None = None,
    largest_megapixels: float = LARGEST_MEGAPIXELS,
    fov_x: float | None = None,
) -> Photo:
    """Read a photo, upright by its EXIF, and its mask: a file of its own, or the photo's alpha above one half.

    Linear light (EXR, HDR, float TIFF) is encoded for display with its 99th percentile as white; a colour profile is
    converted to sRGB; everything else is taken as sRGB. `fov_x`: the angle of view across the photo's width, degrees;
    None: by the focal length in its EXIF. Raises ImageFileError for a file that is no image, cut short, below 8 pixels
    a side, above `largest_megapixels`, or that is not of its mask's size.
    """
    path = Path(path)
    photograph = read_photograph(path, _size_check(path, largest_megapixels))
    if mask is not None:
        object_mask: Bool | None = read_photo_mask(mask, photograph.colour.shape[:2], largest_megapixels)
        if not object_mask.any():  # type: ignore[union-attr]
            raise ImageFileError(
                f"{mask}: the mask is empty; mark the object with white (or leave the mask out)"
            )
    else:
        object_mask = photograph.mask
        if object_mask is not None and not object_mask.any():
            assert photograph.coverage is not None
            raise ImageFileError(
                f"{path}: its alpha, which serves as the mask, is nowhere above one half (at most "
                f"{photograph.coverage.max():.2f}), so nothing counts as the object; make the object opaque, or give a "
                "mask with --mask"
            )
    linear = photograph.coding == "linear"
    pixels = linear_photo(photograph.colour).pixels if linear else photograph.colour
    height, width = pixels.shape[:2]
    view = view_of_photo(width, height, photograph.exif, fov_x)
    return Photo(pixels, object_mask, path.stem, view=view)


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


def find_photos(
    patterns: Iterable[str | Path],
    left_out: Callable[[Path, str], None] | None = None,
    aside: Collection[Path] = (),
) -> list[Path]:
    """Files, folders and globs -> the image files that match, in natural order (2 before 10).

    Folders are searched with the folders in them. What is hidden is passed over unless it is named itself.

    Args:
        patterns: Files, folders and globs.
        aside: Resolved folders that are not searched.
        left_out: Called with each file of a folder that looks like a photo and is of no format that is read, and why.

    Raises:
        ImageFileError: If a pattern matches nothing.
    """
    import glob

    readable, unread = readable_suffixes(), unread_suffixes()
    photos: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            files = _in_order(_files_below(path, aside))
            matches = [entry for entry in files if entry.suffix.lower() in readable and entry.is_file()]
            for entry in files:
                if left_out is not None and entry.suffix.lower() in unread:
                    left_out(entry, unread[entry.suffix.lower()])
        elif path.exists():
            matches = [path]
        else:
            paths = map(Path, glob.glob(str(pattern), recursive=True))
            matches = [
                match for match in _in_order(paths) if match.is_file() and not match.name.startswith("._")
            ]
        if not matches:
            raise ImageFileError(
                f"{pattern}: no photo there; give files, folders or patterns such as 'photos/*.jpg'"
            )
        photos.update(dict.fromkeys(matches))
    return list(photos)


def _files_below(folder: Path, aside: Collection[Path]) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            yield entry
        elif entry.resolve() not in aside and not entry.is_symlink():  # a link may lead back up
            yield from _files_below(entry, aside)


def _in_order(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: natural_order(str(path)))


def plain_border(pixels: Float32) -> bool:
    """Whether the pixels (H, W, 3) along the edges are nearly all of one colour."""
    width = max(1, min(pixels.shape[:2]) // 50)
    edges = (pixels[:width], pixels[-width:], pixels[:, :width], pixels[:, -width:])
    border = np.concatenate([edge.reshape(-1, 3) for edge in edges])
    far = np.abs(border - np.median(border, axis=0)).max(axis=1) > PLAIN_WITHIN
    return float(far.mean()) < PLAIN_SHARE


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
