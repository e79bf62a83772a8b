# SPDX-License-Identifier: Apache-2.0
"""`multishade solve` with what photographers have: a ball, lights near by, a dark frame, exposures, too few lights."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.cli import main
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import hemisphere
from multishade.imaging import codecs
from multishade.imaging.normal_maps import read_normal_map
from multishade.photometry.balls import Circle
from multishade.photometry.shading import lambert
from tests.support.spheres import sphere_normals
from tests.support.synthetic_benchmarks import code, write_luces_object, write_numbers

SHAPE = (64, 150)
LIGHTS = hemisphere(10, 40)
BALL = Circle(118.0, 32.0, 24.0)
PLAIN = ["--video", "none", "--integrate", "none"]


def scene(lights: np.ndarray = LIGHTS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (K, H, W, 3) of a dome on the left and a matt ball on the right; normals and mask of the dome."""
    normal, mask = sphere_normals(64, 64, 28.0, 0.8)
    whole, inside = np.zeros((*SHAPE, 3), np.float32), np.zeros(SHAPE, bool)
    whole[:, :64], inside[:, :64] = normal, mask
    ball = BALL.inside(SHAPE)
    shown = np.where(ball[..., None], BALL.normals(SHAPE), whole).astype(np.float32)
    images = lambert(shown, lights, ball | inside)[..., None] * np.array([0.8, 0.7, 0.6], np.float32)
    return images, whole, inside


def write(folder: Path, images: np.ndarray, mask: np.ndarray | None, lights: np.ndarray | None) -> Path:
    folder.mkdir()
    for number, image in enumerate(images, 1):
        codecs.write_png(folder / f"{number}.png", code(image))
    if mask is not None:
        codecs.write_png(folder / "mask.png", np.where(mask, 255, 0).astype(np.uint8))
    if lights is not None:
        write_numbers(folder / "light_directions.txt", lights)
    return folder


def solve(folder: Path, *options: str) -> int:
    return main(["solve", str(folder), "-o", str(folder.parent / "out"), *PLAIN, *options])


def record(folder: Path) -> dict:
    return json.loads((folder.parent / "out" / "record.json").read_text(encoding="utf-8"))


def error(folder: Path, normal: np.ndarray, mask: np.ndarray) -> float:
    found = read_normal_map(folder.parent / "out" / "normal.exr")
    return float(np.nanmean(angular_error_degrees(found, normal)[mask]))


@pytest.mark.parametrize("masked", [True, False])
def test_a_ball_in_place_of_a_file_of_lights(tmp_path: Path, masked: bool) -> None:
    images, normal, mask = scene()
    folder = write(tmp_path / "a", images, mask, None)
    options = []
    if masked:
        codecs.write_png(folder / "ball_mask.png", np.where(BALL.inside(SHAPE), 255, 0).astype(np.uint8))
        options = ["--ball-mask", str(folder / "ball_mask.png")]
    assert solve(folder, "--ball", "matte", *options) == 0
    assert error(folder, normal, mask) < 0.8
    found = record(folder)
    assert angular_error_degrees(np.array(found["directions"]), LIGHTS).max() < 0.5
    assert any("matt ball at column 118" in note for note in found["notes"])


def test_without_lights_the_message_names_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, _, mask = scene()
    assert solve(write(tmp_path / "a", images, mask, None)) == 2
    message = capsys.readouterr().err
    assert "--lights" in message and "--ball" in message


def test_the_dark_frame_is_subtracted(tmp_path: Path) -> None:
    images, normal, mask = scene()
    room = np.full((*SHAPE, 3), 0.15, np.float32)
    room[:, :40] = 0.05
    folder = write(tmp_path / "a", 0.8 * images + room, mask, LIGHTS)
    codecs.write_png(folder / "ambient.png", code(room))
    assert solve(folder, "--method", "ols_masked") == 0
    assert any("ambient.png is not subtracted" in note for note in record(folder)["notes"])
    without = error(folder, normal, mask)
    assert solve(folder, "--method", "ols_masked", "--ambient", str(folder / "ambient.png")) == 0
    assert error(folder, normal, mask) < 0.3 < 2 < without


def test_exposures_of_exif_are_divided_out(tmp_path: Path) -> None:
    images, normal, mask = scene()
    folder = write(tmp_path / "a", images[:0], mask, LIGHTS)
    for number, image in enumerate(images, 1):
        exif = Image.Exif()
        longer = number % 2 == 0
        exif.get_ifd(0x8769).update({0x829A: 1 / 30 if longer else 1 / 60, 0x829D: 8.0, 0x8827: 100})
        pixels = code(image * (1.0 if longer else 0.5), 8)
        Image.fromarray(pixels).save(folder / f"{number}.png", exif=exif.tobytes())
    assert solve(folder, "--method", "ols_masked") == 0
    assert error(folder, normal, mask) < 1
    assert any("Exposures differ up to 2.00 times by EXIF" in note for note in record(folder)["notes"])


