# SPDX-License-Identifier: Apache-2.0
"""Photos and their normals -> one picture of them all, and the ball that explains the colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multishade.errors import MultiShadeError
from multishade.imaging import display, panels
from multishade.imaging.display import Picture
from multishade.imaging.normal_maps import read_normal_map
from multishade.inference.photo import read_photo

NAME = "contact_sheet.png"
SIDE, COLUMNS, MOST = 160, 4, 400
_NORMAL_FILES = ("normal_gl.png", "normal.exr")

Float32 = NDArray[np.float32]


def thumbnail(photo: Float32, normal: Float32 | None) -> Picture:
    """Put a photo, (H, W, 3) sRGB 0 to 1, and its normals, (H, W, 3) unit vectors, side by side, small."""
    shown = [np.rint(np.clip(photo, 0, 1) * 255).astype(np.uint8)]
    if normal is not None:
        shown.append(display.normal_to_rgb(normal))
    return np.concatenate([_square(picture) for picture in shown], axis=1)


def read_thumbnail(photo: Path, folder: Path) -> Picture | None:
    """Make the thumbnail of results that were written before; None if photo or folder cannot be read any more."""
    file = next((folder / name for name in _NORMAL_FILES if (folder / name).is_file()), None)
    try:
        return thumbnail(
            read_photo(photo, largest_megapixels=np.inf).pixels,
            None if file is None else read_normal_map(file),
        )
    except MultiShadeError:
        return None


def draw_contact_sheet(path: Path, cells: Sequence[tuple[str, Picture]]) -> None:
    """Write thumbnails with their captions as one PNG; at most MOST, evenly spaced."""
    count = min(len(cells), MOST)
    shown = [cells[k * len(cells) // count] for k in range(count)]
    rows = [shown[first : first + COLUMNS] for first in range(0, count, COLUMNS)]
    pictures: list[list[Picture | None]] = [[picture for _, picture in row] for row in rows]
    captions = [[name for name, _ in row] for row in rows]
    pictures[0].append(panels.normal_legend(SIDE))
    captions[0].append("")
    display.save(path, panels.tile(pictures, captions))


def _square(picture: Picture) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    square = Image.new("RGB", (SIDE, SIDE), display.WHITE)
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return np.asarray(square)
