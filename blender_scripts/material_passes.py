# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials -> AOVs of what they are made of: base colour, roughness, metallic, position, and the number of the part.

The AOVs are read from the one-sample render of the ground truth, so each pixel has the value at its centre, unlit and
unfiltered. Where a material is a hole all are 0, since Cycles adds up what a path meets before it hits a surface.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import bpy

from blender_scripts.clay import solid_of, surface_of

# AOV -> the passes in its channels.
AOVS = {
    "material_albedo": ("albedo",),
    "material_surface": ("roughness", "metallic", "object_index"),
    "material_position": ("position",),
}
SOCKETS = {
    "albedo": "Base Color",
    "roughness": "Roughness",
    "metallic": "Metallic",
}  # of the Principled shader
HOLES = ("BSDF_TRANSPARENT", "HOLDOUT")

Value: TypeAlias = "float | tuple[float, float, float] | Any"  # or the output that computes it


class PassUnusable(ValueError):
    """A material has no such values: it is made of shaders for which they do not exist."""


def aovs_of(passes: Sequence[str]) -> list[str]:
    """The names of the AOVs that hold these passes."""
    return [name for name, held in AOVS.items() if set(held) & set(passes)]


def install(
    items: Sequence[bpy.types.Object], materials: Sequence[bpy.types.Material], passes: Sequence[str]
) -> None:
    """Number the objects from 1, and add outputs of the passes to every material.

    Raises PassUnusable, naming material and shader, if a material is neither Principled nor diffuse nor a mix of such.
    """
    if not passes:
        return
    for number, item in enumerate(items, 1):
        item.pass_index = number
    for material in materials:
        _install(material, passes)


def _install(material: bpy.types.Material, passes: Sequence[str]) -> None:
    tree = material.node_tree
    surface = surface_of(tree)
    solid = solid_of(tree, surface)
    for aov in aovs_of(passes):
        if aov == "material_albedo":
            value = _socket(tree, _value(tree, surface, "albedo", material.name))
        elif aov == "material_position":
            value = tree.nodes.new("ShaderNodeNewGeometry").outputs["Position"]
        else:
            joined = tree.nodes.new("ShaderNodeCombineXYZ")
            for name, place in (("roughness", 0), ("metallic", 1)):
                if name in passes:
                    _feed(tree, joined.inputs[place], _value(tree, surface, name, material.name))
            _feed(tree, joined.inputs[2], tree.nodes.new("ShaderNodeObjectInfo").outputs["Object Index"])
            value = joined.outputs[0]
        if solid is not None:
            scaled = tree.nodes.new("ShaderNodeVectorMath")
            scaled.operation = "SCALE"
            tree.links.new(value, scaled.inputs[0])
            tree.links.new(solid, scaled.inputs["Scale"])
            value = scaled.outputs[0]
        output = tree.nodes.new("ShaderNodeOutputAOV")
        output.aov_name = aov
        tree.links.new(value, output.inputs["Color"])


def _value(tree: bpy.types.NodeTree, node: bpy.types.Node, name: str, material: str) -> Value:
    """The value of a pass at a shader: an input of a Principled one, mixed as the shaders are mixed."""
    if node.type == "BSDF_PRINCIPLED":
        return _input(node.inputs[SOCKETS[name]])
    if node.type == "BSDF_DIFFUSE":
        return _input(node.inputs["Color"]) if name == "albedo" else float(name == "roughness")
    if node.type == "REROUTE" and node.inputs[0].is_linked:
        return _value(tree, node.inputs[0].links[0].from_node, name, material)
    if node.type == "MIX_SHADER":
        parts = [socket.links[0].from_node for socket in node.inputs[1:] if socket.is_linked]
        solid = [part for part in parts if part.type not in HOLES]
        if len(parts) == 2 and len(solid) == 1:
            return _value(tree, solid[0], name, material)
        if len(solid) == 2:
            first, second = (_value(tree, part, name, material) for part in solid)
            return _mixed(tree, node.inputs[0], first, second)
    raise PassUnusable(
        f"material {material!r}: its shader {node.type} has no {name}; material passes (formats.passes) exist for "
        "Principled and diffuse shaders and mixes of them: change the material, or leave this object out"
    )


def _mixed(tree: bpy.types.NodeTree, factor: bpy.types.NodeSocket, first: Value, second: Value) -> Value:
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "VECTOR"
    node.clamp_factor = True
    by_name = {socket.identifier: socket for socket in node.inputs}
    _feed(tree, by_name["Factor_Float"], _input(factor))
    _feed(tree, by_name["A_Vector"], _triple(first))
    _feed(tree, by_name["B_Vector"], _triple(second))
    return next(socket for socket in node.outputs if socket.identifier == "Result_Vector")


def _input(socket: bpy.types.NodeSocket) -> Value:
    """What an input is fed with: the output that is linked to it, or its own value."""
    if socket.is_linked:
        return socket.links[0].from_socket
    value = socket.default_value
    return float(value) if isinstance(value, float | int) else tuple(value)[:3]


def _triple(value: Value) -> Any:
    return (value, value, value) if isinstance(value, float) else value


def _socket(tree: bpy.types.NodeTree, value: Value) -> bpy.types.NodeSocket:
    """An output with this value."""
    if isinstance(value, bpy.types.NodeSocket):
        return value
    node = tree.nodes.new("ShaderNodeCombineXYZ")
    for socket, number in zip(node.inputs, _triple(value), strict=True):
        socket.default_value = number
    return node.outputs[0]


def _feed(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, value: Value) -> None:
    if isinstance(value, bpy.types.NodeSocket):
        tree.links.new(value, socket)
    else:
        socket.default_value = value
