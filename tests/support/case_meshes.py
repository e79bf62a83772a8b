# SPDX-License-Identifier: Apache-2.0
"""A ball and a kind of fault in, a small mesh file with that fault out, in glTF, GLB, OBJ, PLY and USD.

Each `with_*` function adds one fault, each `write_*` function writes one format, so that every kind can be tested in
every format. FBX and BLEND are written by Blender: see `tests.support.case_blender`.
"""

import base64
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, eq=False)
class CaseMesh:
    """A mesh with one material.

    Attributes:
        vertices: (V, 3).
        faces: (F, 3), counter-clockwise seen from outside.
        normals: (V, 3) unit vectors that the file states.
        uv: (V, 2), v upward.
        color: Linear base colour and alpha.
        textures: Image files by use ("base_color", "normal"): (file name, bytes).
        lines: (L, 2) vertex numbers of line segments.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float64]
    uv: NDArray[np.float64]
    color: tuple[float, float, float, float] = (0.6, 0.3, 0.2, 1.0)
    textures: tuple[tuple[str, str, bytes], ...] = ()
    lines: NDArray[np.int64] | None = None


def ball(rows: int = 24, columns: int = 48) -> CaseMesh:
    """A unit sphere with texture coordinates; poles and seam have several vertices."""
    v, u = (
        a.ravel()
        for a in np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    )
    polar, azimuth = np.pi * (1 - v), 2 * np.pi * u
    points = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )
    i, j = (a.ravel() for a in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    a, b = i * (columns + 1) + j, (i + 1) * (columns + 1) + j
    lower, upper = np.stack([a, a + 1, b + 1], axis=1)[i > 0], np.stack([a, b + 1, b], axis=1)[i < rows - 1]
    return CaseMesh(points, np.concatenate([lower, upper]), points.copy(), np.stack([u, v], axis=1))


def with_opposed_normals(mesh: CaseMesh, share: float = 1.0) -> CaseMesh:
    """Turn the winding of the first faces, so that the stated normals oppose them (C3)."""
    faces = mesh.faces.copy()
    turned = round(share * len(faces))
    faces[:turned] = faces[:turned, ::-1]
    return replace(mesh, faces=faces)


def with_alpha(mesh: CaseMesh, alpha: float) -> CaseMesh:
    """Make the whole material transparent (C4)."""
    return replace(mesh, color=(*mesh.color[:3], alpha))


def with_texture(mesh: CaseMesh, use: str, name: str, data: bytes) -> CaseMesh:
    """Add an image file, whole or damaged, as "base_color" or "normal" (C5)."""
    return replace(mesh, textures=(*mesh.textures, (use, name, data)))


def with_stray_vertex(mesh: CaseMesh, distance: float = 1000.0) -> CaseMesh:
    """Add a vertex that no face uses (C6)."""
    return _with_vertices(mesh, [[distance, 0, 0]])


def with_zero_area_spike(mesh: CaseMesh, distance: float = 1000.0) -> CaseMesh:
    """Add a face without area that reaches far out (C6)."""
    first = len(mesh.vertices)
    spiked = _with_vertices(mesh, [[distance, 0, 0], [distance, 0, 0]])
    return replace(spiked, faces=np.concatenate([mesh.faces, [[0, first, first + 1]]]))


def with_axis_lines(mesh: CaseMesh, length: float = 1000.0) -> CaseMesh:
    """Add a line along each axis (C6)."""
    first = len(mesh.vertices)
    longer = _with_vertices(mesh, [[0, 0, 0], *(length * np.eye(3)).tolist()])
    return replace(longer, lines=np.array([[first, first + 1], [first, first + 2], [first, first + 3]]))


def _with_vertices(mesh: CaseMesh, points: list[list[float]]) -> CaseMesh:
    more = len(points)
    return replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, points]),
        normals=np.concatenate([mesh.normals, np.tile([0.0, 0.0, 1.0], (more, 1))]),
        uv=np.concatenate([mesh.uv, np.zeros((more, 2))]),
    )


def picture(format: str, size: int = 64, seed: int = 0) -> bytes:
    """An image file of noise, so that its bytes are spread over the whole picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def cut(data: bytes, share: float = 0.5) -> bytes:
    """The first part of a file."""
    return data[: round(share * len(data))]


