# SPDX-License-Identifier: Apache-2.0
"""One photo as people may have it, turned, in other inks, depths and codings, gives one result up to the coding."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import codecs
from multishade.inference.predict import infer
from multishade.models.rose import RoSE
from tests.support.rose_samples import tiny_model
from tests.support.spheres import sphere_normals

SHAPE = (48, 64)


def picture() -> np.ndarray:
    """(H, W, 3) uint8: a shaded ball of few colours, so that a palette holds it."""
    normal, mask = sphere_normals(*SHAPE, 20.0)
    shading = np.maximum(normal @ np.array([0.4, 0.5, 0.77]), 0)
    pixels = np.where(mask[..., None], (0.15 + 0.8 * shading[..., None]) * [0.9, 0.6, 0.4], 0)
    return (np.rint(pixels * 24) / 24 * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> RoSE:
    return tiny_model()


def saved(folder: Path, kind: str) -> Path:
    pixels = picture()
    image = Image.fromarray(pixels)
    if kind == "16-bit":
        codecs.write_png(folder / "a.png", pixels.astype(np.uint16) * 257)
    elif kind == "palette":
        image.quantize(256, dither=Image.Dither.NONE).save(folder / "a.png")
    elif kind == "CMYK":
        image.convert("CMYK").save(folder / "a.tif")
    elif kind == "CMYK JPEG":
        image.convert("CMYK").save(folder / "a.jpg", quality=100, subsampling=0)
    else:
        image.save(folder / f"a.{kind}", **({"lossless": True} if kind == "webp" else {}))
    return next(folder.glob("a.*"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_turned_by_exif_is_the_upright_photo(tmp_path: Path, model: RoSE, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(picture())
    # Stored so that its orientation brings it upright.
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = turns[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    stored.save(tmp_path / "a.png", exif=exif)
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as check:
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(check)), picture())
    found = infer(tmp_path / "a.png", model, solver="ols")
    expected = infer(picture().astype(np.float32) / 255, model, solver="ols")
    assert found.normal == pytest.approx(expected.normal, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "degrees"),
    [
        *((kind, 0.01) for kind in ("png", "16-bit", "palette", "webp", "tif", "bmp")),
        ("CMYK", 2.0),
        ("CMYK JPEG", 4.0),
    ],
)
def test_other_codings_of_a_photo_give_one_result(
    tmp_path: Path, model: RoSE, kind: str, degrees: float
) -> None:
    found = infer(saved(tmp_path, kind), model, solver="ols")
    expected = infer(picture().astype(np.float32) / 255, model, solver="ols")
    error = angular_error_degrees(found.normal, expected.normal)[found.mask & expected.mask]
    assert np.nanmean(error) < degrees
