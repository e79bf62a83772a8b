# SPDX-License-Identifier: GPL-3.0-or-later
"""An FBX file -> Blender's scene at rest, with what Blender's importer would lose of it without a word."""

import tempfile
from pathlib import Path

import bpy

from blender_scripts import fbx_faces, fbx_layers, fbx_tree
from blender_scripts.fbx_tree import Node


def import_fbx(path: Path) -> bool:
    """Import an FBX; whether layers that do not fit their mesh were left out.

    Raises ObjectUnusable if it is a text whose faces would be lost; what Blender's importer raises.
    """
    with tempfile.TemporaryDirectory(prefix="multishade-") as folder:
        readable, unfit = readable_copy(path, Path(folder))
        bpy.ops.wm.fbx_import(filepath=str(readable), use_anim=False)
    return unfit


def readable_copy(path: Path, folder: Path) -> tuple[Path, bool]:
    """The file itself if Blender's importer reads all of it or it is no whole FBX, else its copy in `folder`; and
    whether layers of it were left out. Raises ObjectUnusable, likewise."""
    data = path.read_bytes()
    if not data.startswith(fbx_tree.MAGIC):
        fbx_faces.require_simple_text(data, path)
        return path, False
    try:
        tree = fbx_tree.read(data)
        objects = [node for part in tree.nodes if part.name == b"Objects" for node in part.children or ()]
        meshes = [node for node in objects if node.name == b"Geometry"]
        unfit = any([fbx_layers.leave_out_unfit(node) for node in meshes])
        if not any([fbx_faces.simplify(node) for node in meshes]) and not unfit:
            return path, False
    except ValueError:
        return path, False
    for node in objects:
        if node.name in (b"Texture", b"Video"):
            _name_from_anywhere(node, path.parent)
    copy = folder / path.name
    copy.write_bytes(fbx_tree.written(tree))
    return copy, unfit


def _name_from_anywhere(image: Node, folder: Path) -> None:
    """Let an image that is named from the file's folder be found from the copy, in the order in which Blender looks."""
    relative, full = image.child(b"RelativeFilename"), image.child(b"FileName") or image.child(b"Filename")
    names = ["" if node is None else node.text().replace("\\", "/") for node in (relative, full)]
    wanted = [folder / names[0], Path(names[1]), folder / names[1].rpartition("/")[2]]
    found = next((file for file in wanted if file.is_file()), folder / (names[0] or names[1]))
    if full is not None and any(names):
        full.set_text(str(found.absolute()))
        if relative is not None:
            relative.set_text("")