def test_lights_near_by(tmp_path: Path) -> None:
    from tests.photometry import test_near_light as near

    points, normal, mask = near.surface(True)
    positions = near.lights(True)
    images = near.photograph(points, normal, mask, positions)
    folder = write(tmp_path / "a", np.repeat(images[..., None] / images.max(), 3, axis=3), mask, None)
    write_numbers(tmp_path / "positions.txt", positions)
    options = ["--light-positions", str(tmp_path / "positions.txt"), "--fov-x", "24"]
    assert solve(folder, *options) == 2  # the distance is not stated
    assert (
        main(
            [
                "solve",
                str(folder),
                "-o",
                str(tmp_path / "out"),
                *options,
                "--distance",
                "300",
                "--formats",
                "normal_exr,depth,ply",
            ]
        )
        == 0
    )
    assert error(folder, normal, mask) < 1
    told = json.loads((tmp_path / "out" / "conventions.json").read_text(encoding="utf-8"))
    assert told["unit_of_length"] == "unit of the light positions"
    depth = codecs.read_exr(tmp_path / "out" / "depth.exr")["Z"]
    assert depth[mask].mean() == pytest.approx(300, abs=3)


def test_leds_of_a_benchmark_are_taken_as_they_are(tmp_path: Path) -> None:
    """Position, axis and fall-off of each LED and the mean distance are in the folder."""
    written = write_luces_object(tmp_path / "Bell")
    out = str(tmp_path / "out")
    errors = []
    for method in ("robust", "near"):
        arguments = ["--method", method, "--formats", "normal_exr,depth", "-o", out]
        assert main(["solve", str(tmp_path / "Bell"), *arguments]) == 0
        found = read_normal_map(tmp_path / "out" / "normal.exr")
        errors.append(angular_error_degrees(found, written["normal"])[written["mask"]].mean())
    assert errors[1] < 1 < 5 < errors[0]
    made = record(tmp_path / "Bell")
    assert made["method"] == "near" and len(made["positions"]) == 8
    depth = codecs.read_exr(tmp_path / "out" / "depth.exr")["Z"]
    assert depth[depth > 0].mean() == pytest.approx(300, rel=0.01)  # millimetres


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "near"], "needs to know where the lights are (--light-positions)"),
        (["--ball-mask", "x.png"], "--ball-mask: say what the ball is like"),
        (["--distance", "300"], "--distance and --pixel-size place near lights"),
        (["--pixel-size", "0.1"], "--distance and --pixel-size place near lights"),
        (["--light-positions", "lights.txt", "--method", "relu"], "near lights have a solver of their own"),
        (
            ["--light-positions", "lights.txt", "--pixel-size", "0"],
            "pixel on the object, 0: expected a positive",
        ),
        (["--light-positions", "lights.txt", "--pixel-size", "nan"], "expected a positive number"),
        (["--light-positions", "lights.txt", "--pixel-size", "1", "--fov-x", "24"], "only without a camera"),
        (["--light-positions", "lights.txt", "--distance", "inf", "--fov-x", "24"], "mean distance from the"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    images, _, mask = scene()
    write(tmp_path / "a", images, mask, LIGHTS)
    monkeypatch.chdir(tmp_path)
    write_numbers(tmp_path / "lights.txt", 300 * LIGHTS)
    assert solve(tmp_path / "a", *options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lights", "message"),
    [
        (LIGHTS[:2], "2 lights; a normal needs at least 3"),
        (
            np.array([[np.sin(a), 0, np.cos(a)] for a in (-0.6, -0.2, 0.1, 0.5)]),
            "lie in one plane (condition inf",
        ),
    ],
)
def test_lights_that_determine_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lights: np.ndarray, message: str
) -> None:
    images, _, mask = scene(lights)
    assert solve(write(tmp_path / "a", images, mask, lights)) == 2
    assert message in capsys.readouterr().err


def test_lights_on_one_side_are_told_with_their_condition(tmp_path: Path) -> None:
    lights = np.array([[0.6, 0.3, 0.74], [0.7, -0.2, 0.68], [0.3, 0.1, 0.95], [0.5, 0.0, 0.86]])
    lights /= np.linalg.norm(lights, axis=1, keepdims=True)
    images, _, mask = scene(lights)
    folder = write(tmp_path / "a", images, mask, lights)
    assert solve(folder) == 0
    assert any("on one side: none over 3" in note and "condition" in note for note in record(folder)["notes"])
    assert record(folder)["measures"]["lights_gap"] > 300


def test_files_of_the_rti_world(tmp_path: Path) -> None:
    images, _, mask = scene()
    folder = write(tmp_path / "a", images, mask, LIGHTS)
    assert solve(folder, "--formats", "ptm,rti,normal_gl") == 0
    out = tmp_path / "out"
    assert (out / "relight.ptm").read_bytes().startswith(b"PTM_1.2\nPTM_FORMAT_LRGB\n")
    assert (out / "relight.rti").read_bytes().startswith(b"#HSH1.2\n3\n")
    assert not (out / "normal.exr").exists()
