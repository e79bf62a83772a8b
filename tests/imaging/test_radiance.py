# SPDX-License-Identifier: Apache-2.0
"""Radiance HDR files come out upright whichever way their lines run; what is refused says why."""

from pathlib import Path

import numpy as np
import pytest

from multishade.errors import ImageFileError
from multishade.imaging.radiance import decode_hdr, is_upright
from tests.support.case_maps import write_hdr

HEIGHT, WIDTH = 4, 10


def picture() -> np.ndarray:
    """(H, W, 3), each value different, exact in shared-exponent code."""
    ramp = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    return np.stack([ramp + 128, ramp + 170, 255 - ramp], axis=-1)


def hdr(first: str, second: str, header: str = "FORMAT=32-bit_rle_rgbe\n") -> bytes:
    """The picture as a file that lists it along `first`, each line along `second`, such as "+Y" and "-X"."""
    pixels = picture()
    if "+Y" in (first, second):
        pixels = pixels[::-1]
    if "-X" in (first, second):
        pixels = pixels[:, ::-1]
    if first.endswith("X"):
        pixels = pixels.swapaxes(0, 1)
    rgbe = np.full((*pixels.shape[:2], 4), 128 + 8, np.uint8)
    rgbe[..., :3] = pixels
    size = f"{first} {pixels.shape[0]} {second} {pixels.shape[1]}\n"
    return f"#?RADIANCE\n{header}\n{size}".encode() + rgbe.tobytes()


@pytest.mark.parametrize("vertical", ["-Y", "+Y"])
@pytest.mark.parametrize("horizontal", ["+X", "-X"])
@pytest.mark.parametrize("columns_first", [False, True])
def test_every_order_gives_the_same_picture(vertical: str, horizontal: str, columns_first: bool) -> None:
    order = (horizontal, vertical) if columns_first else (vertical, horizontal)
    data = hdr(*order)
    np.testing.assert_array_equal(decode_hdr(data, "x.hdr"), picture())
    assert is_upright(data) == (order == ("-Y", "+X"))


def test_run_length_coded_lines_are_turned_too(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "x.hdr"
    image = np.random.default_rng(0).random((12, 24, 3), dtype=np.float32)
    cv2.imwrite(str(path), image)
    data = path.read_bytes()
    usual = decode_hdr(data, "x.hdr")
    np.testing.assert_allclose(usual, image[..., ::-1], atol=0.01)
    turned = data.replace(b"-Y 12 +X 24", b"+Y 12 +X 24")
    np.testing.assert_array_equal(decode_hdr(turned, "x.hdr"), usual[::-1])


def test_the_case_of_the_report_is_read(tmp_path: Path) -> None:
    usual = decode_hdr(write_hdr(tmp_path / "a.hdr").read_bytes(), "a.hdr")
    turned = decode_hdr(write_hdr(tmp_path / "b.hdr", "+Y {height} +X {width}").read_bytes(), "b.hdr")
    np.testing.assert_array_equal(turned, usual[::-1])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hdr("-Y", "+X")[:60], "is cut short or damaged"),
        (hdr("+Y", "+X")[:60], "is cut short or damaged"),
        (hdr("-Y", "+X", "FORMAT=32-bit_rle_xyze\n"), "is in CIE XYZ"),
        (hdr("-Y", "+Y"), "has no line with its size"),
        (b"#?RADIANCE\n\n", "has no line with its size"),
        (b"RIFF", "is not a Radiance HDR file"),
    ],
)
def test_what_is_refused_states_the_true_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageFileError, match=rf"x\.hdr: {reason}|x\.hdr: cannot be decoded: it {reason}"):
        decode_hdr(data, "x.hdr")
