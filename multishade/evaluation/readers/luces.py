# SPDX-License-Identifier: Apache-2.0
"""A LUCES folder (Mecca et al., BMVC 2021) -> its objects, with the near LEDs and their far-field equivalent.

Layout: `<Object>/` under `data/` or directly, each with `01.png` to `52.png` (16 bit, RGB), `led_params.txt`,
`mask.png`, `normals.png` (16 bit) and `zgt.npz` (millimetres). `led_params.txt`: a header; then `N rows
columns f x0 y0 mean_distance`; then a row a LED: position, axis, power (one number or RGB), exponent of the
fall-off to the side. Its frame is x right, y down, z into the scene.

The solvers know distant lights only. So `load_image` takes the fall-off out as if the object were the plane
at its mean distance, and `directions` point from the object's centre on that plane: an approximation that the
notes state. `near_lights` has the LEDs themselves, `input` the photographs untouched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32, Float64, NearLights
from multishade.evaluation.readers.photographs import PhotographFiles
from multishade.geometry.depth import depth_to_points
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_array, read_mask
from multishade.text import read_lines

NAME = "luces"
SETUP = "led_params.txt"


@dataclass(frozen=True)
class Setup:
    """The content of `led_params.txt`: image size, camera (3, 3), mean distance in mm, the LEDs in the camera frame."""

    rows: int
    columns: int
    camera: Float64
    mean_distance: float
    leds: NearLights


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """Every object of the set, or the one that `root` is the folder of."""
    for folder in _object_folders(root):
        yield read_object(folder, truth)


def read_object(folder: Path, truth: Path | None = None) -> BenchmarkObject:
    setup = read_setup(folder / SETUP)
    count = len(setup.leds.positions)
    paths = [folder / f"{index + 1:02d}.png" for index in range(count)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise EvaluationError(f"{folder}: {SETUP} lists {count} lights, but {missing[0]} is not there")
    mask = read_mask(folder / "mask.png")
    if mask.shape != (setup.rows, setup.columns):
        raise EvaluationError(
            f"{folder}: mask.png is {mask.shape[1]} x {mask.shape[0]}, {SETUP} says {setup.columns} x {setup.rows}"
        )
    # Where each pixel's ray meets the plane at the mean distance.
    points = depth_to_points(np.full(mask.shape, setup.mean_distance), setup.camera, "perspective")
    centre = points[mask].mean(axis=0) if mask.any() else points.reshape(-1, 3).mean(axis=0)
    toward = setup.leds.positions - centre

    photographs = PhotographFiles(paths)

    def load_image(index: int) -> Float32:
        return photographs.load(index) / falloff(setup.leds, index, points, centre)[..., None]

    truth_folder = folder if truth is None else truth / folder.name
    normal_file = truth_folder / "normals.png"
    return BenchmarkObject(
        name=folder.name if folder.name != "RAW" else folder.parent.name,
        benchmark=NAME,
        mask=mask,
        image_names=tuple(path.name for path in paths),
        load_image=load_image,
        directions=toward / np.linalg.norm(toward, axis=1, keepdims=True),
        light_intensities=setup.leds.power,
        normal=read_normal_map(normal_file, mask.shape) if normal_file.is_file() else None,
        depth=_depth(truth_folder / "zgt.npz"),
        camera=setup.camera,
        near_lights=setup.leds,
        input_names=tuple(path.name for path in paths),
        load_input=photographs.load,
        clipped=photographs.clipped,
        tags={"family": folder.name.lower()},
        notes=(
            f"Near LEDs taken as distant: fall-off removed on the plane at {setup.mean_distance:g} "
            "mm, one direction a light.",
        ),
    )


def read_setup(path: Path) -> Setup:
    """Parse `led_params.txt`. Raises EvaluationError naming the line that does not fit."""
    if not path.is_file():
        raise EvaluationError(f"{path}: no such file; is this a LUCES object?")
    lines = [line.split() for line in read_lines(path, EvaluationError) if line.strip()]
    try:
        head = [float(word) for word in lines[1]]
        rows = [[float(word) for word in line] for line in lines[2:]]
        count, height, width = (int(number) for number in head[:3])
        focal, x0, y0, mean_distance = head[3:7]
    except (IndexError, ValueError) as error:
        raise EvaluationError(
            f"{path}: expected a header line, `N rows columns f x0 y0 mean_distance`, then numbers ({error})"
        ) from error
    if len(rows) != count:
        raise EvaluationError(f"{path}: line 2 says {count} lights, {len(rows)} rows follow")
    parsed = np.array([_led(row, path, number) for number, row in enumerate(rows, start=3)])
    # x right, y down, z into the scene -> x right, y up, z toward the camera.
    turn = np.array([1.0, -1.0, -1.0])
    axes = parsed[:, 3:6] * turn
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise EvaluationError(
            f"{path}: line {3 + int((lengths == 0).argmax())}: the LED's axis is the zero vector"
        )
    # x0, y0 count pixel centres from 0; ours is the outer corner of the first pixel.
    camera = np.array([[focal, 0, x0 + 0.5], [0, focal, y0 + 0.5], [0, 0, 1]])
    leds = NearLights(parsed[:, :3] * turn, axes / lengths, parsed[:, 6:9], parsed[:, 9], mean_distance)
    return Setup(height, width, camera, mean_distance, leds)


def falloff(leds: NearLights, index: int, points: Float64, centre: Float64) -> NDArray[np.float32]:
    """Irradiance of LED `index` at `points` (H, W, 3) relative to `centre`: cos(angle to the axis)^mu / distance^2."""
    assert leds.axes is not None and leds.falloff is not None
    axis, exponent = leds.axes[index], leds.falloff[index]

    def strength(at: Float64) -> Float64:
        ray = at - leds.positions[index]
        distance = np.linalg.norm(ray, axis=-1)
        cosine = np.clip((ray @ axis) / distance, 1e-6, 1)
        return cosine**exponent / distance**2

    return (strength(points) / strength(centre)).astype(np.float32)


def _led(row: list[float], path: Path, line: int) -> list[float]:
    """Position, axis, RGB power, exponent: files have one power or three, and may end a row with a zero of padding."""
    if len(row) in (8, 9):
        return [*row[:6], row[6], row[6], row[6], row[7]]
    if len(row) in (10, 11):
        return row[:10]
    raise EvaluationError(
        f"{path}:{line}: {len(row)} numbers; a LED has position, axis, power (1 or 3) and exponent"
    )


def _object_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise EvaluationError(f"{root}: no such folder")
    if (root / SETUP).is_file():
        return [root]
    for base in (root, root / "data"):
        folders = sorted(path.parent for path in base.glob(f"*/{SETUP}"))
        if folders:
            return folders
    raise EvaluationError(f"{root}: neither this folder nor one inside it has {SETUP}; is it a LUCES set?")


def _depth(path: Path) -> Float32 | None:
    return read_array(path).astype(np.float32) if path.is_file() else None
