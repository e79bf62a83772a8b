# SPDX-License-Identifier: Apache-2.0
"""Image files -> what Blender reads of each, and of the copy that it gets instead; compared, as one line of JSON each.

Run as `python -m tests.support.image_copies FOLDER [FILE...]`: files of many formats are made in FOLDER first.
"""

import json
import sys
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import tifffile
from PIL import Image

from multishade.imaging import codecs
from multishade.imaging.blender_formats import CopyTask, copy_image


def make(folder: Path) -> None:
    """Write one smooth picture in every format and depth that is copied."""
    rows, columns = np.mgrid[0:48, 0:64] / 64
    smooth = np.stack([0.5 + 0.5 * np.sin(9 * columns + 3 * rows), 0.5 + 0.5 * np.cos(7 * rows), columns], -1)
    colour, radiance = (smooth * 255).astype(np.uint8), (smooth * 8).astype(np.float32)
    with_alpha = np.dstack([colour, (columns * 255).astype(np.uint8)])
    grey = colour[..., 0]

    def pillow(name: str, pixels: Any, **options: Any) -> None:
        Image.fromarray(pixels).save(folder / name, **options)

    pillow("lossless.webp", colour, lossless=True)
    pillow("lossy.webp", colour, quality=80)
    pillow("alpha.webp", with_alpha, lossless=True, exact=True)
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        pillow(f"{compression}.tif", colour, compression=compression)
    pillow("alpha.tif", with_alpha)
    pillow("grey.tif", grey)
    pillow("plain.bmp", colour)
    pillow("plain.tga", colour)
    pillow("rle.tga", colour, compression="tga_rle")
    pillow("alpha.tga", with_alpha)
    pillow("plain.dds", colour)
    pillow("plain.jp2", colour)
    tifffile.imwrite(folder / "deep.tif", (smooth * 65535).astype(np.uint16), photometric="rgb")
    tifffile.imwrite(folder / "deep-grey.tif", (smooth[..., 0] * 65535).astype(np.uint16))
    half, whole = radiance.astype(np.float16), np.dstack([radiance, columns.astype(np.float32)])
    codecs.write_exr(folder / "half.exr", codecs.split_channels(half, "RGB"), "piz")
    codecs.write_exr(folder / "dwa.exr", codecs.split_channels(half, "RGB"), "dwab")
    codecs.write_exr(folder / "full.exr", codecs.split_channels(radiance, "RGB"))
    codecs.write_exr(folder / "alpha.exr", codecs.split_channels(whole, "RGBA"))
    codecs.write_exr(folder / "luminance.exr", {"Y": radiance[..., 0]})
    cv2.imwrite(str(folder / "plain.hdr"), radiance[..., ::-1])


def as_read(path: Path) -> tuple[tuple[Any, ...], np.ndarray]:
    """Size, kind of numbers and colour space, and the texels (H, W, C), as Blender reads a file."""
    image = bpy.data.images.load(str(path), check_existing=False)
    width, height = image.size
    texels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(texels)
    facts = (width, height, image.is_float, image.colorspace_settings.name)
    found = facts, texels.reshape(height, width, -1)
    bpy.data.images.remove(image)
    return found


def main(folder: Path, files: list[Path]) -> None:
    make(folder)
    for path in [*sorted(folder.iterdir()), *files]:
        copy = Path(copy_image(CopyTask(str(path), str(folder / f"copy-{path.name}"), alpha="kept")))
        facts, texels = as_read(path)
        copied_facts, copied = as_read(copy)
        count = min(texels.shape[2], copied.shape[2])
        equal = facts == copied_facts and np.array_equal(texels[..., :count], copied[..., :count])
        print(json.dumps({"name": path.name, "equal": equal, "facts": [facts, copied_facts]}))
        copy.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
