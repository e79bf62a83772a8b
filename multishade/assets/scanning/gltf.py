# SPDX-License-Identifier: Apache-2.0
"""A glTF or GLB file in, its checked JSON, the files it needs and the entries of its accessors out.

The checks decide whether Blender can import the file; the numbers follow the glTF 2.0 specification.
"""

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from multishade.assets.scanning.gltf_types import check_types
from multishade.errors import AssetError

# Extensions that Blender 5.0's importer accepts in `extensionsRequired`; it refuses a file that requires any other.
BLENDER_EXTENSIONS = frozenset(
    {
        "EXT_mesh_gpu_instancing",
        "EXT_texture_webp",
        "KHR_animation_pointer",
        "KHR_draco_mesh_compression",
        "KHR_lights_punctual",
        "KHR_materials_anisotropy",
        "KHR_materials_clearcoat",
        "KHR_materials_emissive_strength",
        "KHR_materials_ior",
        "KHR_materials_pbrSpecularGlossiness",
        "KHR_materials_sheen",
        "KHR_materials_specular",
        "KHR_materials_transmission",
        "KHR_materials_unlit",
        "KHR_materials_variants",
        "KHR_materials_volume",
        "KHR_mesh_quantization",
        "KHR_texture_transform",
    }
)
# Extensions that name the image of a texture in a format that Blender does not read.
FORMATS = {"KHR_texture_basisu": "KTX2", "EXT_texture_avif": "AVIF", "MSFT_texture_dds": "DDS"}
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


@dataclass
class Gltf:
    """A parsed file.

    Attributes:
        path: The file.
        json: Its JSON, types checked.
        buffers: Bytes by buffer index, of those that have been loaded.
        binary: The binary chunk of a GLB, or None.
        hides: Whether nodes are hidden (KHR_node_visibility); the meshes of these are taken out of the JSON.
    """

    path: Path
    json: dict[str, Any]
    buffers: dict[int, bytes] = field(default_factory=dict)
    binary: bytes | None = None
    hides: bool = False

    def items(self, name: str) -> list[dict[str, Any]]:
        """Return a list of the JSON, such as "meshes"; empty if there is none."""
        return self.json.get(name, [])

    def item(self, name: str, index: int, user: str) -> dict[str, Any]:
        """Return entry `index` of a list.

        Raises:
            AssetError: If `user` points past its end.
        """
        items = self.items(name)
        if not 0 <= index < len(items):
            raise AssetError(f"{user} points to {name}[{index}], but there are {len(items)}")
        return items[index]


