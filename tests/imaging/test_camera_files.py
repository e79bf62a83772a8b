# SPDX-License-Identifier: Apache-2.0
"""What cameras and telephones write: HEIC, raw files, focal lengths and exposures in EXIF."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from multishade.errors import ImageFileError
from multishade.imaging.read import read_photograph

RAMP = np.stack(
    np.meshgrid(np.linspace(20, 230, 48), np.linspace(30, 200, 32)) + [np.full((32, 48), 90.0)], axis=2
).astype(np.uint8)


def exif_of(**tags: object) -> bytes:
    """EXIF with tags of the photograph, by Pillow's names."""
    from PIL.ExifTags import Base

    exif = Image.Exif()
    photo = exif.get_ifd(0x8769)
    for name, value in tags.items():
        (exif if name == "Orientation" else photo)[Base[name].value] = value
    return exif.tobytes()


def write_dng(path: Path, mosaic: np.ndarray, orientation: int = 1) -> None:
    """A raw file of the least that the DNG specification asks for: a mosaic RGGB of 16 bits, white at 4000."""
    height, width = mosaic.shape
    matrix = [
        (int(v * 10000), 10000)
        for v in (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.204, 1.057)
    ]
    extra = [
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "MultiShade test", True),
        (50714, "H", 1, 0, True),
        (50717, "I", 1, 4000, True),
        (50721, "2i", 9, tuple(n for pair in matrix for n in pair), True),
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
        (50778, "H", 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=extra, metadata=None)


