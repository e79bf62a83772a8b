# SPDX-License-Identifier: Apache-2.0
"""Blender, run as `python -m tests.support.face_imports FOLDER` -> the ball of `face_members` in every format.

And `found.json`: of each file what an import of it has; `parted.json`: single polygons and their simple parts;
`damaged.json`: what the reading of damaged copies raised.
"""

import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_scripts import corner_normals, fbx_rest, fbx_tree, framing, ply_faces, sane, usd_rest
from blender_scripts.errors import ObjectUnusable
from blender_scripts.import_file import import_file
from blender_scripts.simple_faces import simplify
from tests.support import face_members as members
from tests.support import mesh_members


def parted(turn: np.ndarray) -> dict[str, list[list[int]]]:
    """The simple parts of each of `members.POLYGONS`, turned in space, as its vertices."""
    points = np.column_stack([members.PLACES, np.zeros(len(members.PLACES))]) @ turn.T + (5, 6, 7)
    parts = {}
    for name, polygon in members.POLYGONS.items():
        simple = simplify(points, np.array([len(polygon)]), np.array(polygon))
        counts = np.array([len(polygon)]) if simple is None else simple.counts
        corners = np.array(polygon) if simple is None else np.array(polygon)[simple.corner_of]
        parts[name] = [part.tolist() for part in np.split(corners, np.cumsum(counts)[:-1])]
    return parts


def write_all(folder: Path) -> None:
    shape = members.repeating_ball()
    members.write_obj(folder / "ball.obj", shape)
    members.write_ply(folder / "text.ply", shape)
    members.write_ply(folder / "windows.ply", shape, line_end="\r\n")
    members.write_ply(folder / "little.ply", shape, "binary_little_endian")
    members.write_ply(folder / "big.ply", shape, "binary_big_endian")
    members.write_usd(folder / "ball.usda", shape)
    members.write_usd(folder / "values.usda", shape, indexed=False)
    members.write_usd(folder / "instance.usda", shape, instanced=True)
    _write_usd_kinds(folder)
    (folder / "textures").mkdir()
    (folder / "textures" / "gradient.png").write_bytes(members.gradient())
    for name, stored in (("ball", False), ("stored", True)):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        _script_made(shape, stored)
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{name}.blend"))
        if stored:  # otherwise it stores the normals that Blender computes of faces that it calls invalid
            _lay_on(folder / "textures" / "gradient.png")
            file = folder / f"{name}.fbx"
            bpy.ops.export_scene.fbx(filepath=str(file), mesh_smooth_type="EDGE", path_mode="RELATIVE")
    texts = folder / "texts"  # which are not imported here
    texts.mkdir()
    (texts / "text.fbx").write_text(_as_text(fbx_tree.read((folder / "stored.fbx").read_bytes())))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    _script_made(members.Polygons(*members.without_loss(shape)), True)
    bpy.ops.export_scene.fbx(filepath=str(texts / "binary.fbx"))
    (texts / "without_loss.fbx").write_text(_as_text(fbx_tree.read((texts / "binary.fbx").read_bytes())))


def _write_usd_kinds(folder: Path) -> None:
    """The ball as a binary layer, a package, a reference, and with points over time."""
    usd_rest.add_bundled_packages()
    from pxr import Usd, UsdUtils

    stage = Usd.Stage.Open(str(folder / "ball.usda"))
    stage.Export(str(folder / "crate.usdc"))
    UsdUtils.CreateNewUsdzPackage(str(folder / "ball.usda"), str(folder / "package.usdz"))
    mesh_members.write_usd(folder / "reference.usda", 'def "R" (prepend references = @ball.usda@) {}')
    points = stage.GetPrimAtPath("/W/S").GetAttribute("points")
    value = points.Get()
    points.Clear()
    for time in (1, 2):
        points.Set(value, time)
    stage.Export(str(folder / "times.usda"))


def _script_made(shape: members.Polygons, stored_normals: bool) -> None:
    """As `from_pydata` leaves it: nothing is checked."""
    mesh = bpy.data.meshes.new("ball")
    mesh.from_pydata(shape.vertices.tolist(), [], shape.faces, shade_flat=False)
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", shape.uv.astype(np.float32).ravel())
    number = mesh.attributes.new("number", "INT", "FACE")
    number.data.foreach_set("value", np.arange(len(shape.faces), dtype=np.int32))
    sharp = mesh.attributes.new("sharp_edge", "BOOLEAN", "EDGE")
    sharp.data.foreach_set("value", _on_ring(mesh))
    if stored_normals:
        normals = mesh.attributes.new("custom_normal", "FLOAT_VECTOR", "CORNER")
        normals.data.foreach_set("vector", shape.vertices[shape.corners].astype(np.float32).ravel())
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("ball", mesh))


def _lay_on(image: Path) -> None:
    made = bpy.data.materials.new("m")
    made.use_nodes = True
    texture = made.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(image))
    made.node_tree.links.new(
        texture.outputs["Color"], made.node_tree.nodes["Principled BSDF"].inputs["Base Color"]
    )
    bpy.data.objects["ball"].data.materials.append(made)


def _as_text(tree: fbx_tree.Tree) -> str:
    """The same FBX as a text."""
    return f"; FBX {tree.version // 1000}.{tree.version // 100 % 10}.0 project file\n" + "".join(
        map(_node, tree.nodes)
    )


