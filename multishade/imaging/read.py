# SPDX-License-Identifier: Apache-2.0
"""Image, mask and array files -> arrays: the one reader of photos, benchmark images, textures and masks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging import heic, raw
from multishade.imaging.color import srgb_to_linear
from multishade.imaging.decode import FORMATS, CheckSize, StoredImage, decode_image, open_with_pillow
from multishade.imaging.exif import NO_EXIF, Exif, read_exif

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Coding = Literal["linear", "srgb", "unstated"]

ARRAY_SUFFIXES = (".npy", ".npz")
# The largest values of sensors of 10, 12 and 14 bits, as they are or shifted up to 16.
SENSOR_LIMITS = frozenset(
    limit << shift for limit, most in ((1023, 6), (4095, 4), (16383, 2)) for shift in (0, most)
)
LOSSY_LIMIT = 252  # of 255: where codecs such as JPEG leave white after they round it
LEAST_PLATEAU = 8  # pixels that share a sensor's largest value before it counts as a limit


@dataclass(frozen=True)
class Photograph:
    """A photograph as its file states it: upright, in Rec.709 primaries.

    Attributes:
        colour: (H, W, 3) float32; integers over their largest value, floats as stored.
        coding: "linear" (EXR, HDR, float TIFF), "srgb" if a colour profile states the coding, else "unstated".
        coverage: (H, W) float32 alpha, 0 to 1; None without.
        clipped: (H, W, 3) bool, which channels are at their limit and so measure nothing; None for files without one.
            All three are if one is and the file's colours were converted, which mixes them.
        profile: Name of the file's colour profile; None without one.
        exif: What the camera wrote down.
    """

    colour: Float32
    coding: Coding
    coverage: Float32 | None
    clipped: Bool | None
    profile: str | None
    exif: Exif = NO_EXIF

    @property
    def mask(self) -> Bool | None:
        """Where alpha is above one half; None without alpha, or if it is above one half everywhere."""
        if self.coverage is None or not (self.coverage <= 0.5).any():
            return None
        return self.coverage > 0.5

    def linear(self, srgb: bool) -> Float32:
        """(H, W, 3) linear light. srgb: how codes of unstated coding are taken; False takes them as linear."""
        coded = self.coding == "srgb" or (srgb and self.coding == "unstated")
        return srgb_to_linear(self.colour) if coded else self.colour


def read_photograph(path: str | Path, check_size: CheckSize | None = None) -> Photograph:
    """Read a photograph of any format: turned upright by its EXIF, colours converted from its profile to sRGB's.

    Args:
        path: The file.
        check_size: As for `read_image`.

    Raises:
        ImageFileError: As `read_image`, and if the file holds no colours but normals, depth or another single channel.
    """
    stored = read_image(path, check_size=check_size)
    if not stored.picture:
        raise ImageFileError(
            f"{path}: channels {', '.join(stored.channels)}: neither R, G, B nor Y, so it is no picture; "
            "save it with channels R, G and B"
        )
    coding: Coding = "linear" if stored.transfer == "linear" else "unstated"
    colour = stored.rgb
    if stored.primaries is not None:
        colour = (colour @ stored.primaries.T.astype(np.float32)).astype(np.float32)
    profile = stored.profile if coding == "unstated" else None
    if profile is not None:
        coding = "srgb"
        if not profile.is_srgb:
            converted = profile.to_srgb(stored.unit if len(profile.curves) == 1 else colour)
            colour = np.repeat(converted, 3, axis=2) if converted.shape[2] == 1 else converted
    at_limit = clipped(stored)
    if at_limit is not None:
        mixed = stored.primaries is not None or (profile is not None and not profile.is_srgb)
        one = at_limit.any(axis=2, keepdims=True) if mixed or at_limit.shape[2] != 3 else at_limit
        at_limit = np.broadcast_to(one, colour.shape)
    name = None if profile is None else profile.name
    return Photograph(colour, coding, stored.coverage, at_limit, name, stored.exif)


def read_file_exif(path: str | Path) -> Exif:
    """Read what the camera wrote down, without decoding pixels; an empty `Exif` if there is none or no image."""
    path = Path(path)
    if path.suffix.lower() in (*raw.SUFFIXES, *heic.SUFFIXES, ".exr", ".hdr"):
        # Formats whose header Pillow does not open; EXR and HDR have no EXIF.
        return NO_EXIF if path.suffix.lower() in (".exr", ".hdr") else read_image(path).exif
    try:
        with open_with_pillow(path, ("PNG", *FORMATS)) as image:
            return read_exif(image.getexif())
    except Exception:  # of a damaged file anything may come
        return NO_EXIF  # `read_image` says what is wrong with it


def clipped(image: StoredImage) -> Bool | None:
    """Which channels of an image are at the limit of its file or sensor.

    Integers: their type's largest value (lossy codecs: near it), or the image's largest if it is that of a sensor of
    10, 12 or 14 bits and several pixels share it. Floats: exactly 1, if it is the largest and several pixels share it.
    Raw files: all channels where any colour of the sensor is at its limit, since the conversion to sRGB mixes them.

    Returns:
        (H, W, C) bool, C as stored; None for floats without such a limit.
    """
    pixels, largest = image.pixels, image.pixels.max(axis=2)
    if image.clipped is not None:
        return image.clipped[..., None] | (pixels == np.iinfo(pixels.dtype).max)
    top = largest.max()
    if np.issubdtype(image.pixels.dtype, np.integer):
        limit = np.iinfo(image.pixels.dtype).max
        if image.lossy and limit == 255:
            limit = LOSSY_LIMIT
        elif int(top) in SENSOR_LIMITS and image.bits == 16 and int((largest == top).sum()) >= LEAST_PLATEAU:
            limit = int(top)
        return np.asarray(pixels >= limit)
    return pixels >= 1 if top == 1 and int((largest == 1).sum()) >= LEAST_PLATEAU else None


def read_image(
    path: str | Path, upright: bool = True, check_size: CheckSize | None = None, name: str | None = None
) -> StoredImage:
    """Read one image file, whatever its format.

    Args:
        path: The file.
        upright: Apply the orientation in its EXIF data; False: the rows as stored.
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
    image = read_image(path, check_size=check_size, name=name)
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
