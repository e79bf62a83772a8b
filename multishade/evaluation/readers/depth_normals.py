# SPDX-License-Identifier: Apache-2.0
"""Folders of single images with true normals and depth (NYUv2, iBims-1, ClearGrasp) -> one object an image.

Read, by file name: the evaluation sets of DSINE (`000000_img.png`, `000000_normal.png` or `.exr`,
`000000_intrins.npy`, and a `000000_depth.npy`, `.exr` or `.png` where someone put one), whose stored normals
have x to the left; iBims-1's own `ibims1_core_mat/<name>.mat` for the depth of images that DSINE's copy
names; and ClearGrasp's real images (`*-transparent-rgb-img.jpg`, `*-normals.exr`, `*-opaque-depth-img.exr`,
`*-mask.png`), stored in our axes. Depth: metres, 16-bit PNG millimetres. Photographs are decoded from sRGB to
linear.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.config.yaml_tree import parse_yaml
from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32, Float64
from multishade.geometry import conventions
from multishade.imaging.matlab import read_matlab
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_array, read_mask, read_photograph, read_stored
from multishade.text import read_text

NAME = "nyu"


@dataclass(frozen=True)
class Layout:
    """Endings that turn one image's stem into its files, and the axes that its normals are stored in."""

    image: str
    normal: str
    depth: str
    mask: str
    convention: str


# DSINE's normals are outward (away from the camera) in x right, y down, z forward: ours is their (-x, y, z).
LAYOUTS = (
    Layout("_img", "_normal", "_depth", "_mask", "-x,y,z"),
    Layout("-transparent-rgb-img", "-normals", "-opaque-depth-img", "-mask", "x,y,z"),
)


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """Every image under `root` with a normal map beside it, by path. truth: a folder of iBims-1's own .mat files."""
    if not root.is_dir():
        raise EvaluationError(f"{root}: no such folder")
    is_empty = True
    for layout in LAYOUTS:
        for normal_file in sorted(root.rglob(f"*{layout.normal}.*")):
            if normal_file.suffix.lower() not in (".png", ".exr", ".npy") or normal_file.name.startswith("."):
                continue
            is_empty = False
            stem = normal_file.name.removesuffix(f"{layout.normal}{normal_file.suffix}")
            yield _read_image(root, normal_file, stem, layout, truth)
    if is_empty:
        raise EvaluationError(f"{root}: no *_normal.png, *_normal.exr or *-normals.exr beside images")


def _read_image(
    root: Path, normal_file: Path, stem: str, layout: Layout, truth: Path | None
) -> BenchmarkObject:
    folder = normal_file.parent
    photograph = _first(folder, stem + layout.image, (".png", ".jpg", ".jpeg"))
    if photograph is None:
        raise EvaluationError(f"{normal_file}: no image {stem}{layout.image}.png or .jpg beside it")
    normal = conventions.to_camera_frame(read_normal_map(normal_file), layout.convention)
    mask = (normal != 0).any(axis=2)
    mask_file = folder / f"{stem}{layout.mask}.png"
    if mask_file.is_file():
        mask &= read_mask(mask_file)
    camera = _camera(folder, stem)
    depth = _depth(folder, stem, layout)
    if truth is not None and (truth / f"{stem}.mat").is_file():
        depth, camera = read_ibims(truth / f"{stem}.mat")
    name = "/".join((*normal_file.relative_to(root).parts[:-1], stem))
    return BenchmarkObject(
        name=name,
        benchmark=NAME,
        mask=mask,
        normal=normal,
        depth=depth,
        camera=camera,
        input_names=(photograph.name,),
        load_input=lambda index: read_photograph(photograph).linear(srgb=True),
        tags={"family": folder.name},
    )


def read_ibims(path: Path) -> tuple[Float32, Float64]:
    """One iBims-1 .mat file -> depth in metres (0 where it is marked as invalid or transparent), camera matrix."""
    contents = read_matlab(path)
    try:
        data = contents["data"][0, 0]
        depth = np.asarray(data["depth"], dtype=np.float32)
        valid = np.asarray(data["mask_invalid"], dtype=bool) & np.asarray(data["mask_transp"], dtype=bool)
        calibration = np.asarray(data["calib"], dtype=np.float64)
        # MATLAB keeps the matrix transposed.
        camera = calibration.T if calibration[0, 2] == 0 else calibration
        measured = np.where(valid, depth, 0)
    except (KeyError, IndexError, ValueError) as error:
        raise EvaluationError(f"{path}: not an iBims-1 file with depth, masks and calib ({error})") from error
    return measured, _to_corner(camera, path)


def _camera(folder: Path, stem: str) -> Float64 | None:
    path = folder / f"{stem}_intrins.npy"
    if path.is_file():
        return _to_corner(np.asarray(read_array(path), dtype=np.float64), path)
    listing = folder / "camera_intrinsics.yaml"
    if not listing.is_file():
        return None
    _, values = parse_yaml(read_text(listing, EvaluationError), str(listing), EvaluationError)
    try:
        rows = [[values["fx"], 0, values["cx"]], [0, values["fy"], values["cy"]], [0, 0, 1]]
        matrix = np.array(rows, dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{listing}: expected fx, fy, cx and cy ({error})") from error
    return _to_corner(matrix, listing)


def _to_corner(camera: NDArray[np.float64], path: Path) -> Float64:
    """These sets count pixel centres from 0; ours is the outer corner of the first pixel."""
    if camera.shape != (3, 3):
        raise EvaluationError(f"{path}: a camera matrix of shape {camera.shape}; expected 3 x 3")
    shifted = camera.copy()
    shifted[:2, 2] += 0.5
    return shifted


def _depth(folder: Path, stem: str, layout: Layout) -> Float32 | None:
    path = _first(folder, stem + layout.depth, (".npy", ".exr", ".png"))
    if path is None:
        return None
    stored = read_stored(path)
    if stored.ndim == 3:
        stored = stored[..., 0]
    if np.issubdtype(stored.dtype, np.integer):
        return stored.astype(np.float32) / 1000
    return np.nan_to_num(stored.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _first(folder: Path, name: str, suffixes: tuple[str, ...]) -> Path | None:
    return next(
        (folder / (name + suffix) for suffix in suffixes if (folder / (name + suffix)).is_file()), None
    )
