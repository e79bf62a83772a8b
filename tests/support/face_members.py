# SPDX-License-Identifier: Apache-2.0
"""A ball of faces that name a vertex twice, in every format that can have them.

Quads at the poles with the pole twice, in each of the three ways; a hole of nine quads, closed by a face around it that
walks the edge to its inside to and fro, and a face inside; triangles and a quad that have collapsed, one far away.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support import mesh_members

Array = NDArray[Any]
SEGMENTS, RINGS = 48, 24
SHOWN = SEGMENTS * RINGS - 9 + 2 + 1  # simple faces: the one around the hole is parted in two


# Corners of a square, of a square inside of it, and of two triangles outside that touch it in corner 0.
PLACES = ((0, 0), (4, 0), (4, 4), (0, 4), (1, 1), (3, 1), (3, 3), (1, 3), (-3, -1), (-2, -4))
POLYGONS = {
    "simple": [0, 1, 2, 3],
    "last twice": [0, 1, 2, 3, 3],
    "first and last": [0, 1, 2, 3, 0],
    "triangle": [0, 1, 1, 2],
    "line": [0, 1, 0],
    "to and fro": [0, 1, 0, 1],
    "point": [2],
    "with a hole": [0, 1, 2, 3, 0, 4, 7, 6, 5, 4],
    "touching": [0, 1, 2, 3, 0, 8, 9],
    "bridged": [0, 1, 2, 0, 6, 3],
}


@dataclass(frozen=True)
class Polygons:
    """Vertices (V, 3) of a unit sphere, which are their own normals, faces as lists of them, and UVs of each corner."""

    vertices: Array
    faces: list[list[int]]
    uv: Array

    @property
    def corners(self) -> list[int]:
        """The vertices of all faces."""
        return [vertex for face in self.faces for vertex in face]


def uv_of(points: Array) -> Array:
    """The UVs (..., 2) that every corner has, by its position (..., 3): none but the right corner has them."""
    return np.asarray(points)[..., :2] * 0.45 + 0.5


def repeating_ball() -> Polygons:
    """y is up. The far vertices are the last two, and no shown face has them."""
    around, down = np.meshgrid(np.arange(SEGMENTS) / SEGMENTS, np.arange(1, RINGS) / RINGS)
    theta, phi = 2 * np.pi * around.ravel(), np.pi * down.ravel()
    between = np.stack([np.sin(phi) * np.cos(theta), np.cos(phi), -np.sin(phi) * np.sin(theta)], axis=1)
    vertices = np.concatenate([[[0, 1, 0]], between, [[0, -1, 0]], [[900, 0, 0]], [[0, 700, 0]]])
    bottom = len(vertices) - 3

    def at(ring: int, place: int) -> int:
        if ring in (0, RINGS):
            return 0 if ring == 0 else bottom
        return 1 + (ring - 1) * SEGMENTS + place % SEGMENTS

    def quad(ring: int, place: int) -> list[int]:
        return [at(ring, place), at(ring + 1, place), at(ring + 1, place + 1), at(ring, place + 1)]

    hole = {(ring, place) for ring in (10, 11, 12) for place in (34, 35, 36)}
    faces = []
    for ring in range(RINGS):
        for place in range(SEGMENTS):
            if (ring, place) not in hole:
                corners = quad(ring, place)
                faces.append(np.roll(corners, place % 4).tolist())
    (top, left), size = (10, 34), 3
    ring_of = [at(top + step, left) for step in range(size)]
    ring_of += [at(top + size, left + step) for step in range(size)]
    ring_of += [at(top + size - step, left + size) for step in range(size)]
    ring_of += [at(top, left + size - step) for step in range(size)]
    inner = quad(top + 1, left + 1)
    faces.insert(500, [*ring_of, ring_of[0], *inner[:1], *inner[:0:-1], inner[0]])
    faces.insert(200, inner)
    collapsed = [[0, bottom + 1, bottom + 1], [bottom + 2, 5, bottom + 2], [7, 8, 7, 8], [9, 9, 9]]
    for place, face in zip((0, 300, 301, len(faces) + 3), collapsed, strict=True):
        faces.insert(place, face)
    return Polygons(vertices, faces, uv_of(vertices[[vertex for face in faces for vertex in face]]))


def without_loss(shape: Polygons) -> tuple[Array, list[list[int]], Array]:
    """The vertices, faces and UVs of a shape whose only faces that are not simple have no surface."""
    kept = [face for face in shape.faces if len(set(face)) in (len(face), 1, 2)]
    return shape.vertices, kept, uv_of(shape.vertices[[vertex for face in kept for vertex in face]])


def gradient(size: int = 64) -> bytes:
    """A PNG that is red by u and green by v."""
    ramp = np.round(np.linspace(0, 255, size)).astype(np.uint8)
    u, v = np.meshgrid(ramp, ramp[::-1])
    return mesh_members.png(np.stack([u, v, np.full_like(u, 30)], axis=-1))


def write_obj(path: Path, shape: Polygons) -> None:
    """With normals of the vertices and UVs of the corners."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in shape.vertices]
    lines += [f"vn {x:.6f} {y:.6f} {z:.6f}" for x, y, z in shape.vertices]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in shape.uv]
    corner = 0
    for face in shape.faces:
        lines.append("f " + " ".join(f"{v + 1}/{corner + n + 1}/{v + 1}" for n, v in enumerate(face)))
        corner += len(face)
    path.write_text("\n".join(lines) + "\n")


