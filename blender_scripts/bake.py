# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's scene -> plain meshes in world coordinates: what a final render of it shows, and nothing else.

The scene is evaluated as a render engine sees it, so that visibility in renders, view layers, instances, subdivision
levels and modifiers are those of a final render, not of the viewport.
"""

from typing import Any

import bpy
import numpy as np

from blender_scripts import sane
from blender_scripts.errors import ObjectUnusable

MESH_TYPES = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
# Shown by a final render, and without a surface to have a normal.
NO_SURFACE = {
    "CURVES": "hair",
    "POINTCLOUD": "a point cloud",
    "VOLUME": "a volume",
    "GREASEPENCIL": "grease pencil",
}
NORMALS = "custom_normal"
AS_BAKED = {
    "engine": "MULTISHADE_BAKE",
    "resolution_x": 4,
    "resolution_y": 4,
    "resolution_percentage": 100,
    "use_compositing": False,
    "use_sequencer": False,
    "use_border": False,
    "use_multiview": False,
}


class BakeEngine(bpy.types.RenderEngine):
    """Takes meshes where other engines take an image."""

    bl_idname = AS_BAKED["engine"]
    bl_label = "MultiShade bake"
    baked: dict[tuple, bpy.types.Mesh] = {}
    error: Exception | None = None

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Bake one view layer; Blender calls this for each one in use."""
        try:
            _bake_layer(depsgraph, BakeEngine.baked)
        except Exception as error:  # Blender would print it and go on
            BakeEngine.error = error


def bake_scene() -> list[bpy.types.Mesh]:
    """Evaluate the present scene at its current frame -> its meshes, in world coordinates.

    Raises ObjectUnusable if it shows something that has no surface.
    """
    if not BakeEngine.is_registered:
        bpy.utils.register_class(BakeEngine)
    scene = bpy.context.scene
    BakeEngine.baked, BakeEngine.error = {}, None
    before = {name: getattr(scene.render, name) for name in AS_BAKED}
    camera = None
    for name, value in AS_BAKED.items():
        setattr(scene.render, name, value)
    if scene.camera is None:  # nothing is rendered without one
        scene.camera = camera = bpy.data.objects.new("bake", bpy.data.cameras.new("bake"))
        scene.collection.objects.link(camera)
    try:
        outcome = bpy.ops.render.render(write_still=False)
    finally:
        for name, value in before.items():
            setattr(scene.render, name, value)
        if camera is not None:
            bpy.data.cameras.remove(camera.data)
    if BakeEngine.error is not None:
        raise BakeEngine.error
    if outcome != {"FINISHED"}:
        raise RuntimeError(f"the scene could not be evaluated: {', '.join(outcome)}")
    return list(BakeEngine.baked.values())


def _bake_layer(depsgraph: bpy.types.Depsgraph, baked: dict[tuple, bpy.types.Mesh]) -> None:
    layer = depsgraph.view_layer
    faces = 0
    for count, instance in enumerate(depsgraph.object_instances, 1):
        sane.require_few(count, faces, layer.name)
        item = instance.object
        if not instance.show_self or not _is_seen(item.original, layer):
            continue
        if item.type in NO_SURFACE:
            raise ObjectUnusable(f"shows {NO_SURFACE[item.type]} ({item.name!r}); convert it to a mesh")
        if item.type not in MESH_TYPES:
            continue
        if _has_hair(item.original):
            raise ObjectUnusable(f"shows hair (of {item.name!r}); convert it to a mesh")
        parent = instance.parent.name_full if instance.parent else ""
        key = (parent, item.original.name_full, tuple(instance.persistent_id))
        if key in baked:
            continue
        faces += len(item.data.polygons) if item.type == "MESH" else 0
        sane.require_few(count, faces, layer.name)
        mesh = bpy.data.meshes.new_from_object(item, preserve_all_data_layers=True, depsgraph=depsgraph)
        if mesh is None or not mesh.polygons:
            continue
        if layer.material_override is not None:
            mesh.materials.clear()
            mesh.materials.append(layer.material_override.original)
        _place(mesh, instance.matrix_world.copy())
        baked[key] = mesh


def _is_seen(item: bpy.types.Object, layer: bpy.types.ViewLayer) -> bool:
    """Whether a camera sees the object itself, not only its shadow, its reflection or the hole that it cuts."""
    if not item.visible_camera or item.is_holdout or item.is_shadow_catcher:
        return False
    layer = bpy.context.scene.view_layers.get(layer.name)
    return not (layer and (item.holdout_get(view_layer=layer) or item.indirect_only_get(view_layer=layer)))


def _has_hair(item: bpy.types.Object) -> bool:
    return any(
        modifier.type == "PARTICLE_SYSTEM"
        and modifier.show_render
        and modifier.particle_system.settings.type == "HAIR"
        and modifier.particle_system.settings.render_type == "PATH"
        for modifier in item.modifiers
    )


def _place(mesh: bpy.types.Mesh, matrix: Any) -> None:
    """Move a mesh into the world. Normals that are stored as plain vectors are turned with it, which Blender omits."""
    free = mesh.attributes.get(NORMALS)
    turned = None
    if free is not None and free.data_type == "FLOAT_VECTOR":
        vectors = np.empty(len(free.data) * 3, np.float32)
        free.data.foreach_get("vector", vectors)
        inverse = np.linalg.inv(np.array(matrix, np.float64)[:3, :3])
        turned = vectors.reshape(-1, 3) @ inverse  # by the inverse transpose
        turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-30)
    mesh.transform(matrix)
    if turned is not None:
        mesh.attributes[NORMALS].data.foreach_set("vector", turned.astype(np.float32).ravel())
    if matrix.is_negative:
        mesh.flip_normals()
