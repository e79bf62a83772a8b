# SPDX-License-Identifier: Apache-2.0
"""Mesh files that bring one fault each, in every format that can have it; by hand, so that no exporter tidies up.

Each is a ball of radius 1 unless its name says otherwise; right is what a final render of it at rest shows.
"""

import base64
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
RED = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Ball:
    """A sphere as triangles: positions, unit normals and UVs of its vertices, faces counter-clockwise from outside."""

    vertices: Array
    normals: Array
    uv: Array
    faces: Array


def ball(segments: int = 24, radius: float = 1.0, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Ball:
    """A UV sphere of 2 * segments * (segments // 2 - 1) faces."""
    rings = segments // 2
    around, down = np.meshgrid(np.arange(segments + 1) / segments, np.arange(rings + 1) / rings)
    theta, phi = 2 * np.pi * around.ravel(), np.pi * down.ravel()
    normals = np.stack([np.sin(phi) * np.cos(theta), np.cos(phi), -np.sin(phi) * np.sin(theta)], axis=1)
    faces = []
    for ring in range(rings):
        for place in range(segments):
            a = ring * (segments + 1) + place
            b = a + segments + 1
            faces += [(a, b, b + 1)] if ring < rings - 1 else []
            faces += [(a, b + 1, a + 1)] if ring > 0 else []
    uv = np.stack([around.ravel(), 1 - down.ravel()], axis=1)
    return Ball(normals * radius + np.array(at), normals, uv, np.array(faces))


def plane(half: float = 3.0, height: float = -1.0) -> Ball:
    """A square in x and z, facing +y; y is up in all of these files."""
    corners = np.array([[-1, 0, 1], [1, 0, 1], [1, 0, -1], [-1, 0, -1]]) * half + (0, height, 0)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    return Ball(corners, np.tile([0.0, 1.0, 0.0], (4, 1)), uv, np.array([[0, 1, 2], [0, 2, 3]]))


def flipped(shape: Ball, share: float = 0.04) -> Ball:
    """The same with the winding of every so many-th face reversed, its normals kept."""
    faces = shape.faces.copy()
    chosen = np.arange(0, len(faces), round(1 / share))
    if share < 1:  # neither at the poles nor at the seam, where a vertex may belong to one face only
        at = shape.uv[faces[chosen]]
        chosen = chosen[
            (np.abs(at[..., 1] - 0.5) < 0.4).all(axis=1) & (np.abs(at[..., 0] - 0.5) < 0.45).all(axis=1)
        ]
    faces[chosen] = faces[chosen, ::-1]
    return Ball(shape.vertices, shape.normals, shape.uv, faces)


def inverted(shape: Ball) -> Ball:
    """The same with all normals turned inwards, its winding kept."""
    return Ball(shape.vertices, -shape.normals, shape.uv, shape.faces)


def png(pixels: Array) -> bytes:
    """(H, W, 3 or 4) uint8 -> the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def encoded(kind: str, size: int = 64, seed: int = 5) -> bytes:
    """A noisy image, so that what is cut off is missed, in a format of Pillow's."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def checker(size: int = 16) -> bytes:
    """Red and blue squares, as a PNG."""
    odd = np.add.outer(np.arange(size) // 4, np.arange(size) // 4) % 2
    return png(np.where(odd[..., None], (230, 30, 30), (30, 30, 230)))


def grey(low: int = 150, size: int = 16) -> bytes:
    """A height map, as a grey PNG."""
    steps = np.add.outer(np.arange(size), np.arange(size)) * 3 % 90
    return png(np.repeat((low + steps)[..., None], 3, axis=2))


def grey_in(kind: str) -> bytes:
    """That height map as another file: "la" and "16" are PNG with alpha and with 16 bits, the others suffixes."""
    values = np.array(Image.open(io.BytesIO(grey())))[..., 0]
    stream = io.BytesIO()
    if kind == "la":
        alpha = np.linspace(0, 255, values.size).reshape(values.shape).astype(np.uint8)
        Image.merge("LA", [Image.fromarray(values), Image.fromarray(alpha)]).save(stream, "PNG")
    elif kind == "16":
        Image.fromarray(values.astype(np.uint16) * 257).save(stream, "PNG")
    else:
        formats = {"jpg": "JPEG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP"}
        Image.fromarray(np.repeat(values[..., None], 3, axis=2)).save(stream, formats[kind])
    return stream.getvalue()


def leaning(size: int = 16) -> bytes:
    """A normal map, as a PNG: every normal leans 30 degrees to the right."""
    return png(np.broadcast_to((191, 128, 238), (size, size, 3)))


@dataclass
class GltfWriter:
    """Collects the parts of one glTF; `mesh` and `image` return indices."""

    json: dict[str, Any] = field(
        default_factory=lambda: {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
        }
    )
    data: bytearray = field(default_factory=bytearray)

    def view(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        views = self.json.setdefault("bufferViews", [])
        views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data
        return len(views) - 1

    def accessor(self, values: Array) -> int:
        values = np.ascontiguousarray(values)
        component = {"float32": 5126, "uint32": 5125, "uint8": 5121, "uint16": 5123}[str(values.dtype)]
        width = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[values.size // len(values)]
        accessor = {"bufferView": self.view(values.tobytes()), "componentType": component, "type": width}
        accessor["count"] = len(values)
        if width == "VEC3" or component == 5126 and width == "SCALAR":
            flat = values.reshape(len(values), -1)
            accessor |= {"min": flat.min(axis=0).tolist(), "max": flat.max(axis=0).tolist()}
        self.json.setdefault("accessors", []).append(accessor)
        return len(self.json["accessors"]) - 1

    def mesh(self, shape: Ball, material: dict[str, Any] | None = None, **attributes: Array) -> int:
        given = {
            "POSITION": shape.vertices,
            "NORMAL": shape.normals,
            "TEXCOORD_0": shape.uv * (1, -1) + (0, 1),
        }
        primitive: dict[str, Any] = {
            "attributes": {
                name: self.accessor(np.asarray(value, np.float32)) for name, value in given.items()
            }
        }
        for name, value in attributes.items():
            primitive["attributes"][name] = self.accessor(value)
        primitive["indices"] = self.accessor(shape.faces.astype(np.uint32).ravel())
        if material is not None:
            self.json.setdefault("materials", []).append(material)
            primitive["material"] = len(self.json["materials"]) - 1
        self.json.setdefault("meshes", []).append({"primitives": [primitive]})
        return len(self.json["meshes"]) - 1

    def node(self, root: bool = True, **node: Any) -> int:
        self.json["nodes"].append(node)
        index = len(self.json["nodes"]) - 1
        if root:
            self.json["scenes"][0]["nodes"].append(index)
        return index

    def image(
        self, data: bytes, mime: str = "image/png", uri: bool = False, texture: str | None = None
    ) -> int:
        """Add an image and a texture, through the extension `texture` if given. Returns the texture's index."""
        image: dict[str, Any] = {"mimeType": mime}
        if uri:
            image["uri"] = f"data:{mime};base64,{base64.b64encode(data).decode()}"
        else:
            image["bufferView"] = self.view(data)
        images, textures = self.json.setdefault("images", []), self.json.setdefault("textures", [])
        images.append(image)
        source = {"source": len(images) - 1}
        textures.append(source if texture is None else {"extensions": {texture: source}})
        if texture is not None:
            self.json.setdefault("extensionsUsed", []).append(texture)
        return len(textures) - 1

    def empty(self, width: str, component: int, view: int | None = None) -> int:
        """Add an accessor of count 0, with a view of bytes or without."""
        accessor = {"componentType": component, "type": width, "count": 0}
        accessor |= {} if view is None else {"bufferView": view}
        self.json["accessors"].append(accessor)
        return len(self.json["accessors"]) - 1

    def write(self, path: Path) -> None:
        """Write a .glb, or a .gltf with a file of buffers beside it."""
        data = bytes(self.data) + b"\0" * (-len(self.data) % 4)
        if path.suffix == ".gltf":
            buffers = [{"byteLength": len(data), "uri": path.stem + ".bin"}]
            (path.parent / (path.stem + ".bin")).write_bytes(data)
            path.write_text(json.dumps(self.json | {"buffers": buffers}))
            return
        text = json.dumps(self.json | {"buffers": [{"byteLength": len(data)}]}).encode()
        text += b" " * (-len(text) % 4)
        body = (
            struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
        )
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)


def write_gltf(path: Path, shape: Ball, material: dict[str, Any] | None = None, **node: Any) -> None:
    """One mesh at one node."""
    writer = GltfWriter()
    writer.node(mesh=writer.mesh(shape, material), **node)
    writer.write(path)


def with_an_empty_part(path: Path, bytes_behind: bool, indices: bool, beside: bool) -> None:
    """A ball, and a primitive whose positions or indices are none: in a mesh of its own or in the ball's."""
    writer = GltfWriter()
    writer.node(mesh=writer.mesh(ball()))
    view = writer.view(bytes(12)) if bytes_behind else None
    first = writer.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
    primitive: dict[str, Any] = {
        "attributes": {"POSITION": first if indices else writer.empty("VEC3", 5126, view)}
    }
    if indices:
        primitive["indices"] = writer.empty("SCALAR", 5125, view)
    if beside:
        writer.json["meshes"][0]["primitives"].append(primitive)
    else:
        writer.json["meshes"].append({"primitives": [primitive]})
        writer.node(mesh=1)
    writer.write(path)


def with_fallback(path: Path) -> None:
    """A ball whose texture is KTX2 for readers of it, and PNG for all others."""
    writer = GltfWriter()
    index = writer.image(checker())
    writer.json["images"].append(
        {"mimeType": "image/ktx2", "bufferView": writer.view(b"\xabKTX 20\xbb\r\n\x1a\n")}
    )
    writer.json["textures"][index]["extensions"] = {"KHR_texture_basisu": {"source": 1}}
    writer.json["extensionsUsed"] = ["KHR_texture_basisu"]
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": index}, "metallicFactor": 0}}
    writer.node(mesh=writer.mesh(ball(), material))
    writer.write(path)


def write_obj(
    path: Path,
    *shapes: Ball,
    mtl: str | None = None,
    normals: bool = True,
    bom: bool = False,
    extra: str = "",
) -> None:
    """One object a shape, in materials m0, m1, ... of a library beside it."""
    lines = [f"mtllib {path.stem}.mtl"] if mtl is not None else []
    base = 1
    for number, shape in enumerate(shapes):
        lines += [f"o part{number}"]
        lines += ["v " + " ".join(f"{x:.6f}" for x in row) for row in shape.vertices]
        lines += ["vt " + " ".join(f"{x:.6f}" for x in row) for row in shape.uv]
        lines += ["vn " + " ".join(f"{x:.6f}" for x in row) for row in shape.normals] if normals else []
        lines += [f"usemtl m{number}"] if mtl is not None else []
        lines += ["s 1"]
        corner = "{0}/{0}/{0}" if normals else "{0}/{0}"
        lines += ["f " + " ".join(corner.format(index + base) for index in face) for face in shape.faces]
        base += len(shape.vertices)
    text = "\n".join(lines) + "\n" + extra
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    if mtl is not None:
        path.with_suffix(".mtl").write_text(mtl)


def write_ply(
    path: Path, shape: Ball, normals: bool = True, texture: str | None = None, stray: Array | None = None
) -> None:
    """ASCII, with normals or without, with UVs of the vertices if it names a texture."""
    vertices = shape.vertices if stray is None else np.concatenate([shape.vertices, stray])
    columns = [vertices]
    names = ["x", "y", "z"]
    if normals:
        columns.append(np.resize(shape.normals, vertices.shape))
        names += ["nx", "ny", "nz"]
    if texture:
        columns.append(np.resize(shape.uv, (len(vertices), 2)))
        names += ["s", "t"]
    table = np.concatenate(columns, axis=1)
    header = ["ply", "format ascii 1.0", *([f"comment TextureFile {texture}"] if texture else [])]
    header += [f"element vertex {len(table)}", *(f"property float {name}" for name in names)]
    header += [f"element face {len(shape.faces)}", "property list uchar int vertex_indices", "end_header"]
    rows = [" ".join(f"{value:.6f}" for value in row) for row in table]
    faces = ["3 " + " ".join(str(index) for index in face) for face in shape.faces]
    path.write_text("\n".join(header + rows + faces) + "\n")


def write_ply_strips(path: Path, shape: Ball, faces: bool = False) -> None:
    """ASCII, its triangles as one strip, as Stanford's scans have them; faces: and as faces."""
    header = ["ply", "format ascii 1.0", f"element vertex {len(shape.vertices)}"]
    header += [f"property float {name}" for name in "xyz"]
    rows = [" ".join(f"{value:.6f}" for value in row) for row in shape.vertices]
    if faces:
        header += [f"element face {len(shape.faces)}", "property list uchar int vertex_indices"]
        rows += ["3 " + " ".join(map(str, face)) for face in shape.faces]
    header += ["element tristrips 1", "property list int int vertex_indices", "end_header"]
    strip = " ".join(f"{a} {b} {c} -1" for a, b, c in shape.faces)
    path.write_text("\n".join([*header, *rows, f"{4 * len(shape.faces)} {strip}"]) + "\n")


def usd_mesh(
    name: str,
    shape: Ball,
    material: str | None = None,
    normals: bool = True,
    extra: str = "",
    scheme: str | None = "none",
) -> str:
    """A mesh prim; extra: further properties, scheme: of its subdivision, None: not stated."""
    schemas = '(prepend apiSchemas = ["MaterialBindingAPI"])' if material else ""
    lines = [f'def Mesh "{name}" {schemas}', "{"]
    lines += [] if scheme is None else [f'uniform token subdivisionScheme = "{scheme}"']
    lines += [f"int[] faceVertexCounts = [{', '.join(['3'] * len(shape.faces))}]"]
    lines += [f"int[] faceVertexIndices = [{', '.join(str(i) for i in shape.faces.ravel())}]"]
    lines += [f"point3f[] points = [{_tuples(shape.vertices)}]"]
    if normals:
        lines += [f'normal3f[] normals = [{_tuples(shape.normals)}] (interpolation = "vertex")']
    lines += [f'texCoord2f[] primvars:st = [{_tuples(shape.uv)}] (interpolation = "vertex")']
    if material:
        lines += [f"rel material:binding = </W/{material}>"]
    return "\n".join([*lines, extra, "}"])


def _tuples(rows: Array) -> str:
    return ", ".join("(" + ", ".join(f"{x:.6f}" for x in row) + ")" for row in rows)


def usd_cube(scheme: str | None, extra: str = "", normals: bool = False) -> str:
    """A cube of quads with corners at +-1, as the cage of a subdivision surface."""
    corners = "(-1,-1,1),(1,-1,1),(-1,1,1),(1,1,1),(-1,1,-1),(1,1,-1),(-1,-1,-1),(1,-1,-1)"
    lines = ['def Mesh "C"', "{", "int[] faceVertexCounts = [4, 4, 4, 4, 4, 4]"]
    lines += ["int[] faceVertexIndices = [0,1,3,2, 2,3,5,4, 4,5,7,6, 6,7,1,0, 1,7,5,3, 6,0,2,4]"]
    lines += [f"point3f[] points = [{corners}]"]
    lines += [f'normal3f[] normals = [{corners}] (interpolation = "vertex")'] if normals else []
    lines += [] if scheme is None else [f'uniform token subdivisionScheme = "{scheme}"']
    return "\n".join([*lines, extra, "}"])


def usd_instance(file: str) -> str:
    """A prim that is an instance of what a file beside it holds."""
    return f'def "I" (\n instanceable = true\n references = @{file}@\n)\n{{\n}}'


def usd_material(name: str, **inputs: str) -> str:
    """A UsdPreviewSurface; inputs: "color3f diffuseColor" with a "_" for the space -> value or connection."""
    lines = [f'def Material "{name}"', "{", f"token outputs:surface.connect = </W/{name}/S.outputs:surface>"]
    lines += ['def Shader "S"', "{", 'uniform token info:id = "UsdPreviewSurface"']
    for key, value in inputs.items():
        kind, _, plain = key.partition("_")
        lines += [f"{kind} inputs:{plain}{value}"]
    return "\n".join([*lines, "token outputs:surface", "}", "}"])


def write_usd(path: Path, *prims: str, head: str = "") -> None:
    """A .usda whose one root prim holds `prims`."""
    text = (
        f'#usda 1.0\n(\n defaultPrim = "W"\n upAxis = "Y"\n metersPerUnit = 1\n{head}\n)\ndef Xform "W"\n{{\n'
    )
    path.write_text(text + "\n".join(prims) + "\n}\n")


USD_NORMAL_MAP = """def Material "M" {
token outputs:surface.connect = </W/M/P.outputs:surface>
def Shader "P" { uniform token info:id = "UsdPreviewSurface"
normal3f inputs:normal.connect = </W/M/T.outputs:rgb>
token outputs:surface
}
def Shader "T" { uniform token info:id = "UsdUVTexture"
asset inputs:file = @n.png@
token inputs:sourceColorSpace = "raw"
float4 inputs:scale = (2, 2, 2, 1)
float4 inputs:bias = (-1, -1, -1, 0)
float2 inputs:st.connect = </W/M/U.outputs:result>
float3 outputs:rgb
}
def Shader "U" { uniform token info:id = "UsdPrimvarReader_float2"
string inputs:varname = "st"
float2 outputs:result
}
}"""


def with_normal_map(folder: Path, name: str, image: bytes) -> Path:
    """A ball in the format of `name`, with an image in the place of a normal map."""
    path = folder / name
    (folder / "n.png").write_bytes(image)
    (folder / "height.png").write_bytes(grey())
    if path.suffix == ".obj":
        stated = {
            "bump.obj": "bump -bm 0.5 n.png",
            "spaces.obj": "map_bump\tn.png",
            "norm.obj": "norm n.png\nmap_Bump height.png",
            "names.obj": "map_Bump -bm 1 my  n.png",
        }
        (folder / "my  n.png").write_bytes(image)
        write_obj(path, ball(), mtl=f"newmtl m0\nKd 1 1 1\n{stated.get(name, 'map_Bump n.png')}\n")
    elif path.suffix == ".usda":
        write_usd(path, usd_mesh("S", ball(), "M"), USD_NORMAL_MAP)
    else:
        writer = GltfWriter()
        named = {"index": writer.image(image, uri=path.suffix == ".gltf")}
        writer.node(mesh=writer.mesh(ball(), {"normalTexture": named}))
        writer.write(path)
    return path


def stage(folder: Path, write: Callable[[Path], None], name: str) -> Path:
    """Write one member into a folder of its own."""
    place = folder / name.replace(".", "_")
    place.mkdir(parents=True, exist_ok=True)
    write(place / name)
    return place / name
