# SPDX-License-Identifier: Apache-2.0
"""PNG and EXR bytes or files -> arrays, and back; bit depths and channel names stay as they are.

PNG goes through OpenCV, since Pillow reads 16-bit colour as 8 bit. EXR goes through OpenEXR's own stream
interface: no temporary file, and no attribute that a second run would write differently.
"""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXR_MAGIC = b"\x76\x2f\x31\x01"
EXR_COMPRESSIONS = {"none": "NO"} | {
    name: name.upper() for name in ("rle", "zips", "zip", "piz", "pxr24", "dwaa", "dwab", "zstd")
}
HALF_MAX = 65504.0
_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def encode_png(image: NDArray[Any], compression: int = 6) -> bytes:
    """Write an image as PNG of its own bit depth; equal arrays give equal bytes.

    image: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16. compression: zlib level 0 to 9.
    Raises ImageFileError for any other shape or type: floats are never scaled or rounded implicitly.
    """
    import cv2

    if image.dtype not in (np.uint8, np.uint16):
        raise ImageFileError(f"a PNG holds uint8 or uint16, not {image.dtype}; convert the array first")
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise ImageFileError(f"a PNG holds (H, W), (H, W, 3) or (H, W, 4), not {image.shape}")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    done, buffer = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, compression])
    if not done:
        raise ImageFileError(f"OpenCV could not encode a PNG of shape {image.shape}, {image.dtype}")
    return buffer.tobytes()


def decode_png(data: bytes, source: str = "PNG image") -> NDArray[Any]:
    """Read a PNG at its own bit depth -> (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16.

    Palettes become RGB, 1- to 4-bit grey becomes 8 bit. Values are the file's own: no gamma, no profile.
    Raises ImageFileError, naming `source`, for a file that is cut short, fails a checksum or is no PNG.
    """
    import cv2

    _check_png_chunks(data, source)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ImageFileError(f"{source}: its PNG pixel data cannot be decoded; fetch it again")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return image


def read_png(path: str | Path) -> NDArray[Any]:
    """`decode_png` of a file. Raises ImageFileError, naming the path."""
    return decode_png(_read_bytes(path), str(path))


def write_png(path: str | Path, image: NDArray[Any], compression: int = 6) -> None:
    """`encode_png` into a file. Raises ImageFileError, naming the path."""
    _write_bytes(path, encode_png(image, compression))


def png_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the header of PNG bytes, without decoding them."""
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def png_chunk(data: bytes, name: bytes) -> bytes | None:
    """Return the content of the first chunk called `name` (such as b"eXIf") of a whole PNG, or None."""
    offset = len(PNG_SIGNATURE)
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        if data[offset + 4 : offset + 8] == name:
            return data[offset + 8 : offset + 8 + length]
        offset += 12 + length
    return None


def encode_exr(
    channels: Mapping[str, NDArray[np.floating]],
    compression: str = "zip",
    dwa_level: float = 45.0,
    colour: bool = False,
) -> bytes:
    """Write a scanline EXR; equal arrays give equal bytes.

    channels: name -> (H, W) float16 (stored as half) or float32, all of one size.
    compression: one of EXR_COMPRESSIONS. dwa_level: for dwaa and dwab; 45 is usual, smaller is closer.
    colour: state in the header that R, G, B are linear light with Rec.709 primaries.
    """
    import OpenEXR

    if compression not in EXR_COMPRESSIONS:
        raise ImageFileError(
            f"EXR compression '{compression}' is unknown; choose one of {', '.join(EXR_COMPRESSIONS)}"
        )
    shapes = {plane.shape for plane in channels.values()}
    types = {plane.dtype for plane in channels.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2 or not types <= {np.dtype("f2"), np.dtype("f4")}:
        raise ImageFileError(
            "EXR channels must be (H, W) arrays of one size, float16 or float32; "
            f"got {sorted(map(str, shapes))} of {sorted(map(str, types))}"
        )
    header: dict[str, object] = {
        "compression": getattr(OpenEXR, f"{EXR_COMPRESSIONS[compression]}_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
    }
    if compression in ("dwaa", "dwab"):
        header["dwaCompressionLevel"] = float(dwa_level)
    if colour:
        header["chromaticities"] = _REC709
        header["colorInteropID"] = "lin_rec709_scene"
    planes = {name: np.ascontiguousarray(plane) for name, plane in channels.items()}
    stream = io.BytesIO()
    # No thread pool of OpenEXR's own: a worker has the cores it was given, and they are busy with Cycles.
    with OpenEXR.File(header, planes, num_threads=0) as file:
        file.write(stream)
    return stream.getvalue()


def decode_exr(data: bytes, source: str = "EXR image") -> dict[str, NDArray[np.floating]]:
    """Read a one-part EXR -> channel name -> (H, W) array of the stored type, names in the file's order.

    Raises ImageFileError, naming `source`, for a file that is cut short, damaged or no EXR.
    """
    _, channels = _decode_exr_parts(data, source)[0]
    return channels


def decode_exr_layers(data: bytes, source: str = "EXR image") -> dict[str, dict[str, NDArray[np.floating]]]:
    """Read an EXR of any number of parts and layers -> layer -> channel of it ("R") -> (H, W) array as stored.

    A channel "Combined.R" belongs to the layer "Combined", a plain "R" to the layer "" (in a file of several parts to
    the layer called as its part). Raises ImageFileError as `decode_exr`.
    """
    parts = _decode_exr_parts(data, source)
    layers: dict[str, dict[str, NDArray[np.floating]]] = {}
    for part, channels in parts:
        for name, plane in channels.items():
            layer, _, channel = name.rpartition(".")
            layers.setdefault(layer or (part if len(parts) > 1 else ""), {})[channel] = plane
    return layers


def exr_sizes(data: bytes, source: str = "EXR image") -> list[tuple[int, int, int]]:
    """Read (width, height, channels) of each part from the header of an EXR. Raises ImageFileError as `decode_exr`."""
    import OpenEXR

    try:
        with OpenEXR.File(io.BytesIO(data), header_only=True) as file:
            sizes = []
            for part in file.parts:
                low, high = part.header["dataWindow"]
                width, height = (int(high[axis]) - int(low[axis]) + 1 for axis in (0, 1))
                sizes.append((width, height, len(part.header["channels"])))
            return sizes
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise ImageFileError(f"{source}: cannot be read as EXR ({error}); write it again") from error


def exr_chromaticities(data: bytes) -> tuple[float, ...]:
    """The chromaticities that an EXR's header states (x, y of red, green, blue, white); empty if it states none."""
    import OpenEXR

    with OpenEXR.File(io.BytesIO(data), header_only=True) as file:
        return tuple(file.header().get("chromaticities", ()))


