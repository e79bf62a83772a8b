# SPDX-License-Identifier: Apache-2.0
"""Bytes of an image file, whatever its format -> `StoredImage`: its numbers, and what the file settles about them.

PNG, JPEG, TIFF, WebP, AVIF, BMP, GIF and TGA, Radiance HDR and EXR of any layers are told apart by their first bytes;
HEIC and the raw files of cameras (by their suffix, since most are TIFF inside) are read by optional packages.
The bit depth is the file's own (Pillow would cut 16-bit colour to 8), channels are red, green, blue, and nothing is
linearised: the caller decides what the numbers mean. Orientation and colour profile are read, whichever decoder reads
the pixels.
"""

import io
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, MultiShadeError
from multishade.extras import MissingPackageError
from multishade.imaging import codecs, heic, raw
from multishade.imaging.exif import NO_EXIF, Exif, parse_exif, read_exif
from multishade.imaging.exr_layers import choose_planes, full_names
from multishade.imaging.profiles import Profile, from_chromaticities, parse_icc
from multishade.imaging.radiance import HDR_MAGICS, decode_hdr, hdr_size
from multishade.imaging.tiff import as_upright_tiff, refuse_pages, tiff_orientation

Float32 = NDArray[np.float32]
Transfer = Literal["linear", "unstated"]
CheckSize = Callable[[int, int], None]

# What Pillow decodes here; PNG, EXR and HDR have readers of their own.
FORMATS = ("JPEG", "TIFF", "WEBP", "AVIF", "BMP", "GIF", "TGA", "PSD", "DDS", "JPEG2000")
MOST_PIXELS = 1 << 28  # 16384 x 16384
MOST_VALUES = 1 << 31  # over all channels of an EXR
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_BITS = 258
_OPENING = threading.Lock()
_LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")
# An orientation of EXIF -> the array as a person sees it.
_UPRIGHT: Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}


@dataclass(frozen=True)
class StoredImage:
    """One image with the numbers that its file holds.

    Attributes:
        pixels: (H, W, C) in the file's own type (uint8, uint16 or floating point); C is 1 for grey, 3 for colour.
        alpha: (H, W) of the same type, or None.
        transfer: "linear" for formats that hold linear light (EXR, HDR, floating-point TIFF); "unstated" for
            integers, which photographs store sRGB-encoded and benchmarks linear.
        bits: bits of one channel.
        channels: names of the file's channels, "R", "G", "B" in most formats.
        source: how messages name the file.
        picture: False for an EXR whose pixels are no colours but vectors (X, Y, Z) or another single channel.
        profile: The colour profile in the file, if it has one that is understood; pixels are not converted.
        primaries: (3, 3) matrix from the pixels to linear Rec.709, of an EXR that states other primaries.
        orientation: How the pixels are to be turned, 1 to 8 as in EXIF; 1 if the decoder has done so.
        exif: What the camera wrote down.
        lossy: Whether the format does not keep values exactly (JPEG and its like).
        clipped: (H, W) bool, where the sensor was at its limit, of raw files; None if only the pixels tell.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None
    transfer: Transfer
    bits: int
    channels: tuple[str, ...]
    source: str
    picture: bool = True
    profile: Profile | None = None
    primaries: NDArray[np.float64] | None = None
    orientation: int = 1
    exif: Exif = NO_EXIF
    lossy: bool = False
    clipped: NDArray[np.bool_] | None = None

    @property
    def unit(self) -> Float32:
        """(H, W, C) float32: integers divided by their type's maximum, floats as stored."""
        return unit_range(self.pixels)

    @property
    def rgb(self) -> Float32:
        """(H, W, 3) float32 like `unit`, one channel repeated to three."""
        unit = self.unit
        return np.repeat(unit, 3, axis=2) if unit.shape[2] == 1 else np.ascontiguousarray(unit)

    @property
    def coverage(self) -> Float32 | None:
        """(H, W) float32 alpha, scaled like `unit`; None without alpha."""
        return None if self.alpha is None else unit_range(self.alpha)


def decode_image(
    data: bytes, source: str, suffix: str = "", upright: bool = True, check_size: CheckSize | None = None
) -> StoredImage:
    """Decode an image.

    Args:
        data: The whole file.
        source: How messages name it.
        suffix: The file's, lower case; it names the format in messages if the first bytes are of no known one.
        upright: Apply the orientation in the EXIF data; False: the rows as stored.
        check_size: Called with (width, height), before pixels are decoded if the format allows; raises to refuse.

    Raises:
        ImageFileError: The file is no image, cut short, of several pages, or an EXR without red, green and blue,
            luminance, x, y, z or a single channel.
    """
    check_size = _bounded(source, check_size)
    try:
        image = _decode(data, source, suffix, check_size)
    except (MultiShadeError, MemoryError):
        raise
    except Exception as error:  # readers of damaged bytes raise whatever they run into
        raise _unreadable(source, f"{type(error).__name__}: {' '.join(str(error).split())}") from error
    if upright:
        image = _oriented(image)
    check_size(image.pixels.shape[1], image.pixels.shape[0])
    return image


