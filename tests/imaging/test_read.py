# SPDX-License-Identifier: Apache-2.0
"""Image files are read at the depth that they have, upright if asked, and masks of every convention are one mask."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from multishade.errors import ImageFileError
from multishade.imaging import codecs, decode
from multishade.imaging.exif import NO_EXIF
from multishade.imaging.read import read_file_exif, read_image, read_mask
from tests.support.synthetic_benchmarks import ball


def test_sixteen_bit_colour_is_read_as_sixteen_bit(tmp_path: Path) -> None:
    stored = np.array([[[1, 256, 65535], [2, 257, 65534]]], np.uint16)
    codecs.write_png(tmp_path / "a.png", stored)
    assert np.array_equal(np.rint(read_image(tmp_path / "a.png").rgb * 65535), stored)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_eight_bit_is_scaled_to_one_and_keeps_red_first(tmp_path: Path, suffix: str) -> None:
    import cv2

    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.array([[[0, 51, 255]]], np.uint8))  # OpenCV takes blue first
    assert read_image(path).rgb[0, 0] == pytest.approx([1.0, 0.2, 0.0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_exif_is_applied_at_every_depth(tmp_path: Path, orientation: int) -> None:
    from PIL import Image, ImageOps

    stored = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(tmp_path / "a.png", upright=True).pixels, expected)
    assert np.array_equal(read_image(tmp_path / "a.png", upright=False).pixels, stored)
    Image.fromarray(stored).save(tmp_path / "a.webp", exif=exif, lossless=True)
    assert np.array_equal(read_image(tmp_path / "a.webp", upright=True).pixels, expected)


def test_the_file_tells_what_its_numbers_are(tmp_path: Path) -> None:
    import cv2

    codecs.write_png(tmp_path / "deep.png", np.zeros((2, 3, 4), np.uint16))
    flags = [cv2.IMWRITE_TIFF_COMPRESSION, 1]  # else OpenCV takes a lossy one
    cv2.imwrite(str(tmp_path / "float.tif"), np.full((2, 3, 3), 7.5, np.float32), flags)
    codecs.write_exr(tmp_path / "half.exr", {"Y": np.ones((2, 3), np.float16)})
    cv2.imwrite(str(tmp_path / "light.hdr"), np.full((2, 3, 3), 2.0, np.float32))
    described = {
        name: (image.pixels.shape, image.alpha is not None, image.transfer, image.bits, image.channels)
        for name in ("deep.png", "float.tif", "half.exr", "light.hdr")
        for image in [read_image(tmp_path / name)]
    }
    rgb = ("R", "G", "B")
    assert described == {
        "deep.png": ((2, 3, 3), True, "unstated", 16, (*rgb, "A")),
        "float.tif": ((2, 3, 3), False, "linear", 32, rgb),
        "half.exr": ((2, 3, 1), False, "linear", 16, ("Y",)),
        "light.hdr": ((2, 3, 3), False, "linear", 32, rgb),
    }
    assert read_image(tmp_path / "float.tif").rgb.max() == 7.5


def test_a_file_is_read_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    codecs.write_png(tmp_path / "photo.jpg", np.full((2, 3, 3), 9, np.uint8))
    assert (read_image(tmp_path / "photo.jpg").pixels == 9).all()


def test_a_named_layer_of_an_exr_is_read_if_it_is_the_only_one(tmp_path: Path) -> None:
    planes = {f"ViewLayer.{name}": np.full((2, 3), k, np.float32) for k, name in enumerate("RGBA")}
    codecs.write_exr(tmp_path / "one.exr", planes)
    image = read_image(tmp_path / "one.exr")
    assert image.pixels[0, 0].tolist() == [0, 1, 2] and image.alpha is not None and image.alpha[0, 0] == 3
    codecs.write_exr(tmp_path / "two.exr", planes | {"Other.R": planes["ViewLayer.R"]})
    assert read_image(tmp_path / "two.exr").pixels[0, 0].tolist() == [0, 1, 2]
    codecs.write_exr(tmp_path / "plain.exr", {"AO.Y": planes["ViewLayer.A"], "Y": planes["ViewLayer.G"]})
    assert read_image(tmp_path / "plain.exr").rgb[0, 0].tolist() == [1, 1, 1]


def test_an_image_is_refused_before_its_pixels_are_decoded(tmp_path: Path) -> None:
    codecs.write_png(tmp_path / "a.png", np.zeros((2, 3), np.uint8))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:40])  # no pixels left

    def refuse(width: int, height: int) -> None:
        raise ImageFileError(f"{width} x {height}")

    with pytest.raises(ImageFileError, match="^3 x 2$"):
        read_image(tmp_path / "a.png", check_size=refuse)


def test_grey_and_alpha_become_three_channels(tmp_path: Path) -> None:
    codecs.write_png(tmp_path / "grey.png", np.full((2, 3), 128, np.uint8))
    codecs.write_png(tmp_path / "rgba.png", np.full((2, 3, 4), 128, np.uint8))
    for name in ("grey.png", "rgba.png"):
        assert read_image(tmp_path / name).rgb.shape == (2, 3, 3)


@pytest.mark.parametrize("top", [1, 255])
def test_masks_of_0_1_and_0_255_are_the_same_mask(tmp_path: Path, top: int) -> None:
    stored = np.array([[0, top], [top, 0]], np.uint8)
    codecs.write_png(tmp_path / "mask.png", stored)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), stored > 0)


def test_a_mask_may_be_in_the_alpha_channel(tmp_path: Path) -> None:
    inside = np.array([[True, False, False], [True, True, False]])
    white = np.full((2, 3, 4), 255, np.uint8)
    white[..., 3] = np.where(inside, 255, 0)
    codecs.write_png(tmp_path / "mask.png", white)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), inside)
    opaque = np.dstack([np.where(inside[..., None], 255, 0).repeat(3, 2), np.full((2, 3), 255)]).astype(
        np.uint8
    )
    codecs.write_png(tmp_path / "mask.png", opaque)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), inside)


def test_an_empty_mask_stays_empty(tmp_path: Path) -> None:
    codecs.write_png(tmp_path / "mask.png", np.zeros((2, 2), np.uint8))
    assert not read_mask(tmp_path / "mask.png").any()


def test_exr_comes_back_bit_for_bit(tmp_path: Path) -> None:
    target = ball()
    codecs.write_exr_image(tmp_path / "n.exr", target.normal)
    assert np.array_equal(read_image(tmp_path / "n.exr").rgb, target.normal)


def encoded(name: str) -> bytes:
    from PIL import Image

    stream, mode = io.BytesIO(), "I;16" if name == "wide TIFF" else "RGB"
    Image.new(mode, (2_000_000, 1) if name == "wide TIFF" else (16, 16)).save(stream, name.rpartition(" ")[2])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("PNG", lambda data: data[:20]),
        ("AVIF", lambda data: data.replace(b"iloc", b"none")),
        ("TIFF", lambda data: data.replace(struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 999, 4, 1))),
        ("wide TIFF", lambda data: data),
        ("DDS", lambda data: data[:80] + bytes(4) + data[84:]),
        ("JPEG", lambda data: data[:3]),
        ("WEBP", lambda data: data[:30]),
        ("JPEG2000", lambda data: data[:90]),
    ],
)
def test_whatever_a_reader_of_damaged_bytes_raises_the_file_is_named(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(damage(encoded(name)))
    with pytest.raises(ImageFileError, match="photo: "):
        read_image(path)
    assert read_file_exif(path) == NO_EXIF


def test_our_own_bound_on_pixels_holds_and_not_that_of_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG"))
    assert read_image(tmp_path / "a.jpg").pixels.shape == (16, 16, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(decode, "MOST_PIXELS", 255)
    with pytest.raises(ImageFileError, match="is 16 x 16; up to 255 pixels are read"):
        read_image(tmp_path / "a.jpg")
