# SPDX-License-Identifier: GPL-3.0-or-later
"""An object source (a file, arrays, the monkey) -> mesh objects in the scene, normalised: bounding sphere radius 0.5.

Hierarchies, instances, modifiers, armatures (at frame 0) and several meshes of a file are baked into meshes in world
coordinates, so that an object's coordinates are the scene's and nothing moves afterwards.
"""

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from multishade.protocol.scene import ObjectSource

RADIUS = 0.5
MONKEY_SUBDIVISIONS = 3
MESH_TYPES = {"MESH", "CURVE", "SURFACE", "META", "FONT"}


class ObjectUnusable(Exception):
    """The source holds nothing that can be rendered; the message names it and the reason."""


def load(source: ObjectSource) -> list[bpy.types.Object]:
    """Load the object into the (empty) scene. Raises ObjectUnusable."""
    if source.kind == "arrays":
        objects = [_from_arrays(Path(source.path))]
    else:
        if source.kind == "monkey":
            _add_monkey()
        else:
            _import_file(Path(source.path))
        objects = _bake_scene()
    name = Path(source.path).name or source.kind
    _normalise(objects, source.rotation, name)
    if source.max_faces is not None:
        _simplify(objects, source.max_faces)
    return objects


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


def _add_monkey() -> None:
    bpy.ops.mesh.primitive_monkey_add()
    monkey = bpy.context.object
    monkey.modifiers.new("subdivision", "SUBSURF").render_levels = MONKEY_SUBDIVISIONS
    monkey.modifiers["subdivision"].levels = MONKEY_SUBDIVISIONS
    monkey.data.shade_smooth()


def _import_file(path: Path) -> None:
    if not path.is_file():
        raise ObjectUnusable(f"{path}: no such file")
    suffix = path.suffix.lower()
    try:
        if suffix in (".glb", ".gltf"):
            bpy.ops.import_scene.gltf(filepath=str(path))
        elif suffix == ".obj":
            bpy.ops.wm.obj_import(filepath=str(path))
        elif suffix == ".ply":
            bpy.ops.wm.ply_import(filepath=str(path), import_colors="SRGB")
        elif suffix == ".stl":
            bpy.ops.wm.stl_import(filepath=str(path))
        elif suffix == ".fbx":
            bpy.ops.wm.fbx_import(filepath=str(path))
        elif suffix in (".usd", ".usda", ".usdc", ".usdz"):
            bpy.ops.wm.usd_import(filepath=str(path))
        elif suffix == ".blend":
            _append_blend(path)
        else:
            raise ObjectUnusable(
                f"{path}: {suffix or 'a file without suffix'} is not a mesh format that is read here"
            )
    except RuntimeError as error:
        raise ObjectUnusable(f"{path}: Blender cannot import it: {_first_line(error)}") from error
    except ObjectUnusable:
        raise
    except Exception as error:  # importers written in Python raise any exception on a malformed file
        raise ObjectUnusable(
            f"{path}: Blender cannot import it: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _append_blend(path: Path) -> None:
    """Link the objects of the file's first scene; a .blend may hold others, and objects that no scene contains."""
    with bpy.data.libraries.load(str(path)) as (source, target):
        target.scenes = source.scenes[:1]
        if not source.scenes:
            target.objects = source.objects
    objects = target.scenes[0].objects if target.scenes else target.objects
    for item in objects:
        if item is not None and item.name not in bpy.context.scene.collection.objects:
            bpy.context.scene.collection.objects.link(item)


def _bake_scene() -> list[bpy.types.Object]:
    """Replace everything in the scene by plain meshes in world coordinates."""
    scene = bpy.context.scene
    scene.frame_set(0)
    # The glTF importer adds a mesh for drawing bones, which is not part of the object.
    shapes = {bone.custom_shape for item in bpy.data.objects if item.pose for bone in item.pose.bones}
    for shape in shapes - {None}:
        bpy.data.objects.remove(shape)
    dependencies = bpy.context.evaluated_depsgraph_get()
    baked = []
    for instance in dependencies.object_instances:
        item = instance.object
        if item.type not in MESH_TYPES or item.hide_render or not instance.show_self:
            continue
        mesh = bpy.data.meshes.new_from_object(item, preserve_all_data_layers=True, depsgraph=dependencies)
        if mesh is None or not mesh.polygons:
            continue
        matrix = instance.matrix_world.copy()
        mesh.transform(matrix)
        if matrix.is_negative:
            mesh.flip_normals()
        baked.append(mesh)
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    return [_link(mesh) for mesh in baked]


def _link(mesh: bpy.types.Mesh) -> bpy.types.Object:
    item = bpy.data.objects.new(mesh.name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def _normalise(objects: list[bpy.types.Object], rotation: tuple, name: str) -> None:
    """Rotate, centre and scale the meshes so that their bounding sphere about the box's centre has radius 0.5."""
    if not objects:
        raise ObjectUnusable(f"{name}: holds no faces (points, lines or nothing at all)")
    turn = np.asarray(rotation, dtype=np.float64)
    vertices = np.concatenate([_vertices(item.data) for item in objects]) @ turn.T
    if not np.isfinite(vertices).all():
        raise ObjectUnusable(f"{name}: has vertices that are not finite numbers")
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    centre = (low + high) / 2
    radius = float(np.sqrt(((vertices - centre) ** 2).sum(axis=1).max()))
    if radius <= 1e-12 or not math.isfinite(radius):
        raise ObjectUnusable(f"{name}: all its vertices lie in one point")
    scale = RADIUS / radius
    matrix = Matrix.Scale(scale, 4) @ Matrix.Translation(-Vector(centre)) @ Matrix(turn.tolist()).to_4x4()
    for item in objects:
        item.data.transform(matrix)
        item.data.update()


def _vertices(mesh: bpy.types.Mesh) -> np.ndarray:
    flat = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _simplify(objects: list[bpy.types.Object], max_faces: int) -> None:
    """Collapse edges until the object has about `max_faces` triangles; every mesh is reduced by the same factor."""
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