def open_with_pillow(file: Path | BinaryIO, formats: tuple[str, ...]) -> Any:
    """Open an image as Pillow does, but of any size: the caller compares it with `MOST_PIXELS`.

    Args:
        file: Its path, or the file.
        formats: Pillow's names of those that it may be.

    Returns:
        A `PIL.Image.Image` whose pixels are not decoded yet.
    """
    from PIL import Image

    with _OPENING:  # Pillow's own bound, which is lower, is a setting of the process
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = bound


def _decode(data: bytes, source: str, suffix: str, check_size: CheckSize) -> StoredImage:
    kind = _kind(data, suffix)
    if kind == "exr":
        if data.startswith(codecs.EXR_MAGIC):
            _require_bounded_exr(data, source, check_size)
        return _decode_exr(data, source)
    if kind == "hdr":
        if (size := hdr_size(data)) is not None:
            check_size(*size)
        return _from_array(decode_hdr(data, source), source)
    if kind == "png":
        if data[12:16] == b"IHDR":
            check_size(*codecs.png_size(data))
        image = _from_array(codecs.decode_png(data, source), source)
        exif = parse_exif(codecs.png_chunk(data, b"eXIf") or b"")
        return replace(image, orientation=exif.orientation, exif=exif, profile=_png_profile(data))
    if kind in ("heic", "raw"):
        return _decode_with_extra(data, source, kind)
    return _decode_with_pillow(data, source, check_size)


def _bounded(source: str, check_size: CheckSize | None) -> CheckSize:
    """The caller's check of a size, after one that no image of this size is decoded at all."""

    def check(width: int, height: int) -> None:
        if width * height > MOST_PIXELS:
            raise ImageFileError(f"{source}: is {width} x {height}; up to {MOST_PIXELS:,} pixels are read")
        if check_size is not None:
            check_size(width, height)

    return check


def _require_bounded_exr(data: bytes, source: str, check_size: CheckSize) -> None:
    values = 0
    for width, height, channels in codecs.exr_sizes(data, source):
        check_size(width, height)
        values += width * height * channels
    if values > MOST_VALUES:
        raise ImageFileError(
            f"{source}: holds {values:,} values in its channels; up to {MOST_VALUES:,} are read"
        )


def unit_range(stored: NDArray[Any]) -> Float32:
    """Scale integers by their type's maximum to [0, 1] as float32; floats stay as they are."""
    if np.issubdtype(stored.dtype, np.integer):
        return stored.astype(np.float32) / np.float32(np.iinfo(stored.dtype).max)
    return stored.astype(np.float32)


def colour_channels(names: Mapping[str, Any], source: str) -> tuple[tuple[str, ...], str | None]:
    """Channel names of one EXR layer -> those that make its pixels, in order, and that of its alpha.

    R, G, B or X, Y, Z make three, a single channel makes one. Raises ImageFileError for anything else.
    """
    alpha = "A" if "A" in names and len(names) > 1 else None
    for triple in (("R", "G", "B"), ("X", "Y", "Z")):
        if set(triple) <= names.keys():
            return triple, alpha
    others = tuple(name for name in names if name != alpha)
    if len(others) == 1:
        return others, alpha
    raise ImageFileError(
        f"{source}: channels {', '.join(sorted(names))}; expected R, G, B or X, Y, Z or one channel"
    )


def _kind(data: bytes, suffix: str) -> str:
    """The format by the first bytes; by the suffix if these are of none that has a decoder of its own here."""
    magics = {
        "png": (codecs.PNG_SIGNATURE,),
        "exr": (codecs.EXR_MAGIC,),
        "hdr": HDR_MAGICS,
        "tiff": TIFF_MAGICS,
    }
    if suffix in raw.SUFFIXES or data[4:12] == b"ftypcrx ":
        return "raw"
    if heic.is_heic(data):
        return "heic"
    for kind, starts in magics.items():
        if data.startswith(starts):
            return kind
    return suffix[1:] if suffix in (".exr", ".hdr") else "other"


def _from_array(
    stored: NDArray[Any], source: str, channels: tuple[str, ...] = (), transfer: Transfer | None = None
) -> StoredImage:
    """(H, W), or (H, W, C) with alpha as the second or fourth channel -> StoredImage."""
    pixels = stored[..., None] if stored.ndim == 2 else stored
    alpha = None
    if pixels.shape[2] in (2, 4):
        pixels, alpha = pixels[..., :-1], pixels[..., -1]
    if pixels.shape[2] not in (1, 3):
        raise ImageFileError(
            f"{source}: {pixels.shape[2]} channels; expected grey or RGB, with or without alpha"
        )
    names = channels or (("L",) if pixels.shape[2] == 1 else ("R", "G", "B")) + (
        () if alpha is None else ("A",)
    )
    linear = np.issubdtype(pixels.dtype, np.floating)
    return StoredImage(
        pixels,
        alpha,
        transfer or ("linear" if linear else "unstated"),
        pixels.dtype.itemsize * 8,
        names,
        source,
    )


