# SPDX-License-Identifier: Apache-2.0
"""`multishade solve` as a person meets it: every file it promises, the printed error, and messages that help."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.cli import main
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import codecs
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_image
from tests.support.synthetic_benchmarks import ALBEDO, ball, code, write_diligent_object, write_numbers

FILES = {
    "normal_gl.png",
    "normal_dx.png",
    "normal.exr",
    "mask.png",
    "height.png",
    "albedo.exr",
    "albedo.png",
    "confidence.png",
    "surface.ply",
    "surface.glb",
    "shading.gif",
    "overview.png",
    "page.html",
    "conventions.json",
    "record.json",
}


def test_solve_leaves_every_file_it_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = write_diligent_object(tmp_path / "ballPNG")
    out = tmp_path / "out"
    assert main(["solve", str(tmp_path / "ballPNG"), "--method", "relu", "-o", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == FILES
    printed = capsys.readouterr().out
    assert "mean angular error 0.0" in printed and "12 images" in printed
    for name in FILES:
        assert str(out / name) in printed
    for name in ("normal_gl.png", "normal.exr"):
        found = read_normal_map(out / name)
        assert angular_error_degrees(found, written.normal)[written.mask].max() < 0.05
    assert not found[~written.mask].any()
    assert codecs.read_png(out / "normal_gl.png").dtype == np.uint16
    albedo = read_image(out / "albedo.exr").rgb
    assert albedo[written.mask] == pytest.approx(np.tile(ALBEDO, (written.mask.sum(), 1)), abs=1e-3)


def test_the_surface_is_the_ball(tmp_path: Path) -> None:
    import trimesh

    written = write_diligent_object(tmp_path / "ballPNG")
    out = tmp_path / "out"
    assert main(["solve", str(tmp_path / "ballPNG"), "--integrate", "poisson", "-o", str(out)]) == 0
    for name in ("surface.ply", "surface.glb"):
        mesh = trimesh.load_mesh(out / name)
        assert len(mesh.vertices) == written.mask.sum()
        # The cap of a sphere of radius 12 pixels, seen to 0.7 of it: 12 (1 - sqrt(1 - 0.7^2)) pixels deep; the longer
        # side of its window, which has a margin of one pixel, is the unit.
        side = np.ptp(np.flatnonzero(written.mask.any(axis=0))) + 3
        assert np.ptp(mesh.vertices[:, 2]) == pytest.approx(12 * (1 - np.sqrt(1 - 0.49)) / side, rel=0.05)
        assert mesh.face_normals[:, 2].min() > 0  # faces look at the camera


def test_the_video_goes_once_round(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "ballPNG")
    assert main(["solve", str(tmp_path / "ballPNG"), "-o", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out" / "shading.gif") as video:
        assert video.n_frames == 48
        first = np.asarray(video.convert("L"), dtype=float)
        video.seek(24)
        half_way = np.asarray(video.convert("L"), dtype=float)
    top, bottom = np.s_[: len(first) // 2], np.s_[len(first) // 2 :]
    assert first[top].mean() > 1.5 * first[bottom].mean()  # the first light is above
    assert half_way[bottom].mean() > 1.5 * half_way[top].mean()


def test_a_plain_folder_with_lights_and_mask_from_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ball(5)
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(target.images / target.intensities[:, None, None, :]):
        codecs.write_png(folder / f"{index}.png", code(image))
    write_numbers(tmp_path / "l.txt", target.directions)
    codecs.write_png(tmp_path / "m.png", np.where(target.mask, 255, 0).astype(np.uint8))
    arguments = ["solve", str(folder), "--lights", str(tmp_path / "l.txt"), "--mask", str(tmp_path / "m.png")]
    out = tmp_path / "out"
    assert main([*arguments, "-o", str(out), "--integrate", "none", "--video", "none"]) == 0
    assert {path.name for path in out.iterdir()} == FILES - {
        "surface.ply",
        "surface.glb",
        "shading.gif",
        "height.png",
    }
    assert "all lights count as equally strong" in capsys.readouterr().out
    found = read_normal_map(out / "normal.exr")
    assert angular_error_degrees(found, target.normal)[target.mask].max() < 0.05


def test_srgb_photographs_are_made_linear(tmp_path: Path) -> None:
    from multishade.imaging.color import linear_to_png

    target = ball(6)
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(target.images / target.intensities[:, None, None, :]):
        codecs.write_png(folder / f"{index}.png", linear_to_png(image, 16))
    write_numbers(folder / "lights.txt", target.directions)
    codecs.write_png(folder / "mask.png", np.where(target.mask, 255, 0).astype(np.uint8))
    for flags, good in (([], False), (["--srgb"], True)):
        out = tmp_path / f"out{len(flags)}"
        assert (
            main(["solve", str(folder), *flags, "-o", str(out), "--integrate", "none", "--video", "none"])
            == 0
        )
        error = angular_error_degrees(read_normal_map(out / "normal.exr"), target.normal)[target.mask]
        assert bool(error.max() < 0.05) is good


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "ballPNG")
    for name in ("one", "two"):
        assert main(["solve", str(tmp_path / "ballPNG"), "-o", str(tmp_path / name)]) == 0
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def without_lights(folder: Path) -> list[str]:
    (folder / "light_directions.txt").unlink()
    (folder / "light_intensities.txt").unlink()
    return []


def dark(folder: Path) -> list[str]:
    for path in folder.glob("0*.png"):
        codecs.write_png(path, np.zeros((30, 36, 3), np.uint16))
    return []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: ["--method", "magic"], "expected one of ols"),
        (lambda folder: ["--lights", "gone.txt"], "gone.txt"),
        (lambda folder: ["--mask", "gone.png"], "gone.png"),
        (without_lights, "--lights"),
        (dark, "nothing is solved"),
        (lambda folder: shutil.rmtree(folder) or [], "no such folder"),  # type: ignore[func-returns-value]
    ],
)
def test_what_cannot_be_solved_ends_with_2_and_a_message(  # type: ignore[no-untyped-def]
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage, message: str
) -> None:
    folder = tmp_path / "ballPNG"
    write_diligent_object(folder)
    assert main(["solve", str(folder), "-o", str(tmp_path / "out"), *damage(folder)]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_the_video_may_be_an_mp4(tmp_path: Path) -> None:
    import cv2

    write_diligent_object(tmp_path / "ballPNG")
    arguments = ["solve", str(tmp_path / "ballPNG"), "-o", str(tmp_path / "out"), "--video", "mp4"]
    assert main([*arguments, "--integrate", "none"]) == 0
    assert (tmp_path / "out" / "shading.mp4").read_bytes()[4:8] == b"ftyp"
    video = cv2.VideoCapture(str(tmp_path / "out" / "shading.mp4"))
    frames = []
    while (got := video.read())[0]:
        frames.append(got[1])
    assert len(frames) == 48 and frames[0].max() > 200


def test_the_real_ball(shared_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_dir / "benchmarks" / "diligent" / "ballPNG"
    assert (
        main(["solve", str(folder), "--method", "relu", "-o", str(tmp_path / "out"), "--video", "none"]) == 0
    )
    assert "mean angular error 2.70 degrees" in capsys.readouterr().out
