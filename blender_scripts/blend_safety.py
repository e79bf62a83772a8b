# SPDX-License-Identifier: GPL-3.0-or-later
"""A `.blend` that was opened with its scripts off -> nothing in it that runs code or reads other files, or a refusal.

Blender runs no Python expression, script node or text of the file; what of them would change the picture is removed
or refused here, so that it is not run later, in another scene, either.
"""

from collections.abc import Iterator
from pathlib import Path

import bpy

from blender_scripts import audit
from blender_scripts.errors import ObjectUnusable


def switch_scripts_off() -> None:
    """Let Blender run no script, driver or handler of a file, whatever the preferences of this user say."""
    preferences = bpy.context.preferences
    preferences.filepaths.use_scripts_auto_execute = False
    for path in list(preferences.autoexec_paths):
        preferences.autoexec_paths.remove(path)


def require_safe(root: Path, name: str) -> None:
    """Refuse what reads other files when the scene is evaluated, and remove what would run code.

    Args:
        root: Folder outside of which no file is read.
        name: Of the object, for messages.

    Raises:
        ObjectUnusable: If a cache, volume or font lies outside of `root`, or a node reads files.
    """
    for files in (bpy.data.cache_files, bpy.data.volumes, bpy.data.fonts):
        for item in files:
            if item.filepath and item.filepath != "<builtin>" and not getattr(item, "packed_file", None):
                audit.require_below(Path(bpy.path.abspath(item.filepath, library=item.library)), root, name)
    for item in bpy.data.objects:
        for modifier in item.modifiers:
            if modifier.type == "MESH_CACHE" and modifier.filepath:
                audit.require_below(Path(bpy.path.abspath(modifier.filepath)), root, name)
    for group in bpy.data.node_groups:
        for node in group.nodes:
            if node.bl_idname.startswith("GeometryNodeImport"):
                raise ObjectUnusable(f"{name}: its node {node.name!r} reads another file; bake its result")
    remove_scripted_drivers()


def require_no_script_nodes(materials: list[bpy.types.Material], name: str) -> None:
    """Raise ObjectUnusable if what a material shows depends on a script node (OSL), which is not run."""
    for material in materials:
        if any(node.type == "SCRIPT" for node in audit.nodes_in_use(material)):
            raise ObjectUnusable(
                f"{name}: material {material.name!r} has a script node (OSL), which is not run; bake it to an image"
            )


def remove_scripted_drivers() -> int:
    """Remove every driver that evaluates Python; returns how many. Values stay as they are."""
    removed = 0
    for block in _blocks():
        data = getattr(block, "animation_data", None)
        if data is None:
            continue
        for curve in list(data.drivers):
            if curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression:
                data.drivers.remove(curve)
                removed += 1
    return removed


def _blocks() -> Iterator[bpy.types.ID]:
    """Every data block that can have drivers, node trees that belong to others included."""
    for name in dir(bpy.data):
        collection = getattr(bpy.data, name)
        if not isinstance(collection, bpy.types.bpy_prop_collection):
            continue
        for block in collection:
            if isinstance(block, bpy.types.ID):
                yield block
                for inner in ("node_tree", "shape_keys"):
                    if (tree := getattr(block, inner, None)) is not None:
                        yield tree
