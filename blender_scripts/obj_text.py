# SPDX-License-Identifier: GPL-3.0-or-later
"""An OBJ file -> Blender's scene, with what Blender's reader omits: byte order marks, and transparency stated as `Tr`.

Blender takes a byte order mark for a part of the first word, and so loses the first statement, which is usually the
one that names the materials. Such a file is read from a copy of its folder in which every other file is a link.
"""

import os
import tempfile
from pathlib import Path

import bpy

from blender_scripts import audit

BOM = b"\xef\xbb\xbf"


def import_obj(path: Path, root: Path) -> None:
    """Import a Wavefront OBJ. Raises what Blender's importer raises."""
    libraries = _libraries(path)
    for library in libraries:
        audit.require_below(library, root, path.name)
    _import(path)
    for library in libraries:
        for name, transparency in _transparencies(library).items():
            material = bpy.data.materials.get(name)
            if material is not None and material.node_tree is not None:
                for node in material.node_tree.nodes:
                    if node.type == "BSDF_PRINCIPLED" and not node.inputs["Alpha"].is_linked:
                        node.inputs["Alpha"].default_value = 1.0 - transparency


def _import(path: Path) -> None:
    marked = [
        file for file in (path, *path.parent.glob("*.mtl"), *path.parent.glob("*.MTL")) if _has_mark(file)
    ]
    if not marked:
        bpy.ops.wm.obj_import(filepath=str(path))
        return
    with tempfile.TemporaryDirectory(prefix="multishade-") as folder:
        inner = Path(folder) / path.parent.name
        inner.mkdir()
        for real, copy in ((path.parent.parent, Path(folder)), (path.parent, inner)):
            for entry in real.iterdir():
                if not (copy / entry.name).exists():
                    (copy / entry.name).symlink_to(entry)
        for file in marked:
            copy = inner / file.name
            copy.unlink()
            copy.write_bytes(file.read_bytes()[len(BOM) :])
        bpy.ops.wm.obj_import(filepath=str(inner / path.name))
        for image in bpy.data.images:
            image.filepath = os.path.realpath(bpy.path.abspath(image.filepath))


def _has_mark(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(BOM)) == BOM


def _libraries(path: Path) -> list[Path]:
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        named = [line.strip() for line in lines if line.lstrip().startswith("mtllib")]
    names = [line[len("mtllib") :].strip().strip('"').replace("\\", "/") for line in named]
    files = [path.parent / name for name in names]
    return [file for file in files if file.is_file()]


def _transparencies(library: Path) -> dict[str, float]:
    """The `Tr` of the materials that state no `d`, 1 - Tr being their alpha."""
    stated: dict[str, dict[str, float]] = {}
    current: dict[str, float] = {}
    for line in library.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        key, _, value = line.strip().partition(" ")
        if key == "newmtl":
            current = stated.setdefault(value.strip(), {})
        elif key in ("d", "Tr"):
            try:
                current[key] = float(value.split()[-1])
            except (ValueError, IndexError):
                continue
    return {name: keys["Tr"] for name, keys in stated.items() if "Tr" in keys and "d" not in keys}
