# SPDX-License-Identifier: Apache-2.0
"""Blender, run as `python -m tests.support.material_files FOLDER` -> .blend files whose materials are known by formula.

In a process of its own, since a process that has loaded bpy must not load much else.
"""

import sys
from pathlib import Path
from typing import Any

import bpy

from tests.support.blend_members import ball, cube, material

FIRST = {"Base_Color": (0.2, 0.4, 0.6, 1.0), "Roughness": 0.3, "Metallic": 1.0}
SECOND = {"Base_Color": (0.9, 0.05, 0.1, 1.0), "Roughness": 0.75, "Metallic": 0.0}
DIFFUSE = (0.5, 0.25, 0.125)
FACTOR = 0.25  # of the second shader of the mix


def constants() -> None:
    """Two Principled balls and a diffuse cube."""
    material(ball("first"), **FIRST)
    material(ball("second", at=(3, 0, 0)), **SECOND)
    made = material(cube("third", at=(0, 3, 0)))
    diffuse = made.node_tree.nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (*DIFFUSE, 1.0)
    _show(made, diffuse)


def mixed() -> None:
    """A ball whose shader is a mix of two Principled ones."""
    made = material(ball(), **FIRST)
    tree = made.node_tree
    other = tree.nodes.new("ShaderNodeBsdfPrincipled")
    for name, value in SECOND.items():
        other.inputs[name.replace("_", " ")].default_value = value
    mix = tree.nodes.new("ShaderNodeMixShader")
    mix.inputs[0].default_value = FACTOR
    tree.links.new(tree.nodes["Principled BSDF"].outputs[0], mix.inputs[1])
    tree.links.new(other.outputs[0], mix.inputs[2])
    _show(made, mix)


def by_place() -> None:
    """A plane whose colour is (u, v, 0), its roughness u, and its metallic v."""
    item = _plane()
    made = material(item)
    tree = made.node_tree
    shader = tree.nodes["Principled BSDF"]
    uv, parts = _uv(tree)
    tree.links.new(uv, shader.inputs["Base Color"])
    tree.links.new(parts.outputs[0], shader.inputs["Roughness"])
    tree.links.new(parts.outputs[1], shader.inputs["Metallic"])


def hole() -> None:
    """A plane that is a hole where u is above one half, over another one."""
    front = _plane()
    made = material(front, **FIRST)
    tree = made.node_tree
    _, parts = _uv(tree)
    step = tree.nodes.new("ShaderNodeMath")
    step.operation = "LESS_THAN"
    step.inputs[1].default_value = 0.5
    tree.links.new(parts.outputs[0], step.inputs[0])
    tree.links.new(step.outputs[0], tree.nodes["Principled BSDF"].inputs["Alpha"])
    back = _plane()
    back.location.z = -0.2
    material(back, **SECOND)


def glossy() -> None:
    """A ball with a shader that has no albedo."""
    made = material(ball())
    _show(made, made.node_tree.nodes.new("ShaderNodeBsdfAnisotropic"))


def _plane() -> Any:
    bpy.ops.mesh.primitive_plane_add(size=2)
    return bpy.context.object


def _uv(tree: Any) -> tuple[Any, Any]:
    uv = tree.nodes.new("ShaderNodeTexCoord").outputs["UV"]
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(uv, parts.inputs[0])
    return uv, parts


def _show(made: Any, shader: Any) -> None:
    tree = made.node_tree
    tree.links.new(shader.outputs[0], tree.nodes["Material Output"].inputs["Surface"])


FILES = (constants, mixed, by_place, hole, glossy)


def main(folder: Path) -> None:
    for make in FILES:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        make()
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{make.__name__}.blend"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
