# SPDX-License-Identifier: Apache-2.0
"""EXR files that the OpenEXR package cannot write: luminance and chroma, the latter at half the size."""

import struct

import numpy as np


def luminance_chroma_exr(y: np.ndarray, ry: np.ndarray, by: np.ndarray) -> bytes:
    """Uncompressed scanlines, y (H, W) and ry, by (H / 2, W / 2) as 32-bit floats; even H and W."""
    height, width = y.shape

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    def channel(name: bytes, sampling: int) -> bytes:
        return name + b"\0" + struct.pack("<IB3xII", 2, 0, sampling, sampling)

    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    header += attribute(
        b"channels", b"chlist", channel(b"BY", 2) + channel(b"RY", 2) + channel(b"Y", 1) + b"\0"
    )
    header += attribute(b"compression", b"compression", b"\0")
    header += attribute(b"dataWindow", b"box2i", box) + attribute(b"displayWindow", b"box2i", box)
    header += attribute(b"lineOrder", b"lineOrder", b"\0")
    header += attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1))
    header += attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0))
    header += attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1)) + b"\0"
    lines = []
    for row in range(height):
        chroma = [by[row // 2], ry[row // 2]] if row % 2 == 0 else []
        data = b"".join(part.astype("<f4").tobytes() for part in [*chroma, y[row]])
        lines.append(struct.pack("<iI", row, len(data)) + data)
    place = len(header) + 8 * height
    offsets = b""
    for line in lines:
        offsets += struct.pack("<Q", place)
        place += len(line)
    return header + offsets + b"".join(lines)
