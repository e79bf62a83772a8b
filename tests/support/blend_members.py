# SPDX-License-Identifier: Apache-2.0
"""Blender, run as `python -m tests.support.blend_members FOLDER` -> .blend and .fbx files that bring one fault each.

In a process of its own, since a process that has loaded bpy must not load much else.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def ball(name: str = "ball", radius: float = 1.0, at: tuple[float, float, float] = (0, 0, 0)) -> Any:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16, radius=radius, location=at)
    item = bpy.context.object
    item.name = name
    item.data.shade_smooth()
    return item


def cube(name: str = "cube", at: tuple[float, float, float] = (3, 0, 0), size: float = 2.0) -> Any:
    bpy.ops.mesh.primitive_cube_add(size=size, location=at)
    item = bpy.context.object
    item.name = name
    return item


def material(item: Any, **inputs: Any) -> Any:
    made = bpy.data.materials.new("m")
    made.use_nodes = True
    for name, value in inputs.items():
        made.node_tree.nodes["Principled BSDF"].inputs[name.replace("_", " ")].default_value = value
    item.data.materials.append(made)
    return made


def layer_collection(name: str) -> Any:
    return bpy.context.view_layer.layer_collection.children[name]


def in_collection(item: Any, name: str) -> Any:
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    for old in list(item.users_collection):
        old.objects.unlink(item)
    collection.objects.link(item)
    return collection


def inverted_normals() -> None:
    item = ball()
    normals = np.empty(len(item.data.loops) * 3, np.float32)
    item.data.corner_normals.foreach_get("vector", normals)
    item.data.normals_split_custom_set((-normals.reshape(-1, 3)).tolist())


def flipped_winding_smooth() -> None:
    """Four in a hundred faces the wrong way round, no normals stored."""
    import bmesh

    item = ball()
    mesh = bmesh.new()
    mesh.from_mesh(item.data)
    mesh.faces.ensure_lookup_table()
    for index in range(40, len(mesh.faces) - 40, 25):
        mesh.faces[index].normal_flip()
    mesh.to_mesh(item.data)
    mesh.free()


def free_normals_turned() -> None:
    """Normals stored as plain vectors, on an object that is turned and mirrored."""
    item = ball()
    normals = np.empty(len(item.data.loops) * 3, np.float32)
    item.data.corner_normals.foreach_get("vector", normals)
    attribute = item.data.attributes.new("custom_normal", "FLOAT_VECTOR", "CORNER")
    attribute.data.foreach_set("vector", normals)
    item.rotation_euler = (1.0, 0.5, 2.0)
    item.scale = (-1.0, 1.0, 1.0)


def mirrored_instance() -> None:
    item = ball()
    collection = in_collection(item, "part")
    layer_collection("part").exclude = True
    empty = bpy.data.objects.new("mirror", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    empty.scale = (1.0, 1.0, -1.0)
    bpy.context.scene.collection.objects.link(empty)


def alpha_constant() -> None:
    material(ball(), Base_Color=(0.8, 0.2, 0.1, 1.0))
    bpy.ops.mesh.primitive_plane_add(size=8, location=(0, 0, -1))
    material(bpy.context.object, Alpha=0.3)


def alpha_mix() -> None:
    """A plane of a transparent and a diffuse shader, mixed by a constant."""
    ball()
    bpy.ops.mesh.primitive_plane_add(size=8, location=(0, 0, -1))
    tree = material(bpy.context.object).node_tree
    mix, hole = tree.nodes.new("ShaderNodeMixShader"), tree.nodes.new("ShaderNodeBsdfTransparent")
    mix.inputs[0].default_value = 0.4
    tree.links.new(hole.outputs[0], mix.inputs[1])
    tree.links.new(tree.nodes["Principled BSDF"].outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], tree.nodes["Material Output"].inputs["Surface"])


def alpha_mix_textured() -> None:
    """A card, solid in the upper half of its texture, the transparency made by mixing shaders."""
    bpy.ops.mesh.primitive_plane_add(size=2, rotation=(math.pi / 2, 0, 0))
    tree = material(bpy.context.object).node_tree
    image = bpy.data.images.new("leaf", 8, 8, alpha=True)
    texels = np.ones((8, 8, 4), np.float32)
    texels[:4, :, 3] = 0.2
    image.pixels.foreach_set(texels.ravel())
    image.pack()
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.interpolation = image, "Closest"
    mix, hole = tree.nodes.new("ShaderNodeMixShader"), tree.nodes.new("ShaderNodeBsdfTransparent")
    tree.links.new(texture.outputs["Alpha"], mix.inputs[0])
    tree.links.new(hole.outputs[0], mix.inputs[1])
    tree.links.new(tree.nodes["Principled BSDF"].outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], tree.nodes["Material Output"].inputs["Surface"])


def emission_over_black() -> None:
    material(ball(), Base_Color=(0, 0, 0, 1), Emission_Color=(0.8, 0.1, 0.1, 1), Emission_Strength=1.0)


def animated_current_frame() -> None:
    """A ball that is a point in frame 1; the file lies at frame 20, where it is whole."""
    item = ball()
    for frame, scale in ((1, 0.0), (20, 1.0)):
        item.scale = (scale,) * 3
        item.keyframe_insert("scale", frame=frame)
    bpy.context.scene.frame_set(20)


def hidden_object() -> None:
    ball()
    cube().hide_render = True


def hidden_in_viewport_only() -> None:
    ball().hide_viewport = True


def excluded_collection() -> None:
    ball()
    in_collection(cube(), "left out")
    layer_collection("left out").exclude = True


def excluded_in_one_layer_of_two() -> None:
    ball()
    in_collection(cube(at=(2.5, 0, 0)), "second")
    bpy.context.scene.view_layers.new("other")
    bpy.context.scene.view_layers["ViewLayer"].layer_collection.children["second"].exclude = True


def layer_not_used() -> None:
    ball()
    in_collection(cube(), "second")
    bpy.context.scene.view_layers.new("other").use = False
    bpy.context.scene.view_layers["ViewLayer"].layer_collection.children["second"].exclude = True


def holdout_and_indirect() -> None:
    ball()
    for number, name in enumerate(("holdout", "indirect_only")):
        in_collection(cube(f"cube {name}", at=(3.0 + 3 * number, 0, 0)), name)
        setattr(layer_collection(name), name, True)
    cube("no camera", at=(0, 3, 0)).visible_camera = False


def modifier_not_in_render() -> None:
    """An array of ten cubes that is shown in the viewport only, one that is in the render only."""
    item = cube(at=(0, 0, 0))
    shown = item.modifiers.new("viewport", "ARRAY")
    shown.count, shown.show_render = 10, False
    rendered = item.modifiers.new("render", "ARRAY")
    rendered.count, rendered.show_viewport = 3, False


def multires_like_levels() -> None:
    item = cube(at=(0, 0, 0))
    levels = item.modifiers.new("subdivision", "SUBSURF")
    levels.levels, levels.render_levels = 0, 4
    item.data.shade_smooth()


def hair() -> None:
    item = ball()
    item.modifiers.new("hair", "PARTICLE_SYSTEM")
    item.particle_systems[0].settings.type = "HAIR"
    item.particle_systems[0].settings.count = 10


def script_that_deletes() -> None:
    """A text that is registered to run when the file is opened, and removes the ball."""
    ball()
    text = bpy.data.texts.new("run.py")
    text.write("import bpy\nbpy.data.objects.remove(bpy.data.objects['ball'])\n")
    text.use_module = True


def image_without_file() -> None:
    tree = material(ball()).node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.new("gone", 4, 4)
    texture.image.source, texture.image.filepath = "FILE", "//gone.png"
    tree.links.new(texture.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])


def unused_image_node() -> None:
    """Image nodes that nothing is computed from, one without an image, one whose image lies elsewhere: no fault."""
    nodes = material(ball()).node_tree.nodes
    nodes.new("ShaderNodeTexImage")
    elsewhere = nodes.new("ShaderNodeTexImage")
    elsewhere.image = bpy.data.images.new("elsewhere", 4, 4)
    elsewhere.image.source, elsewhere.image.filepath = "FILE", "/home/author/elsewhere.png"


def grey_normal_map() -> None:
    """In a group, behind a reroute, and packed."""
    made = material(ball())
    image = bpy.data.images.new("height", 8, 8)
    image.pixels = [0.8, 0.8, 0.8, 1.0] * 64
    image.pack()
    inner = bpy.data.node_groups.new("relief", "ShaderNodeTree")
    inner.interface.new_socket("Normal", in_out="OUTPUT", socket_type="NodeSocketVector")
    read, bend = inner.nodes.new("NodeReroute"), inner.nodes.new("ShaderNodeNormalMap")
    texture, out = inner.nodes.new("ShaderNodeTexImage"), inner.nodes.new("NodeGroupOutput")
    texture.image = image
    inner.links.new(texture.outputs["Color"], read.inputs[0])
    inner.links.new(read.outputs[0], bend.inputs["Color"])
    inner.links.new(bend.outputs["Normal"], out.inputs["Normal"])
    group = made.node_tree.nodes.new("ShaderNodeGroup")
    group.node_tree = inner
    shader = made.node_tree.nodes["Principled BSDF"]
    made.node_tree.links.new(group.outputs["Normal"], shader.inputs["Normal"])


def plain_grey_normal_map() -> None:
    _with_normal_map((0.8, 0.8, 0.8))


def leaning_normal_map() -> None:
    """By 30 degrees to the right."""
    _with_normal_map((0.749, 0.502, 0.933))


def _with_normal_map(colour: tuple[float, float, float]) -> None:
    """A ball with a normal map as exporters understand it, of one colour."""
    made = material(ball())
    image = bpy.data.images.new("map", 8, 8)
    image.colorspace_settings.name = "Non-Color"
    image.pixels = [*colour, 1.0] * 64
    image.filepath_raw, image.file_format = f"{sys.argv[1]}/{colour[2]:g}.png", "PNG"
    image.save()
    nodes, links = made.node_tree.nodes, made.node_tree.links
    texture, bend = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeNormalMap")
    texture.image = image
    links.new(texture.outputs["Color"], bend.inputs["Color"])
    links.new(bend.outputs["Normal"], nodes["Principled BSDF"].inputs["Normal"])


def loose_geometry() -> None:
    item = ball()
    item.data.vertices.add(2)
    item.data.vertices[-1].co = item.data.vertices[-2].co = (0, 0, 400)
    item.data.vertices[-1].co.x = 50
    item.data.edges.add(1)
    item.data.edges[-1].vertices = (len(item.data.vertices) - 2, len(item.data.vertices) - 1)


FAULTS: tuple[Callable[[], None], ...] = (
    *(inverted_normals, flipped_winding_smooth, free_normals_turned, mirrored_instance),
    *(alpha_constant, alpha_mix, alpha_mix_textured, emission_over_black, animated_current_frame),
    *(
        hidden_object,
        hidden_in_viewport_only,
        excluded_collection,
        excluded_in_one_layer_of_two,
        layer_not_used,
    ),
    *(holdout_and_indirect, modifier_not_in_render, multires_like_levels, hair, script_that_deletes),
    *(
        image_without_file,
        unused_image_node,
        loose_geometry,
        grey_normal_map,
        plain_grey_normal_map,
        leaning_normal_map,
    ),
)
# The FBX exporter keeps these as they are.
AS_FBX = {
    *("image_without_file", "plain_grey_normal_map", "leaning_normal_map"),
    *("inverted_normals", "alpha_constant", "emission_over_black"),
    *("animated_current_frame", "flipped_winding_smooth"),
}


def main(folder: Path) -> None:
    for fault in FAULTS:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        fault()
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{fault.__name__}.blend"))
        if fault.__name__ in AS_FBX:
            bpy.ops.export_scene.fbx(filepath=str(folder / f"{fault.__name__}.fbx"), bake_anim=True)
    _linked(folder)


def _linked(folder: Path) -> None:
    """A library, a file that links its ball, and one that links what the library does not have."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ball()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "library.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(folder / "library.blend"), link=True, relative=False) as (_, target):
        target.objects = ["ball"]
    bpy.context.scene.collection.objects.link(bpy.data.objects["ball"])
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "linked.blend"), relative_remap=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ball("other")
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "library_changed.blend"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