class TestHeic:
    heif = pytest.importorskip("pillow_heif")

    def test_a_photo_of_a_telephone_is_read(self, tmp_path: Path) -> None:
        self.heif.from_pillow(Image.fromarray(RAMP)).save(tmp_path / "a.heic", quality=95)
        found = read_photograph(tmp_path / "a.heic")
        assert found.coding == "unstated" and found.colour.shape == (32, 48, 3)
        assert np.abs(found.colour - RAMP / 255).mean() < 0.02

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_it_is_turned_once(self, tmp_path: Path, orientation: int) -> None:
        from PIL import ImageOps

        exif = exif_of(Orientation=orientation)
        stream = io.BytesIO()
        Image.fromarray(RAMP).save(stream, "PNG", exif=exif)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(stream))) / 255
        self.heif.register_heif_opener()
        Image.fromarray(RAMP).save(tmp_path / "a.heic", quality=95, exif=exif)
        found = read_photograph(tmp_path / "a.heic").colour
        assert found.shape == expected.shape and np.abs(found - expected).mean() < 0.02

    def test_ten_bits_stay_ten(self, tmp_path: Path) -> None:
        deep = (RAMP.astype(np.uint16) * 257) & 0xFFC0
        image = self.heif.from_bytes("RGB;16", (48, 32), deep.tobytes())
        image.save(tmp_path / "a.heic", quality=-1, chroma=444, matrix_coefficients=0)
        found = read_photograph(tmp_path / "a.heic").colour
        assert np.abs(found - deep / 65535).max() < 0.002

    def test_one_cut_short_is_named(self, tmp_path: Path) -> None:
        self.heif.from_pillow(Image.fromarray(RAMP)).save(tmp_path / "a.heic")
        data = (tmp_path / "a.heic").read_bytes()
        (tmp_path / "a.heic").write_bytes(data[: len(data) // 2])
        with pytest.raises(ImageFileError, match=r"a\.heic: cannot be read"):
            read_photograph(tmp_path / "a.heic")


class TestRaw:
    @pytest.fixture(autouse=True)
    def _needs_rawpy(self) -> None:
        pytest.importorskip("rawpy")

    def test_a_raw_file_is_linear_light(self, tmp_path: Path) -> None:
        mosaic = np.full((64, 96), 1000, np.uint16)
        mosaic[:, 48:] = 2000
        write_dng(tmp_path / "a.dng", mosaic)
        found = read_photograph(tmp_path / "a.dng")
        assert found.coding == "linear"
        left, right = found.colour[:, 8:40].mean(axis=(0, 1)), found.colour[:, 56:88].mean(axis=(0, 1))
        assert right / left == pytest.approx([2, 2, 2], rel=0.01)
        assert left[1] == pytest.approx(0.25, rel=0.05)

    @pytest.mark.parametrize("brightest", [1000, 3100, 3900, 4000])
    def test_its_scale_does_not_depend_on_what_else_is_in_the_photo(
        self, tmp_path: Path, brightest: int
    ) -> None:
        mosaic = np.full((64, 96), 1000, np.uint16)
        mosaic[:, 48:] = brightest
        write_dng(tmp_path / "a.dng", mosaic)
        found = read_photograph(tmp_path / "a.dng")
        assert found.colour[:, 8:40] == pytest.approx(0.25, abs=1e-3)
        assert found.clipped is not None
        assert found.clipped[:, 56:].all() == found.clipped.any() == (brightest == 4000)

    @pytest.mark.parametrize("colour", [((0, 0),), ((0, 1), (1, 0)), ((1, 1),)])
    def test_where_one_colour_of_the_sensor_is_at_its_limit_no_channel_measures(
        self, tmp_path: Path, colour: tuple[tuple[int, int], ...]
    ) -> None:
        mosaic = np.full((64, 96), 1000, np.uint16)
        for row, column in colour:
            mosaic[row:32:2, 48 + column :: 2] = 4000
        write_dng(tmp_path / "a.dng", mosaic, orientation=6)
        clipped = read_photograph(tmp_path / "a.dng").clipped
        assert clipped is not None and clipped.shape == (96, 64, 3)
        assert clipped[50:, 34:].all()  # the upper right part, turned a quarter clockwise
        assert not clipped[:46].any() and not clipped[:, :30].any()

    def test_its_orientation_is_applied(self, tmp_path: Path) -> None:
        mosaic = np.full((64, 96), 500, np.uint16)
        mosaic[:, 48:] = 3000
        write_dng(tmp_path / "a.dng", mosaic, orientation=6)  # to be turned a quarter clockwise
        found = read_photograph(tmp_path / "a.dng").colour[..., 1]
        assert found.shape == (96, 64)
        assert found[56:].mean() > 4 * found[:40].mean()

    def test_one_that_is_damaged_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.nef").write_bytes(b"MM\0*" + bytes(300))
        with pytest.raises(ImageFileError, match=r"a\.nef: cannot be read as a raw file"):
            read_photograph(tmp_path / "a.nef")


class TestExif:
    @pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
    def test_focal_length_and_exposure_are_read(self, tmp_path: Path, kind: str) -> None:
        exif = exif_of(FocalLengthIn35mmFilm=50, ExposureTime=0.01, FNumber=2.0, ISOSpeedRatings=200)
        Image.fromarray(RAMP).save(tmp_path / f"a.{kind}", exif=exif)
        found = read_photograph(tmp_path / f"a.{kind}").exif
        assert found.focal_35mm == 50 and found.relative_exposure == pytest.approx(0.01 * 2 / 4)

    def test_a_focal_length_at_full_frame_is_by_the_diagonal(self, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((24, 36, 3), np.uint8)).save(
            tmp_path / "a.png", exif=exif_of(FocalLengthIn35mmFilm=50)
        )
        found = read_photograph(tmp_path / "a.png").exif.focal_pixels(36, 24)
        assert found is not None and found[0] == pytest.approx(50)  # a pixel is a millimetre

    def test_a_focal_length_on_a_known_sensor(self, tmp_path: Path) -> None:
        exif = exif_of(
            FocalLength=IFDRational(4, 1),
            FocalPlaneXResolution=IFDRational(500, 1),
            FocalPlaneResolutionUnit=4,
            ExifImageWidth=4000,
            ExifImageHeight=3000,
        )
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
        found = read_photograph(tmp_path / "a.jpg").exif.focal_pixels(40, 30)
        assert found is not None and found[0] == pytest.approx(
            4 * 500 / 100
        )  # the photo was shrunk to a hundredth

    def test_a_cropped_photo_has_no_known_focal_length(self, tmp_path: Path) -> None:
        exif = exif_of(FocalLengthIn35mmFilm=50, ExifImageWidth=4000, ExifImageHeight=3000)
        Image.fromarray(RAMP).save(tmp_path / "a.jpg", exif=exif)
        found = read_photograph(tmp_path / "a.jpg").exif
        assert found.focal_pixels(48, 48) is None and found.focal_pixels(40, 30) is not None
        assert found.focal_pixels(30, 40) is not None  # upright after a quarter turn

    def test_zeros_and_damage_are_no_knowledge(self, tmp_path: Path) -> None:
        exif = exif_of(FocalLengthIn35mmFilm=0, ExposureTime=IFDRational(0, 0))
        Image.fromarray(RAMP).save(tmp_path / "a.jpg", exif=exif)
        found = read_photograph(tmp_path / "a.jpg").exif
        assert found.focal_35mm is None and found.exposure_seconds is None
        Image.fromarray(RAMP).save(tmp_path / "b.jpg", exif=exif_of(Orientation=6)[:-6])
        assert read_photograph(tmp_path / "b.jpg").colour.shape[2] == 3
