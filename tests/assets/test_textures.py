# SPDX-License-Identifier: Apache-2.0
"""A scan accepts a texture exactly if rendering can read it: by Blender itself, or from a copy."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.assets.scanning.meshes import check_mesh
from multishade.errors import AssetError, ImageFileError
from multishade.imaging.blender_formats import CopyTask, blender_reads, copy_image
from tests.support.case_meshes import WRITERS, ball, with_texture

COLOURS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def saved(format: str, pixels: np.ndarray = COLOURS, frames: int = 1) -> bytes:
    stream, image = io.BytesIO(), Image.fromarray(pixels)
    more = {"save_all": True, "append_images": [image.rotate(90)]} if frames > 1 else {}
    image.save(stream, format, **more)
    return stream.getvalue()


def float_tiff() -> bytes:
    import cv2

    return cv2.imencode(".tif", np.full((8, 8, 3), 0.5, np.float32))[1].tobytes()


@pytest.mark.parametrize("suffix", ["glb", "obj"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: saved("MPO", frames=2), None),  # two JPEGs, as stereo cameras and phones write
        (lambda: saved("WEBP", frames=2), None),
        (float_tiff, None),
        (lambda: saved("JPEG2000", np.full((8, 8), 500, np.uint16)), None),
        (lambda: saved("TIFF", frames=2), "2 pages"),
        (lambda: saved("TIFF", np.full((8, 8), 9, np.int32)), "holds int32"),
        (lambda: saved("GIF"), "is GIF, which Blender cannot read"),
        (lambda: saved("AVIF"), "is AVIF, which Blender cannot read"),
        (lambda: b"\0\0\0\x18ftypheic" + bytes(99), "is HEIC or a movie, which Blender cannot read"),
        (lambda: b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(99), "is KTX2, which Blender cannot read"),
        (lambda: b"", "of no known format"),
    ],
)
def test_scan_and_rendering_agree_on_a_texture(
    tmp_path: Path, suffix: str, make: Callable[[], bytes], reason: str | None
) -> None:
    data = make()
    (tmp_path / "copied").write_bytes(data)
    mesh = with_texture(ball(), "base_color", "map.png", data)
    path = WRITERS[suffix](mesh, tmp_path / f"a.{suffix}")
    if reason is None:
        check_mesh(str(path))
        assert blender_reads(tmp_path / "copied") or copy_image(
            CopyTask(str(tmp_path / "copied"), str(tmp_path / "out"), alpha="kept")
        )
        return
    with pytest.raises(AssetError, match=reason):
        check_mesh(str(path))
    if "Blender cannot read" not in reason:
        with pytest.raises(ImageFileError, match=reason):
            copy_image(CopyTask(str(tmp_path / "copied"), str(tmp_path / "out"), alpha="kept"))
