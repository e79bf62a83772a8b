# SPDX-License-Identifier: Apache-2.0
"""The files of a planned group in, the files that Blender reads instead out: the same ones, or copies in its folder.

Blender reads PNG and JPEG itself. Of every other image it gets a copy (`imaging.blender_formats`), which a confined
process makes; so it does of environments with negative or broken pixels (`imaging.repair`).
"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from multishade.assets.schema import EnvironmentRow
from multishade.errors import AssetError, ImageFileError
from multishade.imaging.blender_formats import CopyTask, blender_reads, copy_image
from multishade.protocol.messages import ForeignImage
from multishade.protocol.scene import Light, View
from multishade.render.plan import PlannedGroup

Copier = Callable[[CopyTask], str]  # returns the path of the copy, or raises AssetError
KEPT_BYTES = 1 << 30  # of copies of earlier groups


def copy_here(task: CopyTask) -> str:
    """Make a copy in this process: for files that are trusted. Raises AssetError."""
    try:
        return copy_image(task)
    except ImageFileError as error:
        raise AssetError(str(error)) from error


def readable_material(group: PlannedGroup, folder: Path, copier: Copier = copy_here) -> dict[str, Any]:
    """Return the group's material spec with copies of maps that Blender does not read itself or that are in alpha.

    Args:
        group: The group.
        folder: Where copies are written; one that exists is used again.
        copier: Makes a copy.

    Raises:
        AssetError: If a map cannot be read.
    """
    spec, row = group.material_spec, group.material
    if "maps" not in spec or row is None:
        return spec
    channels = dict(spec["channels"])
    maps = {}
    for name, path in spec["maps"].items():
        in_alpha = channels.get(name) == "A"
        maps[name] = str((_alpha if in_alpha else _readable)(Path(path), f"{row.sha256}", folder, copier))
        if in_alpha:
            del channels[name]  # the copy is grey
    return {**spec, "maps": maps, "channels": channels}


def readable_views(group: PlannedGroup, folder: Path, copier: Copier = copy_here) -> tuple[View, ...]:
    """Return the group's views with copies of environments that Blender does not read itself or that need repair.

    Args:
        group: The group; its views refer to environments by their own paths.
        folder: Where copies are written; one that exists is used again.
        copier: Makes a copy.

    Raises:
        AssetError: If an environment cannot be read.
    """
    rows = {str(row.path): row for row in group.environments if row.in_files}
    copies: dict[str, str] = {}

    def read(light: Light) -> Light:
        path = light.environment
        if path is None or path not in rows:
            return light
        if path not in copies:
            copies[path] = str(_environment(rows[path], folder, copier))
        return dataclasses.replace(light, environment=copies[path]) if copies[path] != path else light

    def changed(view: View) -> View:
        lights, ambient = tuple(read(light) for light in view.lights), view.sequence.ambient
        sequence = view.sequence
        if ambient is not None:
            sequence = dataclasses.replace(sequence, ambient=read(ambient))
        return dataclasses.replace(view, lights=lights, sequence=sequence)

    return tuple(changed(view) for view in group.views)


def copies_of_foreign(images: tuple[ForeignImage, ...], folder: Path, copier: Copier) -> dict[str, str]:
    """Make copies of images that Blender found in an object's file.

    Args:
        images: As Blender reports them; their bytes lie in its folder and are removed.
        folder: Where copies are written; one that exists is used again.
        copier: Makes a copy.

    Returns:
        sha256 -> path of the copy, or "!" and the reason why there is none: whether it matters depends on whether the
        object shows the image.
    """
    copies = {}
    for image in images:
        target = folder / f"{image.sha256}-texture"
        try:
            found = _existing(target) or copier(CopyTask(image.path, str(target), image.name, alpha="kept"))
            copies[image.sha256] = str(found)
        except AssetError as error:
            copies[image.sha256] = "!" + str(error).removeprefix(f"{image.name}: ")
        Path(image.path).unlink(missing_ok=True)
    return copies


def forget_old_copies(folder: Path, most: int = KEPT_BYTES) -> None:
    """Remove the copies in a folder that were used longest ago, down to `most` bytes. Call it between two groups."""
    copies = [(path, path.stat()) for path in folder.iterdir() if path.suffix in (".exr", ".png")]
    total = sum(status.st_size for _, status in copies)
    for path, status in sorted(copies, key=lambda copy: copy[1].st_mtime_ns):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= status.st_size


def with_own_environments(rendered: View, planned: View) -> View:
    """Return a rendered view with the paths of the environments themselves in place of those of their copies.

    Args:
        rendered: As requested from Blender; some of its lights may have been sampled again.
        planned: The same view as planned.
    """
    lights = tuple(
        dataclasses.replace(light, environment=own.environment)
        for light, own in zip(rendered.lights, planned.lights, strict=True)
    )
    return dataclasses.replace(rendered, lights=lights, sequence=planned.sequence)


def _environment(row: EnvironmentRow, folder: Path, copier: Copier) -> Path:
    if not row.needs_repair:
        return _readable(row.path, f"{row.sha256}", folder, copier)
    target = folder / f"{row.sha256}-repaired"
    return _existing(target) or Path(copier(CopyTask(str(row.path), str(target), repair=True)))


def _readable(path: Path, sha256: str, folder: Path, copier: Copier) -> Path:
    if blender_reads(path):
        return path
    target = folder / f"{sha256}-{path.name.replace('.', '-')}"
    return _existing(target) or Path(copier(CopyTask(str(path), str(target))))


def _alpha(path: Path, sha256: str, folder: Path, copier: Copier) -> Path:
    target = folder / f"{sha256}-{path.name.replace('.', '-')}-alpha"
    return _existing(target) or Path(copier(CopyTask(str(path), str(target), alpha="only")))


def _existing(target: Path) -> Path | None:
    """The copy, if it was made for an earlier group; it counts as used now."""
    for suffix in (".exr", ".png"):
        copy = target.with_name(f"{target.name}{suffix}")
        if copy.exists():
            os.utime(copy)
            return copy
    return None
