# SPDX-License-Identifier: Apache-2.0
"""A folder of unknown making -> which files are photographs, which is the mask, which light belongs to which photo.

Names decide, compared as a whole and in any case: `mask.png` is the mask, `masked_00.png` a photograph. Hidden files
and the companions that macOS writes (`._NAME`) are passed over. What is left out is listed with its reason in errors.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from multishade.errors import EvaluationError
from multishade.geometry.light_files import LightTable, read_light_table
from multishade.geometry.lights import read_named_directions
from multishade.inference.photo import readable_suffixes, unread_suffixes
from multishade.shards.keys import natural_order
from multishade.text import read_lines

LISTING = "filenames.txt"
LIGHT_STEMS = ("light_directions", "lights", "light")
LIGHT_SUFFIXES = (".txt", ".lp", ".csv", ".npy", ".npz", ".mat")
TRUTH_STEMS = ("Normal_gt", "normal_gt", "gt_normal", "normals", "normal_map", "normal")
DEPTH_STEMS = ("depth_gt", "depth")
MASK_STEM = "mask"
# Files that `multishade solve` and `infer` write, and others that lie beside photographs.
_OTHER_STEMS = {"albedo", "ambient", "shading", "confidence", "overview", "height", "normal_gl", "normal_dx"}
_REASONS = (
    {stem.lower(): "a normal map" for stem in TRUTH_STEMS}
    | {stem: "a depth map" for stem in DEPTH_STEMS}
    | {stem: "by its name no photograph" for stem in _OTHER_STEMS}
    | {MASK_STEM: "the mask"}
)
_MASK_WORDS = {"mask", "masks", "silhouette", "matte", "alphamask", "objectmask"}
_LISTED = 6


@dataclass(frozen=True)
class FolderFiles:
    """The files of a folder.

    Attributes:
        photographs: In the order of `filenames.txt`, or of the lights' names, or in natural order (2 before 10).
        mask: The mask's file, or None.
        left_out: Files that look like images and are not taken, each with the reason.
        listed: Whether `filenames.txt` gave the photographs.
        lights: The file of lights with its path, or None.
        notes: Plain sentences about the pairing.
    """

    photographs: tuple[Path, ...]
    mask: Path | None
    left_out: tuple[tuple[Path, str], ...]
    listed: bool
    lights: tuple[Path, LightTable] | None = None
    notes: tuple[str, ...] = ()


def visible(paths: Iterable[Path]) -> list[Path]:
    """Paths without hidden ones, in natural order, capitals like small letters."""
    return sorted(
        (path for path in paths if not path.name.startswith(".")),
        key=lambda path: (natural_order(path.name.casefold()), path.name),
    )


def find_images(folder: Path, mask_file: Path | None = None, others: Sequence[Path] = ()) -> FolderFiles:
    """Tell photographs and mask apart; mask_file: in place of the folder's own; others: files that are neither.

    Raises:
        EvaluationError: If `filenames.txt` names a file that is missing or one twice, or if there are two masks.
    """
    aside = {path.resolve() for path in others}
    files = [path for path in visible(folder.iterdir()) if path.is_file() and path.resolve() not in aside]
    readable, unreadable = readable_suffixes(), unread_suffixes()
    images = [path for path in files if path.suffix.lower() in readable]
    unread = [(path, unreadable[path.suffix.lower()]) for path in files if path.suffix.lower() in unreadable]
    masks = [path for path in images if path.stem.lower() == MASK_STEM]
    if mask_file is None and len(masks) > 1:
        raise EvaluationError(
            f"{folder}: {_names(masks)} are each a mask; remove all but one, or choose one with --mask"
        )
    mask = mask_file or (masks[0] if masks else None)
    named = _listed(folder / LISTING) if (folder / LISTING).is_file() else None
    if named is not None:
        return FolderFiles(tuple(named), mask, tuple(unread), True)
    photographs = [path for path in images if path.stem.lower() not in _REASONS and path != mask_file]
    left_out = [(path, _REASONS[path.stem.lower()]) for path in images if path.stem.lower() in _REASONS]
    return FolderFiles(tuple(photographs), mask, (*left_out, *unread), False)


def pair_with_lights(
    folder: Path, files: FolderFiles, light_file: Path | None = None, near: bool = False
) -> FolderFiles:
    """Pair photographs and lights: by the names in the file of lights, else by order.

    Args:
        folder: The folder.
        files: What `find_images` found in it.
        light_file: In place of the folder's own.
        near: Whether the file holds positions instead of directions.

    Returns:
        The same files with the lights, and the photographs in their order.

    Raises:
        EvaluationError: If photographs and lights do not match one to one, or a file that looks like a mask would be
            solved as a photograph or passed over.
        SolveError: If the lights cannot be read.
    """
    path = light_file or find_lights(folder)
    if path is None:
        return _without_unused_masks(folder, files, explicit=False)
    table = read_light_table(path) if near else read_named_directions(path)
    if table.names is not None:
        matched = _by_name(table.names, files, path)
        rest = [photo for photo in files.photographs if photo not in matched]
        left_out = (*files.left_out, *((photo, f"{path.name} does not name it") for photo in rest))
        notes: tuple[str, ...] = (f"Photographs are paired with lights by their names in {path.name}.",)
        if rest:
            notes += (f"{path.name} does not name {_names(rest)}, left out.",)
        paired = FolderFiles(tuple(matched), files.mask, left_out, True, (path, table), notes)
        return _without_unused_masks(folder, paired, extra=rest)
    files = FolderFiles(
        files.photographs, files.mask, files.left_out, files.listed, (path, table), _order_notes(files)
    )
    if len(table.rows) != len(files.photographs):
        raise EvaluationError(_mismatch(folder, path, files))
    return _without_unused_masks(folder, files)


def find_lights(folder: Path) -> Path | None:
    """The folder's file of light directions: by its stem, else the only .lp. Raises EvaluationError for several."""
    files = [
        path for path in visible(folder.iterdir()) if path.is_file() and path.suffix.lower() in LIGHT_SUFFIXES
    ]
    for stem in LIGHT_STEMS:
        found = [path for path in files if path.stem.lower() == stem]
        if len(found) > 1:
            raise EvaluationError(f"{folder}: {_names(found)} each hold lights; choose one with --lights")
        if found:
            return found[0]
    tables = [path for path in files if path.suffix.lower() == ".lp"]
    if len(tables) > 1:
        raise EvaluationError(f"{folder}: {_names(tables)} each hold lights; choose one with --lights")
    return tables[0] if tables else None


