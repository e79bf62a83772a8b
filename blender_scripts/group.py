# SPDX-License-Identifier: GPL-3.0-or-later
"""One group (an object in a material) -> its buffers and images, one object import and one geometry build for all."""

import math
import time
from pathlib import Path
from typing import Any

import bpy

from blender_scripts import clay, objects, render, uv
from blender_scripts.lights import LightRig
from blender_scripts.materials import build_material
from blender_scripts.plain import build_plain
from multishade.protocol.scene import Group, Light, RenderSettings, Sequence, View


class MaterialUnusable(Exception):
    """A texture or environment of the group cannot be read."""


class LoadedGroup:
    """The scene of one group. Begins from Blender's empty factory state: nothing of an earlier group leaks in."""

    def __init__(self, group: Group, settings: RenderSettings) -> None:
        started = time.perf_counter()
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._settings = settings
        self._scene = bpy.context.scene
        render.prepare(self._scene, settings)
        self._objects = objects.load(group.object)
        imported = time.perf_counter()
        self._materials = _dress(self._objects, group.material)
        _require_images()
        self._rig = LightRig(self._scene, settings.importance_map)
        self._clay: bool | None = None
        self.facts: dict[str, Any] = {
            "import_seconds": imported - started,
            "material_seconds": time.perf_counter() - imported,
            "vertices": sum(len(item.data.vertices) for item in self._objects),
            "faces": sum(len(item.data.polygons) for item in self._objects),
        }

    def geometry(self, view: View, path: Path) -> float:
        """Normal, depth and geometry normal of one view -> `path`; seconds in Cycles."""
        self._wear_clay(True)
        self._rig.darken()
        render.place_camera(self._scene, view.camera)
        return render.pixel_centres(self._scene, path)

    def cast(self, view: View, number: int, path: Path) -> float:
        """White clay under light `number` of the sequence, with cast shadows: visibility * max(0, n.l)."""
        self._wear_clay(True)
        matrix = render.place_camera(self._scene, view.camera)
        # Irradiance pi makes a white diffuse surface's radiance the cosine itself.
        direction = view.sequence.directions[number]
        self._rig.light(Light("shading", "parallel", direction=direction, strength=math.pi), matrix)
        return render.pixel_centres(self._scene, path)

    def image(self, view: View, light: Light, shot: render.Shot) -> float:
        """One input image; seconds in Cycles."""
        return self._image(view, (light,), light.kind, shot)

    def basis(self, view: View, number: int, shot: render.Shot) -> float:
        """The image under light `number` of the basis alone."""
        return self._image(view, (view.basis[number],), "basis", shot)

    def together(self, view: View, lights: tuple[Light, ...], shot: render.Shot) -> float:
        """One image under several parallel lights at once: what composing a basis is measured against."""
        return self._image(view, lights, "basis", shot)

    def photometric(self, view: View, number: int, shot: render.Shot) -> float:
        """The object's own material under light `number` of the sequence."""
        return self._image(view, (sequence_light(view.sequence, number),), "shading", shot)

    def save(self, view: View, light: Light, path: Path) -> None:
        """The scene as it is rendered for one image, as a .blend to open in Blender."""
        self._wear_clay(False)
        self._rig.light(light, render.place_camera(self._scene, view.camera))
        bpy.ops.file.pack_all()
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)

    def _image(self, view: View, lights: tuple[Light, ...], samples: str, shot: render.Shot) -> float:
        self._wear_clay(False)
        matrix = render.place_camera(self._scene, view.camera)
        if len(lights) == 1:
            self._rig.light(lights[0], matrix)
        else:
            self._rig.together(lights, matrix)
        _require_images()
        return render.image(self._scene, shot, self._settings, samples)

    def _wear_clay(self, wanted: bool) -> None:
        if self._clay is not wanted:
            clay.wear(self._materials, wanted)
            self._clay = wanted


def sequence_light(sequence: Sequence, number: int) -> Light:
    """Light `number` of a photometric sequence: irradiance pi, and the ambient environment if there is one."""
    ambient = sequence.ambient
    return Light(
        "shading",
        "mixed" if ambient else "parallel",
        direction=sequence.directions[number],
        strength=math.pi,
        environment=ambient.environment if ambient else None,
        environment_strength=ambient.environment_strength if ambient else 0.0,
        rotation_degrees=ambient.rotation_degrees if ambient else 0.0,
    )


def _dress(items: list[bpy.types.Object], spec: dict[str, Any]) -> list[bpy.types.Material]:
    """Give the meshes their material and every material its clay; returns the materials in use."""
    if spec["source"] == "own":
        for item in items:
            if not any(item.data.materials):
                item.data.materials.clear()
                item.data.materials.append(build_plain(item.data))
    else:
        try:
            material = build_material(_projected(spec, items), "replaced")
        except ValueError as error:
            raise MaterialUnusable(str(error)) from error
        for item in items:
            item.data.materials.clear()
            item.data.materials.append(material)
    worn = {slot.name: slot for item in items for slot in item.data.materials if slot is not None}
    for material in worn.values():
        clay.tame(material)
        clay.install(material)
    return list(worn.values())


def _projected(spec: dict[str, Any], items: list[bpy.types.Object]) -> dict[str, Any]:
    """Settle how a map set is laid on: by the object's UVs where they can carry it, at the same size as by the box."""
    if spec.get("projection") != "auto":
        return spec
    density = uv.density(items)
    if density is None:
        return {**spec, "projection": "box"}
    return {**spec, "projection": "uv", "repeats": spec["repeats"] / density}


def _require_images() -> None:
    """Cycles paints a missing texture magenta and says nothing; here it is an error."""
    for image in bpy.data.images:
        if image.source in ("FILE", "TILED") and image.users and not image.has_data and not image.packed_file:
            path = Path(bpy.path.abspath(image.filepath))
            if not path.is_file():
                raise MaterialUnusable(f"{path}: no such image file")
            if image.size[0] == 0:
                raise MaterialUnusable(f"{path}: is not an image that Blender can read")
