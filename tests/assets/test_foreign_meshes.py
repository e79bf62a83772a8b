# SPDX-License-Identifier: Apache-2.0
"""Meshes that strangers bring, scanned: what Blender cannot render is refused already here, by name."""

import os
from pathlib import Path

import numpy as np
import pytest

from multishade.assets.scanning.meshes import MeshFacts, check_mesh
from multishade.errors import AssetError
from tests.support import mesh_members as members

CASES = Path(__file__).resolve().parents[1] / "cases"


def check(name: str) -> MeshFacts:
    return check_mesh(str(CASES / name), str(CASES))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("i01_truncated_jpeg.glb", r"images\[0\] \(embedded\) .* cut short or damaged"),
        ("i02_truncated_png.glb", r"images\[0\] \(embedded\) .* cut short or damaged"),
        ("i07_normalmap_cut_jpg.glb", r"images\[0\] \(embedded\) .* cut short or damaged"),
        ("t01_avif_only.glb", r"textures\[0\] has only EXT_texture_avif"),
        ("image_gif.glb", r"images\[0\] \(embedded\) is GIF, which Blender cannot read"),
        ("normal_trunc.glb", r"images\[0\] \(embedded\) cannot be read"),
        ("u12_reference_missing.usda", r"needs '\./wheel\.usda', which is missing"),
    ],
)
def test_what_blender_cannot_render_is_refused(name: str, reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        check(name)


@pytest.mark.parametrize("name", ["f01_inverted_normals.glb", "f11_some_faces_flipped.glb"])
def test_normals_against_the_winding_are_tagged(name: str) -> None:
    assert "normals-turned" in check(name).tags


@pytest.mark.parametrize("suffix", ["obj", "ply", "gltf"])
def test_normals_against_the_winding_are_tagged_in_every_format(tmp_path: Path, suffix: str) -> None:
    write = {"obj": members.write_obj, "ply": members.write_ply, "gltf": members.write_gltf}[suffix]
    for name, shape, tagged in (
        ("sound", members.ball(), False),
        ("inverted", members.inverted(members.ball()), True),
        ("flipped", members.flipped(members.ball()), True),
    ):
        path = tmp_path / f"{name}.{suffix}"
        write(path, shape)
        assert ("normals-turned" in check_mesh(str(path)).tags) == tagged, path.name


@pytest.mark.parametrize(
    "name",
    [
        *("k01_axis_lines.glb", "k03_ply_stray.ply", "k04_zero_area_spike.glb", "c03_node_visibility.glb"),
        *("d01_scale_from_zero.glb", "a01_emissive_only.glb", "o10_bom.obj", "p01_texturefile.ply"),
    ],
)
def test_the_box_is_that_of_what_is_shown(name: str) -> None:
    np.testing.assert_allclose(check(name).bounds, [[-1, -1, -1], [1, 1, 1]], atol=1e-4)


def test_textures_that_a_comment_or_a_marked_library_names_belong_to_the_asset(tmp_path: Path) -> None:
    assert check("p01_texturefile.ply").files == ("Tex.PNG",)
    assert check("o10_bom.obj").files == ("o10.mtl", "ok.png")
    members.write_ply(tmp_path / "a.ply", members.ball(), texture="gone.png")
    with pytest.raises(AssetError, match=r"'gone\.png', which is missing"):
        check_mesh(str(tmp_path / "a.ply"))


def test_nothing_outside_of_the_scanned_folder_is_read(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "scanned" / "a"
    for place in (secret, folder):
        place.mkdir(parents=True)
    (secret / "plain.bin").write_bytes(bytes(range(180)))
    (secret / "c.png").write_bytes(members.checker())
    (secret / "part.usda").write_text("#usda 1.0\n")
    text = (CASES / "passwd_as_geometry.gltf").read_text()
    os.symlink(secret / "plain.bin", folder / "link.bin")
    (folder / "up.gltf").write_text(text.replace("../../../../etc/passwd", "../../secret/plain.bin"))
    (folder / "link.gltf").write_text(text.replace("../../../../etc/passwd", "link.bin"))
    members.write_obj(folder / "a.obj", members.ball(), mtl="newmtl m0\nmap_Kd ../../secret/c.png\n")
    members.write_usd(folder / "a.usda", 'def "P" (prepend references = @../../secret/part.usda@) {}')
    members.write_ply(folder / "a.ply", members.ball(), texture="../../secret/c.png")
    for name in ("up.gltf", "link.gltf", "a.obj", "a.usda", "a.ply"):
        with pytest.raises(AssetError, match="outside of"):
            check_mesh(str(folder / name), str(tmp_path / "scanned"))
        if name not in ("up.gltf", "link.gltf"):
            check_mesh(str(folder / name), str(tmp_path))


def test_a_data_uri_is_decoded_like_any_image(tmp_path: Path) -> None:
    for data, sound in ((members.checker(), True), (members.encoded("JPEG")[:-300], False)):
        writer = members.GltfWriter()
        mime = "image/png" if sound else "image/jpeg"
        texture = {"index": writer.image(data, mime, uri=True)}
        writer.node(mesh=writer.mesh(members.ball(), {"normalTexture": texture}))
        writer.write(tmp_path / "a.gltf")
        if sound:
            check_mesh(str(tmp_path / "a.gltf"))
        else:
            with pytest.raises(AssetError, match=r"images\[0\] \(a data URI\) .* cut short"):
                check_mesh(str(tmp_path / "a.gltf"))


@pytest.mark.parametrize("normalised", [False, True])
def test_quantised_positions_have_the_size_that_blender_gives_them(tmp_path: Path, normalised: bool) -> None:
    shape, writer = members.ball(12), members.GltfWriter()
    padded = np.zeros((len(shape.vertices), 4), np.int16)
    padded[:, :3] = np.round(shape.vertices * 32767)
    view = writer.view(padded.tobytes())
    writer.json["bufferViews"][view]["byteStride"] = 8
    low, high = padded[:, :3].min(axis=0).tolist(), padded[:, :3].max(axis=0).tolist()
    accessor = {
        "bufferView": view,
        "componentType": 5122,
        "type": "VEC3",
        "count": len(padded),
        "min": low,
        "max": high,
    }
    writer.json["accessors"] = [accessor | {"normalized": normalised}]
    indices = writer.accessor(shape.faces.astype(np.uint32).ravel())
    writer.json["meshes"] = [{"primitives": [{"attributes": {"POSITION": 0}, "indices": indices}]}]
    writer.json |= {
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
    }
    writer.node(mesh=0, scale=[1.0, 1.0, 1.0] if normalised else [1 / 32767] * 3)
    writer.write(tmp_path / "a.glb")
    np.testing.assert_allclose(
        check_mesh(str(tmp_path / "a.glb")).bounds, [[-1, -1, -1], [1, 1, 1]], atol=1e-3
    )


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("a01_emissive_only.glb", "colour-from-emission"),
        ("o04_ke_only.obj", "colour-from-emission"),
        ("h02_alpha_factor03.glb", "transparent-parts"),
        ("k03_ply_stray.ply", "stray-geometry"),
        ("k04_zero_area_spike.glb", "stray-geometry"),
    ],
)
def test_what_will_be_corrected_is_tagged(name: str, tag: str) -> None:
    assert check(name).tags == (tag,)


