# SPDX-License-Identifier: GPL-3.0-or-later
"""A material -> the same material, switchable to white clay: diffuse, albedo 1, with its own normals and holes.

The ground truth is rendered in clay. Its single closure keeps the shading normal of the bump or normal map; the normal
pass of a glossy mixture would average in the normals that Cycles bends for reflections. Clay is also the white object
of the `cast` shading mode. Switching changes one link in the node tree, so neither the mesh nor the BVH is rebuilt.
"""

import bpy

from blender_scripts.alpha import ABOVE, SOLID

CLAY = "multishade clay"
GEOMETRY_NORMAL = "normal_geometry"


def sanitize(material: bpy.types.Material) -> None:
    """Remove emission, volumes, displacement and partial transparency from a material, and show both its sides."""
    tree = material.node_tree
    output = _output(tree)
    for name in ("Volume", "Displacement"):
        for link in output.inputs[name].links:
            tree.links.remove(link)
    for node in list(tree.nodes):
        if node.type == "BSDF_PRINCIPLED":
            _unlink(tree, node.inputs["Emission Strength"])
            node.inputs["Emission Strength"].default_value = 0.0
            _threshold_alpha(tree, node.inputs["Alpha"])
        elif node.type == "EMISSION":
            _replace_emission(tree, node)
    material.use_backface_culling = False


def install(material: bpy.types.Material) -> None:
    """Add the clay nodes; they are unused until `set_clay_enabled`."""
    tree = material.node_tree
    surface = surface_of(tree)
    source = _find(surface, "Normal")
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    if source is not None and source.inputs["Normal"].is_linked:
        tree.links.new(source.inputs["Normal"].links[0].from_socket, diffuse.inputs["Normal"])
    shader = diffuse
    solid = solid_of(tree, surface)
    if solid is not None:
        shader = tree.nodes.new("ShaderNodeMixShader")
        hole = tree.nodes.new("ShaderNodeBsdfTransparent")
        tree.links.new(solid, shader.inputs[0])
        tree.links.new(hole.outputs[0], shader.inputs[1])
        tree.links.new(diffuse.outputs[0], shader.inputs[2])
    shader.name = CLAY
    geometry = tree.nodes.new("ShaderNodeNewGeometry")
    aov = tree.nodes.new("ShaderNodeOutputAOV")
    aov.aov_name = GEOMETRY_NORMAL
    tree.links.new(geometry.outputs["Normal"], aov.inputs["Color"])


def set_clay_enabled(materials: list[bpy.types.Material], enabled: bool) -> None:
    """Show every material as clay, or as itself."""
    for material in materials:
        tree = material.node_tree
        output = _output(tree)
        if "multishade own" not in output:
            output["multishade own"] = output.inputs["Surface"].links[0].from_node.name
        shader = tree.nodes[CLAY] if enabled else tree.nodes[output["multishade own"]]
        tree.links.new(shader.outputs[0], output.inputs["Surface"])
        # Cycles softens the terminator of bumped surfaces; clay has to be max(0, n.l) exactly.
        material.cycles.use_bump_map_correction = not enabled
        material.update_tag()  # Blender does not notice a change of a Cycles property


def _output(tree: bpy.types.NodeTree) -> bpy.types.Node:
    output = tree.get_output_node("CYCLES")
    if output is None:
        output = tree.nodes.new("ShaderNodeOutputMaterial")
    if not output.inputs["Surface"].is_linked:
        tree.links.new(tree.nodes.new("ShaderNodeBsdfPrincipled").outputs[0], output.inputs["Surface"])
    return output


def solid_of(tree: bpy.types.NodeTree, surface: bpy.types.Node) -> bpy.types.NodeSocket | None:
    """The output that is 1 where the material is solid and 0 where it is a hole; None if it has no holes."""
    if SOLID in tree.nodes:
        return tree.nodes[SOLID].outputs[0]
    shader = _find(surface, "Alpha")
    if shader is None or not shader.inputs["Alpha"].is_linked:
        return None
    return shader.inputs["Alpha"].links[0].from_socket


def surface_of(tree: bpy.types.NodeTree) -> bpy.types.Node:
    return _output(tree).inputs["Surface"].links[0].from_node


def _find(node: bpy.types.Node, socket: str) -> bpy.types.Node | None:
    """The first shader at or upstream of `node` with an input of this name; a principled one is preferred."""
    queue, seen, first = [node], set(), None
    while queue:
        current = queue.pop(0)
        if current.name in seen:
            continue
        seen.add(current.name)
        if socket in current.inputs and current.outputs and current.outputs[0].type == "SHADER":
            if current.type == "BSDF_PRINCIPLED":
                return current
            first = first or current
        for entry in current.inputs:
            if entry.type == "SHADER":
                queue.extend(link.from_node for link in entry.links)
    return first


def _threshold_alpha(tree: bpy.types.NodeTree, alpha: bpy.types.NodeSocket) -> None:
    """Make alpha binary, since a half-transparent pixel has no single normal: at least 0.5 is solid, less a hole."""
    if not alpha.is_linked:
        alpha.default_value = 1.0
        return
    source = alpha.links[0].from_socket
    if source.node.type == "MATH" and source.node.operation == "GREATER_THAN":
        return
    step = tree.nodes.new("ShaderNodeMath")
    step.operation = "GREATER_THAN"
    step.inputs[1].default_value = ABOVE
    tree.links.new(source, step.inputs[0])
    tree.links.new(step.outputs[0], alpha)


def _replace_emission(tree: bpy.types.NodeTree, emission: bpy.types.Node) -> None:
    """Replace an emission shader (an unlit part) by a diffuse one of the same colour."""
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    colour = emission.inputs["Color"]
    if colour.is_linked:
        tree.links.new(colour.links[0].from_socket, diffuse.inputs["Color"])
    else:
        diffuse.inputs["Color"].default_value = colour.default_value
    for link in list(emission.outputs[0].links):
        tree.links.new(diffuse.outputs[0], link.to_socket)
    tree.nodes.remove(emission)


def _unlink(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket) -> None:
    for link in list(socket.links):
        tree.links.remove(link)
