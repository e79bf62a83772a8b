# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh file of any format -> Blender's scene, at rest: no animation is applied and no script of the file runs.

A `.blend` is opened as the scene that it is: active scene, collections, render levels, current frame. Every other
format is imported into the present (empty) scene.
"""

import contextlib
import tempfile
from pathlib import Path

import bpy

from blender_scripts import blend_safety, fbx_rest, gltf_rest, obj_text, ply_faces, ply_texture, usd_rest
from blender_scripts.errors import ObjectUnusable

USD_SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")


def import_file(path: Path, root: Path) -> tuple[str, ...]:
    """Bring a file into Blender.

    Args:
        path: Of a glTF, GLB, OBJ, PLY, STL, FBX, USD or BLEND file.
        root: Folder outside of which no file is read.

    Returns:
        Tags of what is lost or was corrected.

    Raises:
        ObjectUnusable: if the file is missing, is of another format, or cannot be imported whole.
    """
    if not path.is_file():
        raise ObjectUnusable(f"{path}: no such file")
    suffix = path.suffix.lower()
    try:
        if suffix in (".glb", ".gltf"):
            gltf_rest.import_gltf(path, root)
        elif suffix == ".obj":
            obj_text.import_obj(path, root)
        elif suffix == ".ply":
            ply_texture.require_faces(path)
            with tempfile.TemporaryDirectory(prefix="multishade-") as folder:
                simple = ply_faces.with_simple_faces(path, Path(folder))
                bpy.ops.wm.ply_import(filepath=str(simple), import_colors="SRGB")
            return ("colour-lost",) if ply_texture.assign(path, root) else ()
        elif suffix == ".stl":
            bpy.ops.wm.stl_import(filepath=str(path))
        elif suffix == ".fbx":
            return ("mesh-repaired",) if fbx_rest.import_fbx(path) else ()
        elif suffix in USD_SUFFIXES:
            return ("mesh-repaired",) if usd_rest.import_usd(path, root) else ()
        elif suffix == ".blend":
            _open_blend(path)
        else:
            raise ObjectUnusable(
                f"{path}: {suffix or 'a file without suffix'} is not a mesh format that can be read"
            )
    except RuntimeError as error:
        raise ObjectUnusable(f"{path}: Blender cannot import it: {_last_line(error)}") from error
    except ObjectUnusable:
        raise
    except Exception as error:  # importers written in Python raise anything at all on a malformed file
        reason = f"{type(error).__name__}: {_last_line(error)}"
        raise ObjectUnusable(f"{path}: Blender cannot import it: {reason}") from error
    return ()


def carry_over(meshes: list[bpy.types.Mesh]) -> list[bpy.types.Mesh]:
    """Begin again from Blender's empty factory state with nothing but these meshes and what their materials need.

    A `.blend` brings scenes, worlds, colour management, drivers and handlers, none of which may touch the render.
    """
    if not meshes:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        return []
    names = []
    for number, mesh in enumerate(meshes):
        mesh.name = f"multishade {number:06d}"
        names.append(mesh.name)
    with tempfile.TemporaryDirectory(prefix="multishade-") as folder:
        parcel = str(Path(folder) / "meshes.blend")
        bpy.data.libraries.write(parcel, set(meshes), path_remap="ABSOLUTE", fake_user=True)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        blend_safety.switch_scripts_off()
        with bpy.data.libraries.load(parcel) as (_, target):
            target.meshes = list(names)
        blend_safety.remove_scripted_drivers()
        loaded = list(target.meshes)
        for image in bpy.data.images:
            with contextlib.suppress(RuntimeError):  # a missing file is reported by the audit
                if image.source == "FILE" and not image.packed_file and Path(image.filepath).is_file():
                    image.pack()
    return loaded


def _open_blend(path: Path) -> None:
    """Open a .blend with its scripts off. Raises ObjectUnusable, RuntimeError."""
    blend_safety.switch_scripts_off()
    bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False, use_scripts=False)
    missing = sorted(library.filepath for library in bpy.data.libraries if library.is_missing)
    if missing:
        raise ObjectUnusable(f"{path}: needs the library {missing[0]!r}, which is missing")
    lost = sorted(item.name for item in bpy.data.objects if item.is_missing)
    if lost:
        raise ObjectUnusable(f"{path}: the library of object {lost[0]!r} no longer has it")


def _last_line(error: Exception) -> str:
    """The line that says why: Blender's operators end with the place in their own source, "Location: ..."."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Location:")]
    return lines[-1] if lines else "no reason given"
