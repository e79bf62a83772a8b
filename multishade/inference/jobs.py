# SPDX-License-Identifier: Apache-2.0
"""Photos and folders of photos -> jobs: each photo with its mask and its place in the output, and which are done.

A folder's tree is kept: `photos/a/b.jpg` becomes `OUT/a/b/`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from multishade.errors import ImageFileError
from multishade.inference.photo import find_photos
from multishade.inference.write import RECORD

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Job:
    """One photo.

    Attributes:
        photo: Its file.
        mask: Its mask's file, or None.
        place: Folder of its results, relative to the output.
    """

    photo: Path
    mask: Path | None
    place: PurePath


def list_jobs(
    patterns: Iterable[str | Path],
    output: Path,
    masks: Path | None = None,
    left_out: Callable[[Path, str], None] | None = None,
) -> list[Job]:
    """Find photos.

    Args:
        patterns: Files, globs, and folders, which are searched with all folders in them.
        output: Where results go; photos in it are none.
        masks: A folder of masks with the photos' names, in the same tree or flat; photos in it are none.
        left_out: As for `find_photos`.

    Returns:
        The jobs; no two have one place.

    Raises:
        ImageFileError: If a pattern matches nothing, or `masks` is no folder.
    """
    if masks is not None and not masks.is_dir():
        raise ImageFileError(f"--masks {masks}: not a folder; one mask is given with --mask")
    aside = {folder.resolve() for folder in (output, masks) if folder is not None}
    found: dict[Path, PurePath] = {}
    for pattern in patterns:
        root = Path(pattern) if Path(pattern).is_dir() else None
        for photo in find_photos([pattern], left_out, aside):
            inside = photo.relative_to(root) if root is not None else PurePath(photo.name)
            found.setdefault(photo, inside)
    places: dict[PurePath, None] = {}
    jobs = []
    for photo, inside in found.items():
        place = _free_place(inside, places)
        places[place] = None
        jobs.append(Job(photo, _mask_of(inside, masks), place))
    return jobs


def job_key(job: Job, settings: Mapping[str, Any]) -> str:
    """Hash what a job's results depend on: the bytes of photo and mask, and all settings, JSON-like."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in (job.photo, job.mask):
        digest.update(b"\0")
        if path is not None and path.is_file():
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
    return digest.hexdigest()


def stamp_files(place: Path) -> list[tuple[str, int, int]]:
    """List a folder's files with their sizes and times, so that a model that was trained again is another one.

    Args:
        place: A folder; of anything else the list is empty.

    Returns:
        Path in the folder, bytes, nanoseconds.
    """
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return [
        (path.relative_to(place).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files
    ]


def is_done(folder: Path, key: str) -> bool:
    """Whether a folder holds the whole results of a job: its record, which is written last, names the key."""
    try:
        return bool(json.loads((folder / RECORD).read_text(encoding="utf-8")).get("key") == key)
    except (OSError, ValueError, AttributeError):
        return False


def _free_place(inside: PurePath, taken: Mapping[PurePath, None]) -> PurePath:
    """The photo's place without its suffix; with it, and a number, if that is taken by another photo."""
    candidates = [inside.with_suffix(""), inside.with_name(inside.name.replace(".", "-"))]
    place = next((each for each in candidates if each not in taken), None)
    number = 2
    while place is None or place in taken:
        place = candidates[1].with_name(f"{candidates[1].name}-{number}")
        number += 1
    return place


def _mask_of(inside: PurePath, masks: Path | None) -> Path | None:
    """The file of `masks` with the photo's name, whatever its format; None if there is none."""
    if masks is None:
        return None
    for folder in (masks / inside.parent, masks):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.stem.lower() == inside.stem.lower() and path.is_file() and path.name[0] != ".":
                return path
    return None
