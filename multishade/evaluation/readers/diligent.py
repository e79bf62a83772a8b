# SPDX-License-Identifier: Apache-2.0
"""A DiLiGenT folder (Shi et al., CVPR 2016) -> its objects: full frames or crops, 16- or 8-bit copies.

Layout: `<object>PNG/` under `pmsData/` or directly, each with `filenames.txt`, the images,
`light_directions.txt`, `light_intensities.txt`, `mask.png`, `Normal_gt.mat` and `normal.txt`. Known traps of
the published set: images 1 to 20 of `bear` are damaged and left out; `normal.txt` of `harvest` is upside down
in some copies, so `Normal_gt.mat` wins where both are there; pixels inside a mask without a true normal (pot2
has 73) are left out and counted.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32, Float64
from multishade.evaluation.readers.photographs import PhotographFiles
from multishade.geometry import lights
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_mask
from multishade.shards.keys import natural_order
from multishade.text import read_lines

NAME = "diligent"
DIRECTIONS, INTENSITIES, FILENAMES, MASK = (
    "light_directions.txt",
    "light_intensities.txt",
    "filenames.txt",
    "mask.png",
)
TRUTH_FILES = ("Normal_gt.mat", "normal.txt", "Normal_gt.png")
DAMAGED_BEAR = 20


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """Every object of the set, or the one that `root` is the folder of. truth: a folder with the normals."""
    for folder in object_folders(root):
        name = folder.name.removesuffix("PNG")
        yield read_object(folder, NAME, name, truth, leave_out=_damaged if name == "bear" else None)


def read_all_images(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """`read` with all 96 images of bear, the damaged ones too, as published tables have it."""
    for folder in object_folders(root):
        yield read_object(folder, NAME, folder.name.removesuffix("PNG"), truth)


def object_folders(root: Path, inside: tuple[str, ...] = ("pmsData",)) -> list[Path]:
    """The folders of a set with DiLiGenT's files, in the order of `objects.txt` if there is one, else by name.

    inside: names of a folder between `root` and the objects that releases add.
    """
    if not root.is_dir():
        raise EvaluationError(f"{root}: no such folder")
    if (root / DIRECTIONS).is_file():
        return [root]
    for base in (root, *(root / name for name in inside)):
        folders = sorted(path.parent for path in base.glob(f"*/{DIRECTIONS}"))
        if folders and (base / "objects.txt").is_file():
            names = [
                line.strip() for line in read_lines(base / "objects.txt", EvaluationError) if line.strip()
            ]
            missing = [name for name in names if base / name not in folders]
            if missing:
                raise EvaluationError(
                    f"{base / 'objects.txt'}: names {', '.join(missing)}, which have no {DIRECTIONS}"
                )
            return [base / name for name in names]
        if folders:
            return folders
    raise EvaluationError(
        f"{root}: neither this folder nor one inside it has {DIRECTIONS}; is it a DiLiGenT set?"
    )


def read_object(
    folder: Path,
    benchmark: str,
    name: str,
    truth: Path | None = None,
    leave_out: Callable[[str], bool] | None = None,
    tags: dict[str, str] | None = None,
) -> BenchmarkObject:
    """One folder with DiLiGenT's file names. leave_out: which image names are known to be damaged."""
    notes: list[str] = []
    directions = lights.read_directions(folder / DIRECTIONS)
    names = _image_names(folder)
    intensities = _intensities(folder, len(names))
    if len(directions) != len(names):
        raise EvaluationError(
            f"{folder}: {len(names)} images and {len(directions)} rows in {DIRECTIONS}; they must match one to one"
        )
    if leave_out is not None:
        used = [index for index, image in enumerate(names) if not leave_out(image)]
        if len(used) < len(names):
            left_out = [image for image in names if leave_out(image)]
            notes.append(
                f"{len(left_out)} damaged images left out ({left_out[0]} to {left_out[-1]}): "
                f"{len(used)} of {len(names)} are used."
            )
        names, directions, intensities = [names[k] for k in used], directions[used], intensities[used]
    mask = read_mask(folder / MASK)
    normal, remarks = _truth(folder, name, truth, mask)
    notes += remarks
    photographs = PhotographFiles([folder / image for image in names])
    return BenchmarkObject(
        name=name,
        benchmark=benchmark,
        mask=mask,
        image_names=tuple(names),
        load_image=photographs.load,
        clipped=photographs.clipped,
        directions=directions,
        light_intensities=intensities,
        normal=normal,
        tags={"family": name} if tags is None else tags,
        notes=tuple(notes),
    )


