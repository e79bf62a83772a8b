# SPDX-License-Identifier: Apache-2.0
"""Meshes that only Blender writes: FBX and BLEND files of a glTF, subdivision levels, missing libraries."""

import subprocess
import sys
from pathlib import Path

_CONVERT = """
import sys
import bpy
source, target = sys.argv[-2:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=source)
if target.endswith(".fbx"):
    bpy.ops.export_scene.fbx(filepath=target)
else:
    bpy.ops.wm.save_as_mainfile(filepath=target)
"""
_SUBDIVIDED = """
import sys
import bpy
target, viewport, render = sys.argv[-3:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_cube_add(size=2)
modifier = bpy.context.object.modifiers.new("Subdivision", "SUBSURF")
modifier.levels, modifier.render_levels = int(viewport), int(render)
bpy.ops.wm.save_as_mainfile(filepath=target)
"""
_LINKED = """
import sys
from pathlib import Path
import bpy
target = Path(sys.argv[-1])
library = target.with_name("library.blend")
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_cube_add(size=2)
bpy.context.object.name = "Linked"
bpy.ops.wm.save_as_mainfile(filepath=str(library))
bpy.ops.wm.read_factory_settings(use_empty=True)
with bpy.data.libraries.load(str(library), link=True) as (_, linked):
    linked.objects = ["Linked"]
bpy.context.scene.collection.objects.link(linked.objects[0])
bpy.ops.mesh.primitive_uv_sphere_add(location=(3, 0, 0))
bpy.ops.wm.save_as_mainfile(filepath=str(target))
library.unlink()
"""


def convert(source: Path, target: Path) -> Path:
    """Write a .glb or .gltf as .fbx or .blend."""
    return _run(_CONVERT, target, str(source), str(target))


def subdivided_cube(target: Path, viewport: int, render: int) -> Path:
    """Write a .blend of a cube whose subdivision differs between viewport and render (C8)."""
    return _run(_SUBDIVIDED, target, str(target), str(viewport), str(render))


def with_missing_library(target: Path) -> Path:
    """Write a .blend that links an object of a library which is then deleted (C9)."""
    return _run(_LINKED, target, str(target))


def _run(script: str, target: Path, *arguments: str) -> Path:
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True, timeout=120)
    return target
