# SPDX-License-Identifier: Apache-2.0
"""Files that attack a scan and a render, by kind; each kind in several members and formats.

What begins with "secret" lies outside of the scanned folder: nothing of it may be read.
"""

import base64
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SECRET = b"TOP-SECRET-BYTES"
TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], "<f4")
FACES = np.array([[0, 1, 2], [0, 1, 3]], "<u2")
REFUSED, EITHER = "refused", "either"  # of a file that is damaged or odd, and may be read all the same


@dataclass(frozen=True)
class Hostile:
    """One file: its kind, its path below the scanned folder, and whether it must be refused or may be harmless."""

    kind: str
    path: str
    expected: str = REFUSED


def make_hostile(root: Path) -> list[Hostile]:
    """Write all files that need no Blender.

    Args:
        root: An empty folder; `root/scan` is the folder to be scanned, beside it lies what must not be read.

    Returns:
        The members, meshes first.
    """
    scan = root / "scan"
    scan.mkdir()
    for suffix in ("bin", "png", "mtl", "usda", "ply", "exr"):
        (root / f"secret.{suffix}").write_bytes(SECRET * 64)
    found: list[Hostile] = []
    for maker in (gltf, textures, obj, ply_and_stl, usd, others, file_system):
        for kind, name, data, expected in maker(root):
            path = scan / "objects" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is not None:
                path.write_bytes(data)
            found.append(Hostile(kind, f"objects/{name}", expected))
    for suffix in ("bin", "png", "mtl", "usda", "ply"):
        for folder in {path.parent for path in (scan / "objects").rglob("*") if path.is_file()}:
            if not (folder / f"inside.{suffix}").is_symlink():
                (folder / f"inside.{suffix}").symlink_to(root / f"secret.{suffix}")
    for kind, name, data, expected in environments(root):
        path = scan / "environments" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found.append(Hostile(kind, f"environments/{name}", expected))
    return found


Member = tuple[str, str, bytes | None, str]


def outside(root: Path, suffix: str) -> Iterator[tuple[int, str]]:
    """Ways to name a secret beside the scanned folder, from a folder `scan/objects/KIND` of it."""
    absolute = str(root)
    ways = [
        f"../../../secret.{suffix}",
        f"..\\..\\..\\secret.{suffix}",
        f"{absolute}/secret.{suffix}",
        f"file://{absolute}/secret.{suffix}",
        f"inside.{suffix}",
        f"\\\\server\\share\\secret.{suffix}",
        f"./x/../../../../secret.{suffix}",
    ]
    yield from enumerate(ways)


def document(
    positions: bytes = TRIANGLE.tobytes(), indices: bytes = FACES.tobytes(), **changes: Any
) -> dict[str, Any]:
    """A glTF of two triangles with its bytes inside; `changes` replace entries of the JSON."""
    data = positions + indices
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    count = len(positions) // 12
    low, high = [-1.0] * 3, [1.0] * 3
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3", "min": low, "max": high},
            {"bufferView": 1, "componentType": 5123, "count": len(indices) // 2, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(positions)},
            {"buffer": 0, "byteOffset": len(positions), "byteLength": len(indices)},
        ],
        "buffers": [{"uri": uri, "byteLength": len(data)}],
    } | changes


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def glb(value: Any, binary: bytes = b"") -> bytes:
    chunk = text(value)
    chunk += b" " * (-len(chunk) % 4)
    body = struct.pack("<I4s", len(chunk), b"JSON") + chunk
    if binary:
        binary += b"\0" * (-len(binary) % 4)
        body += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def changed(path: str, value: Any) -> bytes:
    """The glTF with one value changed, by a path such as "accessors.0.count"."""
    whole = document()
    *above, last = path.split(".")
    place: Any = whole
    for part in above:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return text(whole)


