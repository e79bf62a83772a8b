# SPDX-License-Identifier: Apache-2.0
"""The files of a planned group in, the files that Blender reads instead out: the same ones, or copies in its folder.

A copy is made where Blender would read other pixels than scanning checked (`imaging.blender_formats`), and of an
environment with negative or broken pixels (`imaging.repair`). Sound files are read from where they are.
"""

import dataclasses
from pathlib import Path
from typing import Any

from multishade.assets.schema import EnvironmentRow
from multishade.errors import AssetError, ImageFileError
from multishade.imaging.blender_formats import blender_reads, write_alpha, write_copy, write_pixels
from multishade.imaging.read import read_image
from multishade.imaging.repair import repair_radiance
from multishade.protocol.scene import Light, View
from multishade.render.plan import PlannedGroup


def readable_material(group: PlannedGroup, folder: Path) -> dict[str, Any]:
    """Return the group's material spec with copies of maps that Blender would misread, or that are packed in alpha.

    Args:
        group: The group.
        folder: Where copies are written; one that exists is used again.

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
        maps[name] = str((_alpha if in_alpha else _readable)(Path(path), f"{row.sha256}", folder))
        if in_alpha:
            del channels[name]  # the copy is grey
    return {**spec, "maps": maps, "channels": channels}


def readable_views(group: PlannedGroup, folder: Path) -> tuple[View, ...]:
    """Return the group's views with copies of environments that Blender would misread or that need repair.

    Args:
        group: The group; its views refer to environments by their own paths.
        folder: Where copies are written; one that exists is used again.

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
            copies[path] = str(_environment(rows[path], folder))
        return dataclasses.replace(light, environment=copies[path]) if copies[path] != path else light

    def changed(view: View) -> View:
        lights, ambient = tuple(read(light) for light in view.lights), view.sequence.ambient
        sequence = view.sequence
        if ambient is not None:
            sequence = dataclasses.replace(sequence, ambient=read(ambient))
        return dataclasses.replace(view, lights=lights, sequence=sequence)

    return tuple(changed(view) for view in group.views)


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


def _environment(row: EnvironmentRow, folder: Path) -> Path:
    if not row.needs_repair:
        return _readable(row.path, f"{row.sha256}", folder)
    target = folder / f"{row.sha256}-repaired"
    if found := _existing(target):
        return found
    try:
        image = read_image(row.path)
        return write_pixels(dataclasses.replace(image, pixels=repair_radiance(image.pixels)[0]), target)
    except ImageFileError as error:
        raise AssetError(str(error)) from error


def _readable(path: Path, sha256: str, folder: Path) -> Path:
    if blender_reads(path):
        return path
    target = folder / f"{sha256}-{path.name.replace('.', '-')}"
    try:
        return _existing(target) or write_copy(path, target)
    except ImageFileError as error:
        raise AssetError(str(error)) from error


def _alpha(path: Path, sha256: str, folder: Path) -> Path:
    target = folder / f"{sha256}-{path.name.replace('.', '-')}-alpha"
    try:
        return _existing(target) or write_alpha(path, target)
    except ImageFileError as error:
        raise AssetError(str(error)) from error


def _existing(target: Path) -> Path | None:
    """The copy, if it was made for an earlier group."""
    copies = (target.with_name(f"{target.name}{suffix}") for suffix in (".exr", ".png"))
    return next((copy for copy in copies if copy.exists()), None)