@pytest.mark.parametrize("name", ["a.glb", "a.gltf", "a.obj", "bump.obj", "spaces.obj", "norm.obj"])
def test_a_height_in_the_place_of_a_normal_map_is_tagged(tmp_path: Path, name: str) -> None:
    for image, tags in ((members.grey(), ("normal-map-left-out",)), (members.leaning(), ())):
        assert check_mesh(str(members.with_normal_map(tmp_path, name, image))).tags == tags


@pytest.mark.parametrize("kind", ["la", "16", "jpg", "webp", "tif", "bmp"])
def test_a_height_in_any_file_is_tagged(tmp_path: Path, kind: str) -> None:
    suffix = "png" if kind in ("la", "16") else kind
    (tmp_path / f"h.{suffix}").write_bytes(members.grey_in(kind))
    mtl = f"newmtl m0\nmap_Bump h.{suffix}\nnewmtl m1\nmap_Bump h.{suffix}\nnorm n.png\n"
    (tmp_path / "n.png").write_bytes(members.leaning())
    members.write_obj(tmp_path / "a.obj", members.ball(), mtl=mtl)
    assert check_mesh(str(tmp_path / "a.obj")).tags == ("normal-map-left-out",)
    members.write_obj(tmp_path / "b.obj", members.ball(), mtl=f"newmtl m0\nnorm n.png\nbump h.{suffix}\n")
    assert check_mesh(str(tmp_path / "b.obj")).tags == ()


