# SPDX-License-Identifier: Apache-2.0
"""Pictures (H, W, 3) uint8 of one size -> an animated GIF or an MP4 video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multishade.errors import ImageFileError
from multishade.imaging.display import Picture

KINDS = ("gif", "mp4")


def write_video(path: Path, frames: Sequence[Picture], rate: float) -> None:
    """Write `frames`, `rate` a second, as the suffix says: .gif (endless, for grey or few-coloured frames) or .mp4.

    MP4 holds VP9, which browsers and players read and OpenCV's wheels encode; sizes are made even by leaving out the
    last row or column. Raises ImageFileError if the file cannot be written.
    """
    if path.suffix == ".gif":
        _write_gif(path, frames, rate)
    elif path.suffix == ".mp4":
        _write_mp4(path, frames, rate)
    else:
        raise ImageFileError(f"{path}: a video is written as .gif or .mp4")


def _write_gif(path: Path, frames: Sequence[Picture], rate: float) -> None:
    from PIL import Image

    first, *rest = [Image.fromarray(np.ascontiguousarray(frame)).convert("P") for frame in frames]
    try:
        first.save(
            path, save_all=True, append_images=rest, duration=round(1000 / rate), loop=0, optimize=False
        )
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be written ({error.strerror})") from error


def _write_mp4(path: Path, frames: Sequence[Picture], rate: float) -> None:
    import cv2

    height, width = (size - size % 2 for size in frames[0].shape[:2])  # colour is stored for 2 x 2 pixels
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"vp09"), rate, (width, height))
    if not writer.isOpened():
        raise ImageFileError(f"{path}: cannot be written as a video; choose another folder, or GIF")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:height, :width, ::-1]))
    writer.release()