def _image_names(folder: Path) -> list[str]:
    listing = folder / FILENAMES
    if listing.is_file():
        names = [line.strip() for line in read_lines(listing, EvaluationError) if line.strip()]
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise EvaluationError(
                f"{listing}: {len(missing)} of its images are not there, the first is {missing[0]}"
            )
        return names
    # Numbered files only: masks, normals and error maps lie in the same folder.
    numbered = (path.name for path in folder.glob("*.png") if path.stem.isdigit())
    names = sorted(numbered, key=natural_order)
    if not names:
        raise EvaluationError(f"{folder}: no {FILENAMES} and no numbered PNG images")
    return names


def _intensities(folder: Path, count: int) -> Float64:
    if not (folder / INTENSITIES).is_file():
        raise EvaluationError(
            f"{folder}: {INTENSITIES} is missing; without it the lights' strengths are unknown. For "
            "lights of equal strength "
            "read the folder as folder:PATH"
        )
    return rgb_intensities(folder / INTENSITIES, count)


def rgb_intensities(path: Path, count: int) -> Float64:
    """One RGB strength a light, (count, 3); a file with one number a line gives three equal ones."""
    strengths = lights.read_intensities(path)
    if len(strengths) != count:
        raise EvaluationError(f"{path}: {len(strengths)} rows for {count} images; they must match one to one")
    return strengths if strengths.ndim == 2 else np.repeat(strengths[:, None], 3, axis=1)


def _truth(
    folder: Path, name: str, truth: Path | None, mask: NDArray[np.bool_]
) -> tuple[Float32 | None, list[str]]:
    folders = [folder] if truth is None else [truth / folder.name, truth / name, truth]
    for truth_folder in folders:
        files = [truth_folder / file for file in TRUTH_FILES if (truth_folder / file).is_file()]
        if not files:
            continue
        normal = read_normal_map(files[0], shape=(mask.shape[0], mask.shape[1]))
        notes = _remarks(normal, mask)
        if files[0].suffix == ".mat" and len(files) > 1 and files[1].suffix == ".txt":
            notes += _compare_copies(normal, read_normal_map(files[1], (mask.shape[0], mask.shape[1])), mask)
        if files[0].suffix == ".txt" and _support(normal[::-1], mask) > _support(normal, mask):
            raise EvaluationError(
                f"{files[0]}: upside down: turned over, its normals cover the mask better. Some "
                "copies of harvest are; put "
                "Normal_gt.mat beside it, which wins"
            )
        return normal, notes
    return None, []


def _support(normal: Float32, mask: NDArray[np.bool_]) -> float:
    """Share of pixels on which "has a normal" and "is in the mask" agree."""
    return float(((normal != 0).any(axis=2) == mask).mean())


def _compare_copies(from_mat: Float32, from_text: Float32, mask: NDArray[np.bool_]) -> list[str]:
    def agreement(copy: Float32) -> float:
        return float((from_mat * copy).sum(axis=2)[mask].mean())

    if agreement(from_text) > 0.99:
        return []
    turned = agreement(from_text[::-1]) > 0.99
    trouble = "is upside down" if turned else "disagrees with Normal_gt.mat"
    return [f"normal.txt {trouble}; Normal_gt.mat is used."]


def _remarks(normal: Float32, mask: NDArray[np.bool_]) -> list[str]:
    empty = int((mask & ~(normal != 0).any(axis=2)).sum())
    if empty == 0:
        return []
    return [f"{empty} of {int(mask.sum())} pixels inside the mask have no true normal and are left out."]


def _damaged(image: str) -> bool:
    stem = Path(image).stem
    return stem.isdigit() and int(stem) <= DAMAGED_BEAR