def test_a_normal_map_in_a_mostly_empty_atlas_is_a_normal_map(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3))
    pixels[:8, :8] = (128, 128, 255)
    assert check_mesh(str(members.with_normal_map(tmp_path, "a.glb", members.png(pixels)))).tags == ()


@pytest.mark.parametrize("bytes_behind", [False, True])
@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("suffix", ["glb", "gltf"])
def test_an_empty_part_does_not_cost_the_object(
    tmp_path: Path, bytes_behind: bool, indices: bool, beside: bool, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    members.with_an_empty_part(path, bytes_behind, indices, beside)
    np.testing.assert_allclose(check_mesh(str(path)).bounds, [[-1, -1, -1], [1, 1, 1]], atol=1e-4)


def test_ktx2_is_named_and_an_image_that_stands_in_for_it_is_read(tmp_path: Path) -> None:
    members.with_fallback(tmp_path / "fallback.glb")
    assert check_mesh(str(tmp_path / "fallback.glb")).tags == ()
    ktx = b"\xabKTX 20\xbb\r\n\x1a\n"
    for name in ("only.glb", "as_source.gltf"):
        writer = members.GltfWriter()
        how = "KHR_texture_basisu" if name == "only.glb" else None
        texture = {"index": writer.image(ktx, "image/ktx2", texture=how)}
        material = {"pbrMetallicRoughness": {"baseColorTexture": texture}}
        writer.node(mesh=writer.mesh(members.ball(), material))
        writer.write(tmp_path / name)
        with pytest.raises(AssetError, match="KTX2"):
            check_mesh(str(tmp_path / name))
    (tmp_path / "c.ktx2").write_bytes(ktx)
    members.write_obj(tmp_path / "a.obj", members.ball(), mtl="newmtl m0\nmap_Kd c.ktx2\n")
    with pytest.raises(AssetError, match="KTX2"):
        check_mesh(str(tmp_path / "a.obj"))


@pytest.mark.parametrize("faces", [False, True])
def test_a_ply_of_triangle_strips_is_named(tmp_path: Path, faces: bool) -> None:
    members.write_ply_strips(tmp_path / "a.ply", members.ball(), faces)
    with pytest.raises(AssetError, match="triangle strips"):
        check_mesh(str(tmp_path / "a.ply"))


def test_an_object_that_is_a_hole_everywhere_is_refused(tmp_path: Path) -> None:
    ghost = {"alphaMode": "BLEND", "pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1, 0.2]}}
    members.write_gltf(tmp_path / "ghost.glb", members.ball(), ghost)
    with pytest.raises(AssetError, match="all of it is transparent"):
        check_mesh(str(tmp_path / "ghost.glb"))
    writer = members.GltfWriter()
    writer.node(mesh=writer.mesh(members.ball(), ghost))
    writer.node(mesh=writer.mesh(members.ball(12)))
    writer.write(tmp_path / "half.glb")
    assert check_mesh(str(tmp_path / "half.glb")).tags == ("transparent-parts",)


def test_a_sound_mesh_has_no_tag_of_a_correction(tmp_path: Path) -> None:
    members.write_obj(tmp_path / "a.obj", members.ball(), mtl="newmtl m0\nKd 1 0 0\nKe 0.2 0 0\nd 0.9\n")
    assert check_mesh(str(tmp_path / "a.obj")).tags == ()
    material = {"alphaMode": "OPAQUE", "pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 0.1]}}
    members.write_gltf(tmp_path / "a.gltf", members.ball(), material)
    assert check_mesh(str(tmp_path / "a.gltf")).tags == ()
