# SPDX-License-Identifier: Apache-2.0
"""Photographs of every kind are the same photograph: orientation, depth, layers, profiles, alpha, inks."""

import io
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.exr_layers import from_luminance_chroma
from multishade.imaging.profiles import from_chromaticities, parse_icc
from multishade.imaging.read import read_mask, read_photograph
from tests.support.exr_files import luminance_chroma_exr

COLOUR = cv2.resize(np.random.default_rng(3).integers(20, 230, (4, 6, 3), dtype=np.uint8), (18, 12))
LIGHT = (COLOUR / 255).astype(np.float32)


def exr(path: Path, channels: dict[str, np.ndarray]) -> Path:
    codecs.write_exr(path, {name: plane.astype(np.float32) for name, plane in channels.items()})
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "png16", "tif", "tif16", "tif32", "jpg", "webp", "avif"])
def test_orientation_applies_whichever_decoder_reads(tmp_path: Path, kind: str, orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    carrier = Image.fromarray(COLOUR)
    stream = io.BytesIO()
    carrier.save(stream, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(stream))) / 255
    path = tmp_path / f"a.{kind[:3] if kind != 'webp' and kind != 'avif' else kind}"
    if kind == "png16":
        data = codecs.encode_png(COLOUR.astype(np.uint16) * 257)
        chunk = b"eXIf" + exif.tobytes()[6:]
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:33] + chunk + data[33:])
    elif kind in ("tif16", "tif32"):
        import tifffile

        values = COLOUR.astype(np.uint16) * 257 if kind == "tif16" else LIGHT
        tifffile.imwrite(path, values, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    else:
        options = {
            "jpg": {"quality": 100, "subsampling": 0},
            "webp": {"lossless": True},
            "avif": {"quality": 100},
        }
        carrier.save(path, exif=exif, **options.get(kind, {}))
    found = read_photograph(path).colour
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < ({"jpg": 0.02, "avif": 0.05}.get(kind, 1e-6))


@pytest.mark.parametrize(
    "names",
    [
        ("R", "G", "B"),
        ("r", "g", "b"),
        ("red", "green", "blue"),
        ("ViewLayer.Combined.R", "ViewLayer.Combined.G", "ViewLayer.Combined.B"),
        ("beauty.r", "beauty.g", "beauty.b"),
        ("diffuse.R", "diffuse.G", "diffuse.B"),
    ],
)
def test_red_green_and_blue_by_their_last_part_in_any_case(tmp_path: Path, names: tuple[str, ...]) -> None:
    others = {
        "Depth.Z": LIGHT[..., 0],
        "Normal.X": -LIGHT[..., 0],
        "Normal.Y": LIGHT[..., 0],
        "Normal.Z": LIGHT[..., 1],
    }
    others |= {f"Crypto00.{name}": np.full(LIGHT.shape[:2], 9) for name in "rgba"} | {
        "A": np.ones(LIGHT.shape[:2])
    }
    path = exr(tmp_path / "a.exr", others | {name: LIGHT[..., k] for k, name in enumerate(names)})
    assert read_photograph(path).colour == pytest.approx(LIGHT)


def test_combined_comes_before_beauty_and_beauty_before_others(tmp_path: Path) -> None:
    planes = {
        f"{layer}.{name}": np.full((9, 9), k)
        for k, layer in enumerate(("aov", "x.Combined", "z.beauty"))
        for name in "RGB"
    }
    assert read_photograph(exr(tmp_path / "a.exr", planes)).colour[0, 0, 0] == 1
    for name in "RGB":
        del planes[f"x.Combined.{name}"]
    assert read_photograph(exr(tmp_path / "b.exr", planes)).colour[0, 0, 0] == 2


def test_luminance_is_grey_and_alpha_is_no_picture(tmp_path: Path) -> None:
    alpha = np.zeros(LIGHT.shape[:2])
    alpha[2:6] = 1
    found = read_photograph(exr(tmp_path / "a.exr", {"A": alpha, "Y": LIGHT[..., 0]}))
    assert found.colour == pytest.approx(np.repeat(LIGHT[..., :1], 3, axis=2))
    assert found.mask is not None and np.array_equal(found.mask, alpha > 0)


@pytest.mark.parametrize("channels", [("A",), ("Z",), ("X", "Y", "Z"), ("Depth.Z",), ("u", "v")])
def test_what_is_no_picture_is_refused_with_its_channels(tmp_path: Path, channels: tuple[str, ...]) -> None:
    path = exr(tmp_path / "a.exr", {name: LIGHT[..., 0] for name in channels})
    with pytest.raises(ImageFileError, match=f"a.exr: channels .*{channels[0]}"):
        read_photograph(path)


def test_luminance_and_chroma_of_half_the_size(tmp_path: Path) -> None:
    height, width = 8, 10
    rgb = np.stack(
        np.broadcast_arrays(0.5, np.linspace(0.2, 0.8, width), np.linspace(0.3, 0.4, height)[:, None]), axis=2
    )
    y = rgb @ [0.2126, 0.7152, 0.0722]
    ry, by = (rgb[..., 0] - y) / y, (rgb[..., 2] - y) / y
    (tmp_path / "a.exr").write_bytes(luminance_chroma_exr(y, ry[::2, ::2], by[::2, ::2]))
    found = read_photograph(tmp_path / "a.exr").colour
    assert found[::2, ::2] == pytest.approx(rgb[::2, ::2], abs=1e-3)
    assert found == pytest.approx(rgb, abs=0.05)
    assert from_luminance_chroma(y, ry, by) == pytest.approx(rgb, abs=1e-3)


def icc(primaries: list[list[float]], gamma: float) -> bytes:
    """A profile of primaries (columns: XYZ of red, green, blue at D50) and one gamma."""
    tags = {b"rXYZ": primaries[0], b"gXYZ": primaries[1], b"bXYZ": primaries[2]}
    blocks = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in xyz))
        for name, xyz in tags.items()
    }
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    blocks |= {name: curve for name in (b"rTRC", b"gTRC", b"bTRC")}
    body, table, place = b"", b"", 132 + 12 * len(blocks)
    for name, block in blocks.items():
        table += struct.pack(">4sII", name, place + len(body), len(block))
        body += block
    head = bytearray(128)
    head[16:24], head[12:16], head[36:40] = b"RGB XYZ ", b"mntr", b"acsp"
    head[8:10], head[68:80] = b"\2\x40", struct.pack(">3i", 63190, 65536, 54061)
    profile = bytes(head) + struct.pack(">I", len(blocks)) + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


