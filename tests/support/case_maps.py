# SPDX-License-Identifier: Apache-2.0
"""A folder in, a small PBR map set or environment map with one fault in it out: the kinds D1 to D5."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 16


def write_grey(path: Path, value: int) -> Path:
    """Write an 8-bit grey image of one value."""
    Image.fromarray(np.full((SIZE, SIZE), value, np.uint8)).save(path)
    return path


def write_colour(path: Path) -> Path:
    """Write an 8-bit colour image of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def smoothness_set(folder: Path) -> Path:
    """Roughness 0.2, given as smoothness 0.8 (D1)."""
    write_colour(folder / "Steel_Albedo.png")
    return write_grey(folder / "Steel_Smoothness.png", 204)


def udim_set(folder: Path) -> list[Path]:
    """Three tiles of one material (D2)."""
    tiles = (1001, 1002, 1003)
    for tile in tiles:
        write_grey(folder / f"Dragon_Roughness.{tile}.png", 128)
    return [write_colour(folder / f"Dragon_BaseColor.{tile}.png") for tile in tiles]


def layered_exr_set(folder: Path) -> Path:
    """A base colour of R, G and B with a further layer (D3)."""
    write_grey(folder / "roughness.png", 128)
    noise = np.random.default_rng(0).random((4, SIZE, SIZE), dtype=np.float32)
    return write_exr(folder / "color.exr", dict(zip(("R", "G", "B", "AO.Y"), noise, strict=True)))


def height_in_metres_set(folder: Path, low: float = -12.0, high: float = 13.0) -> Path:
    """A float height map in metres (D4)."""
    write_colour(folder / "color.png")
    ramp = np.linspace(low, high, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
    return write_exr(folder / "height.exr", {"Y": ramp})


def write_exr(path: Path, channels: dict[str, NDArray[np.float32]]) -> Path:
    """Write a one-part EXR of float channels."""
    import OpenEXR

    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(
        str(path)
    )
    return path


def write_hdr(path: Path, orientation: str = "-Y {height} +X {width}", size: int = SIZE) -> Path:
    """Write an uncompressed Radiance HDR whose resolution line has the given orientation (D5)."""
    rgbe = np.full((size, 2 * size, 4), 128, np.uint8)
    rgbe[..., 3] = 129  # 2 ** (129 - 128): values of about 1
    rgbe[: size // 4, :, 3] = 132
    resolution = orientation.format(height=size, width=2 * size)
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + f"{resolution}\n".encode() + rgbe.tobytes())
    return path
