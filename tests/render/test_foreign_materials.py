# SPDX-License-Identifier: Apache-2.0
"""Materials that strangers bring: what of a mesh file's colours and holes Blender's importers would lose in silence."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multishade.assets.scanning.meshes import check_mesh
from tests.support import mesh_members as members
from tests.support.shown import SEEN_BY, Show, colour, is_ball, is_checkered

pytestmark = pytest.mark.blender

GREY: dict[str, Any] = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.5, 0.5, 1], "metallicFactor": 0}}
RED_LIBRARY = "newmtl m0\nKd 0.8 0.1 0.1\n"


def is_red(seen: Any) -> None:
    is_ball(seen)
    red, green, blue = colour(seen)
    assert red == 1 and green < 0.3 and blue < 0.3


# OBJ


def obj(path: Path, library: str | bytes, *shapes: members.Ball, line: str = "mtllib a.mtl") -> Path:
    """A ball, or these shapes, and its library of this text or bytes, named in this line."""
    members.write_obj(path / "a.obj", *(shapes or (members.ball(),)), mtl="")
    text = (path / "a.obj").read_text()
    (path / "a.obj").write_text(text.replace("mtllib a.mtl", line))
    (path / "a.mtl").write_bytes(library if isinstance(library, bytes) else library.encode())
    return path / "a.obj"


TEXTURED = {
    "backslashes": "newmtl m0\r\nKd 1 1 1\r\nmap_Kd textures\\c.png\r\n",
    "a path of another machine": "newmtl m0\nKd 1 1 1\nmap_Kd C:\\Users\\me\\textures\\c.png\n",
    "lower case and tabs": "newmtl m0\n\tKd 1 1 1\n\tmap_kd\ttextures/c.png\n",
    "upper case": "newmtl m0\nKD 1 1 1\nMAP_KD textures/c.png\n",
    "options": "newmtl m0\nKd 1 1 1\nmap_Kd -s 2 2 1 -clamp off textures\\c.png\n",
}


@pytest.mark.parametrize("library", TEXTURED.values(), ids=list(TEXTURED))
def test_the_texture_of_an_obj_is_found_however_it_is_written(
    show: Show, tmp_path: Path, library: str
) -> None:
    (tmp_path / "textures").mkdir()
    (tmp_path / "textures" / "c.png").write_bytes(members.checker())
    if "Users" in library:
        (tmp_path / "c.png").write_bytes(members.checker())
    path = obj(tmp_path, library)
    facts = check_mesh(str(path))
    assert any(name.endswith("c.png") for name in facts.files) and facts.tags == ()
    is_checkered(show(path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_library_in_any_marked_encoding_is_read(show: Show, tmp_path: Path, encoding: str) -> None:
    path = obj(tmp_path, RED_LIBRARY.encode(encoding))
    assert check_mesh(str(path)).files == ("a.mtl",)
    is_red(show(path))


@pytest.mark.parametrize(
    ("line", "files", "tags"),
    [
        ("mtllib b.mtl a.mtl", ("a.mtl", "b.mtl"), ()),
        ("mtllib gone.mtl b.mtl", ("b.mtl",), ("no-material",)),
        ("mtllib the library.mtl", ("the library.mtl",), ()),
        ('mtllib "b.mtl"', ("b.mtl",), ()),
        ("mtllib .\\more\\c.mtl", ("more/c.mtl",), ()),
    ],
)
def test_every_library_of_a_line_is_read(
    show: Show, tmp_path: Path, line: str, files: tuple[str, ...], tags: tuple[str, ...]
) -> None:
    path = obj(tmp_path, "newmtl other\nKd 0 1 0\n", line=line)
    (tmp_path / "more").mkdir()
    for name in ("b.mtl", "the library.mtl", "more/c.mtl"):
        (tmp_path / name).write_text(RED_LIBRARY)
    facts = check_mesh(str(path))
    assert tuple(name.removeprefix("./") for name in facts.files) == files and facts.tags == tags
    is_red(show(path))


def grey_png(value: int) -> bytes:
    return members.png(np.full((8, 8, 3), value))


def test_a_map_d_in_grey_is_opacity(show: Show, tmp_path: Path) -> None:
    library = "newmtl m0\nKd .5 .5 .5\nnewmtl m1\nKd .5 .5 .5\nmap_d d.png\n"
    path = obj(tmp_path, library, members.ball(), members.plane())
    (tmp_path / "d.png").write_bytes(grey_png(120))
    seen = show(path)
    is_ball(seen)
    assert seen.findings == ("transparent-parts",)
    (tmp_path / "d.png").write_bytes(grey_png(135))  # read as it is, not as the light that sRGB means
    assert show(path).findings == ()


def test_a_map_d_that_is_the_colour_itself_makes_no_hole(show: Show, tmp_path: Path) -> None:
    path = obj(tmp_path, "newmtl m0\nKd 1 1 1\nmap_Kd c.png\nmap_d c.png\n")
    (tmp_path / "c.png").write_bytes(members.checker())
    is_checkered(show(path))


# Holes that are laid on otherwise, and faces that are solid in part

Write = Callable[[Path], None]


def with_floor(texels: np.ndarray, sampler: int = 10497, height: float = -1.0, **texture: Any) -> Write:
    """A ball over a floor of three times its size with this texture, whose alpha counts."""

    def write(path: Path) -> None:
        writer = members.GltfWriter()
        index = writer.image(members.png(texels))
        writer.json["samplers"] = [{"wrapS": sampler, "wrapT": sampler}]
        writer.json["textures"][index]["sampler"] = 0
        writer.json["extensionsUsed"] = ["KHR_texture_transform"]
        floor = {"metallicFactor": 0, "baseColorTexture": {"index": index, **texture}}
        writer.node(mesh=writer.mesh(members.ball(), GREY))
        material = {"alphaMode": "BLEND", "pbrMetallicRoughness": floor}
        writer.node(mesh=writer.mesh(members.plane(height=height), material))
        writer.write(path)

    return write


def texels(solid: np.ndarray) -> np.ndarray:
    """(H, W) bool -> RGBA."""
    return np.where(solid[..., None], 255, 0).astype(np.uint8) * np.ones(4, np.uint8)


def moved(*offset: float, scale: float = 0.3, rotation: float = 0.0) -> dict[str, Any]:
    transform = {"offset": list(offset), "scale": [scale, scale], "rotation": rotation}
    return {"extensions": {"KHR_texture_transform": transform}}


NOTHING = texels(np.zeros((64, 64), bool))
LEFT = texels(np.arange(64) < 32)[None] * np.ones((64, 1, 1), np.uint8)
HOLES = {
    "clamped": with_floor(NOTHING, 33071),
    "mirrored": with_floor(NOTHING, 33648),
    "moved": with_floor(LEFT, **moved(0.6, 0.1)),
    "moved and clamped": with_floor(LEFT, 33071, **moved(1.2, 0.1, scale=2.0)),
    "moved and mirrored": with_floor(LEFT, 33648, **moved(1.1, 0.1)),
    "moved and turned": with_floor(LEFT, **moved(0.6, 0.9, rotation=np.pi / 2)),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_a_hole_however_its_texture_is_laid_on(show: Show, tmp_path: Path, name: str) -> None:
    seen = show(members.stage(tmp_path, HOLES[name], "a.glb"))
    is_ball(seen)
    assert seen.findings == ("transparent-parts",)


@pytest.mark.parametrize("texture", [moved(0.1, 0.1), moved(0.4, 0.1, rotation=-np.pi / 2), moved(0.4, 0.1)])
def test_what_is_solid_there_stays(show: Show, tmp_path: Path, texture: dict[str, Any]) -> None:
    seen = show(members.stage(tmp_path, with_floor(LEFT, **texture), "a.glb"))
    upward = seen.normal[seen.mask] @ np.array(up_in_view()) > 0.999
    assert seen.findings == () and upward.sum() > 1000


def up_in_view() -> np.ndarray:
    """The normal of the floor, y of the file and z of the world, as the camera of these tests sees it."""
    return np.linalg.inv(np.array(SEEN_BY.camera_to_world))[:3, 2]


def dot(size: int = 256) -> np.ndarray:
    """Solid in the middle, over a fortieth of the side."""
    along = np.abs(np.arange(size) + 0.5 - size / 2) / size
    return np.add.outer(along**2, along**2) < 0.02**2


def floor_of_obj(path: Path) -> None:
    library = "newmtl m0\nKd .5 .5 .5\nnewmtl m1\nKd .5 .5 .5\nmap_d d.png\n"
    members.write_obj(path, members.ball(), members.plane(height=-0.8), mtl=library)
    (path.parent / "d.png").write_bytes(members.png(dot()[..., None] * np.full(3, 255)))


def floor_of_usd(path: Path) -> None:
    (path.parent / "d.png").write_bytes(members.png(texels(dot())))
    texture = (
        'def Shader "T" {\n uniform token info:id = "UsdUVTexture"\n asset inputs:file = @./d.png@\n'
        ' token inputs:wrapS = "repeat"\n token inputs:wrapT = "repeat"\n float outputs:a\n}'
    )
    material = members.usd_material("M", float_opacity=".connect = </W/M/T.outputs:a>")
    material = material.removesuffix("}") + texture + "\n}"
    floor = members.usd_mesh("P", members.plane(height=-0.8), "M")
    members.write_usd(path, members.usd_mesh("S", members.ball()), floor, material)


PARTLY = {
    "a.glb": with_floor(texels(dot()), height=-0.8),
    "a.obj": floor_of_obj,
    "a.usda": floor_of_usd,
}


@pytest.mark.parametrize("name", PARTLY)
def test_of_a_face_that_is_solid_in_part_that_part_is_framed(show: Show, tmp_path: Path, name: str) -> None:
    seen = show(members.stage(tmp_path, PARTLY[name], name))
    is_ball(seen)
    assert seen.findings == ()  # neither are faces removed nor is what was not framed stray


def test_the_solid_part_itself_lies_in_the_frame(show: Show, tmp_path: Path) -> None:
    quarter = np.zeros((64, 64), bool)
    quarter[:32, :32] = True
    seen = show(members.stage(tmp_path, with_floor(texels(quarter)), "a.glb"))
    rows, columns = np.nonzero(seen.mask)
    height, width = seen.mask.shape
    assert rows.min() > 0 and columns.min() > 0 and rows.max() < height - 1 and columns.max() < width - 1
    assert seen.mask.sum() > 0.1 * height * width


# PLY


def ply(
    path: Path, vertex: list[str], values: Any, face: Sequence[str] = (), tail: str = "", head: str = ""
) -> Path:
    """A ball in text, its vertices and faces with further properties."""
    ball = members.ball(48)
    table = np.concatenate(
        [ball.vertices, np.broadcast_to(values, (len(ball.vertices), len(vertex)))], axis=1
    )
    lines = ["ply", "format ascii 1.0", *([head] if head else []), f"element vertex {len(table)}"]
    lines += [f"property {each}" for each in ["float x", "float y", "float z", *vertex]]
    lines += [f"element face {len(ball.faces)}", "property list uchar int vertex_indices"]
    lines += [*(f"property {each}" for each in face), "end_header"]
    lines += [" ".join(f"{value:g}" for value in row) for row in table]
    lines += ["3 " + " ".join(map(str, row)) + tail for row in ball.faces]
    (path / "a.ply").write_text("\n".join(lines) + "\n")
    return path / "a.ply"


@pytest.mark.parametrize("kind", ["uchar", "ushort", "float"])
@pytest.mark.parametrize("pattern", ["{}", "diffuse_{}", "{:.1}"])
def test_colours_of_vertices_are_shown_whatever_they_are_called(
    show: Show, tmp_path: Path, kind: str, pattern: str
) -> None:
    names = [f"{kind} {pattern.format(name)}" for name in ("red", "green", "blue")]
    largest = {"uchar": 255, "ushort": 65535, "float": 1}[kind]
    values = np.array([0.8, 0.2, 0.2]) * largest
    path = ply(tmp_path, names, values if kind == "float" else np.rint(values))
    assert check_mesh(str(path)).tags == ()
    seen = show(path)
    is_red(seen)
    assert seen.findings == ()


def test_colours_that_are_lost_are_tagged(show: Show, tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(members.checker())
    red = [f"uchar {name}" for name in ("red", "green", "blue")]
    wedges = ["list uchar float texcoord"]
    texture = "comment TextureFile c.png"
    for given in ((red, " 200 10 10"), (wedges, " 6 0 0 1 0 1 1", texture)):
        path = ply(tmp_path, [], np.zeros(0), *given)
        assert check_mesh(str(path)).tags == ("colour-lost",)
        assert show(path).findings == ("colour-lost",)


def test_uvs_of_vertices_are_found_under_other_names(show: Show, tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(members.checker())
    names = ["float texture_u", "float texture_v"]
    path = ply(tmp_path, names, members.ball(48).uv, head="comment TextureFile c.png")
    assert check_mesh(str(path)).tags == ()
    is_checkered(show(path))


# USD


def usd_floor(path: Path, extra: str = "", texture: bytes | None = None, **inputs: str) -> Path:
    """A ball over a floor with these inputs of its material, none without any."""
    floor = members.usd_mesh("P", members.plane(), "M" if inputs else None, extra=extra)
    prims = [members.usd_mesh("S", members.ball()), floor]
    if inputs:
        material = members.usd_material("M", **inputs)
        if texture is not None:
            (path / "d.png").write_bytes(texture)
            shader = (
                'def Shader "T" {\n uniform token info:id = "UsdUVTexture"\n asset inputs:file = @./d.png@\n'
                " float outputs:a\n}"
            )
            material = material.removesuffix("}") + shader + "\n}"
        prims.append(material)
    members.write_usd(path / "a.usda", *prims)
    return path / "a.usda"


@pytest.mark.parametrize("opacity", [0.2, 0.7])
def test_display_opacity_is_alpha_where_there_is_no_material(
    show: Show, tmp_path: Path, opacity: float
) -> None:
    seen = show(usd_floor(tmp_path, f"float[] primvars:displayOpacity = [{opacity}]"))
    assert seen.findings == (("transparent-parts",) if opacity < 0.5 else ())


@pytest.mark.parametrize(("opacity", "threshold", "hole"), [(0.6, 0.8, True), (0.4, 0.3, False)])
@pytest.mark.parametrize("textured", [False, True])
def test_an_opacity_threshold_is_the_border_of_a_hole(
    show: Show, tmp_path: Path, opacity: float, threshold: float, hole: bool, textured: bool
) -> None:
    texels = np.full((8, 8, 4), round(255 * opacity), np.uint8)
    value = ".connect = </W/M/T.outputs:a>" if textured else f" = {opacity}"
    inputs = {"float_opacity": value, "float_opacityThreshold": f" = {threshold}"}
    file = usd_floor(tmp_path, texture=members.png(texels) if textured else None, **inputs)
    members.write_usd(tmp_path / "instance.usda", members.usd_instance(file.name))
    for path in (file, tmp_path / "instance.usda"):
        seen = show(path)
        assert seen.findings == (("transparent-parts",) if hole else ())
        if hole:
            is_ball(seen)
