# SPDX-License-Identifier: GPL-3.0-or-later
"""A PLY's header -> triangle strips refused, and on the mesh what Blender's importer leaves: colours and UVs of other
names, and the texture that a comment names, as MeshLab writes it."""

from pathlib import Path

import bpy
import numpy as np

from blender_scripts import audit, framing
from blender_scripts.errors import ObjectUnusable

LONGEST_HEADER = 65536  # bytes
COLOUR_NAMES = (("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
UV_NAMES = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"))
LARGEST = {"uchar": 255.0, "uint8": 255.0, "ushort": 65535.0, "uint16": 65535.0}


def assign(path: Path, root: Path) -> bool:
    """Give the meshes in the scene the colours that Blender's importer leaves: under other names, or in a texture.

    The texture is that of `comment TextureFile NAME`, laid on by the UVs of the vertices.

    Returns:
        Whether the file has colours that are lost: those of faces, or a texture without UVs of the vertices.

    Raises:
        ObjectUnusable: If the texture is missing, or outside of `root`.
    """
    file = _texture_file(path)
    if file is not None:
        audit.require_below(file, root, path.name)
    kinds, of_faces = _colours(path)
    meshes = [item.data for item in bpy.context.scene.objects if item.type == "MESH"]
    for mesh in meshes:
        _name_colours(mesh, kinds)
        _name_uv(mesh)
    textured = [mesh for mesh in meshes if mesh.uv_layers]
    if file is not None and textured:
        _lay_on(file, textured)
        return False
    return file is not None or (of_faces and not any(mesh.color_attributes for mesh in meshes))


def _texture_file(path: Path) -> Path | None:
    """The texture that a PLY names. Raises ObjectUnusable if it is missing."""
    name = _texture_name(path)
    file = None if name is None else audit.find_beside(path.parent, name)
    if name is not None and file is None:
        raise ObjectUnusable(f"{path}: needs the texture {name!r}, which is missing")
    return file


def _lay_on(file: Path, meshes: list[bpy.types.Mesh]) -> None:
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


def _colours(path: Path) -> tuple[dict[str, str], bool]:
    """The type of each property of the vertices, and whether the faces have colours."""
    element, kinds, of_faces = "", {}, False
    for words in map(str.split, _header(path)):
        if words[:1] == ["element"] and len(words) == 3:
            element = words[1]
        elif words[:1] == ["property"] and len(words) == 3:
            if element == "vertex":
                kinds[words[2]] = words[1]
            of_faces |= element == "face" and words[2] in ("red", "diffuse_red", "r")
    return kinds, of_faces


def _name_colours(mesh: bpy.types.Mesh, kinds: dict[str, str]) -> None:
    """Make colours of the vertices that are called otherwise colours of the mesh, sRGB as the file has them."""
    names = _present(mesh, COLOUR_NAMES)
    if not names or mesh.color_attributes:
        return
    largest = [LARGEST.get(kinds.get(name, ""), 1.0) for name in names]
    rgba = np.ones((len(mesh.vertices), 4), np.float32)
    rgba[:, :3] = _of_vertices(mesh, names) / np.array(largest, np.float32)
    colours = mesh.color_attributes.new("Col", "BYTE_COLOR", "POINT")
    colours.data.foreach_set("color_srgb", np.clip(rgba, 0, 1).ravel())


def _name_uv(mesh: bpy.types.Mesh) -> None:
    """Make UVs of the vertices that are called otherwise the UVs of the mesh."""
    names = _present(mesh, UV_NAMES)
    if not names or mesh.uv_layers:
        return
    uv = _of_vertices(mesh, names)
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", uv[framing.corner_vertices(mesh)].ravel())


def _present(mesh: bpy.types.Mesh, choices: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The first of these groups of attributes that a mesh has; empty if it has none."""
    return next((names for names in choices if all(name in mesh.attributes for name in names)), ())


def _of_vertices(mesh: bpy.types.Mesh, names: tuple[str, ...]) -> np.ndarray:
    """Attributes of the vertices as (V, len(names)) float32."""
    columns = np.empty((len(names), len(mesh.vertices)), np.float32)
    for values, name in zip(columns, names, strict=True):
        mesh.attributes[name].data.foreach_get("value", values)
    return columns.T


def require_faces(path: Path) -> None:
    """Raise ObjectUnusable if the file holds triangle strips, which Blender leaves out without a word."""
    for words in map(str.split, _header(path)):
        if words[:2] == ["element", "tristrips"] and words[2:] != ["0"]:
            raise ObjectUnusable(f"{path}: its faces are triangle strips, which are not read; convert it")


def _texture_name(path: Path) -> str | None:
    """The name of the texture in a PLY's header."""
    for line in _header(path):
        words = line.split(None, 2)
        if len(words) == 3 and words[0] == "comment" and words[1].lower() == "texturefile":
            return words[2].strip()
    return None


def _header(path: Path) -> list[str]:
    """The lines of a PLY's header."""
    with path.open("rb") as stream:
        header = stream.read(LONGEST_HEADER).split(b"end_header")[0]
    return header.decode("utf-8", errors="replace").splitlines()