ADOBE = icc(
    [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]], 2.19921875
)


@pytest.mark.parametrize("kind", ["png", "png16", "jpg", "tif", "tif16"])
def test_profiles_are_converted_to_srgb_at_every_depth(tmp_path: Path, kind: str) -> None:
    smooth = np.full((16, 16, 3), (120, 140, 100), np.uint8)
    inside = ImageCms.profileToProfile(
        Image.fromarray(smooth), ImageCms.ImageCmsProfile(io.BytesIO(ADOBE)), ImageCms.createProfile("sRGB")
    )
    expected = np.asarray(inside)[0, 0] / 255
    path = tmp_path / f"a.{kind[:3]}"
    if kind == "png16":
        data = codecs.encode_png(smooth.astype(np.uint16) * 257)
        chunk = b"iCCPAdobe\0\0" + zlib.compress(ADOBE)
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:33] + chunk + data[33:])
    elif kind == "tif16":
        import tifffile

        tifffile.imwrite(path, smooth.astype(np.uint16) * 257, photometric="rgb", iccprofile=ADOBE)
    else:
        Image.fromarray(smooth).save(path, icc_profile=ADOBE)
    found = read_photograph(path)
    assert found.coding == "srgb"
    assert found.colour[0, 0] == pytest.approx(expected, abs=0.01)
    assert np.abs(found.colour[0, 0] - smooth[0, 0] / 255).max() > 0.02  # it is a conversion


