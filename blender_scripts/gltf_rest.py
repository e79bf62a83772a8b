# SPDX-License-Identifier: GPL-3.0-or-later
"""A glTF file -> Blender's scene, as its nodes stand: without its animations and without the nodes that it hides.

Blender's importer plays animations and knows nothing of KHR_node_visibility; both are taken out of the parsed JSON
before it becomes objects, so that the file itself is never written.
"""

import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import bpy

from blender_scripts import audit, sane
from blender_scripts.errors import ObjectUnusable

# Extensions by which a texture names its image, and whether Blender 5.0's importer reads it.
IMAGE_EXTENSIONS = {
    "EXT_texture_webp": True,
    "EXT_texture_avif": False,
    "KHR_texture_basisu": False,  # KTX2
    "MSFT_texture_dds": False,
}


def import_gltf(path: Path, root: Path) -> None:
    """Import a .gltf or .glb file. Raises ObjectUnusable, or what Blender's importer raises."""
    parsed = _read_json(path)
    _check(path, parsed)
    sane.require_few(instances(parsed), 0, path.name)
    for name in _file_names(parsed):
        audit.require_below(path.parent / name, root, path.name)
    from io_scene_gltf2.io.imp.gltf2_io_gltf import glTFImporter

    original = glTFImporter.check_version

    def check_version(gltf: dict[str, Any]) -> None:
        original(gltf)
        settle(gltf)

    glTFImporter.check_version = staticmethod(check_version)
    try:
        bpy.ops.import_scene.gltf(filepath=str(path))
    finally:
        glTFImporter.check_version = staticmethod(original)


def settle(gltf: dict[str, Any]) -> None:
    """Remove animations, and the meshes of hidden nodes and of all nodes below them, from parsed glTF, in place."""
    gltf.pop("animations", None)
    nodes = gltf.get("nodes", [])
    hidden = [index for index, node in enumerate(nodes) if _is_hidden(node)]
    done: set[int] = set()
    while hidden:
        index = hidden.pop()
        if index in done or not 0 <= index < len(nodes):
            continue
        done.add(index)
        for key in ("mesh", "skin", "camera", "weights"):
            nodes[index].pop(key, None)
        instances = nodes[index].get("extensions", {})
        instances.pop("EXT_mesh_gpu_instancing", None)
        hidden += nodes[index].get("children", [])


def instances(gltf: dict[str, Any]) -> int:
    """How many objects and instances the importer would make: it takes minutes over a hundred thousand."""
    nodes, accessors = gltf.get("nodes", []), gltf.get("accessors", [])
    count = len(nodes)
    for node in nodes:
        extension = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {})
        used = [accessors[index]["count"] for index in extension.get("attributes", {}).values()]
        count += max(used, default=0)
    return count


def _is_hidden(node: dict[str, Any]) -> bool:
    extension = node.get("extensions", {}).get("KHR_node_visibility")
    return isinstance(extension, dict) and extension.get("visible") is False


def _read_json(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    if data[:4] == b"glTF":
        (length,) = struct.unpack_from("<I", data, 12)
        data = data[20 : 20 + length]
    parsed = json.loads(data.decode("utf-8"))
    if not isinstance(parsed, dict):
        raise ObjectUnusable(f"{path}: its JSON is no object")
    return parsed


def _check(path: Path, gltf: dict[str, Any]) -> None:
    """Every texture that a material uses has an image in a format that Blender reads."""
    textures = gltf.get("textures", [])
    for index in sorted(_textures_in_use(gltf.get("materials", []))):
        if not 0 <= index < len(textures):
            raise ObjectUnusable(f"{path}: a material uses textures[{index}], but there are {len(textures)}")
        texture = textures[index]
        extensions = texture.get("extensions", {})
        if "source" in texture or any(IMAGE_EXTENSIONS.get(name) for name in extensions):
            continue
        named = ", ".join(sorted(extensions)) or "no image at all"
        named = named.replace("KHR_texture_basisu", "KHR_texture_basisu (KTX2 textures)")
        raise ObjectUnusable(f"{path}: textures[{index}] has only {named}, which Blender cannot read")


def _textures_in_use(value: Any) -> set[int]:
    """Indices of all textures that materials refer to, extensions of materials included."""
    if isinstance(value, list):
        return set().union(*(_textures_in_use(item) for item in value))
    if not isinstance(value, dict):
        return set()
    found: set[int] = set()
    for key, item in value.items():
        if key.lower().endswith("texture") and isinstance(item, dict) and isinstance(item.get("index"), int):
            found.add(item["index"])
        found |= _textures_in_use(item)
    return found


def _file_names(gltf: dict[str, Any]) -> list[str]:
    """Names of the files that a glTF needs, percent-decoded."""
    items = gltf.get("buffers", []) + gltf.get("images", [])
    return [unquote(item["uri"]) for item in items if "uri" in item and not item["uri"].startswith("data:")]
