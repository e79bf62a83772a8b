# SPDX-License-Identifier: Apache-2.0
"""An image file in, whether Blender decodes it to the pixels that this program reads; if not, a copy that it does.

Scanning reads textures and environments with `imaging.read`, Cycles reads them with Blender. So that both see the same,
Blender gets a copy of what it refuses (EXR with layers), turns over (HDR from the bottom row up) or misreads in silence
(TIFF in LZMA, EXR with a channel of another name): what `imaging.read` made of the file.
"""

import dataclasses
import io
from pathlib import Path

import numpy as np

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.decode import TIFF_MAGICS, StoredImage
from multishade.imaging.radiance import HDR_MAGICS, is_upright
from multishade.imaging.read import read_image

_TIFF_BITS, _TIFF_COMPRESSION, _TIFF_COLOUR, _TIFF_ORIENTATION, _TIFF_SAMPLE_FORMAT = 258, 259, 262, 274, 339
_TIFF_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)  # none, fax, LZW, JPEG, deflate, PackBits
_TIFF_COLOURS = (0, 1, 2, 3, 5, 6)  # grey, RGB, palette, CMYK, YCbCr
_HEADER_BYTES = 65536


def blender_reads(path: Path) -> bool:
    """Return whether Blender reads a file as `imaging.read` does.

    Args:
        path: An image file. PNG, JPEG, WebP, TGA and BMP are the same in both. Of a damaged header the answer is no, so
            that `imaging.read` states what is wrong; of a missing file it is yes.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES)
        if start.startswith(codecs.EXR_MAGIC):
            return _plain_exr(path)
        if start.startswith(HDR_MAGICS):
            return is_upright(start)
        return not start.startswith(TIFF_MAGICS) or _plain_tiff(path)
    except FileNotFoundError:
        return True
    except (OSError, ValueError, RuntimeError, SyntaxError):
        return False


def write_copy(path: Path, target: Path) -> Path:
    """Write what `imaging.read` makes of a file in a form that Blender reads.

    Args:
        path: The file.
        target: The copy without suffix.

    Returns:
        The copy: PNG of the same depth for integers, EXR for floats; without alpha.

    Raises:
        ImageFileError: If the file cannot be read or the copy not be written.
    """
    return write_pixels(read_image(path), target)


def write_alpha(path: Path, target: Path) -> Path:
    """Write the alpha of an image file as a grey picture, as `write_copy` does.

    Raises:
        ImageFileError: As `write_copy`, and if the image has no alpha.
    """
    image = read_image(path)
    if image.alpha is None:
        raise ImageFileError(f"{path}: has no alpha, in which a map is packed")
    return write_pixels(dataclasses.replace(image, pixels=image.alpha[..., None], alpha=None), target)


def write_pixels(image: StoredImage, target: Path) -> Path:
    """Write pixels that were read, as `write_copy` does."""
    pixels = image.pixels
    if pixels.dtype in (np.uint8, np.uint16):
        copy = target.with_name(target.name + ".png")
        codecs.write_png(copy, np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
        return copy
    copy = target.with_name(target.name + ".exr")
    stored = pixels.astype(pixels.dtype if pixels.dtype == np.float16 else np.float32)
    names = ("Y",) if stored.shape[2] == 1 else ("R", "G", "B")
    codecs.write_exr(copy, codecs.split_channels(stored, names), "zips")
    return copy


def _plain_exr(path: Path) -> bool:
    """Whether an EXR has one part of plain channels: R, G, B, or Y."""
    import OpenEXR

    with OpenEXR.File(str(path), header_only=True) as file:
        if len(file.parts) != 1:
            return False
        names = {channel.name for channel in file.parts[0].header["channels"]}
    return names - {"A", "Z"} == {"R", "G", "B"} or names - {"A"} == {"Y"}


def _plain_tiff(path: Path) -> bool:
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes())) as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        return (
            tags.get(_TIFF_COMPRESSION, 1) in _TIFF_COMPRESSIONS
            and tags.get(_TIFF_COLOUR, 1) in _TIFF_COLOURS
            and tags.get(_TIFF_ORIENTATION, 1) == 1
            and set(tags.get(_TIFF_SAMPLE_FORMAT, (1,))) == {1}
            and max(tags.get(_TIFF_BITS, (1,))) <= 16
        )
