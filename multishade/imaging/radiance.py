# SPDX-License-Identifier: Apache-2.0
"""The bytes of a Radiance HDR file in, its pixels the right way up out, whichever way its lines run.

The line of the size, such as "-Y 512 +X 1024", states the order of pixels: rows from the top, each from the left. The
other seven orders are allowed too (Greg Ward, "Real Pixels", Graphics Gems II; Radiance's file formats).
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError

HDR_MAGICS = (b"#?RADIANCE", b"#?RGBE")
_SIZE = re.compile(rb"^([-+])([XY]) +(\d+) +([-+])([XY]) +(\d+)[ \t\r]*\n", re.MULTILINE)
_USUAL = b"-Y", b"+X"


def is_upright(data: bytes) -> bool:
    """Return whether rows come from the top and pixels from the left, as nearly all programs assume without looking."""
    order, _ = _order(data)
    return order is None or order == _USUAL


def hdr_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) from the header of a Radiance HDR file, None if it has none."""
    order, line = _order(data)
    if order is None or line is None:
        return None
    first, second = int(line.group(3)), int(line.group(6))
    return (first, second) if order[0].endswith(b"X") else (second, first)


def decode_hdr(data: bytes, source: str) -> NDArray[np.float32]:
    """Decode a Radiance HDR file.

    Args:
        data: The whole file.
        source: How messages name it.

    Returns:
        (H, W, 3) float32, red, green, blue.

    Raises:
        ImageFileError: If it is no Radiance HDR, has no size, is in CIE XYZ, is cut short or damaged.
    """
    import cv2

    if not data.startswith(HDR_MAGICS):
        raise ImageFileError(f"{source}: is not a Radiance HDR file (its first line says so)")
    order, line = _order(data)
    if order is None or line is None or order[0][1:] == order[1][1:]:
        raise ImageFileError(f"{source}: has no line with its size, such as '-Y 512 +X 1024'")
    header = data[: line.start()]
    if b"FORMAT=32-bit_rle_xyze" in header:
        raise ImageFileError(
            f"{source}: is in CIE XYZ (32-bit_rle_xyze); only 32-bit_rle_rgbe is read: convert it"
        )
    rows, columns = int(line.group(3)), int(line.group(6))
    # The same bytes as rows from the top: OpenCV knows no other order.
    usual = header + b"-Y %d +X %d\n" % (rows, columns) + data[line.end() :]
    decoded = cv2.imdecode(np.frombuffer(usual, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise ImageFileError(f"{source}: cannot be decoded: it is cut short or damaged")
    image: NDArray[Any] = decoded[..., ::-1]
    if order[0].endswith(b"X"):
        image, order = image.swapaxes(0, 1), (order[1], order[0])
    if order[0] == b"+Y":
        image = image[::-1]
    if order[1] == b"-X":
        image = image[:, ::-1]
    return np.ascontiguousarray(image, np.float32)


def _order(data: bytes) -> tuple[tuple[bytes, bytes] | None, re.Match[bytes] | None]:
    """The signs and axes of the line with the size, and that line; (None, None) if there is none in the header."""
    end = data.find(b"\n\n")
    line = _SIZE.search(data, max(end, 0), max(end, 0) + 200)
    if line is None:
        return None, None
    return (line.group(1) + line.group(2), line.group(4) + line.group(5)), line
