# SPDX-License-Identifier: Apache-2.0
"""Folders of photographs as strangers have them: right, or refused with the reason; never a silent wrong result."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from scipy.io import savemat

from multishade.cli import main
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import codecs
from multishade.imaging.color import linear_to_png
from multishade.imaging.normal_maps import read_normal_map
from tests.support.synthetic_benchmarks import ball

TARGET = ball(12)
COUNT = len(TARGET.directions)
LINEAR = TARGET.images / TARGET.intensities[:, None, None, :]
NAMES = [f"{index:02d}.png" for index in range(COUNT)]


def photographs(
    folder: Path, names: list[str] = NAMES, mask: str | None = "mask.png", lights: bool = True
) -> Path:
    """The ball as 16-bit PNG."""
    folder.mkdir(exist_ok=True)
    for name, image in zip(names, LINEAR, strict=True):
        codecs.write_png(folder / name, np.rint(image / LINEAR.max() * 60000).astype(np.uint16))
    if lights:
        write_lights(folder)
    if mask is not None:
        codecs.write_png(folder / mask, np.where(TARGET.mask, 255, 0).astype(np.uint8))
    return folder


def write_lights(folder: Path, directions: np.ndarray = TARGET.directions) -> None:
    np.savetxt(folder / "light_directions.txt", directions, fmt="%.6f")


def solve(folder: Path, *flags: str) -> int:
    out = folder.parent / "out"
    return main(
        [
            "solve",
            str(folder),
            "-o",
            str(out),
            "--integrate",
            "none",
            "--video",
            "none",
            "--method",
            "relu",
            *flags,
        ]
    )


def error(folder: Path) -> float:
    found = read_normal_map(folder.parent / "out" / "normal.exr")
    given = TARGET.mask & (found != 0).any(axis=2)
    assert given.sum() > 0.98 * TARGET.mask.sum()
    return float(angular_error_degrees(found, TARGET.normal)[given].mean())


def record(folder: Path) -> dict[str, object]:
    return json.loads((folder.parent / "out" / "record.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("pattern", ["{}.png", "photo{}.png", "IMG_{} (left).png", "n-{}.png"])
def test_numbers_without_zeros_are_in_natural_order(
    tmp_path: Path, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a", [pattern.format(k + 1) for k in range(COUNT)])
    assert solve(folder) == 0 and error(folder) < 0.05
    assert "natural order" in capsys.readouterr().out


def test_capitals_do_not_change_the_order(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "a", [f"{'IMG' if k % 2 else 'img'}{k + 1}.png" for k in range(COUNT)])
    assert solve(folder) == 0 and error(folder) < 0.05


def test_a_list_of_photographs_may_have_the_folders_of_another_machine(tmp_path: Path) -> None:
    names = [f"z{(7 * k) % COUNT}.png" for k in range(COUNT)]
    folder = photographs(tmp_path / "a", names)
    assert len(set(names)) == COUNT
    (folder / "filenames.txt").write_bytes("".join(f".\\photos\\{name}\r\n" for name in names).encode())
    assert solve(folder) == 0 and error(folder) < 0.05


def test_photographs_that_do_not_fit_their_lights_are_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a")
    write_lights(folder, TARGET.directions[np.random.default_rng(1).permutation(COUNT)])
    assert solve(folder) == 0
    assert "check which photograph belongs to which light" in capsys.readouterr().out


def test_one_order_needs_no_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(photographs(tmp_path / "a")) == 0
    assert "natural order" not in capsys.readouterr().out


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "16.tif"])
def test_photographs_stored_sideways_are_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    folder = photographs(tmp_path / "a")
    undo = {3: 3, 5: 5, 6: 8, 8: 6}[orientation]
    turn = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270}
    turn[8] = Image.Transpose.ROTATE_90
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, image in zip(NAMES, LINEAR, strict=True):
        (folder / name).unlink()
        path = folder / f"{name[:2]}.{suffix.rpartition('.')[2]}"
        if suffix == "16.tif":
            import tifffile

            planes = (np.clip(image / LINEAR.max(), 0, 0.95) * 65535).astype(np.uint16)
            sideways = np.stack(
                [
                    np.asarray(Image.fromarray(planes[..., k].astype(np.int32)).transpose(turn[undo]))
                    for k in range(3)
                ],
                axis=2,
            )
            tifffile.imwrite(
                path,
                sideways.astype(np.uint16),
                photometric="rgb",
                extratags=[(274, 3, 1, orientation, True)],
            )
            continue
        stored = Image.fromarray((image / LINEAR.max() * 240).astype(np.uint8)).transpose(turn[undo])
        options = {"lossless": True} if suffix == "webp" else {"quality": 100, "subsampling": 0}
        stored.save(path, exif=exif, **(options if suffix in ("webp", "jpg") else {}))
    assert solve(folder) == 0
    assert error(folder) < 3  # 8 bits, and JPEG


@pytest.mark.parametrize("name", ["mask.png", "Mask.PNG", "MASK.tif", "mask.bmp"])
@pytest.mark.parametrize("top", [1, 255])
def test_a_mask_of_any_suffix_case_and_range(tmp_path: Path, name: str, top: int) -> None:
    folder = photographs(tmp_path / "a", mask=None)
    Image.fromarray(np.where(TARGET.mask, top, 0).astype(np.uint8)).save(folder / name)
    assert solve(folder) == 0 and error(folder) < 0.05
    assert record(folder)["pixels"] == TARGET.mask.sum()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_mask_in_the_alpha(tmp_path: Path, mode: str) -> None:
    folder = photographs(tmp_path / "a", mask=None)
    alpha = Image.fromarray(np.where(TARGET.mask, 255, 0).astype(np.uint8))
    white = Image.new("RGB" if mode != "LA" else "L", alpha.size, 255 if mode == "LA" else (255, 255, 255))
    white.putalpha(alpha)
    if mode == "P":
        white = Image.fromarray(TARGET.mask.astype(np.uint8), mode="P")
        white.putpalette([255, 255, 255, 255, 255, 255])
        white.save(folder / "mask.png", transparency=bytes([0, 255]))
    else:
        white.save(folder / "mask.png")
    assert solve(folder) == 0
    assert record(folder)["pixels"] == TARGET.mask.sum()


@pytest.mark.parametrize("name", ["object_mask.png", "mask2.png", "ball-silhouette.tif"])
@pytest.mark.parametrize("listed", [False, True])
def test_a_mask_that_would_not_be_used_is_an_error(
    tmp_path: Path, name: str, listed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a", mask=None)
    Image.fromarray(np.where(TARGET.mask, 255, 0).astype(np.uint8)).save(folder / name)
    if listed:
        (folder / "filenames.txt").write_text("\n".join(NAMES))
    assert solve(folder) == 2
    message = capsys.readouterr().err
    assert name in message and "--mask" in message
    assert solve(folder, "--mask", str(folder / name)) == 0 and error(folder) < 0.05


@pytest.mark.parametrize("stem", ["masked", "normal_light", "depth-of-field", "shading"])
def test_names_that_begin_like_others_are_photographs(tmp_path: Path, stem: str) -> None:
    folder = photographs(tmp_path / "a", [f"{stem}_{k:02d}.png" for k in range(COUNT)])
    assert solve(folder) == 0 and error(folder) < 0.05


def test_the_message_lists_what_was_left_out_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a")
    (folder / "03.png").rename(folder / "albedo.png")
    (folder / "04.png").rename(folder / "04.jxl")
    assert solve(folder) == 2
    message = capsys.readouterr().err
    assert f"{COUNT} light directions for {COUNT - 2} images" in message
    assert "albedo.png (by its name no photograph)" in message and "mask.png (the mask)" in message
    assert "04.jxl (.jxl is not read; convert it to PNG, JPEG or TIFF)" in message and "00.png" in message


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "a")
    for name in [*NAMES, "mask.png", "light_directions.txt"]:
        (folder / f"._{name}").write_bytes(b"\0\5\26\7" + bytes(80))
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "filenames.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(NAMES).encode())
    assert solve(folder) == 0 and error(folder) < 0.05


@pytest.mark.parametrize("signs", [(1, 1, -1), (-1, -1, -1), (1, -1, -1)])
def test_lights_behind_the_image_plane_are_refused(
    tmp_path: Path, signs: tuple[int, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a")
    write_lights(folder, TARGET.directions * signs)
    for flags in ([], ["--method", "ols"]):
        assert solve(folder, *flags) == 2
        assert "x right, y up and z toward the camera" in capsys.readouterr().err
    assert main(["evaluate", "relu", "--on", f"folder:{folder}", "-o", str(tmp_path / "e")]) == 2


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda d: d * [1, -1, 1], "y points down"),
        (lambda d: d * [-1, 1, 1], "y points down"),
        (lambda d: d[:, [1, 0, 2]], "x and y are exchanged"),
        (lambda d: d[:, [1, 0, 2]] * [1, -1, 1], "turned by a quarter"),
    ],
)
def test_axes_of_another_frame_are_noted_by_the_curl(
    tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a")
    assert solve(folder) == 0 and "fit no surface" not in capsys.readouterr().out
    write_lights(folder, change(TARGET.directions))
    assert solve(folder) == 0
    printed = capsys.readouterr().out
    assert "fit no surface" in printed and note in printed
    assert any("fit no surface" in each for each in record(folder)["notes"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["8 bit", "12 of 16 bit", "14 of 16 bit, shifted", "float", "jpg"])
def test_clipped_values_are_left_out_and_counted(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a")
    top = {"8 bit": 255, "12 of 16 bit": 4095, "14 of 16 bit, shifted": 65532, "float": 1.0, "jpg": 255}[kind]
    clipped = 0
    for name, image in zip(NAMES, LINEAR, strict=True):
        stored = np.minimum(image / np.quantile(LINEAR[:, TARGET.mask].max(axis=2), 0.75), 1)
        clipped += int((stored[TARGET.mask] >= 1).sum())
        (folder / name).unlink()
        if kind == "float":
            codecs.write_exr(
                folder / name.replace("png", "exr"), codecs.split_channels(stored.astype(np.float32), "RGB")
            )
        elif kind == "jpg":
            Image.fromarray(np.rint(stored * 255).astype(np.uint8)).save(
                folder / name.replace("png", "jpg"), quality=98, subsampling=0
            )
        else:
            codecs.write_png(
                folder / name, np.rint(stored * top).astype(np.uint8 if top == 255 else np.uint16)
            )
    assert solve(folder) == 0
    assert error(folder) < (1.5 if kind in ("8 bit", "jpg") else 0.1)
    share = record(folder)["measures"]["clipped"]  # type: ignore[index]
    assert share == pytest.approx(clipped / TARGET.mask.sum() / COUNT / 3, abs=0.02) and share > 0.05
    assert "% of the values clipped" in capsys.readouterr().out


def as_lp(folder: Path, names: list[str]) -> None:
    rows = [
        f"{name} {x:.6f} {y:.6f} {z:.6f}" for name, (x, y, z) in zip(names, TARGET.directions, strict=True)
    ]
    (folder / "lights.lp").write_text("\n".join([str(COUNT), *reversed(rows)]))


def as_windows_lp(folder: Path, names: list[str]) -> None:
    as_lp(folder, [f"C:\\dome 2\\{name.upper()}" for name in names])
    (folder / "lights.lp").rename(folder / "dome.lp")


def as_table(folder: Path, names: list[str]) -> None:
    rows = [
        f'"{name}",{x:.6f},{y:.6f},{z:.6f},1'
        for name, (x, y, z) in zip(names, TARGET.directions, strict=True)
    ]
    (folder / "lights.csv").write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(["Image,X,Y,Z,Intensity", *rows[::-1]]).encode()
    )


def as_numbered(folder: Path, names: list[str]) -> None:
    rows = [f"{k} {x:.6f} {y:.6f} {z:.6f}" for k, (x, y, z) in enumerate(TARGET.directions)]
    (folder / "lights.txt").write_text("\n".join(reversed(rows)))


def as_counted(folder: Path, names: list[str]) -> None:
    np.savetxt(folder / "lights.txt", TARGET.directions, fmt="%.6f", header=str(COUNT), comments="")


def as_german_table(folder: Path, names: list[str]) -> None:
    rows = [
        ";".join([name, *(f"{value:.6f}".replace(".", ",") for value in light)])
        for name, light in zip(names, TARGET.directions, strict=True)
    ]
    (folder / "lights.csv").write_bytes("\r\n".join(["Name;X;Y;Z", *rows[::-1]]).encode())


def as_decimal_commas(folder: Path, names: list[str]) -> None:
    rows = [" ".join(f"{value:.6f}".replace(".", ",") for value in light) for light in TARGET.directions]
    (folder / "light_directions.txt").write_text("\n".join(rows))


def as_columns(folder: Path, names: list[str]) -> None:
    np.savetxt(folder / "light_directions.txt", TARGET.directions.T, fmt="%.6f", delimiter=", ")


def as_npy(folder: Path, names: list[str]) -> None:
    np.save(folder / "light_directions.npy", TARGET.directions.T)


def as_mat(folder: Path, names: list[str]) -> None:
    savemat(folder / "lights.mat", {"S": TARGET.directions, "other": np.zeros(4)})


@pytest.mark.parametrize(
    "write",
    [
        *(as_lp, as_windows_lp, as_table, as_numbered, as_counted, as_columns, as_npy, as_mat),
        *(as_german_table, as_decimal_commas),
    ],
)
def test_files_of_lights(tmp_path: Path, write: Callable[[Path, list[str]], None]) -> None:
    folder = photographs(tmp_path / "a", lights=False)
    write(folder, NAMES)
    assert solve(folder) == 0 and error(folder) < 0.05


def test_names_that_do_not_pair_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photographs(tmp_path / "a", lights=False)
    as_lp(folder, ["gone.png", *NAMES[1:]])
    assert solve(folder) == 2
    assert "names gone.png, which is not among the photographs" in capsys.readouterr().err
    as_lp(folder, ["01.png", *NAMES[1:]])
    assert solve(folder) == 2
    assert "names 01.png twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,azimuth,elevation\na,1,2\n", "x = cos e cos a"),
        ("11\n0 0 1\n", "says 11 lights, 1 follow"),
        ("0 0 1 0 1\n0 0 1 0 1\n", "numpy.savetxt"),
        ("3 4 12\n", "divided by its length"),
        ("0 0 1\nb 0 0 1\n", "begin with a name; all or none"),
    ],
)
def test_a_file_of_lights_that_does_not_fit_is_told_how(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "a")
    (folder / "light_directions.txt").write_text(text)
    assert solve(folder) == 2
    assert message in capsys.readouterr().err


def test_an_array_that_does_not_fit_is_told_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photographs(tmp_path / "a", lights=False)
    np.save(folder / "lights.npy", np.zeros((4, 4)))
    assert solve(folder) == 2
    assert "shape (4, 4); expected a light a line, x y z, or 3 x K" in capsys.readouterr().err
    (folder / "lights.npy").unlink()
    (folder / "lights.mat").write_bytes(b"no mat")
    assert solve(folder) == 2
    assert "not a readable .mat file" in capsys.readouterr().err


def test_a_profile_states_the_coding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photographs(tmp_path / "a")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, image in zip(NAMES, LINEAR, strict=True):
        (folder / name).unlink()
        Image.fromarray(linear_to_png(image / LINEAR.max() * 0.95, 8)).save(
            folder / name, icc_profile=profile
        )
    assert solve(folder) == 0 and error(folder) < 1
    assert "are made linear by it" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(6, 1500), (1500, 6)])
def test_thin_photographs_give_bounded_pictures(tmp_path: Path, shape: tuple[int, int]) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for index, direction in enumerate(TARGET.directions):
        codecs.write_png(folder / f"{index}.png", np.full((*shape, 3), int(60000 * direction[2]), np.uint16))
    write_lights(folder)
    out = tmp_path / "out"
    assert main(["solve", str(folder), "-o", str(out), "--video", "none"]) == 0
    overview = cv2.imread(str(out / "overview.png"))
    assert max(overview.shape) < 8000
    codecs.write_png(folder / "normal.png", np.tile(np.array([32768, 32768, 65535], np.uint16), (*shape, 1)))
    assert main(["evaluate", "relu", "--on", f"folder:{folder}", "-o", str(tmp_path / "e")]) == 0
    assert max(cv2.imread(str(next((tmp_path / "e" / "maps").glob("*.png")))).shape) < 8000


def test_the_record_has_the_measures(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "a")
    assert solve(folder) == 0
    found = record(folder)
    assert found["images"] == NAMES and found["determined"] == 1.0
    assert set(found["measures"]) == {  # type: ignore[call-overload]
        *("facing_away", "mean_confidence", "curl", "clipped", "lights_condition", "lights_gap")
    }
    assert found["measures"]["curl"] < 0.1 and found["measures"]["facing_away"] == 0  # type: ignore[index]


def test_the_cases_of_strangers(shared_dir: Path, tmp_path: Path) -> None:
    cases = shared_dir / "cases"
    if not cases.is_dir():
        pytest.skip("no cases")
    folders = [path for path in sorted(cases.glob("A[1-9]_ps*")) if path.name != "A6_ps_zneg"]
    assert len(folders) >= 7
    for source in folders:
        folder = shutil.copytree(source, tmp_path / source.name)
        assert solve(folder) == 0, source.name
        found = read_normal_map(tmp_path / "out" / "normal.exr")
        given = (found != 0).any(axis=2)
        rows, columns = np.nonzero(given)
        # A9 has no mask, and A7 loses what is clipped: the ball is in the middle of the frame.
        radius = 64 * 0.45 if source.name.startswith(("A7", "A9")) else np.ptp(columns) / 2 + 0.5
        x, y = (columns + 0.5 - 32) / radius, (32 - rows - 0.5) / radius
        true = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], axis=1)
        degrees = angular_error_degrees(found[rows, columns][None], true[None].astype(np.float32))
        assert np.nanmedian(degrees) < 4, source.name  # A3 and A7 have light from around