def looks_like_mask(path: Path) -> bool:
    """Whether one of the words of a file's name is "mask" or its like: object_mask.png, not masked_00.png."""
    return not _MASK_WORDS.isdisjoint(re.split(r"[^a-z]+", path.stem.lower()))


def _listed(listing: Path) -> list[Path]:
    names = [line.strip() for line in read_lines(listing, EvaluationError) if line.strip()]
    paths = []
    for name in names:
        path = listing.parent / name.replace("\\", "/")  # or the folder is one of another machine
        paths.append(path if path.is_file() else listing.parent / PureWindowsPath(name).name)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise EvaluationError(f"{listing}: {missing[0]} is not there ({len(missing)} missing)")
    _refuse_twice(names, listing)
    return paths


def _by_name(names: Sequence[str], files: FolderFiles, source: Path) -> list[Path]:
    """The photograph of each name: the whole name, else without regard to case, else the stem."""
    bases = [PureWindowsPath(name).name for name in names]  # takes both kinds of slash
    candidates = [*files.photographs, *(path for path, _ in files.left_out if path != files.mask)]
    keys = (lambda name: name, str.lower, lambda name: Path(name).stem.lower())
    indices = []
    for key in keys:
        index: dict[str, Path] = {}
        for path in candidates:
            index.setdefault(key(path.name), path)
        indices.append((key, index))
    numbers = {str(int(path.stem)): path for path in candidates if path.stem.isdigit()}
    found = []
    for base in bases:
        hits = (index.get(key(base)) for key, index in indices)
        hit = next((path for path in hits if path is not None), numbers.get(base.lstrip("0") or "0"))
        if hit is None:
            raise EvaluationError(
                f"{source}: names {base}, which is not among the photographs ({_names(files.photographs)})"
            )
        found.append(hit)
    _refuse_twice([path.name for path in found], source)
    return found


def _refuse_twice(names: Sequence[str], source: Path) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise EvaluationError(f"{source}: names {twice[0]} twice; each photograph has one light")


def _order_notes(files: FolderFiles) -> tuple[str, ...]:
    if files.listed:
        return ()
    plain = sorted(path.name for path in files.photographs)
    natural = [path.name for path in files.photographs]
    if plain == natural:
        return ()
    differs = next(index for index, pair in enumerate(zip(plain, natural, strict=True)) if pair[0] != pair[1])
    return (
        f"Photographs are paired with lights in natural order: {natural[differs]} is number {differs + 1}, which in "
        f"plain order would be {plain[differs]}. If that is wrong, list them in {LISTING}.",
    )


def _mismatch(folder: Path, path: Path, files: FolderFiles) -> str:
    assert files.lights is not None
    count = len(files.lights[1].rows)
    taken = f"taken: {_names(files.photographs)}" if files.photographs else "none is taken"
    left = "; ".join(f"{each.name} ({reason})" for each, reason in files.left_out[:_LISTED])
    more = len(files.left_out) - _LISTED
    message = f"{path}: {count} light directions for {len(files.photographs)} images in {folder}; {taken}"
    message += f"; left out: {left}{f' and {more} more' if more > 0 else ''}" if left else ""
    likely = [each for each in files.photographs if looks_like_mask(each)]
    if len(likely) == len(files.photographs) - count > 0:
        return f"{message}. {_names(likely)} looks like a mask: call it mask.png, or give it with --mask"
    return f"{message}. Name the photographs, in the order of the lights, in {LISTING}"


def _without_unused_masks(
    folder: Path, files: FolderFiles, explicit: bool = True, extra: Sequence[Path] = ()
) -> FolderFiles:
    """The same files. Raises EvaluationError if a file looks like a mask and is neither the mask nor a photograph."""
    readable = readable_suffixes()
    inside = [path for path in visible(folder.iterdir()) if path.suffix.lower() in readable]
    if files.listed:
        unused = [path for path in inside if looks_like_mask(path) and path not in files.photographs]
    else:
        # Without lights to count, a single one among other photographs is no photograph.
        likely = [path for path in files.photographs if looks_like_mask(path)]
        unused = likely if not explicit and len(likely) == 1 < len(files.photographs) else []
    unused = [path for path in unused if path != files.mask]
    if unused and not (files.mask is not None and files.mask.parent != folder):
        raise EvaluationError(
            f"{folder}: {_names(unused)} looks like a mask and is not used; call the mask mask.png, give it with "
            "--mask, or move the file away"
        )
    return files


def _names(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
