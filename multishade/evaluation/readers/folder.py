# SPDX-License-Identifier: Apache-2.0
"""A plain folder of images and lights, and whatever truth lies beside them -> an object; or a folder of such folders.

Names that are understood, all optional but the images: `filenames.txt` (else every image that is not one of
the others, by name); `light_directions.txt`, `lights.txt` or `light.txt` (three numbers a line);
`light_intensities.txt`; `mask.png`; the truth as `Normal_gt.mat`, `normal_gt`, `gt_normal`, `normals`,
`normal_map` or `normal` (.png, .tif, .exr, .npy, .txt); `depth_gt` or `depth` (.npz, .npy, .exr) and `K.txt`
(camera matrix in pixels).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32, Float64
from multishade.evaluation.readers import diligent
from multishade.geometry import conventions, lights
from multishade.imaging.color import srgb_to_linear
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_image, read_mask, read_stored

NAME = "folder"
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".exr")
LIGHT_FILES = ("light_directions.txt", "lights.txt", "light.txt")
INTENSITIES = "light_intensities.txt"
TRUTH_STEMS = ("Normal_gt", "normal_gt", "gt_normal", "normals", "normal_map", "normal")
TRUTH_SUFFIXES = (".mat", ".exr", ".npy", ".png", ".tif", ".txt")
DEPTH_STEMS = ("depth_gt", "depth")
NOT_IMAGES = (*TRUTH_STEMS, *DEPTH_STEMS, "mask", "albedo", "ambient", "shading")


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """The object in `root`, or one for each sub-folder that has images or a true normal map."""
    if not root.is_dir():
        raise EvaluationError(f"{root}: no such folder")
    subfolders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    folders = [folder for folder in subfolders if image_files(folder) or truth_file(folder)]
    if not folders:
        raise EvaluationError(f"{root}: no images and no normal maps, here or one level down")
    for folder in folders:
        yield read_object(folder, truth=truth)


def read_object(
    folder: Path,
    light_file: Path | None = None,
    mask_file: Path | None = None,
    truth: Path | None = None,
    truth_convention: str = conventions.CAMERA_AXES,
    srgb: bool = False,
) -> BenchmarkObject:
    """One folder. light_file, mask_file: in place of those in the folder. srgb: the images are sRGB-coded, decode them.

    Nothing is guessed about coding or axes: images count as linear unless `srgb`, true normals are in
    `truth_convention`.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder")
    paths = image_files(folder)
    notes: list[str] = []
    directions, intensities = _lights(folder, light_file, len(paths), notes)
    normal_file = truth_file(folder if truth is None else truth / folder.name)
    mask_path = mask_file or folder / "mask.png"
    if mask_path.is_file():
        mask = read_mask(mask_path)
    elif mask_file is not None:
        raise EvaluationError(f"{mask_file}: no such file")
    else:
        mask = np.ones(_size(paths, normal_file, folder), dtype=bool)
        notes.append("No mask: every pixel counts as the object.")
    normal = None
    if normal_file is not None:
        shape = (mask.shape[0], mask.shape[1])
        normal = conventions.to_camera_frame(read_normal_map(normal_file, shape), truth_convention)

    def load_image(index: int) -> Float32:
        stored = read_image(paths[index]).rgb
        return srgb_to_linear(stored) if srgb else stored

    return BenchmarkObject(
        name=folder.resolve().name,
        benchmark=NAME,
        mask=mask,
        image_names=tuple(path.name for path in paths),
        load_image=load_image,
        directions=directions,
        light_intensities=intensities,
        normal=normal,
        depth=_depth(folder),
        camera=_camera(folder),
        tags={"family": folder.resolve().name},
        notes=tuple(notes),
    )


def image_files(folder: Path) -> list[Path]:
    """The folder's images: what `filenames.txt` lists, else all that are not a mask, a normal map or a depth map."""
    listing = folder / "filenames.txt"
    if listing.is_file():
        paths = [folder / line.strip() for line in listing.read_text().splitlines() if line.strip()]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise EvaluationError(f"{listing}: {missing[0]} is not there ({len(missing)} missing)")
        return paths
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.stem.lower().startswith(_reserved())
    )


def truth_file(folder: Path) -> Path | None:
    """The folder's true normal map, if there is one."""
    candidates = (folder / (stem + suffix) for stem in TRUTH_STEMS for suffix in TRUTH_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _reserved() -> tuple[str, ...]:
    return tuple(name.lower() for name in NOT_IMAGES)


def _lights(
    folder: Path, light_file: Path | None, count: int, notes: list[str]
) -> tuple[Float64 | None, Float64 | None]:
    path = light_file or next((folder / name for name in LIGHT_FILES if (folder / name).is_file()), None)
    if path is None:
        return None, None
    directions = lights.read_directions(path)
    if len(directions) != count:
        raise EvaluationError(f"{path}: {len(directions)} light directions for {count} images in {folder}")
    if not (folder / INTENSITIES).is_file():
        notes.append(f"No {INTENSITIES}: all lights count as equally strong.")
        return directions, None
    return directions, diligent.rgb_intensities(folder / INTENSITIES, count)


def _size(paths: list[Path], normal_file: Path | None, folder: Path) -> tuple[int, int]:
    if paths:
        height, width = read_image(paths[0]).pixels.shape[:2]
    elif normal_file is not None:
        height, width = read_normal_map(normal_file).shape[:2]
    else:
        raise EvaluationError(f"{folder}: no images and no normal map")
    return height, width


def _depth(folder: Path) -> Float32 | None:
    candidates = (folder / (stem + suffix) for stem in DEPTH_STEMS for suffix in (".npz", ".npy", ".exr"))
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return None
    stored = read_stored(path)
    return np.nan_to_num(np.squeeze(stored).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _camera(folder: Path) -> Float64 | None:
    path = folder / "K.txt"
    if not path.is_file():
        return None
    try:
        matrix = np.loadtxt(path, dtype=np.float64)
    except ValueError as error:
        raise EvaluationError(f"{path}: not a table of numbers ({error})") from error
    if matrix.shape != (3, 3):
        raise EvaluationError(f"{path}: shape {matrix.shape}; a camera matrix is 3 x 3")
    return matrix
