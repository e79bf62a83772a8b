# SPDX-License-Identifier: GPL-3.0-or-later
"""A material's description (plain data) -> a Blender material.

Every material has one Principled shader on its output. Everything that tilts the normal is linked to that shader's
`Normal` input (and to `Coat Normal`), opacity to `Alpha`; there is no displacement. So the shading normal of the ground
truth is the input of `Normal`.
"""

from collections.abc import Callable
from typing import Any

import bpy

from blender_scripts.map_sets import build_map_set
from blender_scripts.procedural import coated, fabric, metal, organic, stone
from blender_scripts.procedural.graph import Graph
from blender_scripts.procedural.surface import Surface

FAMILIES: dict[str, Callable[[Graph, dict[str, Any]], Surface]] = {
    "metal_brushed": metal.brushed,
    "metal_hammered": metal.hammered,
    "metal_oxidised": metal.oxidised,
    "metal_polished": metal.polished,
    "plastic": coated.plastic,
    "ceramic": coated.ceramic,
    "wood": organic.wood,
    "fabric": fabric.fabric,
    "stone": stone.stone,
    "skin": organic.skin,
    "painted": coated.painted,
}


def build_material(spec: dict[str, Any], name: str) -> bpy.types.Material:
    """Build the material that `spec` describes.

    `{"source": "builtin", "family": ..., "parameters": {...}}`, with the parameters that
    `multishade.procedural.materials.sample_parameters` returns; or `{"source": "maps", ...}`, see
    `map_sets.build_map_set`. The object is expected in its unit frame (bounding sphere of radius 0.5 about the origin)
    with the identity as its matrix.

    Raises ValueError for a source or family that does not exist, KeyError for a missing parameter.
    """
    if spec["source"] not in ("builtin", "maps"):
        raise ValueError(f"material {name!r}: source {spec['source']!r} is neither 'builtin' nor 'maps'")
    material = bpy.data.materials.new(name)
    # Blender before 5.0 needs this: BlenderProc, which the benchmark compares with, runs in 4.2.
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    if spec["source"] == "maps":
        build_map_set(tree, shader, spec)
    else:
        _build_family(tree, shader, spec["family"], spec["parameters"])
    normal = shader.inputs["Normal"]
    if normal.is_linked:
        tree.links.new(normal.links[0].from_socket, shader.inputs["Coat Normal"])
    return material


def _build_family(
    tree: bpy.types.NodeTree, shader: bpy.types.Node, family: str, parameters: dict[str, Any]
) -> None:
    if family not in FAMILIES:
        raise ValueError(
            f"built-in material family {family!r} does not exist; there are: {', '.join(FAMILIES)}"
        )
    shader.subsurface_method = "BURLEY"  # a third of a random walk's cost; only skin scatters
    graph = Graph(tree, parameters["orientation"], parameters["offset"])
    surface = FAMILIES[family](graph, parameters)
    for socket, value in surface.inputs.items():
        graph.feed(shader.inputs[socket], value)
    normal = graph.tilted(surface.fall) if surface.fall is not None else None
    if surface.height is not None:
        normal = graph.bump(surface.height, normal)
    if normal is not None:
        graph.feed(shader.inputs["Normal"], normal)