def _decode_exr(data: bytes, source: str) -> StoredImage:
    layers = codecs.decode_exr_layers(data, source)
    chosen = choose_planes(layers, source)
    primaries = from_chromaticities(codecs.exr_chromaticities(data)) if chosen.picture else None
    bits = chosen.pixels.dtype.itemsize * 8
    return StoredImage(
        chosen.pixels,
        chosen.alpha,
        "linear",
        bits,
        full_names(layers),
        source,
        picture=chosen.picture,
        primaries=primaries,
    )


def _decode_tiff_with_opencv(data: bytes, source: str) -> NDArray[Any]:
    import cv2

    # OpenCV fails on TIFFs that are stored sideways, and turns others itself: it gets them as upright.
    decoded = cv2.imdecode(np.frombuffer(as_upright_tiff(data), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise _unreadable(source, "its pixels cannot be decoded")
    if decoded.ndim == 3 and decoded.shape[2] >= 3:
        decoded = decoded[..., [2, 1, 0, 3][: decoded.shape[2]]]
    return decoded


def _decode_with_pillow(data: bytes, source: str, check_size: CheckSize) -> StoredImage:
    """Everything but PNG, EXR and HDR; OpenCV decodes TIFFs that Pillow cannot read at their own depth."""
    from PIL import UnidentifiedImageError

    tiff = data.startswith(TIFF_MAGICS)
    if tiff:
        data, orientation = as_upright_tiff(data), tiff_orientation(data)
    try:
        with open_with_pillow(io.BytesIO(data), FORMATS) as image:
            check_size(*image.size)
            exif = read_exif(image.getexif())
            if not tiff:
                orientation = exif.orientation
            profile = image.info.get("icc_profile")
            lossy = image.format in _LOSSY
            if tiff:
                refuse_pages(image, source)
            if tiff and max(image.tag_v2.get(_TIFF_BITS, (1,))) > 8:
                stored = _decode_tiff_with_opencv(data, source)
            else:
                stored, profile = _pillow_pixels(image, profile)
    except UnidentifiedImageError as error:
        if not tiff:
            raise _unreadable(source, "its first bytes are of no known format") from error
        stored, profile, lossy, exif = _decode_tiff_with_opencv(data, source), None, False, NO_EXIF
    except (OSError, ValueError, SyntaxError) as error:
        raise _unreadable(source, str(error)) from error
    return replace(
        _from_array(stored, source),
        orientation=orientation,
        exif=exif,
        profile=parse_icc(profile) if profile else None,
        lossy=lossy,
    )


def _decode_with_extra(data: bytes, source: str, kind: str) -> StoredImage:
    """HEIC and raw files, whose decoders turn the pixels upright."""
    try:
        if kind == "raw":
            stored, exif, clipped = raw.decode_raw(data, source)
            return replace(_from_array(stored, source, transfer="linear"), exif=exif, clipped=clipped)
        stored, exif, profile = heic.decode_heic(data, source)
    except MissingPackageError as error:
        raise ImageFileError(f"{source}: a file of the kind {kind}, but {error}") from error
    understood = parse_icc(profile) if profile else None
    return replace(_from_array(stored, source), exif=exif, profile=understood, lossy=True)


def _pillow_pixels(image: Any, profile: bytes | None) -> tuple[NDArray[Any], bytes | None]:
    """The pixels of an opened image, and the profile that they still have; CMYK is converted by its own profile."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image), profile
    if image.mode == "CMYK":
        return _from_cmyk(image, profile), None
    grey = image.mode in ("1", "L", "LA")
    transparent = "A" in image.getbands() or "transparency" in image.info
    return np.asarray(image.convert(("L" if grey else "RGB") + ("A" if transparent else ""))), profile


def _from_cmyk(image: Any, profile: bytes | None) -> NDArray[Any]:
    """(H, W, 3) sRGB codes: by the profile, or by the ink that absorbs its complement."""
    from PIL import ImageCms

    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return np.asarray(converted)
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that does not fit its image says nothing about its colours
    return np.asarray(image.convert("RGB"))


def _unreadable(source: str, reason: str) -> ImageFileError:
    return ImageFileError(f"{source}: cannot be read as an image ({reason}); save it again as PNG or JPEG")


def _png_profile(data: bytes) -> Profile | None:
    content = codecs.png_chunk(data, b"iCCP")
    if content is None:
        return None
    try:
        return parse_icc(zlib.decompress(content.partition(b"\0")[2][1:]))
    except zlib.error:
        return None


def _oriented(image: StoredImage) -> StoredImage:
    turn = _UPRIGHT.get(image.orientation)
    if turn is None:
        return image
    return replace(image, pixels=turn(image.pixels), alpha=None if image.alpha is None else turn(image.alpha))