def read_gltf(path: Path) -> Gltf:
    """Parse a .gltf or .glb file.

    Raises:
        AssetError: If the container, the JSON or its types are wrong, or if Blender cannot import it.
    """
    data = path.read_bytes()
    binary = None
    if data[:4] == b"glTF" or path.suffix.lower() == ".glb":
        data, binary = _split_glb(data)
    try:
        parsed = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise AssetError(f"its JSON is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise AssetError(
            f"its JSON is broken: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    check_types(parsed)
    version = parsed.get("asset", {}).get("version")
    if version != "2.0":
        raise AssetError(f"is glTF {version!r}; only '2.0' can be read, convert it")
    unknown = sorted(set(parsed.get("extensionsRequired", [])) - BLENDER_EXTENSIONS)
    if unknown:
        named = ", ".join(map(name_of_extension, unknown))
        raise AssetError(f"requires {named}, which Blender cannot read; export it without")
    return Gltf(path, parsed, binary=binary, hides=_remove_hidden(parsed))


def name_of_extension(name: str) -> str:
    """Return the name of an extension, with the file format that it stands for if users know that better."""
    return f"{name} ({FORMATS[name]} textures)" if name in FORMATS else name


def as_glb(gltf: Gltf) -> bytes:
    """Return a parsed file as a GLB, its further files not included."""
    text = json.dumps(gltf.json).encode()
    chunks = struct.pack("<I4s", len(text) + -len(text) % 4, b"JSON") + text + b" " * (-len(text) % 4)
    if gltf.binary is not None:
        padding = -len(gltf.binary) % 4
        chunks += struct.pack("<I4s", len(gltf.binary) + padding, b"BIN\0") + gltf.binary + b"\0" * padding
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _remove_hidden(parsed: dict[str, Any]) -> bool:
    """Take the meshes of hidden nodes, and of all nodes below them, out of the JSON; whether there were any."""
    nodes = parsed.get("nodes", [])
    stack = [index for index, node in enumerate(nodes) if _is_hidden(node)]
    done: set[int] = set()
    while stack:
        index = stack.pop()
        if index in done or not 0 <= index < len(nodes):
            continue
        done.add(index)
        nodes[index].pop("mesh", None)
        stack += nodes[index].get("children", [])
    return bool(done)


def _is_hidden(node: dict[str, Any]) -> bool:
    extension = node.get("extensions", {}).get("KHR_node_visibility")
    return isinstance(extension, dict) and extension.get("visible") is False


def referenced_files(gltf: Gltf) -> tuple[str, ...]:
    """Return the names of the buffers and images that a file needs, relative to its folder, sorted.

    Raises:
        AssetError: If one is missing, absolute or remote.
    """
    names = set()
    for kind in ("buffers", "images"):
        for index, item in enumerate(gltf.items(kind)):
            uri = item.get("uri")
            if uri is None or uri.startswith("data:"):
                continue
            name = unquote(uri)
            if "://" in name or name.startswith("/") or "\\" in name:
                raise AssetError(f"{kind}[{index}] is at {uri!r}; only files beside it can be read")
            if not (gltf.path.parent / name).is_file():
                raise AssetError(f"needs {name!r}, which is missing")
            names.add(name)
    return tuple(sorted(names))


def _split_glb(data: bytes) -> tuple[bytes, bytes | None]:
    if len(data) < 20 or data[:4] != b"glTF":
        raise AssetError("is not a GLB file (it does not begin with 'glTF')")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise AssetError(f"is glTF {version}; only 2.0 can be read, convert it")
    if length != len(data):
        raise AssetError(f"is cut short or padded: its header states {length} bytes, it has {len(data)}")
    chunks: list[tuple[bytes, bytes]] = []
    offset = 12
    while offset + 8 <= len(data):
        size, kind = struct.unpack_from("<I4s", data, offset)
        chunk = data[offset + 8 : offset + 8 + size]
        if len(chunk) != size:
            raise AssetError(f"its chunk {len(chunks)} states {size} bytes, {len(chunk)} are there")
        chunks.append((kind, chunk))
        offset += 8 + size
    if not chunks or chunks[0][0] != b"JSON":
        raise AssetError("its first chunk is not JSON")
    binary = chunks[1][1] if len(chunks) > 1 and chunks[1][0] == b"BIN\0" else None
    return chunks[0][1], binary


def _no_constant(name: str) -> float:
    raise AssetError(f"its JSON holds {name}, which is not a number")


def accessor_values(gltf: Gltf, index: int, name: str) -> NDArray[Any]:
    """Return an accessor's entries as stored, (count, width), sparse replacements applied.

    Args:
        gltf: The file.
        index: The accessor.
        name: What uses it, for messages.

    Raises:
        AssetError: If its bytes are missing or its type is not one of glTF's.
    """
    accessor = gltf.item("accessors", index, name)
    if accessor["componentType"] not in COMPONENTS or accessor["type"] not in WIDTHS:
        raise AssetError(f"{name}: {accessor['componentType']} {accessor['type']} is not a type of entries")
    dtype = np.dtype(COMPONENTS[accessor["componentType"]])
    width, count = WIDTHS[accessor["type"]], accessor["count"]
    if "bufferView" in accessor:
        values = _strided(
            gltf, accessor["bufferView"], accessor.get("byteOffset", 0), dtype, count, width, name
        )
    elif "sparse" in accessor or not count:
        values = np.zeros((count, width), dtype)
    else:
        raise AssetError(f"{name}: its entries have no bytes behind them")
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        positions = _sparse_part(
            gltf, sparse["indices"], sparse["indices"]["componentType"], sparse["count"], 1, name
        )
        replacements = _sparse_part(
            gltf, sparse["values"], accessor["componentType"], sparse["count"], width, name
        )
        if len(positions) and int(positions.max()) >= count:
            raise AssetError(f"{name}: a sparse entry replaces number {int(positions.max())} of {count}")
        values = values.copy()
        values[positions[:, 0]] = replacements
    return values


def _sparse_part(
    gltf: Gltf, part: dict[str, Any], component: int, count: int, width: int, name: str
) -> NDArray[Any]:
    if component not in COMPONENTS:
        raise AssetError(f"{name}: {component} is not a type of sparse entries")
    dtype = np.dtype(COMPONENTS[component])
    return _strided(gltf, part["bufferView"], part.get("byteOffset", 0), dtype, count, width, name)


def _strided(
    gltf: Gltf, view: int, offset: int, dtype: np.dtype[Any], count: int, width: int, name: str
) -> NDArray[Any]:
    data = view_bytes(gltf, view, name)
    size = dtype.itemsize * width
    stride = gltf.items("bufferViews")[view].get("byteStride") or size
    needed = offset + stride * (count - 1) + size if count else 0
    if offset < 0 or stride < size or needed > len(data):
        raise AssetError(f"{name}: needs {needed} bytes of bufferViews[{view}], which has {len(data)}")
    if not count:
        return np.zeros((0, width), dtype)
    shape, strides = (count, width), (stride, dtype.itemsize)
    return np.ndarray(shape, dtype, buffer=data, offset=offset, strides=strides)


def view_bytes(gltf: Gltf, index: int, name: str) -> memoryview:
    """Return the bytes of a buffer view.

    Raises:
        AssetError: If the file does not have them.
    """
    view = gltf.item("bufferViews", index, name)
    data = memoryview(_buffer_bytes(gltf, view["buffer"], f"bufferViews[{index}]"))
    start = view.get("byteOffset", 0)
    end = start + view["byteLength"]
    if start < 0 or end > len(data):
        raise AssetError(
            f"bufferViews[{index}] ends at byte {end} of buffers[{view['buffer']}], which has {len(data)}"
        )
    return data[start:end]


def _buffer_bytes(gltf: Gltf, index: int, name: str) -> bytes:
    if index not in gltf.buffers:
        buffer = gltf.item("buffers", index, name)
        uri = buffer.get("uri")
        if uri is None:
            if index != 0 or gltf.binary is None:
                raise AssetError(f"buffers[{index}] has no uri, and the file has no binary chunk")
            data = gltf.binary
        elif uri.startswith("data:"):
            try:
                data = base64.b64decode(unquote(uri.partition(",")[2]), validate=True)
            except binascii.Error as error:
                raise AssetError(f"buffers[{index}] is not base64 ({error})") from error
        else:
            data = (gltf.path.parent / unquote(uri)).read_bytes()
        if len(data) < buffer["byteLength"]:
            raise AssetError(
                f"buffers[{index}] is cut short: {buffer['byteLength']} bytes stated, {len(data)} there"
            )
        gltf.buffers[index] = data
    return gltf.buffers[index]
