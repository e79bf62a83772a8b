# SPDX-License-Identifier: Apache-2.0
"""A mesh and its texture -> GLB (glTF 2.0, one binary file) and PLY (binary), bytes that depend on nothing else.

glTF: +y up, +z toward the viewer, right-handed, so the camera frame is written as it is and any viewer shows the
surface upright from the photo's side. Source: glTF 2.0 specification, sections 3.6 (buffers), 3.9 (materials), 4.4
(GLB).
"""

import io
import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.display import Picture
from multishade.inference.surface import Mesh

_FLOAT, _UINT32 = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963
_CLAMP, _LINEAR, _LINEAR_MIPMAPS = 33071, 9729, 9987
LONGEST_TEXTURE = 2048
QUALITY = 92


def encode_glb(mesh: Mesh, texture: Picture, name: str, extras: dict[str, Any]) -> bytes:
    """Encode a textured mesh as GLB.

    Args:
        mesh: The mesh; at least one triangle.
        texture: (H, W, 3) sRGB, of the size of the photo.
        name: Of the mesh.
        extras: Facts for the asset, such as frame and units.

    Returns:
        The file.
    """
    height, width = texture.shape[:2]
    coordinates = mesh.pixels / (width, height)
    parts = [
        (mesh.points.astype("<f4"), _FLOAT, "VEC3", _ARRAY_BUFFER),
        (mesh.normals.astype("<f4"), _FLOAT, "VEC3", _ARRAY_BUFFER),
        (coordinates.astype("<f4"), _FLOAT, "VEC2", _ARRAY_BUFFER),
        (mesh.triangles.astype("<u4").reshape(-1), _UINT32, "SCALAR", _ELEMENT_BUFFER),
    ]
    blob = bytearray()
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    for values, component, kind, target in parts:
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": values.nbytes, "target": target})
        accessors.append(
            {"bufferView": len(accessors), "componentType": component, "count": len(values), "type": kind}
        )
        blob += values.tobytes()
    accessors[0] |= {"min": parts[0][0].min(axis=0).tolist(), "max": parts[0][0].max(axis=0).tolist()}
    image = _jpeg(texture)
    views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(image)})
    blob += image + bytes(-len(image) % 4)
    content = {
        "asset": {"version": "2.0", "generator": "MultiShade", "extras": extras},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [
            {
                "name": name,
                "primitives": [
                    {"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "indices": 3, "material": 0}
                ],
            }
        ],
        "materials": [
            {
                "name": name,
                "doubleSided": True,
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0,
                    "roughnessFactor": 1,
                },
            }
        ],
        "textures": [{"source": 0, "sampler": 0}],
        "images": [{"bufferView": 4, "mimeType": "image/jpeg"}],
        "samplers": [{"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAPS, "wrapS": _CLAMP, "wrapT": _CLAMP}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob)}],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def encode_ply(
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    colours: NDArray[np.uint8],
    triangles: NDArray[np.integer],
    comments: tuple[str, ...] = (),
) -> bytes:
    """Encode a mesh as binary little-endian PLY.

    Args:
        points: (V, 3).
        normals: (V, 3).
        colours: (V, 3) sRGB.
        triangles: (T, 3).
        comments: Lines of the header, ASCII.
    """
    vertex = np.zeros(len(points), [("point", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 3)])
    vertex["point"], vertex["normal"], vertex["colour"] = points, normals, colours
    face = np.zeros(len(triangles), [("count", "u1"), ("corner", "<i4", 3)])
    face["count"], face["corner"] = 3, triangles
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    lines.append(f"element vertex {len(points)}")
    lines += [f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode("ascii") + vertex.tobytes() + face.tobytes()


def _jpeg(texture: Picture) -> bytes:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(texture))
    image.thumbnail((LONGEST_TEXTURE, LONGEST_TEXTURE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()