def write_ply(path: Path, shape: Polygons, form: str = "ascii", line_end: str = "\n") -> None:
    """With normals, colours of the faces before the list of their vertices, a list after it, and edges at the end."""
    header = ["ply", f"format {form} 1.0", "comment made by hand", f"element vertex {len(shape.vertices)}"]
    header += [
        f"property {kind} {name}"
        for kind, names in (("double", "xyz"), ("float", ("nx", "ny", "nz")))
        for name in names
    ]
    header += [
        f"element face {len(shape.faces)}",
        "property uchar red",
        f"property list {'int' if 'big' in form else 'uchar'} int vertex_indices",
    ]
    header += [
        "property list uint8 float32 texcoord",
        "element edge 1",
        "property int vertex1",
        "property int vertex2",
    ]
    head = line_end.join([*header, "end_header", ""])
    if form == "ascii":
        rows = [" ".join(f"{value:.6f}" for value in (*point, *point)) for point in shape.vertices]
        rows += [f"7 {len(face)} {' '.join(map(str, face))} 2 0.5 0.25" for face in shape.faces]
        path.write_bytes((head + line_end.join([*rows, "0 1", ""])).encode())
        return
    order = "<" if "little" in form else ">"
    parts = [struct.pack(f"{order}3d3f", *point, *point) for point in shape.vertices]
    for face in shape.faces:
        parts.append(
            struct.pack(
                f"{order}B{'i' if order == '>' else 'B'}{len(face)}iB2f", 7, len(face), *face, 2, 0.5, 0.25
            )
        )
    path.write_bytes(b"".join([head.encode(), *parts, struct.pack(f"{order}2i", 0, 1)]))


def write_usd(
    path: Path, shape: Polygons, indexed: bool = True, instanced: bool = False, bound: bool = True
) -> None:
    """With normals and UVs of the corners; the faces of its subset, those above the middle, are red, others blue.

    Args:
        path: Of the .usda.
        shape: What it holds.
        indexed: Whether UVs are given by indices.
        instanced: Whether the mesh is below an instance, where no layer can change it.
        bound: Whether the mesh has a material of its own, which is the blue one.
    """
    number = len(shape.corners)
    upper = [n for n, face in enumerate(shape.faces) if shape.vertices[face, 1].mean() > 0]
    indices = f"int[] primvars:st:indices = {list(range(number))[::-1]}" if indexed else ""
    binding = 'prepend apiSchemas = ["MaterialBindingAPI"]'
    mesh = f"""def Mesh "S" ({binding}) {{
uniform token subdivisionScheme = "none"
{"rel material:binding = </Materials/Blue>" if bound else ""}
int[] faceVertexCounts = {[len(face) for face in shape.faces]}
int[] faceVertexIndices = {shape.corners}
point3f[] points = [{_rows(shape.vertices)}]
normal3f[] normals = [{_rows(shape.vertices[shape.corners])}] (interpolation = "faceVarying")
texCoord2f[] primvars:st = [{_rows(shape.uv[::-1] if indexed else shape.uv)}] (interpolation = "faceVarying")
float[] primvars:number = {list(range(len(shape.faces)))} (interpolation = "uniform")
{indices}
def GeomSubset "upper" ({binding}) {{
uniform token elementType = "face"
uniform token familyName = "materialBind"
int[] indices = {upper}
rel material:binding = </Materials/Red>
}}
}}"""
    materials = [
        mesh_members.usd_material(name, color3f_diffuseColor=f" = {colour}").replace("</W/", "</Materials/")
        for name, colour in (("Red", (0.8, 0.05, 0.05)), ("Blue", (0.05, 0.05, 0.8)))
    ]
    shown = f'def Xform "W" {{\n{mesh}\n}}'
    if instanced:
        instance = 'def "I" (instanceable = true\ninherits = </C>) {}'
        shown = f'class Xform "C" {{\n{mesh}\n}}\ndef Xform "W" {{\n{instance}\n}}'
    head = '#usda 1.0\n(\ndefaultPrim = "W"\nupAxis = "Y"\nmetersPerUnit = 1\n)\n'
    path.write_text("\n".join([head, shown, 'def Scope "Materials" {', *materials, "}"]))


def _rows(values: Array) -> str:
    return ", ".join("(" + ", ".join(f"{value:.6f}" for value in row) + ")" for row in values)
