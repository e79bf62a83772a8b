# SPDX-License-Identifier: Apache-2.0
"""Textures are read as Blender will show them, or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.assets.scanning.map_images import read_map
from multishade.errors import ImageFileError
from multishade.imaging import codecs


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_texture_that_is_stored_sideways_is_refused(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.full((8, 12, 3), 90, np.uint8))
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    with pytest.raises(ImageFileError, match=rf"a\.{suffix}: stored sideways .* Blender does not turn"):
        read_map(tmp_path / f"a.{suffix}")
    image.save(tmp_path / f"b.{suffix}")
    assert read_map(tmp_path / f"b.{suffix}").shape == (8, 12, 3)


def test_a_texture_of_several_layers_is_refused(tmp_path: Path) -> None:
    planes = {f"{layer}.{name}": np.zeros((4, 4), np.float32) for layer in ("a", "b") for name in "RGB"}
    codecs.write_exr(tmp_path / "a.exr", planes)
    with pytest.raises(ImageFileError, match="several layers"):
        read_map(tmp_path / "a.exr")
