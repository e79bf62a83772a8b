# SPDX-License-Identifier: Apache-2.0
"""What Blender reads as this program does is read in place; everything else from a copy of what we read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.imaging.blender_formats import blender_reads, write_copy
from multishade.imaging.codecs import read_exr
from multishade.imaging.read import read_image
from tests.support.case_maps import write_exr, write_hdr

PIXELS = np.random.default_rng(0).random((8, 16, 3), dtype=np.float32)
BYTES = np.round(PIXELS * 255).astype(np.uint8)


def exr(folder: Path, *names: str) -> Path:
    planes = {name: np.ascontiguousarray(PIXELS[..., at % 3]) for at, name in enumerate(names)}
    return write_exr(folder / "x.exr", planes)


def pillow(folder: Path, name: str, **options: object) -> Path:
    Image.fromarray(BYTES).save(folder / name, **options)  # type: ignore[arg-type]
    return folder / name


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_png_and_jpeg_are_read_in_place(tmp_path: Path, name: str) -> None:
    assert blender_reads(pillow(tmp_path, name))


@pytest.mark.parametrize("name", ["x.webp", "x.tga", "x.bmp", "x.tif", "x.jp2", "x.dds"])
def test_other_formats_are_copied_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    path = pillow(tmp_path, name)
    assert not blender_reads(path)
    disguised = path.rename(tmp_path / "x.png")
    assert not blender_reads(disguised)
    same(disguised, write_copy(disguised, tmp_path / "copy"))


@pytest.mark.parametrize(
    "names", [("R", "G", "B"), ("R", "G", "B", "A"), ("R", "G", "B", "Z"), ("Y",), ("Y", "A")]
)
def test_a_plain_exr_is_copied(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = exr(tmp_path, *names)
    assert not blender_reads(path)
    same(path, write_copy(path, tmp_path / "copy"))


@pytest.mark.parametrize(
    "names",
    [("R", "G", "B", "AO.Y"), ("Combined.R", "Combined.G", "Combined.B"), ("height",), ("X", "Y", "Z")],
)
def test_an_exr_with_layers_or_odd_channels_is_copied(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = exr(tmp_path, *names)
    assert not blender_reads(path)
    same(path, write_copy(path, tmp_path / "copy"))


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_a_tiff_that_blender_cannot_decode_is_copied(tmp_path: Path, compression: str) -> None:
    path = pillow(tmp_path, "x.tif", compression=compression)
    assert not blender_reads(path)
    same(path, write_copy(path, tmp_path / "copy"))


def test_a_float_tiff_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    Image.fromarray(PIXELS[..., 0] * 20 - 5).save(path)
    assert not blender_reads(path)
    same(path, write_copy(path, tmp_path / "copy"))


@pytest.mark.parametrize("order", ["+Y {height} +X {width}", "-Y {height} -X {width}"])
def test_a_turned_hdr_is_copied(tmp_path: Path, order: str) -> None:
    path = write_hdr(tmp_path / "x.hdr", order)
    assert not blender_reads(path)
    same(path, write_copy(path, tmp_path / "copy"))


def same(path: Path, copy: Path) -> None:
    assert blender_reads(copy) or list(read_exr(copy)) in (["B", "G", "R"], ["Y"])
    np.testing.assert_array_equal(read_image(copy).unit, read_image(path).unit)
