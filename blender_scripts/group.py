# SPDX-License-Identifier: GPL-3.0-or-later
"""One group (an object in a material) -> its buffers and images, one object import and one geometry build for all."""

import math
import time
from pathlib import Path
from typing import Any

import bpy

from blender_scripts import clay, framing, material_passes, objects, render, uv
from blender_scripts.lights import LightRig
from blender_scripts.materials import build_material
from blender_scripts.plain import build_plain
from multishade.protocol.messages import Loaded, Save, Shot, Subpixels
from multishade.protocol.scene import Framing, Group, Light, RenderSettings, Sequence, View


class MaterialUnusable(Exception):
    """A texture or environment of the group cannot be read."""


class LoadedGroup:
    """The scene of one group. It starts from Blender's empty factory state: nothing of an earlier group remains."""

    def __init__(self, group: Group, settings: RenderSettings) -> None:
        started = time.perf_counter()
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._settings = settings
        loaded = objects.load(group.object)
        self._objects = loaded.objects
        self._scene = bpy.context.scene  # only now: to open a .blend replaces it
        render.prepare(self._scene, settings)
        imported = time.perf_counter()
        self._materials = assign_material(self._objects, group.material)
        material_passes.install(self._objects, self._materials, settings.passes)
        _require_images()
        self._rig = LightRig(self._scene, settings.importance_map)
        self._clay: bool | None = None
        self.views, framings = self._framed(group)
        self.loaded = Loaded(
            import_seconds=imported - started,
            material_seconds=time.perf_counter() - imported,
            vertices=sum(len(item.data.vertices) for item in self._objects),
            faces=sum(len(item.data.polygons) for item in self._objects),
            findings=loaded.findings,
            framings=framings,
        )

    def _framed(self, group: Group) -> tuple[tuple[View, ...], tuple[Framing, ...]]:
        """The views with the intrinsics by which the outline spans what each camera asks for, and how they changed."""
        if all(view.camera.fill is None for view in group.views):
            return group.views, ()
        meshes = [item.data for item in self._objects]
        name = Path(group.object.path).name or group.object.kind
        framings = tuple(framing.fill_frame(meshes, view.camera, name) for view in group.views)
        return tuple(view.framed(by) for view, by in zip(group.views, framings, strict=True)), framings

    def geometry(self, view: View, path: Path, subpixels: Subpixels | None = None) -> float:
        """Render normal, depth and geometry normal of one view to `path`; returns seconds in Cycles."""
        self._set_clay_enabled(True)
        self._rig.darken()
        render.place_camera(self._scene, view.camera)
        return render.pixel_centres(self._scene, path, subpixels)

    def cast(self, view: View, number: int, path: Path, subpixels: Subpixels | None = None) -> float:
        """Render white clay under light `number` of the sequence, with cast shadows: visibility * max(0, n.l)."""
        self._set_clay_enabled(True)
        matrix = render.place_camera(self._scene, view.camera)
        # Irradiance pi makes a white diffuse surface's radiance the cosine itself.
        direction = view.sequence.directions[number]
        self._rig.light(Light("shading", "parallel", direction=direction, strength=math.pi), matrix)
        return render.pixel_centres(self._scene, path, subpixels)

    def image(self, view: View, number: int, shot: Shot, light: Light | None = None) -> float:
        """Render the input image under light `number` of the view, or under `light` in its place."""
        light = light or view.lights[number]
        return self._image(view, (light,), light.kind, shot)

    def basis(self, view: View, number: int, shot: Shot) -> float:
        """Render the image under light `number` of the basis alone."""
        return self._image(view, (view.basis[number],), "basis", shot)

    def combined(self, view: View, lights: tuple[Light, ...], shot: Shot) -> float:
        """Render one image under several parallel lights at once: the reference for images composed from a basis."""
        return self._image(view, lights, "basis", shot)

    def photometric(self, view: View, number: int, shot: Shot) -> float:
        """Render the object's own material under light `number` of the sequence."""
        return self._image(view, (sequence_light(view.sequence, number),), "shading", shot)

    def save(self, view: View, number: int, request: Save) -> None:
        """Save the scene as it is rendered for input image `number`, as a .blend with packed textures."""
        self._set_clay_enabled(False)
        light = view.lights[number]
        self._rig.light(light, render.place_camera(self._scene, view.camera))
        shot = Shot("", None, request.seed, request.exposure)
        render.prepare_file(self._scene, shot, self._settings, light.kind, request.output)
        bpy.ops.file.pack_all()
        bpy.ops.wm.save_as_mainfile(filepath=request.path, copy=True)
        render.prepare(self._scene, self._settings)
        self._scene.cycles.film_exposure = 1.0

    def _image(self, view: View, lights: tuple[Light, ...], samples: str, shot: Shot) -> float:
        """Render under these lights; `samples` names the entry of the settings' samples."""
        self._set_clay_enabled(False)
        matrix = render.place_camera(self._scene, view.camera)
        if len(lights) == 1:
            self._rig.light(lights[0], matrix)
        else:
            self._rig.combined(lights, matrix)
        _require_images()
        return render.image(self._scene, shot, self._settings, samples)

    def _set_clay_enabled(self, enabled: bool) -> None:
        if self._clay is not enabled:
            clay.set_clay_enabled(self._materials, enabled)
            self._clay = enabled


def sequence_light(sequence: Sequence, number: int) -> Light:
    """Light `number` of a photometric sequence: irradiance pi, with the ambient environment if there is one."""
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


def assign_material(items: list[bpy.types.Object], spec: dict[str, Any]) -> list[bpy.types.Material]:
    """Give the meshes the material that `spec` describes, add clay to every material; returns the materials in use."""
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
    materials_in_use = {slot.name: slot for item in items for slot in item.data.materials if slot is not None}
    for material in materials_in_use.values():
        clay.sanitize(material)
        clay.install(material)
    return list(materials_in_use.values())


def _projected(spec: dict[str, Any], items: list[bpy.types.Object]) -> dict[str, Any]:
    """Choose how a map set is projected: by the object's UVs if they are usable, at the scale of box projection."""
    if spec.get("projection") != "auto":
        return spec
    density = uv.density(items)
    if density is None:
        return {**spec, "projection": "box"}
    return {**spec, "projection": "uv", "repeats": spec["repeats"] / density}


def _require_images() -> None:
    """Raise MaterialUnusable if an image is missing: Cycles would render it magenta without a message."""
    for image in bpy.data.images:
        if image.source in ("FILE", "TILED") and image.users and not image.has_data and not image.packed_file:
            path = Path(bpy.path.abspath(image.filepath))
            if not path.is_file():
                raise MaterialUnusable(f"{path}: no such image file")
            if image.size[0] == 0:
                raise MaterialUnusable(f"{path}: is not an image that Blender can read")
