# SPDX-License-Identifier: GPL-3.0-or-later
"""A material whose colour lies in its emission -> the same with that colour as its base colour.

Scans, and objects that were lit before export, come as an emissive texture over black. Nothing glows in a data set, so
such an object would be black.
"""

import bpy

BLACK = 1e-3  # largest component of a colour that counts as black


def move_to_base(material: bpy.types.Material) -> bool:
    """Make emission over black the base colour; whether there was any."""
    tree = material.node_tree
    moved = False
    for node in list(tree.nodes) if tree is not None else ():
        if node.type != "BSDF_PRINCIPLED" or not _is_black(node.inputs["Base Color"]):
            continue
        colour, strength = node.inputs["Emission Color"], node.inputs["Emission Strength"]
        if not strength.is_linked and strength.default_value <= 0:
            continue
        base = node.inputs["Base Color"]
        if colour.is_linked:
            tree.links.new(colour.links[0].from_socket, base)
        elif max(colour.default_value[:3]) > BLACK:
            scale = 1.0 if strength.is_linked else strength.default_value
            value = [component * scale for component in colour.default_value[:3]]
            brightest = max(1.0, *value)
            for link in list(base.links):
                tree.links.remove(link)
            base.default_value = (*(component / brightest for component in value), 1.0)
        else:
            continue
        moved = True
    return moved


def _is_black(socket: bpy.types.NodeSocket) -> bool:
    """Whether a colour is black, also as the product of a texture with black."""
    if not socket.is_linked:
        return max(socket.default_value[:3]) <= BLACK
    source = socket.links[0].from_node
    if source.type == "MIX" and source.data_type == "RGBA" and source.blend_type == "MULTIPLY":
        colours = [entry for entry in source.inputs if entry.type == "RGBA" and entry.name in ("A", "B")]
        return any(not entry.is_linked and max(entry.default_value[:3]) <= BLACK for entry in colours)
    return False
