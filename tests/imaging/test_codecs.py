# SPDX-License-Identifier: Apache-2.0
"""PNG and EXR files keep what was put in, equal arrays give equal bytes, and a damaged file is named."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.errors import ImageFileError
from multishade.imaging.codecs import (
    EXR_COMPRESSIONS,
    decode_exr,
    decode_png,
    encode_exr,
    encode_png,
    read_exr,
    read_png,
    split_channels,
    stack_channels,
    write_exr,
    write_png,
)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_gives_back_every_value_at_its_bit_depth(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: type
) -> None:
    image = rng.integers(0, np.iinfo(dtype).max, size=shape, dtype=dtype, endpoint=True)
    back = decode_png(encode_png(image))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, image)


def test_png_channels_are_red_green_blue_for_other_readers_too() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 200
    assert Image.open(io.BytesIO(encode_png(image))).getpixel((0, 0)) == (200, 0, 0)


def test_png_of_other_writers_is_read_palette_and_one_bit_included() -> None:
    colours = np.array([[0, 1], [2, 3]], np.uint8)
    palette = Image.fromarray(colours, "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    np.testing.assert_array_equal(decode_png(stream.getvalue())[1], [[0, 0, 255], [9, 8, 7]])
    stream = io.BytesIO()
    Image.fromarray(np.array([[True, False]])).save(stream, "PNG")
    np.testing.assert_array_equal(decode_png(stream.getvalue()), [[255, 0]])


def test_sixteen_bit_benchmark_images_are_read_as_sixteen_bit(shared_dir: Path) -> None:
    path = next((shared_dir / "benchmarks" / "diligent").rglob("001.png"))
    image = read_png(path)
    assert image.dtype == np.uint16 and image.ndim == 3
    assert np.unique(image % 256).size > 16, "the low byte carries data"


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2)), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2), np.uint8)]
)
def test_png_refuses_what_it_cannot_hold(image: np.ndarray) -> None:
    with pytest.raises(ImageFileError, match="a PNG holds"):
        encode_png(image)


def test_png_cut_anywhere_is_refused_never_half_read(rng: np.random.Generator) -> None:
    data = encode_png(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
    for cut in range(1, len(data), 37):
        with pytest.raises(ImageFileError, match="cut short|not a PNG"):
            decode_png(data[:cut], "mine.png")


def test_png_with_one_flipped_bit_is_refused(rng: np.random.Generator) -> None:
    data = bytearray(encode_png(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)))
    data[200] ^= 4
    with pytest.raises(ImageFileError, match=r"mine\.png: PNG chunk at byte 33 fails its checksum"):
        decode_png(bytes(data), "mine.png")


@pytest.mark.parametrize(
    "compression", [name for name in EXR_COMPRESSIONS if name not in ("dwaa", "dwab", "pxr24")]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_exr_without_loss_gives_back_every_value(
    rng: np.random.Generator, compression: str, dtype: type
) -> None:
    planes = {f"L{k:02d}": rng.normal(size=(33, 20)).astype(dtype) for k in range(11)}
    planes["L03"][4, 5] = np.inf
    back = decode_exr(encode_exr(planes, compression))
    assert list(back) == list(planes)
    for name, plane in planes.items():
        assert back[name].dtype == dtype
        np.testing.assert_array_equal(back[name], plane)


def test_dwab_stays_close_and_a_lower_level_stays_closer(rng: np.random.Generator) -> None:
    image = (np.linspace(0, 2, 64)[:, None, None] + rng.uniform(0, 0.1, (64, 64, 3))).astype(np.float16)
    errors = []
    for level in (10.0, 45.0):
        data = encode_exr(split_channels(image, "RGB"), "dwab", dwa_level=level, colour=True)
        errors.append(np.abs(stack_channels(decode_exr(data), "RGB") - image).max())
    assert 0 < errors[0] < errors[1] < 0.06


def test_equal_arrays_give_equal_bytes(rng: np.random.Generator) -> None:
    image = rng.uniform(size=(40, 30, 3)).astype(np.float16)
    for compression in EXR_COMPRESSIONS:
        first, second = (encode_exr(split_channels(image, "RGB"), compression) for _ in range(2))
        assert first == second, compression
    grey = (image * 65535).astype(np.uint16)
    assert encode_png(grey) == encode_png(grey.copy())


def test_exr_is_read_by_pyexr_too(tmp_path: Path, rng: np.random.Generator) -> None:
    pyexr = pytest.importorskip("pyexr")
    image = rng.uniform(size=(12, 9, 3)).astype(np.float32)
    write_exr(tmp_path / "a.exr", split_channels(image, "RGB"), colour=True)
    np.testing.assert_array_equal(pyexr.read(tmp_path / "a.exr"), image)
    pyexr.write(tmp_path / "b.exr", image)
    np.testing.assert_array_equal(stack_channels(read_exr(tmp_path / "b.exr"), "RGB"), image)


def test_damaged_exr_is_refused(rng: np.random.Generator) -> None:
    data = encode_exr(split_channels(rng.normal(size=(64, 64, 3)).astype(np.float16), "RGB"))
    for cut in (3, 60, len(data) // 2, len(data) - 5):
        with pytest.raises(ImageFileError, match=r"mine\.exr"):
            decode_exr(data[:cut], "mine.exr")
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 16
    with pytest.raises(ImageFileError, match="damaged"):
        decode_exr(bytes(flipped), "mine.exr")


def test_wrong_calls_name_what_is_allowed() -> None:
    plane = np.zeros((2, 3), np.float32)
    with pytest.raises(ImageFileError, match="'lzma' is unknown; choose one of none, rle"):
        encode_exr({"Z": plane}, "lzma")
    with pytest.raises(ImageFileError, match="one size"):
        encode_exr({"R": plane, "G": plane.T})
    with pytest.raises(ImageFileError, match="float64"):
        encode_exr({"Z": plane.astype(np.float64)})
    with pytest.raises(ImageFileError, match=r"lacks channel B; it has R, G"):
        stack_channels({"R": plane, "G": plane}, "RGB")


def test_missing_and_unwritable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"none\.png: cannot be read"):
        read_png(tmp_path / "none.png")
    with pytest.raises(ImageFileError, match=r"none/a\.png: cannot be written"):
        write_png(tmp_path / "none" / "a.png", np.zeros((2, 2), np.uint8))
