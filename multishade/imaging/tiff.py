# SPDX-License-Identifier: Apache-2.0
"""TIFF bytes -> their orientation, the same bytes as upright, and whether they are one page."""

import struct
from typing import Any

from multishade.errors import ImageFileError
from multishade.imaging.exif import ORIENTATION


def tiff_orientation(data: bytes) -> int:
    """Return the orientation of the first page, 1 to 8; 1 if the file states none."""
    entry = _tiff_entry(data)
    return 1 if entry is None else int(struct.unpack_from(entry[1], data, entry[0])[0])


def as_upright_tiff(data: bytes) -> bytes:
    """The same TIFF with orientation 1, so that no decoder turns its pixels."""
    entry = _tiff_entry(data)
    if entry is None or tiff_orientation(data) == 1:
        return data
    changed = bytearray(data)
    struct.pack_into(entry[1], changed, entry[0], 1)
    return bytes(changed)


def refuse_pages(image: Any, source: str) -> None:
    """Raise ImageFileError for a TIFF of several pages of one size; smaller ones are thumbnails."""
    size, pages = image.size, 1
    for number in range(1, getattr(image, "n_frames", 1)):
        image.seek(number)
        pages += image.size == size
    image.seek(0)
    if pages > 1:
        raise ImageFileError(
            f"{source}: {pages} pages, of which only the first would be read; save each as a file"
        )


def _tiff_entry(data: bytes) -> tuple[int, str] | None:
    """Where the first page's orientation is stored, and its struct format; None if there is none."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        big = struct.unpack_from(order + "H", data, 2)[0] == 43
        start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
        count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
        first, size, value = (start + 8, 20, 12) if big else (start + 2, 12, 8)
        for place in range(first, first + size * min(count, 4096), size):
            if struct.unpack_from(order + "H", data, place)[0] == ORIENTATION:
                return place + value, order + "H"
    except struct.error:
        return None
    return None