def _node(node: fbx_tree.Node) -> str:
    values = node.array()
    if values is not None:
        return f"{node.name.decode()}: *{len(values)} {{\na: {','.join(map(repr, values.tolist()))}\n}}\n"
    below = "" if node.children is None else "{\n" + "".join(map(_node, node.children)) + "}"
    return f"{node.name.decode()}: {', '.join(map(_property, node.properties))} {below}\n"


def _property(raw: bytes) -> str:
    code = raw[:1].decode()
    if code in "SR":
        name, _, kind = raw[5:].decode("utf-8", "replace").partition("\0\1")
        return f'"{kind}::{name}"' if kind else f'"{name}"'
    value = struct.unpack(
        "<" + {"Y": "h", "C": "b", "B": "b", "Z": "b", "I": "i", "F": "f", "D": "d", "L": "q"}[code], raw[1:]
    )
    return repr(value[0])


def _on_ring(mesh: bpy.types.Mesh) -> np.ndarray:
    """Which edges lie in a ring of the ball."""
    at = framing.positions(mesh)
    at /= np.linalg.norm(at, axis=1, keepdims=True)
    ends = np.empty(2 * len(mesh.edges), np.int32)
    mesh.edges.foreach_get("vertices", ends)
    return (np.abs(at[ends.reshape(-1, 2), 1] - math.cos(math.pi / 4)) < 1e-3).all(axis=1)


def imported(path: Path) -> dict[str, Any]:
    """Faces; of all corners, the largest error of UVs, and of normals in degrees; each face's number; sharp edges."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    import_file(path, path.parent)
    repaired = sane.require_sane(path.name)
    (mesh,) = [item.data for item in bpy.data.objects if item.type == "MESH"]
    at = framing.positions(mesh)[framing.corner_vertices(mesh)]
    at /= np.linalg.norm(at, axis=1, keepdims=True)  # FBX has centimetres
    uv_error = None
    if mesh.uv_layers:
        uv = np.empty(2 * len(mesh.loops), np.float32)
        mesh.uv_layers[0].uv.foreach_get("vector", uv)
        uv_error = float(np.abs(uv.reshape(-1, 2) - members.uv_of(at)).max())
    cosine = np.einsum("ij,ij->i", corner_normals.corner_normals(mesh), at)
    number = mesh.attributes.get("number")
    faces = None
    if number is not None:
        values = np.empty(len(mesh.polygons), np.float32 if number.data_type == "FLOAT" else np.int32)
        number.data.foreach_get("value", values)
        faces = values.tolist()
    sharp = np.zeros(len(mesh.edges), bool)
    if "sharp_edge" in mesh.attributes:
        mesh.attributes["sharp_edge"].data.foreach_get("value", sharp)
    return {
        "faces": len(mesh.polygons),
        "uv_error": uv_error,
        "degrees": float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max()),
        "numbers": faces,
        "materials": _materials(mesh),
        "sharp": int(sharp.sum()),
        "sharp_on_ring": int(sharp[_on_ring(mesh)].sum()),
        "repaired": repaired,
    }


def _materials(mesh: bpy.types.Mesh) -> dict[str, int]:
    """The number of faces of each material."""
    slots = [item.name if item else "" for item in mesh.materials]
    used = [slots[face.material_index] for face in mesh.polygons if slots]
    return {name: used.count(name) for name in slots}


def damaged(folder: Path, times: int = 150) -> list[str]:
    """What the reading of damaged copies raised, but for the error that is meant for it."""
    plain = fbx_tree.read((folder / "stored.fbx").read_bytes())
    _uncompress(plain.nodes)
    (folder / "texts" / "plain.fbx").write_bytes(fbx_tree.written(plain))
    names = ["text.ply", "little.ply", "big.ply", "stored.fbx", "texts/plain.fbx", "texts/text.fbx"]
    rng = np.random.default_rng(8)
    raised = []
    for whole in (folder / name for name in names):
        data = whole.read_bytes()
        read = ply_faces.with_simple_faces if whole.suffix == ".ply" else fbx_rest.readable_copy
        for kind in rng.integers(3, size=times):  # its head, all of it, or cut as well
            copy = bytearray(data)
            for place in rng.integers(len(copy) if kind else 1000, size=rng.integers(1, 30)):
                copy[place] = rng.integers(256)
            file = folder / "texts" / f"damaged{whole.suffix}"
            file.write_bytes(copy[: rng.integers(len(copy))] if kind == 2 else copy)
            try:
                read(file, folder / "textures")
            except ObjectUnusable:
                continue
            except Exception as error:
                raised.append(f"{whole.name}: {error!r}")
    return raised


def _uncompress(nodes: list[fbx_tree.Node]) -> None:
    """So that damage changes numbers."""
    for node in nodes:
        values = node.array()
        if values is not None:
            node.set_array(values)
        _uncompress(node.children or [])


def main(folder: Path) -> None:
    write_all(folder)
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".obj", ".ply", ".usda", ".usdc", ".usdz", ".blend", ".fbx")
    )
    (folder / "found.json").write_text(json.dumps({path.name: imported(path) for path in files}))
    (folder / "damaged.json").write_text(json.dumps(damaged(folder)))
    turns = (np.eye(3), np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), np.diag([1.0, -1.0, -1.0]))
    (folder / "parted.json").write_text(json.dumps([parted(turn) for turn in turns]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
