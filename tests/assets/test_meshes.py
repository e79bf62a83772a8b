# SPDX-License-Identifier: Apache-2.0
"""Mesh files: usable ones are measured, others are refused for the right reason."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from multishade.assets.sandbox import Limits, run_sandboxed
from multishade.assets.scanning.meshes import MESH_SUFFIXES, MeshFacts, check_mesh
from multishade.errors import AssetError
from tests.support.mesh_members import checker

NO_FACES = "has no faces"
# Files of ../shared/assets/broken by what is wrong with them; the rest of that folder is odd, but can be rendered.
REFUSED = {
    "infinite or NaN": ["BoxWithInfinites.glb", "inf_nan.obj"],
    "vertex index|index .* is out of range": ["IndexOutOfRange.gltf", "AllIndicesOutOfRange.gltf"],
    "are not a tree": ["RecursiveNodes.gltf", "cube_att.gltf"],
    "has no scene": ["NoScene.gltf", "min_version_invalid.gltf", "invalid_data_uri.gltf"],
    "no faces in its scene": [
        "SceneWithoutNodes.gltf",
        "empty_nodes.glb",
        "sphere_two_materials_point_cloud.gltf",
    ],
    "EXT_meshopt_compression, which Blender cannot read": [
        "BoxMeshopt.glb",
        "pirate.glb",
        "BoxTextured_meshopt.glb",
    ],
    r"is 2\.15e\+09 units across": ["ZeroLengthBufferView.gltf"],
    "glTF requires": [
        "badArray.gltf",
        "badObject.gltf",
        "badString.gltf",
        "badExtension.gltf",
        "sceneWrongType.gltf",
    ],
    "only .?2.0.? can be read": ["Cesium_Air.glb", "2_1_version.gltf"],
    "is missing": ["MissingBin/BoxTextured.gltf", "not_found.gltf", "mtl_different_folder.obj"],
    "ends at byte|points to": ["IncorrectVertexArrays/Cube.gltf", "invalid-buffer-index.gltf"],
    "no bytes behind": ["non_sparse_accessor_without_buffer_view.gltf"],
    "not text in UTF-8": ["box_UTF16BE.obj"],
    "in one point": ["degenerate_mesh.obj"],
    "none with an area": ["number_formats.obj"],
    "is empty": ["invalid/empty.obj", "invalid/empty.ply"],
    NO_FACES: [
        "testline.obj",
        "testpoints.obj",
        "point_cloud.obj",
        "points.ply",
        "empty.stl",
        "Mesh_PrimitiveMode_00.gltf",
    ],
    "line 23: a face names vertex 12 of 8": ["malformed.obj"],
    "cannot be read": ["crash-30d6d0f7c529b3b66b4131700b7a4580cd7082df.ply"],
}
DRACO = [
    "Box_Draco.glb",
    "BoxDraco.gltf",
    "2CylinderEngine.gltf",
    "DracoSparseMesh.gltf",
    "BoxMetaDraco.gltf",
]


def triangle_gltf(**changes: Any) -> dict[str, Any]:
    """A one-triangle glTF whose buffer is inside; keyword arguments replace top-level fields."""
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    indices = np.array([0, 1, 2], "<u2").tobytes()
    data = positions + indices
    gltf: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 3,
                "type": "VEC3",
                "min": [0, 0, 0],
                "max": [1, 1, 0],
            },
            {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 6},
        ],
        "buffers": [
            {
                "byteLength": len(data),
                "uri": "data:application/octet-stream;base64," + base64.b64encode(data).decode(),
            }
        ],
    }
    return gltf | changes


def check_gltf(folder: Path, gltf: dict[str, Any]) -> MeshFacts:
    path = folder / "a.gltf"
    path.write_text(json.dumps(gltf))
    return check_mesh(str(path))


@pytest.fixture(scope="module")
def judged(shared_dir: Path) -> dict[str, MeshFacts | str]:
    """Every broken file by its path -> what was measured, or why it was refused."""
    folder = shared_dir / "assets" / "broken"
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in MESH_SUFFIXES
    )
    assert len(files) > 200
    limits = Limits(seconds=60, workers=2)
    found: dict[str, MeshFacts | str] = {}
    for outcome in run_sandboxed(check_mesh, [str(file) for file in files], limits, [folder]):
        found[files[outcome.index].relative_to(folder).as_posix()] = outcome.reason or outcome.value
    return found


def test_every_broken_file_is_judged_and_none_ends_the_reader(judged: dict[str, MeshFacts | str]) -> None:
    reasons = [result for result in judged.values() if isinstance(result, str)]
    assert not [reason for reason in reasons if "crashed" in reason or "took longer" in reason]
    assert 80 <= len(reasons) <= 110
    assert 90 <= len(judged) - len(reasons)


@pytest.mark.parametrize("reason", REFUSED)
def test_a_broken_file_is_refused_for_its_own_reason(judged: dict[str, MeshFacts | str], reason: str) -> None:
    import re

    for name in REFUSED[reason]:
        (result,) = (result for path, result in judged.items() if path.endswith("/" + name))
        assert isinstance(result, str), f"{name} was taken as {result}"
        assert re.search(reason, result), f"{name}: {result}"


def test_draco_is_accepted_unchecked_with_the_declared_geometry(judged: dict[str, MeshFacts | str]) -> None:
    for name in DRACO:
        (result,) = (result for path, result in judged.items() if path.endswith("/" + name))
        assert isinstance(result, MeshFacts), f"{name}: {result}"
        assert {"draco", "unchecked"} <= set(result.tags)
        assert result.bounds is not None and result.faces is not None and result.faces >= 12
        assert np.ptp(result.bounds, axis=0).min() > 0  # trimesh reads all zeros here, in silence
    box = next(result for path, result in judged.items() if path.endswith("/Box_Draco.glb"))
    plain = next(result for path, result in judged.items() if path.endswith("/Box.glb"))
    assert isinstance(box, MeshFacts) and isinstance(plain, MeshFacts)
    assert (box.vertices, box.faces, box.bounds) == (plain.vertices, plain.faces, plain.bounds)


def test_no_accepted_mesh_has_a_huge_or_empty_box(judged: dict[str, MeshFacts | str]) -> None:
    for name, result in judged.items():
        if isinstance(result, MeshFacts):
            assert result.bounds is not None and np.isfinite(result.bounds).all(), name
            assert 0 < np.ptp(result.bounds, axis=0).max() < 1e8, name


def test_real_models_are_measured(shared_dir: Path) -> None:
    meshes = shared_dir / "assets" / "meshes"
    facts = check_mesh(str(meshes / "armchair" / "armchair.gltf"))
    assert (facts.vertices, facts.faces) == (10800, 18400)
    assert facts.files == ("armchair.bin", "textures/armchair_cushions.jpg", "textures/armchair_legs.jpg")
    facts = check_mesh(str(meshes / "bob_textured" / "bob_tri.obj"))
    assert facts.faces == 10688 and facts.files == ("bob_diffuse.png", "bob_tri.mtl")
    facts = check_mesh(str(meshes / "CesiumMan_skinned_animated" / "CesiumMan.glb"))
    assert facts.tags == ("skinned", "animated")
    assert check_mesh(str(meshes / "egyptian_cat_statue_webp" / "cat.glb")).licence is not None


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply", "stl"])
def test_a_sphere_is_measured_in_every_format(tmp_path: Path, suffix: str) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=2.0)
    sphere.apply_translation([1.0, 0.0, 0.0])
    sphere.export(tmp_path / f"s.{suffix}")
    facts = check_mesh(str(tmp_path / f"s.{suffix}"))
    assert facts.faces == len(sphere.faces) and facts.tags == ()
    np.testing.assert_allclose(facts.bounds, sphere.bounds, atol=1e-5)


def test_a_triangle_is_flat_and_its_own_transform_counts(tmp_path: Path) -> None:
    assert check_gltf(tmp_path, triangle_gltf()).tags == ("flat",)
    node = {"mesh": 0, "translation": [0, 0, 5], "rotation": [0, 0, 2**-0.5, 2**-0.5], "scale": [2, 2, 2]}
    facts = check_gltf(tmp_path, triangle_gltf(nodes=[node]))
    np.testing.assert_allclose(facts.bounds, [[-2, 0, 5], [0, 2, 5]], atol=1e-6)
    twice = triangle_gltf(nodes=[{"children": [1, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [9, 0, 0]}])
    assert check_gltf(tmp_path, twice).faces == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"asset": {}}, "asset has no 'version'"),
        ({"asset": {"version": "1.0"}}, "is glTF '1.0'; only '2.0'"),
        ({"scene": 3}, r"the default scene points to scenes\[3\], but there are 1"),
        ({"nodes": [{"mesh": 1}]}, r"a node points to meshes\[1\], but there are 1"),
        ({"nodes": [{"children": [0], "mesh": 0}]}, "its nodes are not a tree"),
        ({"nodes": [{"mesh": 0, "scale": [1, 1]}]}, "scale has 2 numbers, glTF requires 3"),
        ({"nodes": [{"mesh": 0, "scale": [1e9, 1, 1]}]}, "is 1e.09 units across"),
        ({"nodes": [{"mesh": 0, "translation": [1e7, 0, 0]}]}, "lies 1e.07 units from its origin"),
        (
            {"extensionsRequired": ["KHR_texture_basisu"]},
            r"requires KHR_texture_basisu \(KTX2 textures\), which Blender cannot read",
        ),
        ({"images": [{"uri": "no.png"}]}, "needs 'no.png', which is missing"),
        ({"images": [{"uri": "http://a.b/c.png"}]}, "only files beside it"),
        ({"images": [{"uri": "/etc/hostname"}]}, "only files beside it"),
        ({"images": [{"bufferView": 0, "mimeType": "image/png"}]}, "cannot be read as an image"),
        ({"buffers": [{"byteLength": 42}]}, "has no uri, and the file has no binary chunk"),
        (
            {"buffers": [{"byteLength": 42, "uri": "data:x;base64,AAAA"}]},
            "is cut short: 42 bytes stated, 3 there",
        ),
        ({"buffers": [{"byteLength": 42, "uri": "data:x;base64,A"}]}, "is not base64"),
        ({"scenes": [{"nodes": [True]}]}, "is True, glTF requires int"),
    ],
)
def test_broken_gltf_structure_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        check_gltf(tmp_path, triangle_gltf(**changes))


def test_a_vertex_index_out_of_range_is_named(tmp_path: Path) -> None:
    gltf = triangle_gltf()
    data = bytearray(base64.b64decode(gltf["buffers"][0]["uri"].partition(",")[2]))
    struct.pack_into("<H", data, 40, 7)
    gltf["buffers"][0]["uri"] = "data:;base64," + base64.b64encode(bytes(data)).decode()
    with pytest.raises(
        AssetError, match=r"meshes\[0\].primitives\[0\]: index 7 is out of range, there are 3 vertices"
    ):
        check_gltf(tmp_path, gltf)


def test_a_cut_glb_is_named(tmp_path: Path) -> None:
    data = trimesh.creation.box().export(file_type="glb")
    for size, reason in [(len(data) - 8, "is cut short"), (10, "is not a GLB"), (0, "is empty")]:
        (tmp_path / "a.glb").write_bytes(data[:size])
        with pytest.raises(AssetError, match=reason):
            check_mesh(str(tmp_path / "a.glb"))


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.fbx", b"Kaydara FBX Binary  \0"),
        ("a.blend", b"BLENDER-v500"),
        ("a.usda", b"#usda 1.0"),
        ("a.usdz", b"PK\3\4"),
    ],
)
def test_formats_of_blender_alone_are_recognised_by_their_first_bytes(
    tmp_path: Path, name: str, head: bytes
) -> None:
    (tmp_path / name).write_bytes(head + b"\0" * 64)
    facts = check_mesh(str(tmp_path / name))
    assert facts.tags == ("unchecked",) and facts.faces is None and facts.bounds is None
    (tmp_path / name).write_bytes(b"<html>404</html>")
    with pytest.raises(AssetError, match="its first bytes say so"):
        check_mesh(str(tmp_path / name))


def test_an_obj_names_its_material_files_or_lacks_them(tmp_path: Path) -> None:
    obj = "mtllib my lib.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n"
    (tmp_path / "a.obj").write_text(obj)
    assert check_mesh(str(tmp_path / "a.obj")).tags == ("no-material",)
    (tmp_path / "my lib.mtl").write_text("newmtl m\nmap_Kd -s 1 1 1 tex\\the colour.png\n")
    with pytest.raises(AssetError, match="needs the texture"):
        check_mesh(str(tmp_path / "a.obj"))
    (tmp_path / "tex").mkdir()
    (tmp_path / "tex" / "the colour.png").write_bytes(checker())
    assert check_mesh(str(tmp_path / "a.obj")).files == ("my lib.mtl", "tex/the colour.png")
    (tmp_path / "my lib.mtl").write_text("newmtl m\nmap_Kd C:\\Users\\jo\\bark.png\n")
    (tmp_path / "bark.png").write_bytes(checker())
    assert check_mesh(str(tmp_path / "a.obj")).files == ("bark.png", "my lib.mtl")