def test_srgbs_own_profile_changes_no_value(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(COLOUR).save(tmp_path / "a.png", icc_profile=profile)
    found = read_photograph(tmp_path / "a.png")
    assert (
        np.array_equal(found.colour, COLOUR.astype(np.float32) / np.float32(255)) and found.coding == "srgb"
    )
    assert found.linear(srgb=False)[0, 0, 0] < found.colour[0, 0, 0]


def test_a_linear_profile_and_a_damaged_one() -> None:
    linear = parse_icc(
        icc([[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7142]], 1.0)
    )
    assert linear is not None and not linear.is_srgb
    assert linear.to_linear(np.array([[0.5, 0.25, 0.1]])) == pytest.approx(
        np.array([[0.5, 0.25, 0.1]]), abs=1e-3
    )
    for size in (0, 10, 128, 140, 200):
        assert parse_icc(ADOBE[:size]) is None


def test_primaries_of_an_exr_are_converted() -> None:
    p3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
    matrix = from_chromaticities(p3)
    assert matrix is not None
    assert matrix @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-6)  # white stays white
    assert matrix[0, 0] == pytest.approx(1.2249, abs=1e-3)  # published: P3 red in Rec.709
    assert from_chromaticities((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)) is None


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_inks_become_colours(tmp_path: Path, suffix: str) -> None:
    smooth = Image.new("RGB", (16, 16), (200, 100, 50))
    smooth.convert("CMYK").save(tmp_path / f"a.{suffix}")
    assert read_photograph(tmp_path / f"a.{suffix}").colour[8, 8] == pytest.approx(
        [0.784, 0.392, 0.196], abs=0.02
    )


def test_palettes_grey_and_floats(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).quantize(200).save(tmp_path / "a.png")
    assert np.abs(read_photograph(tmp_path / "a.png").colour - LIGHT).mean() < 0.05
    Image.fromarray(COLOUR[..., 0]).save(tmp_path / "b.tif")
    assert read_photograph(tmp_path / "b.tif").colour == pytest.approx(
        np.repeat(LIGHT[..., :1], 3, axis=2), abs=1e-6
    )
    import tifffile

    tifffile.imwrite(tmp_path / "c.tif", LIGHT * 3, photometric="rgb")
    found = read_photograph(tmp_path / "c.tif")
    assert found.coding == "linear" and found.colour == pytest.approx(LIGHT * 3) and found.clipped is None


def test_several_pages_are_refused_and_thumbnails_are_not(tmp_path: Path) -> None:
    pages = [Image.fromarray(COLOUR), Image.fromarray(COLOUR)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageFileError, match="2 pages"):
        read_photograph(tmp_path / "a.tif")
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=[pages[1].resize((4, 3))])
    assert read_photograph(tmp_path / "b.tif").colour.shape == (12, 18, 3)


@pytest.mark.parametrize("package", ["pillow_heif", "rawpy"])
def test_formats_whose_decoder_is_not_installed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    kind = {"pillow_heif": b"ftypheic", "rawpy": b"ftypcrx "}[package]
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18" + kind + bytes(100))
    with pytest.raises(ImageFileError, match=rf"a\.jpg: .*{package} is not installed: pip install .*photos"):
        read_photograph(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "I;16"])
def test_one_mask_in_every_mode(tmp_path: Path, mode: str) -> None:
    inside = np.zeros((10, 14), bool)
    inside[2:7, 3:11] = True
    if mode == "P":
        image = Image.fromarray(inside.astype(np.uint8), mode="P")
        image.putpalette([0, 0, 0, 90, 0, 0])
    elif mode == "LA":
        image = Image.new("L", (14, 10), 255)
        image.putalpha(Image.fromarray(inside.astype(np.uint8) * 255))
    elif mode == "I;16":
        codecs.write_png(tmp_path / "m.png", inside.astype(np.uint16))
        image = None
    else:
        image = Image.fromarray(inside.astype(np.uint8) * 255).convert(mode)
    if image is not None:
        image.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), inside)
