# SPDX-License-Identifier: Apache-2.0
"""A plain folder of images and lights, and whatever truth lies beside them -> an object; or a folder of such folders.

Names that are understood, all optional but the images: `filenames.txt` (else every image that is not one of
the others, in natural order); `light_directions`, `lights` or `light` (.txt, .lp, .csv, .npy, .mat; see
`multishade.geometry.light_files`) or a single `.lp`; `light_intensities.txt`; `mask` of any image suffix; the truth as
`Normal_gt.mat`, `normal_gt`, `gt_normal`, `normals`, `normal_map` or `normal` (.png, .tif, .exr, .npy, .txt);
`depth_gt` or `depth` (.npz, .npy, .exr) and `K.txt` (camera matrix in pixels).
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32, Float64, NearLights
from multishade.evaluation.readers import diligent
from multishade.evaluation.readers.folder_files import (
    DEPTH_STEMS,
    LIGHT_SUFFIXES,
    TRUTH_STEMS,
    FolderFiles,
    find_images,
    pair_with_lights,
    visible,
)
from multishade.evaluation.readers.photographs import PhotographFiles
from multishade.geometry import conventions
from multishade.geometry.camera import central_intrinsics
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_file_exif, read_mask, read_photograph, read_stored
from multishade.text import read_text

NAME = "folder"
INTENSITIES = "light_intensities"
TRUTH_SUFFIXES = (".mat", ".exr", ".npy", ".png", ".tif", ".txt")


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """The object in `root`, or one for each sub-folder that has images or a true normal map."""
    if not root.is_dir():
        raise EvaluationError(f"{root}: no such folder")
    subfolders = [root, *(path for path in visible(root.iterdir()) if path.is_dir())]
    folders = [folder for folder in subfolders if find_images(folder).photographs or truth_file(folder)]
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
    ambient: Path | None = None,
    position_file: Path | None = None,
    aside: tuple[Path, ...] = (),
) -> BenchmarkObject:
    """One folder. light_file, mask_file: in place of those in the folder. srgb: the images are sRGB-coded, decode them.
    ambient: a photograph without the lights, subtracted from all. position_file: where near lights are, as
    `BenchmarkObject.near_lights` has them, in place of directions. aside: files that are no photographs.

    Nothing is guessed about coding or axes: images count as linear unless `srgb`, true normals are in
    `truth_convention`.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder")
    others = (*aside, *(() if ambient is None else (ambient,)))
    near = position_file is not None
    files = pair_with_lights(
        folder, find_images(folder, mask_file, others), position_file or light_file, near
    )
    paths = files.photographs
    notes = list(files.notes)
    directions, intensities = _lights(folder, files, notes)
    normal_file = truth_file(folder if truth is None else truth / folder.name)
    if mask_file is not None and not mask_file.is_file():
        raise EvaluationError(f"{mask_file}: no such file")
    mask = _mask(files, normal_file, folder, notes)
    normal = None
    if normal_file is not None:
        shape = (mask.shape[0], mask.shape[1])
        normal = conventions.to_camera_frame(read_normal_map(normal_file, shape), truth_convention)

    if ambient is not None and not ambient.is_file():
        raise EvaluationError(f"{ambient}: no such file")
    photographs = PhotographFiles(paths, srgb, ambient)
    notes += photographs.notes
    notes += [
        f"{path.name} is not subtracted; give it with --ambient if it shows the room without the lights."
        for path, _ in files.left_out
        if path.stem.lower() == "ambient" and ambient is None
    ]
    camera = _camera(folder)
    if camera is None and paths:
        camera = _camera_by_exif(paths[0], mask.shape, notes)
    near_lights = None
    if near and directions is not None:
        strengths = np.ones((len(directions), 3)) if intensities is None else intensities
        near_lights = NearLights(directions, None, strengths, None)
        directions = None
    return BenchmarkObject(
        name=folder.resolve().name,
        benchmark=NAME,
        mask=mask,
        image_names=tuple(path.name for path in paths),
        load_image=photographs.load,
        clipped=photographs.clipped,
        directions=directions,
        light_intensities=intensities,
        normal=normal,
        depth=_depth(folder),
        camera=camera,
        near_lights=near_lights,
        tags={"family": folder.resolve().name},
        notes=tuple(notes),
    )


def truth_file(folder: Path) -> Path | None:
    """The folder's true normal map, if there is one."""
    candidates = (folder / (stem + suffix) for stem in TRUTH_STEMS for suffix in TRUTH_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _lights(folder: Path, files: FolderFiles, notes: list[str]) -> tuple[Float64 | None, Float64 | None]:
    """Directions and intensities, (K, 3) each; None if the folder has none."""
    if files.lights is None:
        return None, None
    path, table = files.lights
    candidates = (folder / (INTENSITIES + suffix) for suffix in LIGHT_SUFFIXES)
    strengths = next((each for each in candidates if each.is_file()), None)
    if strengths is not None:
        return table.rows, diligent.rgb_intensities(strengths, len(table.rows))
    if table.strengths is None:
        notes.append(f"No {INTENSITIES}.txt: all lights count as equally strong.")
        return table.rows, None
    if (table.strengths <= 0).any():
        raise EvaluationError(f"{path}: an intensity that is not positive; images are divided by it")
    wide = table.strengths if table.strengths.ndim == 2 else np.repeat(table.strengths[:, None], 3, axis=1)
    return table.rows, wide


def _mask(files: FolderFiles, normal_file: Path | None, folder: Path, notes: list[str]) -> NDArray[np.bool_]:
    """The mask's file, else the alpha of the first photograph, else every pixel."""
    if files.mask is not None:
        mask = read_mask(files.mask)
        if not mask.any():
            raise EvaluationError(
                f"{files.mask}: the mask is empty; mark the object with white, or make it opaque"
            )
        return mask
    if files.photographs:
        first = read_photograph(files.photographs[0])
        if first.mask is not None and first.mask.any():
            notes.append(f"No mask: the alpha of {files.photographs[0].name} serves as one.")
            return first.mask
        size = first.colour.shape[:2]
    elif normal_file is not None:
        size = read_normal_map(normal_file).shape[:2]
    else:
        raise EvaluationError(f"{folder}: no images and no normal map")
    notes.append("No mask: every pixel counts as the object.")
    return np.ones(size, dtype=bool)


def _depth(folder: Path) -> Float32 | None:
    candidates = (folder / (stem + suffix) for stem in DEPTH_STEMS for suffix in (".npz", ".npy", ".exr"))
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return None
    stored = read_stored(path)
    return np.nan_to_num(np.squeeze(stored).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _camera_by_exif(path: Path, shape: tuple[int, ...], notes: list[str]) -> Float64 | None:
    found = read_file_exif(path).focal_pixels(shape[1], shape[0])
    if found is None:
        return None
    notes.append(f"The camera is known by {found[1]}.")
    return central_intrinsics(shape[1], shape[0], found[0])


def _camera(folder: Path) -> Float64 | None:
    path = folder / "K.txt"
    if not path.is_file():
        return None
    try:
        matrix = np.loadtxt(io.StringIO(read_text(path, EvaluationError)), dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise EvaluationError(f"{path}: not a table of numbers ({error})") from error
    if matrix.shape != (3, 3):
        raise EvaluationError(f"{path}: shape {matrix.shape}; a camera matrix is 3 x 3")
    return matrix
