# SPDX-License-Identifier: GPL-3.0-or-later
"""Load what `multishade infer` or `solve` wrote into a Blender scene with a lamp, and render it.

blender --background --python lit_scene.py -- out/infer/photo picture.png
python lit_scene.py out/infer/photo picture.png        (with the bpy package)

The surface has few vertices; the normal map gives back the detail of the photo. Its normals are in the camera's frame,
which is the object's (glTF: x right, y up, z to the viewer; in Blender after import: x right, z up, -y to the viewer).
"""

import math
import sys
from pathlib import Path

import bpy


def build(folder: Path, size: int = 512) -> bpy.types.Object:
    """Make the scene of a folder of results: surface, camera in front of it, a lamp from the upper left."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(folder / "surface.glb"))
    surface = next(each for each in bpy.data.objects if each.type == "MESH")
    use_normal_map(surface.active_material, folder / "normal_gl.png")
    scene = bpy.context.scene
    corners = [surface.matrix_world @ point.co for point in surface.data.vertices]
    low = [min(corner[axis] for corner in corners) for axis in range(3)]
    high = [max(corner[axis] for corner in corners) for axis in range(3)]
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    width = max(high[0] - low[0], high[2] - low[2])
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type, camera.data.ortho_scale = "ORTHO", 1.1 * width
    camera.location = (middle[0], low[1] - 3 * width, middle[2])
    camera.rotation_euler = (math.pi / 2, 0, 0)
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "SUN"))
    lamp.data.energy = 3
    lamp.rotation_euler = (math.radians(50), 0, math.radians(-40))
    for each in (camera, lamp):
        scene.collection.objects.link(each)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("world")
    scene.render.engine, scene.cycles.samples = "CYCLES", 16
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    return surface


def use_normal_map(material: bpy.types.Material, path: Path) -> None:
    """Give a material the camera-space normals of a map, as a normal map in object space."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    image = nodes.new("ShaderNodeTexImage")
    image.image = bpy.data.images.load(str(path))
    image.image.colorspace_settings.name = "Non-Color"
    # Blender's axes: x = x, y = -z, z = y of the map; a code c of an axis turned around is 1 - c.
    apart, together = nodes.new("ShaderNodeSeparateColor"), nodes.new("ShaderNodeCombineColor")
    turned = nodes.new("ShaderNodeMath")
    turned.operation = "SUBTRACT"
    turned.inputs[0].default_value = 1
    normal = nodes.new("ShaderNodeNormalMap")
    normal.space = "OBJECT"
    links.new(image.outputs["Color"], apart.inputs[0])
    links.new(apart.outputs[0], together.inputs[0])
    links.new(apart.outputs[2], turned.inputs[1])
    links.new(turned.outputs[0], together.inputs[1])
    links.new(apart.outputs[1], together.inputs[2])
    links.new(together.outputs[0], normal.inputs["Color"])
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    links.new(normal.outputs["Normal"], shader.inputs["Normal"])


if __name__ == "__main__":
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if len(words) != 2:
        sys.exit(__doc__)
    build(Path(words[0]))
    bpy.context.scene.render.filepath = str(Path(words[1]).resolve())
    bpy.ops.render.render(write_still=True)
