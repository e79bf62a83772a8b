# SPDX-License-Identifier: Apache-2.0
"""Files that only Blender can write and that try to run code, to read other files, or to fill the memory.

Run as `python -m tests.hostile.blends ROOT`: `ROOT/scan/objects/blender` gets the files, `ROOT/canary-NAME` is what
code of the file NAME would write.
"""

import sys
from pathlib import Path

import bpy
import numpy as np

SHADER = "shader s(output color C = 0) { C = color(1, 0, 0); }"


def fresh() -> bpy.types.Object:
    """An empty scene with a cube in a material."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    material = bpy.data.materials.new("m")
    material.use_nodes = True
    cube.data.materials.append(material)
    return cube


def image_node(cube: bpy.types.Object, path: str, source: str = "FILE") -> bpy.types.Image:
    """Show an image by its path, whether it is there or not, as the cube's colour."""
    tree = cube.active_material.node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.new("picture", 4, 4)
    node.image.source = source
    node.image.filepath = path
    tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return node.image


def main(root: Path) -> None:
    folder = root / "scan" / "objects" / "blender"
    folder.mkdir(parents=True, exist_ok=True)

    def save(kind: str, name: str) -> None:
        path = folder / kind / f"{name}.blend"
        path.parent.mkdir(exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False, relative_remap=False)

    def code(name: str) -> str:
        return f"open({str(root / f'canary-{name}')!r}, 'w')"

    fresh()
    script = bpy.data.texts.new("run.py")
    script.write(f"{code('text')}\ndef register(): {code('register')}\n")
    script.use_module = True
    save("scripts", "text")
    cube = fresh()
    cube.driver_add("location", 0).driver.expression = f"0 if {code('driver')} else 0"
    save("scripts", "driver")
    cube = fresh()
    socket = cube.active_material.node_tree.nodes["Principled BSDF"].inputs["Roughness"]
    socket.driver_add("default_value").driver.expression = f"0.5 if {code('material')} else 0.5"
    save("scripts", "material")
    cube = fresh()
    cube.shape_key_add(name="Basis")
    cube.shape_key_add(name="other").driver_add("value").driver.expression = f"1.0 if {code('keys')} else 0.0"
    save("scripts", "keys")
    for name, external in (("osl", False), ("osl-outside", True)):
        cube = fresh()
        bpy.context.scene.render.engine = "CYCLES"
        bpy.context.scene.cycles.shading_system = True
        tree = cube.active_material.node_tree
        node = tree.nodes.new("ShaderNodeScript")
        if external:
            node.mode, node.filepath = "EXTERNAL", str(root / "secret.osl")
        else:
            node.script = bpy.data.texts.new("s.osl")
            node.script.write(SHADER)
        if not node.outputs:
            node.outputs.new("NodeSocketColor", "C")
        tree.links.new(node.outputs[0], tree.nodes["Principled BSDF"].inputs["Base Color"])
        save("OSL", name)

    cube = fresh()
    library = root / "secret.blend"
    bpy.data.libraries.write(str(library), {cube.data})
    for number, name in enumerate((str(library), "//../../../../secret.blend")):
        fresh()
        with bpy.data.libraries.load(str(library), link=True) as (_, target):
            target.meshes = ["Cube"]
        linked = bpy.data.objects.new("linked", target.meshes[0])
        bpy.context.scene.collection.objects.link(linked)
        bpy.data.libraries[0].filepath = name
        save("library outside", f"library{number}")
    for number, name in enumerate(
        (str(root / "secret.png"), "//../../../../secret.png", "//inside.png", "/dev/zero")
    ):
        image_node(fresh(), name)
        save("image outside", f"image{number}")
    (folder / "image outside" / "inside.png").symlink_to(root / "secret.png")
    image_node(fresh(), "//movie.avi", "MOVIE")
    save("image outside", "movie")
    (folder / "image outside" / "movie.avi").write_bytes(b"RIFF\x40\0\0\0AVI LIST" + b"\0" * 64)
    cube = fresh()
    for number in range(4):
        cube.modifiers.new(f"a{number}", "ARRAY").count = 1000
    save("bombs", "array")
    cube = fresh()
    levels = cube.modifiers.new("s", "SUBSURF")
    levels.levels, levels.render_levels = 0, 11
    save("bombs", "subdivision")
    fresh()
    inner = bpy.data.collections.new("inner")
    inner.objects.link(bpy.context.object)
    for level in range(3):
        outer = bpy.data.collections.new(f"level{level}")
        for _ in range(60):
            empty = bpy.data.objects.new("i", None)
            empty.instance_type, empty.instance_collection = "COLLECTION", inner
            outer.objects.link(empty)
        inner = outer
    top = bpy.data.objects.new("top", None)
    top.instance_type, top.instance_collection = "COLLECTION", inner
    bpy.context.scene.collection.objects.link(top)
    save("bombs", "instances")
    for name, value in (("nan", np.nan), ("infinite", np.inf), ("huge", 1e30)):
        cube = fresh()
        cube.data.vertices[0].co.x = value
        save("broken meshes", name)
    for name, value in (("index", 1000), ("negative", -5), ("largest", 2**31 - 1)):
        cube = fresh()
        corners = np.empty(len(cube.data.loops), np.int32)
        cube.data.loops.foreach_get("vertex_index", corners)
        corners[3] = value
        cube.data.attributes[".corner_vert"].data.foreach_set("value", corners)
        save("broken meshes", name)
    cube = fresh()
    group = bpy.data.node_groups.new("g", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    reader, output = group.nodes.new("GeometryNodeImportOBJ"), group.nodes.new("NodeGroupOutput")
    reader.inputs[0].default_value = "/etc/passwd"
    group.links.new(reader.outputs[0], output.inputs[0])
    cube.modifiers.new("n", "NODES").node_group = group
    save("nodes that read files", "import")


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