def gltf(root: Path) -> Iterator[Member]:
    """Attacks by the structure of glTF."""
    for number, uri in outside(root, "bin"):
        yield "glTF buffer outside", f"gltf-buffer/{number}.gltf", changed("buffers.0.uri", uri), REFUSED
    for number, uri in outside(root, "png"):
        image = document(
            images=[{"uri": uri}],
            textures=[{"source": 0}],
            materials=[{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
            meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
        )
        yield "glTF image outside", f"gltf-image/{number}.gltf", text(image), REFUSED
    yield (
        "glTF buffer outside",
        "gltf-buffer/web.gltf",
        changed("buffers.0.uri", "http://localhost/a.bin"),
        REFUSED,
    )
    encoded = changed("buffers.0.uri", "%2e%2e/%2e%2e/%2e%2e/secret.bin")
    yield "glTF buffer outside", "gltf-buffer/encoded.gltf", encoded, REFUSED
    whole = glb(document())
    for number, length in enumerate((0, 3, 12, 19, len(whole) // 2, len(whole) - 1)):
        yield "GLB cut short", f"glb-cut/{number}.glb", whole[:length], REFUSED
    for number, (at, value) in enumerate(((4, 1), (4, 99), (8, 0), (8, 2**32 - 1), (12, 0), (12, 2**32 - 1))):
        broken = bytearray(whole)
        struct.pack_into("<I", broken, at, value)
        yield "GLB lengths", f"glb-lengths/{number}.glb", bytes(broken), REFUSED
    for number, worst in enumerate((4, 40, 65535)):
        faces = np.array([[0, 1, worst]], "<u2").tobytes()
        yield "glTF index out of range", f"gltf-index/{number}.gltf", text(document(indices=faces)), REFUSED
    values = {
        "accessors.0.count": (2**31, 10**18, -1, 0),
        "accessors.0.byteOffset": (2**40, -12),
        "accessors.0.componentType": (5125, 1, "x"),
        "accessors.0.type": ("MAT4", "SCALAR", None),
        "bufferViews.0.byteStride": (4, 2**31),
        "bufferViews.0.byteLength": (2**50, -1),
        "bufferViews.0.buffer": (7, -1),
        "buffers.0.byteLength": (2**60,),
        "meshes.0.primitives.0.indices": (9, -1, "a"),
        "meshes.0.primitives.0.mode": (99, "x"),
        "meshes.0.primitives.0.attributes": ([], {"POSITION": 99}),
        "nodes.0.mesh": (5, -1),
        "nodes.0.rotation": ([1], ["a"] * 4),
        "nodes.0.matrix": ([0] * 16, [1e38] * 16, [1]),
        "scenes.0.nodes": ([99], [-1]),
        "scene": (9, "x"),
        "asset.version": ("9.9", 2),
    }
    for path, options in values.items():
        for number, value in enumerate(options):
            kind = "glTF values" if path.startswith(("accessors", "buffer")) else "glTF references"
            yield kind, f"gltf-values/{path}-{number}.gltf", changed(path, value), EITHER
    for number, cycle in enumerate(([{"children": [0]}], [{"children": [1]}, {"children": [0]}])):
        yield "glTF node cycle", f"gltf-cycle/{number}.gltf", changed("nodes", cycle), REFUSED
    chain = [{"children": [index + 1]} for index in range(5000)] + [{"mesh": 0}]
    yield "glTF node cycle", "gltf-cycle/chain.gltf", changed("nodes", chain), EITHER
    for number, value in enumerate((np.nan, np.inf, -np.inf, 3e38, 1e30)):
        positions = TRIANGLE.copy()
        positions[0, 0] = value
        yield "not finite or huge", f"finite/{number}.gltf", text(document(positions.tobytes())), REFUSED
    tiny = (TRIANGLE * 1e-12).tobytes()
    yield "not finite or huge", "finite/tiny.gltf", text(document(tiny)), REFUSED
    far = (TRIANGLE + np.float32(1e9)).astype("<f4").tobytes()
    yield "not finite or huge", "finite/far.gltf", text(document(far)), REFUSED
    flat = (TRIANGLE * 0).tobytes()
    yield "not finite or huge", "finite/point.gltf", text(document(flat)), REFUSED
    many = [{"mesh": 0, "translation": [index % 100, index // 100, 0]} for index in range(100_000)]
    nodes = {"nodes": many, "scenes": [{"nodes": list(range(len(many)))}]}
    yield "too many instances", "instances/nodes.gltf", text(document(**nodes)), REFUSED
    instanced = document()
    instanced["accessors"].append({"bufferView": 0, "componentType": 5126, "count": 10**7, "type": "VEC3"})
    instanced["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 2}}}
    instanced["extensionsUsed"] = ["EXT_mesh_gpu_instancing"]
    yield "too many instances", "instances/gpu.gltf", text(instanced), REFUSED
    for number, deep in enumerate(
        ("[" * 100_000, '{"a":' * 100_000, '{"asset": ' + "[" * 5000 + "]" * 5000 + "}")
    ):
        yield "deep JSON", f"json-deep/{number}.gltf", deep.encode(), REFUSED
    for number, words in enumerate(
        (b"\xff\xfe{}", b"{}", b"null", b"[]", b'{"asset": NaN}', b"\0" * 64, b'"' * 999)
    ):
        yield "JSON that is no glTF", f"json-odd/{number}.gltf", words, REFUSED


def textured(image: bytes, mime: str = "image/png", extension: str | None = None) -> bytes:
    """A glTF whose base colour is this image."""
    uri = f"data:{mime};base64," + base64.b64encode(image).decode()
    texture: dict[str, Any] = {"source": 0}
    extras: dict[str, Any] = {}
    if extension:
        texture = {"extensions": {extension: {"source": 0}}}
        extras["extensionsUsed"] = [extension]
    return text(
        document(
            images=[{"uri": uri, "mimeType": mime}],
            textures=[texture],
            materials=[{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
            meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
            **extras,
        )
    )


def encoded(form: str, size: tuple[int, int] = (64, 64), **options: Any) -> bytes:
    import io

    from PIL import Image

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (*size, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def png(width: int, height: int, body: bytes = b"", extra: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """A PNG with any size in its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    parts += [chunk(*each) for each in extra]
    parts += [chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exr(width: int = 64, height: int = 64, low: int = 0) -> bytes:
    """An EXR whose header states any window, over the pixels of a small one."""
    from multishade.imaging.codecs import encode_exr

    plane = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    data = bytearray(encode_exr({"R": plane, "G": plane, "B": plane}))
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = data.index(name) + len(name) + 4
        struct.pack_into("<4i", data, at, low, low, low + width - 1, low + height - 1)
    return bytes(data)


def hdr(line: bytes = b"-Y 64 +X 128", body: bytes | None = None) -> bytes:
    body = b"\x80\x80\x80\x81" * (64 * 128) if body is None else body
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + line + b"\n" + body


def damaged(data: bytes, seed: int) -> bytes:
    """The same length with a few bytes changed behind the first twelve."""
    rng = np.random.default_rng(seed)
    broken = bytearray(data)
    for at in rng.integers(12, len(data), 24):
        broken[at] = int(rng.integers(256))
    return bytes(broken)


def image_attacks() -> Iterator[tuple[str, str, bytes, str]]:
    """(kind, file name, bytes, expected) of images."""
    whole = {
        "png": encoded("PNG"),
        "jpg": encoded("JPEG"),
        "webp": encoded("WEBP"),
        "tif": encoded("TIFF"),
        "bmp": encoded("BMP"),
        "tga": encoded("TGA"),
        "dds": encoded("DDS"),
        "jp2": encoded("JPEG2000"),
        "exr": exr(),
        "hdr": hdr(),
    }
    for suffix, data in whole.items():
        yield f"{suffix.upper()} cut short", f"cut-half.{suffix}", data[: len(data) // 2], REFUSED
        yield f"{suffix.upper()} cut short", f"cut-head.{suffix}", data[:20], REFUSED
        for seed in range(3):
            yield f"{suffix.upper()} damaged", f"damaged{seed}.{suffix}", damaged(data, seed), EITHER
    yield "PNG bomb", "bomb-header.png", png(60_000, 60_000), REFUSED
    yield "PNG bomb", "bomb-body.png", png(30_000, 30_000, b"\0" * 10_000_000), REFUSED
    yield "PNG bomb", "bomb-zero.png", png(0, 0), REFUSED
    yield (
        "PNG bomb",
        "bomb-icc.png",
        png(8, 8, b"\0" * 200, ((b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 50_000_000)),)),
        EITHER,
    )
    yield (
        "PNG bomb",
        "bomb-text.png",
        png(8, 8, b"\0" * 200, ((b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 50_000_000)),)),
        EITHER,
    )
    for number, window in enumerate(
        ((100_000, 100_000, 0), (64, 2**30, 0), (-5, -5, 0), (64, 64, -(2**31)), (2**31 - 1, 1, 0))
    ):
        yield "EXR windows", f"window{number}.exr", exr(*window), REFUSED
    for number, line in enumerate(
        (b"-Y 1000000 +X 1000000", b"-Y 0 +X 0", b"-Y 64", b"-Y 99999999999999999999 +X 2", b"-Y -64 +X 128")
    ):
        yield "HDR sizes", f"size{number}.hdr", hdr(line), REFUSED
    yield "HDR sizes", "rle.hdr", hdr(body=b"\x02\x02\x7f\xff" + b"\xff" * 4000), EITHER
    loop = (
        b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 256, 3, 1, 9) + struct.pack("<I", 8)
    )
    yield "TIFF structure", "loop.tif", loop, REFUSED
    yield "TIFF structure", "far.tif", b"II*\0\xff\xff\xff\x7f", REFUSED
    large = (
        struct.pack("<H", 2)
        + struct.pack("<HHII", 256, 4, 1, 2**31 - 1)
        + struct.pack("<HHII", 257, 4, 1, 2**31 - 1)
    )
    yield "TIFF structure", "large.tif", b"II*\0\x08\0\0\0" + large + b"\0" * 4, REFUSED
    yield "TIFF structure", "big.tif", b"II+\0\x08\0\0\0" + b"\xff" * 64, REFUSED
    psd = b"8BPS\0\1" + b"\0" * 6 + struct.pack(">HIIHH", 3, 300_000, 300_000, 8, 3) + b"\0" * 64
    yield "PSD structure", "large.psd", psd, REFUSED
    yield "PSD structure", "cut.psd", b"8BPS\0\1" + b"\0" * 6, REFUSED
    yield "PSD structure", "layers.psd", psd[:14] + struct.pack(">IIHH", 8, 8, 8, 3) + b"\xff" * 64, REFUSED
    yield "PSD structure", "version.psd", b"8BPS\0\x09" + b"\0" * 60, REFUSED
    yield "not an image", "gif.png", encoded("GIF"), REFUSED
    yield "not an image", "ktx2.png", b"\xabKTX 20\xbb\r\n\x1a\n" + b"\0" * 80, REFUSED
    yield "not an image", "html.png", b"<html>not found</html>", REFUSED
    yield "not an image", "empty.png", b"", REFUSED
    yield "not an image", "elf.png", b"\x7fELF" + b"\0" * 200, REFUSED


def textures(root: Path) -> Iterator[Member]:
    """Attacks by the images of a mesh: embedded in glTF, beside an OBJ."""
    mimes = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
    for kind, name, data, expected in image_attacks():
        suffix = name.rpartition(".")[2]
        if suffix in mimes:
            extension = "EXT_texture_webp" if suffix == "webp" else None
            stem = name.replace(".", "-")
            yield kind, f"textures/{stem}.gltf", textured(data, mimes[suffix], extension), expected
        else:
            yield "texture of an OBJ", f"maps/{name}", data, "part"
            stem = name.replace(".", "-")
            yield "texture of an OBJ", f"maps/{stem}.mtl", f"newmtl a\nmap_Kd {name}\n".encode(), "part"
            yield kind, f"maps/{stem}.obj", OBJ.format(f"mtllib {stem}.mtl", "usemtl a").encode(), expected


OBJ = "{0}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1 0\nvt 0 1\n{1}\nf 1/1 2/2 3/3\nf 1/1 2/2 4/3\n"


def obj(root: Path) -> Iterator[Member]:
    """Attacks by OBJ and MTL."""
    for number, name in outside(root, "mtl"):
        yield "mtllib outside", f"obj-mtllib/{number}.obj", OBJ.format(f"mtllib {name}", "").encode(), EITHER
    for number, name in [
        *outside(root, "png"),
        (8, "/dev/zero"),
        (9, "../../../../../../../../dev/zero"),
        (10, "pipe.png"),
    ]:
        yield "map_Kd outside", f"obj-map/{number}.mtl", f"newmtl a\nmap_Kd {name}\n".encode(), "part"
        yield (
            "map_Kd outside",
            f"obj-map/{number}.obj",
            OBJ.format(f"mtllib {number}.mtl", "usemtl a").encode(),
            REFUSED,
        )
    for number, face in enumerate(
        ("f 1 2 99", "f 0 1 2", "f -1 -2 -99", "f 1/9 2/9 3/9", "f 1//9 2//9 3//9", f"f 1 2 {2**31}")
    ):
        yield (
            "OBJ index out of range",
            f"obj-index/{number}.obj",
            f"v 0 0 0\nv 1 0 0\nv 0 1 0\n{face}\n".encode(),
            EITHER,
        )
    odd = {
        "nan": b"v nan nan nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "inf": b"v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "long": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf" + b" 1 2 3" * 200_000 + b"\n",
        "words": b"v 0 0 0 " * 300_000,
        "utf16": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".encode("utf-16"),
        "zeros": b"\0" * 4096,
        "noise": np.random.default_rng(1).bytes(20_000),
        "numbers": b"v 1e999999 2 3\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "curves": b"cstype bspline\ndeg 999999\ncurv 0 1 1 2 3\nparm u 0 1\nend\n"
        + OBJ.format("", "").encode(),
        "lines": b"v 0 0 0\nv 1 0 0\nl 1 2\np 1\n",
    }
    for name, data in odd.items():
        yield "OBJ text", f"obj-text/{name}.obj", data, EITHER


def ply_and_stl(root: Path) -> Iterator[Member]:
    """Attacks by PLY and STL."""

    def ply(vertices: object, faces: object, body: str, extra: str = "", form: str = "ascii") -> bytes:
        head = (
            f"ply\nformat {form} 1.0\n{extra}element vertex {vertices}\nproperty float x\nproperty float y\n"
        )
        head += (
            f"property float z\nelement face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
        )
        return head.encode() + body.encode()

    body = "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    for number, name in outside(root, "png"):
        yield (
            "PLY texture outside",
            f"ply-texture/{number}.ply",
            ply(3, 1, body, f"comment TextureFile {name}\n"),
            REFUSED,
        )
    for number, (vertices, faces) in enumerate(
        ((2**31, 1), (-1, 1), (3, 2**31), (3, -1), ("x", 1), (3, 2), (10**30, 1))
    ):
        yield "PLY counts", f"ply-counts/{number}.ply", ply(vertices, faces, body), EITHER
    for number, face in enumerate(("3 0 1 9", "3 0 1 -5", "3 0 1 2147483647", "255 0 1 2", "2 0 1", "0")):
        yield (
            "PLY index out of range",
            f"ply-index/{number}.ply",
            ply(3, 1, "0 0 0\n1 0 0\n0 1 0\n" + face + "\n"),
            EITHER,
        )
    whole = ply(3, 1, body)
    odd = (
        whole[:40],
        b"ply\n",
        whole.replace(b"end_header", b"end"),
        whole.replace(b"ascii", b"binary_little_endian"),
    )
    odd += (whole.replace(b"float", b"complex"), b"ply\n" + b"comment a\n" * 100_000 + whole[4:])
    for number, data in enumerate(odd):
        yield "PLY header", f"ply-header/{number}.ply", data, EITHER
    facet = np.zeros(1, [("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])
    facet["v"] = TRIANGLE[:3]
    stl = b"\0" * 80 + struct.pack("<I", 1) + facet.tobytes()
    for number, data in enumerate(
        (
            stl[:80] + struct.pack("<I", 2**32 - 1) + stl[84:],
            stl[:-10],
            stl[:84],
            b"solid x\nfacet normal 0 0\n",
            b"solid " + b"a" * 500_000,
            stl[:84] + b"\xff" * 50,
        )
    ):
        yield "STL structure", f"stl/{number}.stl", data, EITHER


def usd(root: Path) -> Iterator[Member]:
    """Attacks by USD."""

    def layer(mesh: str = "", top: str = "", prim: str = "") -> bytes:
        points = "point3f[] points = [(0,0,0), (1,0,0), (0,1,0), (0,0,1)]"
        faces = mesh or "int[] faceVertexCounts = [3, 3]\nint[] faceVertexIndices = [0, 1, 2, 0, 1, 3]"
        return (
            f'#usda 1.0\n(\ndefaultPrim = "m"\n{top}\n)\ndef Mesh "m" (\n{prim}\n)\n{{\n{points}\n{faces}\n'
            'uniform token subdivisionScheme = "none"\n}\n'
        ).encode()

    for number, name in outside(root, "usda"):
        name = name.replace("\\", "/")
        yield (
            "USD sublayer outside",
            f"usd-layer/{number}.usda",
            layer(top=f"subLayers = [@{name}@]"),
            REFUSED,
        )
        yield (
            "USD reference outside",
            f"usd-ref/{number}.usda",
            layer(prim=f"prepend references = @{name}@"),
            REFUSED,
        )
        yield (
            "USD payload outside",
            f"usd-load/{number}.usda",
            layer(prim=f"prepend payload = @{name}@"),
            REFUSED,
        )
    faces = (
        "[3]\nint[] faceVertexIndices = [0, 1, 40]",
        "[3]\nint[] faceVertexIndices = [0, 1, -1]",
        "[3, 3]\nint[] faceVertexIndices = [0, 1, 2]",
        "[-3]\nint[] faceVertexIndices = [0, 1, 2]",
        "[2147483647]\nint[] faceVertexIndices = [0, 1, 2]",
        "[6]\nint[] faceVertexIndices = [0, 0, 0, 0, 0, 0]",
    )
    for number, face in enumerate(faces):
        yield (
            "USD index out of range",
            f"usd-index/{number}.usda",
            layer(f"int[] faceVertexCounts = {face}"),
            EITHER,
        )
    nested = (
        b'#usda 1.0\ndef Xform "a" {' * 1 + b"\n".join(b'def Xform "a" {' for _ in range(5000)) + b"}" * 5001
    )
    loop = layer(prim="prepend references = @loop.usda@</m>")
    yield "USD structure", "usd-odd/loop.usda", loop, REFUSED
    yield "USD structure", "usd-odd/nested.usda", nested, REFUSED
    yield "USD structure", "usd-odd/cut.usda", layer()[:60], REFUSED
    yield (
        "USD structure",
        "usd-odd/list.usda",
        layer("int[] faceVertexCounts = [" + "3," * 300_000 + "]"),
        REFUSED,
    )
    yield "USD structure", "usd-odd/empty.usda", b"#usda 1.0\n", REFUSED
    instances = (
        "int[] protoIndices = ["
        + "0," * 200_000
        + "0]\npoint3f[] positions = ["
        + "(0,0,0)," * 200_000
        + "(1,1,1)]"
    )
    pointed = (
        f'#usda 1.0\n(defaultPrim = "i")\ndef PointInstancer "i" {{\nrel prototypes = </i/m>\n{instances}\n'
    )
    pointed += layer().decode().split(")\n", 1)[1].replace("(\n\n)", "") + "}\n"
    yield "too many instances", "usd-odd/instances.usda", pointed.encode(), REFUSED
    for number, data in enumerate(
        (b"PXR-USDC" + b"\xff" * 200, b"PXR-USDC\0\x09\0" + b"\0" * 80, b"PXR-USDC")
    ):
        yield "USDC structure", f"usdc/{number}.usdc", data, REFUSED
    for number, name in enumerate(("../../../escape.usda", "/escape.usda", "m.usda")):
        path = root / f"{number}.usdz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
            file.writestr(name, layer(prim="prepend references = @../../../secret.usda@"))
        yield "USDZ structure", f"usdz/{number}.usdz", path.read_bytes(), REFUSED
    yield "USDZ structure", "usdz/cut.usdz", b"PK\x03\x04" + b"\0" * 60, REFUSED


def others(root: Path) -> Iterator[Member]:
    """FBX and BLEND that Blender's readers have to survive."""
    magic = b"Kaydara FBX Binary  \0\x1a\0" + struct.pack("<I", 7400)
    node = struct.pack("<IIIB", 2**31, 2**31, 2**31, 200) + b"Objects" + b"\xff" * 300
    nested = b"".join(struct.pack("<IIIB", 2**30, 0, 0, 1) + b"a" for _ in range(3000))
    array = (
        struct.pack("<IIIB", 200, 1, 13, 8)
        + b"Vertices"
        + b"d"
        + struct.pack("<III", 2**31 - 1, 1, 50)
        + b"x" * 50
    )
    for number, body in enumerate((b"", node, nested, array, np.random.default_rng(2).bytes(5000))):
        yield "FBX structure", f"fbx/{number}.fbx", magic + body, REFUSED
    yield "FBX structure", "fbx/text.fbx", b"; FBX 7.3.0 project file\nObjects: {\n" + b"{" * 50_000, REFUSED
    head = b"BLENDER-v405"
    for number, data in enumerate(
        (
            head,
            head + b"DATA" + struct.pack("<iQii", -1, 0, 0, 1),
            head + b"DATA" + struct.pack("<iQii", 2**31 - 1, 0, 0, 1) + b"x" * 100,
            head
            + b"DNA1"
            + struct.pack("<iQii", 64, 0, 0, 1)
            + b"SDNANAME"
            + b"\xff" * 56
            + b"ENDB"
            + b"\0" * 20,
            b"BLENDER17-01v0500" + b"\xff" * 500,
            b"\x1f\x8b" + b"\0" * 100,
            b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
            head + np.random.default_rng(3).bytes(5000),
        )
    ):
        yield "BLEND structure", f"blend/{number}.blend", data, REFUSED


def file_system(root: Path) -> Iterator[Member]:
    """Names and kinds of files."""
    folder = root / "scan" / "objects" / "fs"
    folder.mkdir(parents=True)
    good = OBJ.format("", "").encode()
    yield "names", "fs/two\nlines.obj", good, REFUSED
    (Path(os.fsdecode(os.fsencode(folder) + b"/latin-\xe9.obj"))).write_bytes(good)
    yield "names", os.fsdecode(b"fs/latin-\xe9.obj"), None, REFUSED
    yield "names", "fs/\x1b[2J.obj", b"", REFUSED
    yield "names", "fs/" + "n" * 200 + ".obj", b"", REFUSED
    os.mkfifo(folder / "pipe.obj")
    os.mkfifo(root / "scan" / "objects" / "fs" / "pipe.png")
    yield "no regular files", "fs/pipe.obj", None, REFUSED
    for name, target in {
        "zero": "/dev/zero",
        "passwd": "/etc/passwd",
        "gone": "nowhere",
        "self": "self.obj",
    }.items():
        (folder / f"{name}.obj").symlink_to(target)
        yield "no regular files", f"fs/{name}.obj", None, REFUSED
    with (folder / "sparse.ply").open("wb") as file:
        file.truncate(1 << 40)
    yield "no regular files", "fs/sparse.ply", None, REFUSED
    (folder / "SOURCES.tsv").write_bytes("path\tlicence\nx\té\n".encode("latin-1"))
    yield "licence texts", "fs/SOURCES.tsv", None, "part"
    yield "licence texts", "fs/license.json", b"[" * 100_000, "part"
    yield "licence texts", "fs/README.txt", b"\xff\xfe" + b"\0\xd8" * 1000, "part"
    (folder / "LICENCE.txt").symlink_to(root / "secret.bin")
    yield "licence texts", "fs/LICENCE.txt", None, "part"


def environments(root: Path) -> Iterator[tuple[str, str, bytes, str]]:
    """Attacks by environment maps."""
    for kind, name, data, expected in image_attacks():
        if name.endswith((".exr", ".hdr")):
            yield f"environment: {kind}", name, data, expected
