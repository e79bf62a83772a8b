# SPDX-License-Identifier: GPL-3.0-or-later
"""A material of any shaders -> where it is solid: what covers at least half is a surface, the rest is a hole.

Half-transparent surfaces have no one normal, so that image, mask and ground truth need one decision. Coverage is read
off the shaders: a Principled shader's alpha, the factor of a mix with a transparent shader. What `settle` leaves is a
material whose root is opaque, or a mix of a hole and an opaque shader by a step at one half, which `clay` takes over.
"""

from typing import Any, TypeAlias

import bpy

THRESHOLD = 0.5  # coverage from which a material is solid
ABOVE = THRESHOLD - 1e-6  # Blender has no node for "at least"
SOLID = "multishade solid"  # name of the node that is 1 where the material is solid and 0 where it is a hole
Coverage: TypeAlias = "float | Any"  # or the socket that computes it


def settle(material: bpy.types.Material) -> bool:
    """Make a material's coverage 0 or 1 everywhere; whether all of it is a hole.

    A single Principled shader with a linked alpha is left to `clay`, which puts the step before its alpha.
    """
    tree = material.node_tree
    output = tree.get_output_node("CYCLES") if tree is not None else None
    if output is None or not output.inputs["Surface"].is_linked:
        return False
    surface = output.inputs["Surface"].links[0].from_node
    coverage = _coverage(tree, surface)
    if not isinstance(coverage, float):
        if surface.type != "BSDF_PRINCIPLED":
            _cut(tree, output, surface, coverage)
        return False
    if coverage < THRESHOLD:
        return True
    if coverage < 1.0:
        tree.links.new(_opaque(tree, surface).outputs[0], output.inputs["Surface"])
    return False


def alpha_source(material: bpy.types.Material) -> bpy.types.NodeSocket | None:
    """The output that decides where a settled material is solid, by the threshold; None if all of it is."""
    tree = material.node_tree
    if tree is None:
        return None
    step = tree.nodes.get(SOLID)
    if step is not None:
        return step.inputs[0].links[0].from_socket
    output = tree.get_output_node("CYCLES")
    if output is None or not output.inputs["Surface"].is_linked:
        return None
    surface = output.inputs["Surface"].links[0].from_node
    if surface.type != "BSDF_PRINCIPLED" or not surface.inputs["Alpha"].is_linked:
        return None
    return surface.inputs["Alpha"].links[0].from_socket


def _coverage(tree: bpy.types.NodeTree, node: bpy.types.Node) -> Coverage:
    if node.type == "BSDF_PRINCIPLED":
        return _value(node.inputs["Alpha"])
    if node.type in ("BSDF_TRANSPARENT", "HOLDOUT"):
        return 0.0
    if node.type == "MIX_SHADER":
        factor, first, second = node.inputs
        share = _value(factor)
        low, high = (_coverage_behind(tree, socket) for socket in (first, second))
        if isinstance(low, float) and isinstance(high, float) and low == high:
            return low
        return _mix(tree, share, low, high)
    if node.type == "ADD_SHADER":
        both = [_coverage_behind(tree, socket) for socket in node.inputs if socket.is_linked]
        if all(isinstance(part, float) for part in both):
            return max(both, default=1.0)
        return next((part for part in both if not isinstance(part, float)), 1.0)
    return 1.0


def _coverage_behind(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket) -> Coverage:
    return _coverage(tree, socket.links[0].from_node) if socket.is_linked else 0.0


def _value(socket: bpy.types.NodeSocket) -> Coverage:
    if not socket.is_linked:
        return float(min(max(socket.default_value, 0.0), 1.0))
    source = socket.links[0].from_socket
    if source.node.type == "LIGHT_PATH":
        return 1.0 if source.name == "Is Camera Ray" else 0.0  # as the camera sees it
    return source


def _mix(tree: bpy.types.NodeTree, share: Coverage, low: Coverage, high: Coverage) -> Coverage:
    """low + share * (high - low), as nodes where any of them is one."""
    if isinstance(share, float) and isinstance(low, float) and isinstance(high, float):
        return low + share * (high - low)
    if isinstance(low, float) and isinstance(high, float) and (low, high) == (0.0, 1.0):
        return share
    difference = _math(tree, "SUBTRACT", high, low)
    return _math(tree, "MULTIPLY_ADD", share, difference, low)


def _math(tree: bpy.types.NodeTree, operation: str, *values: Coverage) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, values, strict=False):
        if isinstance(value, float):
            socket.default_value = value
        else:
            tree.links.new(value, socket)
    return node.outputs[0]


def _cut(
    tree: bpy.types.NodeTree, output: bpy.types.Node, surface: bpy.types.Node, coverage: Coverage
) -> None:
    """Make the root a mix of a hole and the opaque surface, by a step at the threshold."""
    step = _math(tree, "GREATER_THAN", coverage, ABOVE)
    step.node.name = SOLID
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(step, mix.inputs[0])
    tree.links.new(tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], mix.inputs[1])
    tree.links.new(_opaque(tree, surface).outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])


def _opaque(tree: bpy.types.NodeTree, node: bpy.types.Node) -> bpy.types.Node:
    """The shader without its transparent parts."""
    if node.type == "BSDF_PRINCIPLED":
        for link in list(node.inputs["Alpha"].links):
            tree.links.remove(link)
        node.inputs["Alpha"].default_value = 1.0
    if node.type not in ("MIX_SHADER", "ADD_SHADER"):
        return node
    parts = [
        (socket, socket.links[0].from_node)
        for socket in node.inputs
        if socket.type == "SHADER" and socket.is_linked
    ]
    solid = [(socket, part) for socket, part in parts if part.type not in ("BSDF_TRANSPARENT", "HOLDOUT")]
    if len(solid) == 1:
        return _opaque(tree, solid[0][1])
    for socket, part in solid:
        tree.links.new(_opaque(tree, part).outputs[0], socket)
    return node
