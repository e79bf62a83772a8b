# SPDX-License-Identifier: Apache-2.0
"""An image file in, whether Blender's own reader gets it; if not, a copy in a plain format that it gets instead.

Blender's readers of EXR, HDR, TIFF, WebP, PSD and rarer formats have faults that a hostile file can use, and read some
files otherwise than scanning does. So Blender gets PNG and JPEG as they are, and of everything else what `imaging.read`
made of it, in a confined process: PNG of the same depth for integers, plain EXR for floats.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.decode import StoredImage
from multishade.imaging.read import read_image
from multishade.imaging.repair import repair_radiance

PLAIN_MAGICS = (codecs.PNG_SIGNATURE, b"\xff\xd8\xff")  # PNG, JPEG


@dataclass(frozen=True)
class CopyTask:
    """A copy to be made.

    Attributes:
        path: The image file.
        target: The copy without suffix.
        name: How messages name the file; "": by its path.
        alpha: Whether alpha is left out, kept, or all that is copied, as a grey picture.
        repair: Whether negative and broken radiance is repaired.
    """

    path: str
    target: str
    name: str = ""
    alpha: Literal["none", "kept", "only"] = "none"
    repair: bool = False


def blender_reads(path: Path) -> bool:
    """Return whether Blender reads a file itself: PNG and JPEG by their first bytes, and a file that is missing."""
    try:
        with path.open("rb") as file:
            return file.read(16).startswith(PLAIN_MAGICS)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def copy_image(task: CopyTask) -> str:
    """Write what `imaging.read` makes of a file in a form that Blender reads; to be run in a sandbox.

    Args:
        task: Which file, and where to.

    Returns:
        The path of the copy: PNG of the same depth for integers, EXR for floats.

    Raises:
        ImageFileError: If the file cannot be read or the copy not be written, or alpha is asked for and there is none.
    """
    # Blender does not turn the textures of a mesh, with whose alpha they are copied.
    image = read_image(task.path, upright=task.alpha != "kept", name=task.name or None)
    if task.alpha == "only":
        if image.alpha is None:
            raise ImageFileError(f"{image.source}: has no alpha, in which a map is packed")
        image = dataclasses.replace(image, pixels=image.alpha[..., None], alpha=None)
    if task.repair:
        image = dataclasses.replace(image, pixels=repair_radiance(image.pixels)[0])
    return str(write_pixels(image, Path(task.target), task.alpha == "kept"))


def require_copyable(image: StoredImage) -> None:
    """Raise ImageFileError if pixels that were read are of a type of which no copy is made."""
    if image.pixels.dtype not in (np.uint8, np.uint16) and not np.issubdtype(image.pixels.dtype, np.floating):
        raise ImageFileError(
            f"{image.source}: holds {image.pixels.dtype}, which Blender does not read; save it as PNG"
        )


def write_copy(path: Path, target: Path) -> Path:
    """`copy_image` in this process, without alpha."""
    return Path(copy_image(CopyTask(str(path), str(target))))


def write_alpha(path: Path, target: Path) -> Path:
    """`copy_image` in this process, of the alpha alone."""
    return Path(copy_image(CopyTask(str(path), str(target), alpha="only")))


def write_pixels(image: StoredImage, target: Path, alpha: bool = False) -> Path:
    """Write pixels that were read, as `copy_image` does."""
    require_copyable(image)
    pixels = image.pixels
    coverage = image.alpha if alpha else None
    if pixels.dtype in (np.uint8, np.uint16):
        copy = target.with_name(target.name + ".png")
        if coverage is not None:
            colour = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
            pixels = np.concatenate([colour, coverage[..., None]], axis=2)
        codecs.write_png(copy, np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), 1)
        return copy
    copy = target.with_name(target.name + ".exr")
    stored = pixels.astype(pixels.dtype if pixels.dtype == np.float16 else np.float32)
    planes = codecs.split_channels(stored, ("Y",) if stored.shape[2] == 1 else ("R", "G", "B"))
    if coverage is not None:
        planes["A"] = coverage.astype(stored.dtype)
    codecs.write_exr(copy, planes, "none")
    return copy