def write_gltf(mesh: CaseMesh, path: Path) -> Path:
    """Write .gltf (buffer and images inside, as data URIs) or .glb (in its binary chunk)."""
    chunks: list[bytes] = []
    views: list[dict[str, int]] = []

    def view(data: bytes) -> int:
        views.append({"buffer": 0, "byteOffset": sum(map(len, chunks)), "byteLength": len(data)})
        chunks.append(data + b"\0" * (-len(data) % 4))
        return len(views) - 1

    accessors: list[dict[str, Any]] = []

    def accessor(values: NDArray[Any], kind: str, component: int, dtype: str) -> int:
        bounds = (
            {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()} if kind == "VEC3" else {}
        )
        number = view(values.astype(dtype).tobytes())
        accessors.append(
            {"bufferView": number, "componentType": component, "count": len(values), "type": kind, **bounds}
        )
        return len(accessors) - 1

    turned = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up to glTF's y up
    attributes = {
        "POSITION": accessor((mesh.vertices @ turned.T).astype("<f4"), "VEC3", 5126, "<f4"),
        "NORMAL": accessor((mesh.normals @ turned.T).astype("<f4"), "VEC3", 5126, "<f4"),
        "TEXCOORD_0": accessor(mesh.uv * (1, -1) + (0, 1), "VEC2", 5126, "<f4"),
    }
    primitives: list[dict[str, Any]] = [
        {
            "attributes": attributes,
            "indices": accessor(mesh.faces.ravel(), "SCALAR", 5125, "<u4"),
            "material": 0,
        }
    ]
    if mesh.lines is not None:
        lines = accessor(mesh.lines.ravel(), "SCALAR", 5125, "<u4")
        primitives.append({"attributes": attributes, "indices": lines, "mode": 1})
    shading: dict[str, Any] = {"baseColorFactor": list(mesh.color), "metallicFactor": 0.0}
    material: dict[str, Any] = {"pbrMetallicRoughness": shading}
    if mesh.color[3] < 1:
        material["alphaMode"] = "BLEND"
    images = []
    for number, (use, name, data) in enumerate(mesh.textures):
        images.append({"bufferView": view(data), "mimeType": _mime(name)})
        slot = {"index": number}
        (shading if use == "base_color" else material)[
            "baseColorTexture" if use == "base_color" else "normalTexture"
        ] = slot
    binary = b"".join(chunks)
    document: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": primitives}],
        "materials": [material],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    if images:
        document |= {"images": images, "textures": [{"source": number} for number in range(len(images))]}
    if path.suffix == ".gltf":
        document["buffers"][0]["uri"] = (
            "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
        )
        path.write_text(json.dumps(document))
        return path
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    parts = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(parts)) + parts)
    return path


def write_obj(mesh: CaseMesh, path: Path) -> Path:
    """Write .obj, its .mtl and its textures beside it."""
    red, green, blue, alpha = mesh.color
    material = ["newmtl case", f"Kd {red} {green} {blue}", f"d {alpha}"]
    for use, name, data in mesh.textures:
        (path.parent / name).write_bytes(data)
        material.append(f"{'map_Kd' if use == 'base_color' else 'map_Bump'} {name}")
    path.with_suffix(".mtl").write_text("\n".join(material) + "\n")
    lines = [f"mtllib {path.stem}.mtl", "usemtl case"]
    for keyword, values in (("v", mesh.vertices), ("vt", mesh.uv), ("vn", mesh.normals)):
        lines += [f"{keyword} " + " ".join(f"{value:.9g}" for value in row) for row in values]
    lines += ["f " + " ".join(f"{v}/{v}/{v}" for v in face) for face in (mesh.faces + 1).tolist()]
    lines += [f"l {a} {b}" for a, b in ([] if mesh.lines is None else (mesh.lines + 1).tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_ply(mesh: CaseMesh, path: Path) -> Path:
    """Write ASCII .ply; a base colour texture is named in a comment, as scanners do (C10)."""
    names = ["x", "y", "z", "nx", "ny", "nz", "s", "t"]
    comments = [f"comment TextureFile {name}" for use, name, _ in mesh.textures if use == "base_color"]
    for _, name, data in mesh.textures:
        (path.parent / name).write_bytes(data)
    header = ["ply", "format ascii 1.0", *comments, f"element vertex {len(mesh.vertices)}"]
    header += [f"property float {name}" for name in names]
    header += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header"]
    rows = np.concatenate([mesh.vertices, mesh.normals, mesh.uv], axis=1)
    lines = [" ".join(f"{value:.9g}" for value in row) for row in rows]
    lines += ["3 " + " ".join(map(str, face)) for face in mesh.faces.tolist()]
    path.write_text("\n".join([*header, *lines]) + "\n")
    return path


def write_usda(mesh: CaseMesh, path: Path) -> Path:
    """Write .usda without textures: mesh, normals and a preview surface."""
    red, green, blue, alpha = mesh.color
    points, normals = (_tuples(values) for values in (mesh.vertices, mesh.normals))
    indices, counts = ", ".join(map(str, mesh.faces.ravel())), ", ".join(["3"] * len(mesh.faces))
    path.write_text(
        f"""#usda 1.0
( defaultPrim = "Case"
  metersPerUnit = 1
  upAxis = "Z" )
def Xform "Case" {{
  def Mesh "Ball" ( prepend apiSchemas = ["MaterialBindingAPI"] ) {{
    int[] faceVertexCounts = [{counts}]
    int[] faceVertexIndices = [{indices}]
    point3f[] points = [{points}]
    normal3f[] normals = [{normals}] ( interpolation = "vertex" )
    uniform token subdivisionScheme = "none"
    rel material:binding = </Case/Material>
  }}
  def Material "Material" {{
    token outputs:surface.connect = </Case/Material/Surface.outputs:surface>
    def Shader "Surface" {{
      uniform token info:id = "UsdPreviewSurface"
      color3f inputs:diffuseColor = ({red}, {green}, {blue})
      float inputs:opacity = {alpha}
      token outputs:surface
    }}
  }}
}}
"""
    )
    return path


WRITERS: dict[str, Callable[[CaseMesh, Path], Path]] = {
    "glb": write_gltf,
    "gltf": write_gltf,
    "obj": write_obj,
    "ply": write_ply,
    "usda": write_usda,
}


def _mime(name: str) -> str:
    return {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif"}[name.rpartition(".")[2]]


def _tuples(values: NDArray[np.float64]) -> str:
    return ", ".join("(" + ", ".join(f"{value:.9g}" for value in row) + ")" for row in values)
