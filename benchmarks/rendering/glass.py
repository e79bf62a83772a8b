# SPDX-License-Identifier: Apache-2.0
"""A mesh -> a binary glTF of clear glass, since no built-in material lets light through."""

import json
import struct

import numpy as np
import trimesh
from numpy.typing import NDArray

COLOUR, ROUGHNESS, TRANSMISSION = (0.8, 0.93, 0.88), 0.05, 0.9


def glass_glb(vertices: NDArray, faces: NDArray) -> bytes:
    """(V, 3), (F, 3) -> a binary glTF with one clear dielectric (KHR_materials_transmission), smooth."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    normals = mesh.vertex_normals.astype(np.float32)
    turned = vertices.astype(np.float32)[:, [0, 2, 1]] * np.float32([1, 1, -1])  # glTF is y-up
    normals = normals[:, [0, 2, 1]] * np.float32([1, 1, -1])
    blobs = [turned.tobytes(), np.ascontiguousarray(normals).tobytes(), faces.astype("<u4").tobytes()]
    starts = np.cumsum([0, *(len(blob) for blob in blobs)]).tolist()
    document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": ["KHR_materials_transmission"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}]}
        ],
        "materials": [
            {
                "pbrMetallicRoughness": {
                    "baseColorFactor": [*COLOUR, 1.0],
                    "metallicFactor": 0.0,
                    "roughnessFactor": ROUGHNESS,
                },
                "extensions": {"KHR_materials_transmission": {"transmissionFactor": TRANSMISSION}},
            }
        ],
        "buffers": [{"byteLength": starts[-1]}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": starts[i], "byteLength": len(blob)} for i, blob in enumerate(blobs)
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": len(vertices),
                "type": "VEC3",
                "min": turned.min(axis=0).tolist(),
                "max": turned.max(axis=0).tolist(),
            },
            {"bufferView": 1, "componentType": 5126, "count": len(vertices), "type": "VEC3"},
            {"bufferView": 2, "componentType": 5125, "count": int(faces.size), "type": "SCALAR"},
        ],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(blobs)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