def read_exr(path: str | Path) -> dict[str, NDArray[np.floating]]:
    """`decode_exr` of a file. Raises ImageFileError, naming the path."""
    return decode_exr(_read_bytes(path), str(path))


def read_exr_layers(path: str | Path) -> dict[str, dict[str, NDArray[np.floating]]]:
    """`decode_exr_layers` of a file. Raises ImageFileError, naming the path."""
    return decode_exr_layers(_read_bytes(path), str(path))


def write_exr(
    path: str | Path,
    channels: Mapping[str, NDArray[np.floating]],
    compression: str = "zip",
    dwa_level: float = 45.0,
    colour: bool = False,
) -> None:
    """`encode_exr` into a file. Raises ImageFileError, naming the path."""
    _write_bytes(path, encode_exr(channels, compression, dwa_level, colour))


def write_exr_image(path: str | Path, image: NDArray[np.floating]) -> None:
    """Write (H, W) as channel Y or (H, W, 3) as R, G, B, 32-bit float. Raises ImageFileError, naming the path."""
    pixels = image.astype(np.float32)
    write_exr(path, {"Y": pixels} if pixels.ndim == 2 else split_channels(pixels, "RGB"))


def split_channels(image: NDArray[np.floating], names: Sequence[str]) -> dict[str, NDArray[np.floating]]:
    """(H, W, C) -> C named (H, W) planes, in the order of `names`."""
    return {name: image[..., index] for index, name in enumerate(names)}


def stack_channels(
    channels: Mapping[str, NDArray[np.floating]], names: Sequence[str], source: str = "EXR image"
) -> NDArray[np.float32]:
    """Named (H, W) planes -> (H, W, C) float32, ordered as `names`; a missing one is an ImageFileError."""
    missing = [name for name in names if name not in channels]
    if missing:
        raise ImageFileError(f"{source}: lacks channel {', '.join(missing)}; it has {', '.join(channels)}")
    stacked = np.empty((*channels[names[0]].shape, len(names)), np.float32)
    for index, name in enumerate(names):
        stacked[..., index] = channels[name]
    return stacked


def _decode_exr_parts(data: bytes, source: str) -> list[tuple[str, dict[str, NDArray[np.floating]]]]:
    """(name, channels by their full name) of each part."""
    import OpenEXR

    if data[:4] != EXR_MAGIC:
        raise ImageFileError(f"{source}: not an EXR file (it starts with {data[:4]!r})")
    try:
        with OpenEXR.File(io.BytesIO(data), separate_channels=True, num_threads=0) as file:
            # A part whose pixels fail to decode is dropped by the library without raising.
            if not file.parts:
                raise ImageFileError(f"{source}: its EXR pixel data is damaged or cut short; write it again")
            return [
                (
                    part.header.get("name", ""),
                    {name: channel.pixels for name, channel in part.channels.items()},
                )
                for part in file.parts
            ]
    except (RuntimeError, ValueError, OSError) as error:
        raise ImageFileError(f"{source}: cannot be read as EXR ({error}); write it again") from error


def _check_png_chunks(data: bytes, source: str) -> None:
    """Walk the chunks up to IEND: decoders differ in what they make of a damaged file."""
    if data[:8] != PNG_SIGNATURE:
        raise ImageFileError(f"{source}: not a PNG file (it starts with {data[:8]!r})")
    offset = len(PNG_SIGNATURE)
    while True:
        if offset + 12 > len(data):
            raise ImageFileError(f"{source}: PNG cut short at byte {len(data)}; fetch it again")
        (length,) = struct.unpack_from(">I", data, offset)
        end = offset + 12 + length
        if end > len(data):
            raise ImageFileError(f"{source}: PNG cut short at byte {len(data)}; fetch it again")
        (stated,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[offset + 4 : end - 4]) != stated:
            raise ImageFileError(f"{source}: PNG chunk at byte {offset} fails its checksum; fetch it again")
        if data[offset + 4 : offset + 8] == b"IEND":
            return
        offset = end


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be read ({error.strerror})") from error


def _write_bytes(path: str | Path, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be written ({error.strerror})") from error
