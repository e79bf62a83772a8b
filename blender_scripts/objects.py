# SPDX-License-Identifier: GPL-3.0-or-later
"""An object source (a file, arrays, the monkey) -> mesh objects in the scene, normalised: bounding sphere radius 0.5.

What a final render of the file at rest shows is what comes out: hierarchies, instances and modifiers are baked into
meshes in world coordinates, so that an object's coordinates are the scene's and nothing moves afterwards. A file whose
final render cannot be reproduced is refused by name.
"""

import dataclasses
import math
from pathlib import Path

import bpy
import numpy as np

from blender_scripts import (
    alpha,
    audit,
    blend_safety,
    corner_normals,
    emission,
    foreign_images,
    framing,
    holes,
    normal_maps,
    obj_text,
    sane,
)
from blender_scripts.bake import bake_scene
from blender_scripts.errors import ObjectUnusable
from blender_scripts.import_file import carry_over, import_file
from multishade.protocol.scene import ObjectSource

MONKEY_SUBDIVISIONS = 3


@dataclasses.dataclass(frozen=True)
class LoadedObject:
    """The meshes in the scene, and what had to be put right about the file: tags, sorted."""

    objects: list[bpy.types.Object]
    findings: tuple[str, ...] = ()


def load(source: ObjectSource) -> LoadedObject:
    """Bring the object into the (empty) scene; a `.blend` replaces the scene. Raises ObjectUnusable."""
    name = Path(source.path).name or source.kind
    findings: set[str] = set()
    solids = holes.Solids(0, {}, {})
    if source.kind == "arrays":
        objects = [_from_arrays(Path(source.path))]
    elif source.kind == "monkey":
        objects = [_monkey()]
    else:
        objects, solids = _shown_objects(source, name, findings)
    if framing.normalise(objects, source.rotation, name, source.scale, solids.partly, solids.points):
        findings.add("stray-geometry")
    if source.max_faces is not None:
        _simplify(objects, source.max_faces)
    if source.kind == "file" and any([corner_normals.turn(item.data) for item in objects]):
        findings.add("normals-turned")
    return LoadedObject(objects, tuple(sorted(findings)))


def _from_arrays(path: Path) -> bpy.types.Object:
    with np.load(path) as arrays:
        vertices, faces = arrays["vertices"].astype(np.float32), arrays["faces"].astype(np.int32)
        crease, uv = float(arrays["crease_degrees"]), arrays.get("uv")
    mesh = bpy.data.meshes.new("object")
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", vertices.ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    if uv is not None:
        mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", uv.astype(np.float32).ravel())
    mesh.update(calc_edges=True)
    _shade(mesh, crease)
    return _link(mesh)


def _shade(mesh: bpy.types.Mesh, crease_degrees: float) -> None:
    if crease_degrees <= 0:
        mesh.shade_flat()
        return
    mesh.shade_smooth()
    if crease_degrees < 180:
        mesh.set_sharp_from_angle(angle=math.radians(crease_degrees))


def _monkey() -> bpy.types.Object:
    bpy.ops.mesh.primitive_monkey_add()
    monkey = bpy.context.object
    monkey.modifiers.new("subdivision", "SUBSURF").render_levels = MONKEY_SUBDIVISIONS
    monkey.data.shade_smooth()
    (mesh,) = bake_scene()
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    return _link(mesh)


def _shown_objects(
    source: ObjectSource, name: str, findings: set[str]
) -> tuple[list[bpy.types.Object], holes.Solids]:
    """What a final render of a file at rest shows, audited, as one object a mesh, and what of it is solid."""
    path = Path(source.path)
    root = Path(source.root) if source.root else path.parent.parent
    findings.update(import_file(path, root))
    opened = path.suffix.lower() == ".blend"
    audit.require_libraries_below(root, name)
    if opened:
        blend_safety.require_safe(root, name)
    if sane.require_sane(name):
        findings.add("mesh-repaired")
    foreign_images.replace(root, name, source.images)
    if path.suffix.lower() == ".obj":
        obj_text.settle_images()
    if opened and bpy.app.autoexec_fail:
        findings.add("scripts-not-run")
    if not opened:
        bpy.context.scene.frame_set(0)
        _remove_bone_shapes()
    try:
        meshes = bake_scene()
    except ObjectUnusable as error:
        raise ObjectUnusable(f"{name}: {error}") from error
    blend_safety.require_no_script_nodes(_materials(meshes), name)
    audit.require_images(_materials(meshes), root, name)
    if opened:
        meshes = carry_over(meshes)
    else:
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
    materials = _materials(meshes)
    measured = framing.box(meshes)
    if measured is not None:
        sane.require_usable_box(measured, name)
        audit.require_size(measured, source.bounds, name)
    if any([emission.move_to_base(material) for material in materials]):
        findings.add("colour-from-emission")
    if any([normal_maps.leave_out_grey(material) for material in materials]):
        findings.add("normal-map-left-out")
    empty = {material.name for material in materials if alpha.settle(material)}
    solids = holes.remove(meshes, empty)
    if solids.removed:
        findings.add("transparent-parts")
    if meshes and not any(mesh.polygons for mesh in meshes):
        raise ObjectUnusable(f"{name}: all of it is transparent: its alpha is below one half everywhere")
    return [_link(mesh) for mesh in meshes if mesh.polygons], solids


def _materials(meshes: list[bpy.types.Mesh]) -> list[bpy.types.Material]:
    """The materials of these meshes, each once, in a fixed order."""
    found = {slot.name_full: slot for mesh in meshes for slot in mesh.materials if slot is not None}
    return [found[name] for name in sorted(found)]


def _remove_bone_shapes() -> None:
    """The glTF importer draws bones with a mesh that is no part of the object."""
    shapes = {bone.custom_shape for item in bpy.data.objects if item.pose for bone in item.pose.bones}
    for shape in shapes - {None}:
        bpy.data.objects.remove(shape)


def _link(mesh: bpy.types.Mesh) -> bpy.types.Object:
    item = bpy.data.objects.new(mesh.name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def _simplify(objects: list[bpy.types.Object], max_faces: int) -> None:
    """Collapse edges until the whole object has about `max_faces` triangles; each mesh keeps its share."""
    total = sum(len(item.data.polygons) for item in objects)
    if total <= max_faces:
        return
    for item in objects:
        item.modifiers.new("simplify", "DECIMATE").ratio = max_faces / total
    dependencies = bpy.context.evaluated_depsgraph_get()
    for item in objects:
        thinner = bpy.data.meshes.new_from_object(item.evaluated_get(dependencies), depsgraph=dependencies)
        item.modifiers.clear()
        item.data = thinner
