# SPDX-License-Identifier: GPL-3.0-or-later
"""A PLY's header -> triangle strips refused, and on the mesh the texture that a comment names, as MeshLab writes it."""

from pathlib import Path

import bpy

from blender_scripts.errors import ObjectUnusable

LONGEST_HEADER = 65536  # bytes


def assign(path: Path) -> None:
    """Give the meshes in the scene the texture of `comment TextureFile NAME`, if the file has one and they have UVs.

    Raises ObjectUnusable if the texture is missing.
    """
    name = texture_name(path)
    if name is None:
        return
    file = path.parent / name
    if not file.is_file():
        raise ObjectUnusable(f"{path}: needs the texture {name!r}, which is missing")
    meshes = [item.data for item in bpy.context.scene.objects if item.type == "MESH" and item.data.uv_layers]
    if not meshes:
        return
    material = bpy.data.materials.new("ply")
    material.use_nodes = True
    tree = material.node_tree
    principled = tree.nodes["Principled BSDF"]
    principled.inputs["Roughness"].default_value = 0.6
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(file))
    tree.links.new(texture.outputs["Color"], principled.inputs["Base Color"])
    for mesh in meshes:
        mesh.materials.append(material)


def require_faces(path: Path) -> None:
    """Raise ObjectUnusable if the file holds triangle strips, which Blender leaves out without a word."""
    for words in map(str.split, _header(path)):
        if words[:2] == ["element", "tristrips"] and words[2:] != ["0"]:
            raise ObjectUnusable(f"{path}: its faces are triangle strips, which are not read; convert it")


def texture_name(path: Path) -> str | None:
    """The file that a PLY's header names as its texture, with forward slashes."""
    for line in _header(path):
        words = line.split(None, 2)
        if len(words) == 3 and words[0] == "comment" and words[1].lower() == "texturefile":
            return words[2].strip().strip('"').replace("\\", "/")
    return None


def _header(path: Path) -> list[str]:
    """The lines of a PLY's header."""
    with path.open("rb") as stream:
        header = stream.read(LONGEST_HEADER).split(b"end_header")[0]
    return header.decode("utf-8", errors="replace").splitlines()
