# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh without a material -> a plain material: its vertex colours if it has any, else mid grey."""

import bpy

GREY = (0.5, 0.5, 0.5, 1.0)


def build_plain(mesh: bpy.types.Mesh) -> bpy.types.Material:
    """Build a material of roughness 0.6 in the mesh's vertex colours, or mid grey."""
    material = bpy.data.materials.new("plain")
    material.use_nodes = True
    tree = material.node_tree
    principled = tree.nodes["Principled BSDF"]
    principled.inputs["Roughness"].default_value = 0.6
    principled.inputs["Base Color"].default_value = GREY
    if mesh.color_attributes:
        colour = tree.nodes.new("ShaderNodeVertexColor")
        colour.layer_name = mesh.color_attributes[0].name
        tree.links.new(colour.outputs["Color"], principled.inputs["Base Color"])
    return material
